"""A copy of a runtime directory that can be resumed elsewhere, made while the directory is in use.

Its rule: what the copied log refers to is in the copy. A large value lies in `artifacts` before the event that names
it is committed, so the log is copied first. The copy is one snapshot of the log; views are not copied, they are made
of the log. Copied again to the same place, only what is new among the artifacts is written.
"""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument, StoreFault
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.store import open_store

__all__ = ["Backup", "back_up"]

LOG, ARTIFACTS, UPTIME = "log.db", "artifacts", "uptime"


class Backup(Struct, frozen=True):
    """What was copied: the log up to a position, `artifacts` of which `new_artifacts` were not there yet; and what
    reading all of the copy found."""

    target: str
    position: int
    artifacts: int
    new_artifacts: int
    bytes: int
    verdict: Verdict


def back_up(directory: Path, target: Path) -> Backup:
    """Copy the log and the artifacts of a runtime directory into a folder, and check the copy. Raises
    `InvalidArgument` when the folder holds anything but an earlier copy of the same log, `StoreFault` when it cannot
    be written."""
    target = target.absolute()
    _check_target(directory, target)
    try:
        target.mkdir(parents=True, exist_ok=True)
        _copy_log(directory / LOG, target / LOG)
        names, new = _copy_artifacts(directory / ARTIFACTS, target / ARTIFACTS)
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(directory / UPTIME, target / UPTIME)
    except (OSError, sqlite3.Error) as error:
        raise StoreFault(f"the backup cannot be written to {target}: {error}") from error
    with open_store(target / LOG) as store:
        verdict, position = verify(store), store.head()
    return Backup(str(target), position, names, new, (target / LOG).stat().st_size, verdict)


def _check_target(directory: Path, target: Path) -> None:
    if target.is_relative_to(directory):
        raise InvalidArgument(f"the backup must lie outside of {directory}, got {target}")
    if not target.exists():
        return
    if not target.is_dir():
        raise InvalidArgument(f"the backup must be a folder, got the file {target}")
    if not (target / LOG).is_file():
        if any(target.iterdir()):
            raise InvalidArgument(f"{target} is neither empty nor a backup: it has no {LOG}")
        return
    last = _last(target / LOG)
    if last[0] and _last(directory / LOG, last[0]) != last:
        raise InvalidArgument(f"{target} holds another log, or one that is ahead: choose another folder")


def _copy_log(source: Path, target: Path) -> None:
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(_read_only(source)) as reader,
        contextlib.closing(sqlite3.connect(fresh)) as writer,
    ):
        reader.backup(writer)
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    for leftover in (f"{target}-wal", f"{target}-shm"):
        Path(leftover).unlink(missing_ok=True)
    fresh.replace(target)


def _copy_artifacts(source: Path, target: Path) -> tuple[int, int]:
    """How many there are, and how many were not in the copy yet."""
    names = new = 0
    for file in sorted(source.rglob("*")):
        if not file.is_file() or len(file.name) != 64:
            continue
        names += 1
        copy = target / file.relative_to(source)
        if copy.exists() and copy.stat().st_size == file.stat().st_size:
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        fresh = copy.with_name(copy.name + ".new")
        shutil.copyfile(file, fresh)
        fresh.replace(copy)
        new += 1
    return names, new


def _last(log: Path, position: int | None = None) -> tuple[int, bytes]:
    """The event at a position, or the last one: where it stands, and its bytes."""
    with open_store(log) as store:
        wanted = store.head() if position is None else position
        with store.subscribe(max(0, wanted - 1)) as events:
            found = events.next_batch(1, 0)
    return (found[0].id, bytes(found[0].state)) if found else (0, b"")


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
