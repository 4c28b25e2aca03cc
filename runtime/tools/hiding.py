"""The places on a machine where people and programs keep secrets, so that a sandbox can cover them."""

import os
from collections.abc import Iterator

__all__ = ["hidden_places"]

_TOOLCHAINS = frozenset({".pyenv", ".rustup", ".cargo", ".nvm", ".rbenv", ".asdf", ".sdkman", ".local", ".volta"})
_ALWAYS = frozenset({".ssh", ".gnupg", ".aws", ".azure", ".config", ".kube", ".docker"})
_WITHIN = (
    ".cargo/credentials", ".cargo/credentials.toml", ".local/share/keyrings", ".local/share/kwalletd",
    ".local/share/containers",
)  # fmt: skip
_PROGRAMS = ("/bin/", "/etc/", "/lib/", "/nix/", "/opt/", "/sbin/", "/usr/")
_OF_THE_SYSTEM = ("/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/etc/sudoers.d", "/etc/ssh", "/etc/ssl/private")


def hidden_places() -> list[str]:
    """In each home, every file and folder whose name begins with a dot, but toolchains and what is on the PATH; and
    the system's own. Free of links. Only what this user could read at all matters; root reads everybody's."""
    places = [place for place in _OF_THE_SYSTEM if os.access(place, os.R_OK)]
    for home in _homes():
        named = [*_dotted(home), *(os.path.join(home, name) for name in _WITHIN)]
        places += [real for real in map(os.path.realpath, named) if _is_hideable(real)]
    return list(dict.fromkeys(places))


def _is_hideable(real: str) -> bool:
    """A link in a home may also lead to a program's folder, or to the root."""
    return real.count("/") > 1 and not real.startswith(_PROGRAMS) and os.path.exists(real)


def _homes() -> Iterator[str]:
    yield os.path.expanduser("~")
    if os.geteuid() == 0:
        yield "/root"
        if os.path.isdir("/home"):
            yield from (entry.path for entry in os.scandir("/home") if entry.is_dir(follow_symlinks=False))


def _dotted(home: str) -> list[str]:
    programs = [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry.startswith(home + "/.")]
    on_path = {entry[len(home) + 1 :].partition("/")[0] for entry in programs}
    kept = _TOOLCHAINS.union(on_path) - _ALWAYS
    try:
        names = os.listdir(home)
    except OSError:
        return []  # what we cannot read, a command cannot either
    return [os.path.join(home, name) for name in sorted(names) if name.startswith(".") and name not in kept]
