"""Where a command runs: in a bubblewrap sandbox, or without one.

In the sandbox the system is read-only, the workspace is where it is outside, /tmp, /run and the home's hidden files are
empty, there is no other process, no network unless granted, no way to become more than it is, and it ends with us.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from shutil import which
from typing import Protocol

import msgspec

from fleetlog.runtime.tools.children import Child, is_readable
from fleetlog.runtime.tools.hiding import hidden_places
from fleetlog.runtime.tools.tool import ToolError

__all__ = ["Bubblewrap", "Launch", "NoSandbox", "Sandbox", "Unsandboxed", "find_sandbox"]

_SCRATCH_BYTES, _SMALL_BYTES = 512 * 2**20, 64 * 2**20
_START_TIMEOUT_S = 10.0
_HOME = "/tmp/home"

# Runs in the child: sets the limits and becomes the program. Python ignores two signals, which programs do not expect.
_LAUNCHER = """
import os, resource, signal, sys
for item in sys.argv[1].split():
    name, value = item.split("=")
    limit, value = getattr(resource, name), int(value)
    hard = resource.getrlimit(limit)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as error:
    sys.stderr.write(f"{sys.argv[2]} could not be started: {error.strerror}\\n")
    sys.exit(127)
"""


class Launch(msgspec.Struct, frozen=True):
    """A command to start. `root`, `cwd` and `hidden` are absolute and free of links; `limits` are names of
    `resource` with their values."""

    words: Sequence[str]
    root: str
    cwd: str
    environment: Mapping[str, str]
    limits: Mapping[str, int] = {}
    hidden: Sequence[str] = ()
    is_writable: bool = False
    has_network: bool = False


class Sandbox(Protocol):
    """A place to run commands in. Any thread may start one."""

    @property
    def is_confining(self) -> bool:
        """Does it keep a command from the rest of the machine?"""

    def started(self, launch: Launch) -> AbstractContextManager[Child]:
        """The command runs; at the block's end nothing of it is left. Raises `ToolError` if it cannot be started."""


class NoSandbox(msgspec.Struct, frozen=True):
    """Why there is none."""

    reason: str


class Unsandboxed:
    """On the machine as it is, with a home of its own. Only what stays in its process group ends with the command."""

    is_confining = False

    @contextmanager
    def started(self, launch: Launch) -> Iterator[Child]:
        """See `Sandbox.started`."""
        with tempfile.TemporaryDirectory(prefix="fleetlog-home-", ignore_cleanup_errors=True) as home:
            # The kernel counts processes per user here, not per command: the limit would hit the user's others.
            limits = {name: value for name, value in launch.limits.items() if name != "RLIMIT_NPROC"}
            environment = {**launch.environment, "HOME": home, "TMPDIR": home}
            child = Child(_popen(_launched(launch.words, limits), environment, cwd=launch.cwd))
            try:
                yield child
            finally:
                child.close()


class Bubblewrap:
    """`options` are the namespaces that work here: see `find_sandbox`."""

    is_confining = True

    def __init__(self, program: str, options: Sequence[str]) -> None:
        self._program, self._options = program, tuple(options)

    @contextmanager
    def started(self, launch: Launch) -> Iterator[Child]:
        """See `Sandbox.started`."""
        reading, writing = os.pipe()
        try:
            child = self._started(launch, reading, writing)
        finally:
            os.close(reading)
        try:
            yield child
        finally:
            child.close()

    def _started(self, launch: Launch, reading: int, writing: int) -> Child:
        environment = {**launch.environment, "HOME": _HOME, "TMPDIR": "/tmp"}
        words = [self._program, *self._options, *_filesystem(launch), "--info-fd", str(writing)]
        if not launch.has_network:
            words.append("--unshare-net")
        try:
            process = _popen([*words, "--", *_launched(launch.words, launch.limits)], environment, keep=(writing,))
        finally:
            os.close(writing)
        try:
            return Child(process, _first_pid(reading))
        except BaseException:
            Child(process).close()
            raise


def find_sandbox() -> Sandbox | NoSandbox:
    """Try it: bubblewrap may be installed and yet forbidden, as in many containers. Takes some 20 ms."""
    program = which("bwrap")
    if program is None:
        return NoSandbox("bubblewrap (the program bwrap) is not installed")
    namespaces = ("user", "pid", "ipc", "uts", "cgroup-try")
    options = [*(f"--unshare-{name}" for name in namespaces), "--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    # Older versions and ones that are setuid cannot forbid further namespaces, which is one wall less.
    reason = ""
    for sandbox in (Bubblewrap(program, [*options, "--disable-userns"]), Bubblewrap(program, options)):
        reason = _trouble(sandbox)
        if not reason:
            return sandbox
    return NoSandbox(f"bubblewrap does not work here: {reason}")


def _trouble(sandbox: Bubblewrap) -> str:
    with tempfile.TemporaryDirectory() as folder:
        launch = Launch(["true"], folder, folder, {"PATH": os.defpath})
        try:
            with sandbox.started(launch) as child:
                said, _ = child.process.communicate(timeout=_START_TIMEOUT_S)
        except (ToolError, OSError, subprocess.TimeoutExpired) as error:
            return str(error)
    lines = said.decode(errors="replace").splitlines() or ["it gave no reason"]
    return "" if child.process.returncode == 0 else lines[0]


def _filesystem(launch: Launch) -> list[str]:
    """Later ones cover earlier ones."""
    root, bind = launch.root, "--bind" if launch.is_writable else "--ro-bind"
    places = [place for place in (*hidden_places(), *launch.hidden) if place != root]
    return [
        *("--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"),
        *_empty("/dev/shm", _SMALL_BYTES),
        *("--remount-ro", "/dev"),
        *_empty("/tmp", _SCRATCH_BYTES),
        *_empty("/var/tmp", _SCRATCH_BYTES),
        *_empty("/run", _SMALL_BYTES),
        *_names(launch.has_network),
        *(word for place in places if not _is_below(place, root) for word in _covered(place)),
        *_interpreters(),
        *(bind, root, root),
        *(_protected_git(root) if launch.is_writable else ()),
        *(word for place in places if _is_below(place, root) for word in _covered(place)),
        *("--dir", _HOME, "--chdir", launch.cwd),
    ]


def _empty(folder: str, size_bytes: int) -> list[str]:
    if os.path.islink(folder) or not os.path.isdir(folder):
        return []
    return ["--size", str(size_bytes), "--tmpfs", folder]


def _names(has_network: bool) -> list[str]:
    """What finds hosts by name is often a link into /run."""
    real = os.path.realpath("/etc/resolv.conf")
    return ["--ro-bind", real, real] if has_network and real.startswith("/run/") and os.path.isfile(real) else []


def _covered(place: str) -> list[str]:
    """An empty folder, or an empty file, stands there."""
    if os.path.isdir(place):
        return ["--size", "4096", "--tmpfs", place, "--remount-ro", place]
    return ["--ro-bind", "/dev/null", place] if os.path.exists(place) else []


def _interpreters() -> list[str]:
    """The launcher's own, and the virtual environment of the runtime, wherever they are."""
    places = dict.fromkeys(os.path.realpath(place) for place in (sys.base_prefix, sys.prefix))
    return [word for place in places if place.count("/") > 1 for word in ("--ro-bind", place, place)]


def _protected_git(root: str) -> list[str]:
    """What git runs on its own is what people's git would run outside; and a mount cannot be moved away."""
    git = f"{root}/.git"
    if not os.path.isdir(git) or os.path.islink(git):
        return []
    kept = [place for place in (f"{git}/config", f"{git}/hooks") if os.path.exists(place) and not os.path.islink(place)]
    return ["--bind", git, git, *(word for place in kept for word in ("--ro-bind", place, place))]


def _is_below(place: str, root: str) -> bool:
    return place.startswith(root + "/")


def _launched(words: Sequence[str], limits: Mapping[str, int]) -> list[str]:
    interpreter = os.path.realpath(sys.executable)
    settings = " ".join(f"{name}={value}" for name, value in limits.items())
    return [interpreter, "-I", "-S", "-c", _LAUNCHER, settings, *words]


def _popen(
    words: Sequence[str], environment: Mapping[str, str], *, cwd: str | None = None, keep: tuple[int, ...] = ()
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=keep,
        )
    except (OSError, ValueError) as error:
        raise ToolError(f"The command could not be started: {error}") from error


def _first_pid(info: int) -> int | None:
    """The sandbox's first process, as bubblewrap reports it; None when it has failed, which its output tells."""
    said = b""
    while b"}" not in said:
        chunk = os.read(info, 4096) if is_readable(info, _START_TIMEOUT_S) else b""
        if not chunk:
            return None
        said += chunk
    pid: int = json.loads(said)["child-pid"]
    return pid
