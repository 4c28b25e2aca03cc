"""Where a directory's daemon is: `daemon.json` beside the log, for the owner's eyes alone.

It is written when the daemon listens and removed when it stops; after a crash it lies there, and names a process
that is gone: whoever reads it tries the door before believing it. Imports nothing that takes time to load.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = ["DaemonAddress", "socket_path"]

FILE = "daemon.json"
MAX_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class DaemonAddress:
    """`url` is the HTTP server's, `socket` the path of the Unix socket for stdio clients, `token` lets its bearer do
    what the operator may, as long as this daemon lives."""

    url: str
    socket: str
    token: str
    pid: int
    version: str

    def write(self, directory: Path) -> None:
        """Make it known, atomically, readable by the owner alone."""
        fd, name = tempfile.mkstemp(prefix=FILE, dir=directory)  # mode 0600
        with os.fdopen(fd, "w") as file:
            json.dump(asdict(self), file, indent=1)
        os.replace(name, directory / FILE)

    @classmethod
    def read(cls, directory: Path) -> "DaemonAddress | None":
        """What was written last; None where there is nothing that can be read."""
        try:
            return cls(**json.loads((directory / FILE).read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def remove(self, directory: Path) -> None:
        """Take it away, unless another daemon has written its own."""
        if DaemonAddress.read(directory) == self:
            with contextlib.suppress(OSError):
                (directory / FILE).unlink()


def socket_path(directory: Path) -> Path:
    """Where the daemon of this directory listens: in it, or, as a socket's path must be short, in a folder of the
    user's own under the temporary one."""
    inside = directory / "daemon.sock"
    if len(os.fsencode(inside)) <= MAX_SOCKET_PATH:
        return inside
    folder = Path(tempfile.gettempdir()) / f"fleetlog-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.stat().st_mode & 0o077:
        raise PermissionError(f"{folder} is not this user's alone")
    return folder / f"{hashlib.sha256(os.fsencode(directory)).hexdigest()[:24]}.sock"
