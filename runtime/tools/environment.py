"""The environment of a command: built from a short list, so that nothing of the runtime's own gets there."""

import os
import re
from collections.abc import Iterable, Mapping

__all__ = ["command_environment", "is_secret_name"]

_KEPT = frozenset(
    {
        "LANG", "LANGUAGE", "TZ", "PYENV_ROOT", "RUSTUP_HOME", "NVM_DIR", "JAVA_HOME", "GOROOT", "VIRTUAL_ENV",
        "SSL_CERT_FILE", "SSL_CERT_DIR",
    }
)  # fmt: skip
_TOOL_HOMES = {"PYENV_ROOT": ".pyenv", "RUSTUP_HOME": ".rustup", "NVM_DIR": ".nvm"}
_SECRET = re.compile(
    r"(^|_)(API|AUTH|CREDENTIALS?|KEY|KEYS|PASS|PASSWD|PASSWORD|PASSPHRASE|PAT|PRIVATE|SECRETS?|TOKENS?|COOKIE|DSN)(_|$)"
    r"|^(AWS|AZURE|ANTHROPIC|OPENAI|GOOGLE|GCP|GH|GITHUB|GITLAB|VAULT|KUBE|DOCKER|NPM)_|APIKEY|^SSH_|_URI$|_URL$",
    re.IGNORECASE,
)


def command_environment(inherited: Mapping[str, str], further: Iterable[str] = ()) -> dict[str, str]:
    """What a command gets, without HOME and TMPDIR, which are its sandbox's. `further` names more variables."""
    wanted = _KEPT.union(further)
    kept = {
        name: value
        for name, value in inherited.items()
        if (name in wanted or name.startswith("LC_")) and not is_secret_name(name)
    }
    homes = {name: os.path.expanduser(f"~/{folder}") for name, folder in _TOOL_HOMES.items()}
    found = {name: path for name, path in homes.items() if os.path.isdir(path)}
    return found | kept | {"PATH": _absolute(inherited.get("PATH", os.defpath)), "TERM": "dumb", "NO_COLOR": "1"}


def is_secret_name(name: str) -> bool:
    """Does the variable look as if it held a secret? Addresses count: they often carry a password."""
    return _SECRET.search(name) is not None


def _absolute(path: str) -> str:
    """Without the entries that mean the folder a command happens to run in."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry.startswith("/")) or os.defpath
