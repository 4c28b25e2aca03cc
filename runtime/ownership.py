"""One process owns a runtime directory: a lock that dies with its process, and the owner's heartbeat.

The lock is `flock` on the file `lock`: the kernel drops it when the process ends, however it ends, so a lock
left behind by a dead process is simply free. The file's text names the owner for people; `uptime` keeps the
seconds the runtime was up (see clock.py), written every second.
"""

import contextlib
import fcntl
import json
import os
import sys
import threading
import time
from pathlib import Path

from fleetlog.domain import checks
from fleetlog.domain.errors import DirectoryOwned, InvalidArgument, StoreUnavailable
from fleetlog.runtime.clock import Clock

__all__ = ["Ownership", "directory_path", "owner_of"]

BEAT_EVERY_S = 1.0


def directory_path(directory: str | os.PathLike[str]) -> Path | None:
    """The directory a runtime is opened in; None for `memory:`. Raises `InvalidArgument`."""
    if not isinstance(directory, str | os.PathLike):
        raise InvalidArgument(f"'directory' must be a path or memory:, got {checks.shown(directory)}")
    text = os.fspath(directory)
    if text in ("memory:", "memory://"):
        return None
    if text.startswith("sqlite:///"):
        text = text.removeprefix("sqlite://")
    elif "://" in text:
        raise InvalidArgument(f"'directory' must be a path, memory: or sqlite:///PATH, got {checks.shown(text)}")
    if not text or "\0" in text:
        raise InvalidArgument(f"'directory' must be a path or memory:, got {checks.shown(text)}")
    return Path(text).absolute()


def owner_of(directory: Path) -> str | None:
    """Who owns the directory now, for a message to a person; None when nobody does."""
    try:
        with (directory / "lock").open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _owner_text(file.read())
    except OSError:
        return None
    return None


def _owner_text(text: str) -> str:
    try:
        owner = json.loads(text)
        return f"process {owner['pid']} ({owner['command']}, since {owner['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


class Ownership:
    """The directory is ours from here until `release`. Raises `DirectoryOwned` naming the owner."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self.directory, self._clock = directory, clock
        self._lock_fd = self._acquire()
        self._uptime_path = directory / "uptime"
        clock.start_at(self._read_uptime())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fleetlog-heartbeat", daemon=True)
        self._thread.start()

    def _acquire(self) -> int:
        try:
            if not self.directory.exists():
                self.directory.mkdir(parents=True)
                (self.directory / ".gitignore").write_text("*\n")  # a work tree it lies in should not list it
            fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except (FileExistsError, NotADirectoryError) as error:
            raise InvalidArgument(f"'directory' must be a directory: {self.directory} is a file") from error
        except OSError as error:
            raise StoreUnavailable(f"the directory {self.directory} cannot be used: {error}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = _owner_text(os.read(fd, 4096).decode(errors="replace"))
            os.close(fd)
            raise DirectoryOwned(
                f"the directory {self.directory} is owned by {owner}; stop that process, or give another directory"
            ) from None
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
        owner = json.dumps({"pid": os.getpid(), "command": command, "since": time.strftime("%Y-%m-%d %H:%M:%S %Z")})
        os.ftruncate(fd, 0)
        os.pwrite(fd, owner.encode(), 0)
        return fd

    def _read_uptime(self) -> float:
        try:
            return float(self._uptime_path.read_text())
        except (OSError, ValueError):
            return 0.0

    def _write_uptime(self) -> None:
        temporary = self._uptime_path.with_suffix(".new")
        temporary.write_text(f"{self._clock.now().uptime_s:.3f}\n")
        temporary.replace(self._uptime_path)

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_EVERY_S):
            with contextlib.suppress(OSError):  # a full disk: at worst a second of uptime is forgotten
                self._write_uptime()

    def release(self) -> None:
        """Let the next owner in."""
        self._stopped.set()
        self._thread.join(5)
        with contextlib.suppress(OSError):
            self._write_uptime()
        os.close(self._lock_fd)
