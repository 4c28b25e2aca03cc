"""One process owns a runtime's folder: a lock that dies with its process.

The lock is `flock` on the file `lock`: the kernel drops it when the process ends, however it ends, so a lock
left behind by a dead process is simply free. The file's text names the owner for people.
"""

import fcntl
import json
import os
import socket
import sys
import time
from pathlib import Path

from fleetlog.domain.errors import DirectoryOwned, StoreUnavailable
from fleetlog.runtime.places import Place, without_secrets

__all__ = ["FolderLock", "is_surely_alive", "owner_of", "owner_text", "this_process"]


def this_process() -> str:
    """Who we are, as JSON, for the message to a process that finds us in its way."""
    words = [Path(sys.argv[0]).name, *(_harmless(word) for word in sys.argv[1:])]
    command = " ".join(words)[:200]
    since = time.strftime("%Y-%m-%d %H:%M:%S %Z")
    return json.dumps({"pid": os.getpid(), "command": command, "since": since, "host": socket.gethostname()})


def _harmless(word: str) -> str:
    return without_secrets(word) if "postgres" in word and "://" in word else word


def owner_text(text: str) -> str:
    """Such JSON, for a person; of whatever stands there."""
    try:
        owner = json.loads(text)
        host = owner.get("host", here := socket.gethostname())
        elsewhere = f" on {host}" if host != here else ""
        return f"process {owner['pid']}{elsewhere} ({owner['command']}, since {owner['since']})"
    except (ValueError, KeyError, TypeError):
        return "another process"


def is_surely_alive(text: str) -> bool:
    """Does such JSON name a process of this machine, not our own, that is there?"""
    try:
        owner = json.loads(text)
        if owner["host"] != socket.gethostname() or owner["pid"] == os.getpid():
            return False
        os.kill(owner["pid"], 0)
    except (ValueError, KeyError, TypeError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def owner_of(folder: Path) -> str | None:
    """Who of this machine owns the folder now, for a message to a person; None when nobody does."""
    try:
        with (folder / "lock").open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return owner_text(file.read())
    except OSError:
        return None
    return None


class FolderLock:
    """The folder is ours from here until `release`. Raises `DirectoryOwned` naming the owner."""

    def __init__(self, place: Place) -> None:
        place.make_folder()
        try:
            self._fd = os.open(place.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise StoreUnavailable(f"the directory {place.folder} cannot be used: {error}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = owner_text(os.read(self._fd, 4096).decode(errors="replace"))
            os.close(self._fd)
            raise DirectoryOwned(
                f"the directory {place} is owned by {owner}; stop that process, or give another directory"
            ) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, this_process().encode(), 0)

    def release(self) -> None:
        """Let the next owner in."""
        os.close(self._fd)
