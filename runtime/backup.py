"""A copy of a log that can be resumed elsewhere, made while the log is in use: in a folder, or in a database.

Its rule: what the copied log refers to is in the copy. A large value is stored before the event that names it is
committed, so the events are copied first. Views are not copied, they are made of the log. Copied again to the same
place, only what is new among the artifacts is written (and among the events, where a database is on one side).
"""

import contextlib
import io
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument, StoreFault
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.opening import postgres_log, reading_log
from fleetlog.runtime.places import Place
from fleetlog.runtime.shelves import FolderShelf, Shelf
from fleetlog.runtime.store import EventStore, NewEvent, open_store
from fleetlog.runtime.uptime import UptimeFile, UptimeKeeper

__all__ = ["Backup", "back_up"]

BATCH = 2_000


class Backup(Struct, frozen=True):
    """What was copied: the log up to a position, `artifacts` of which `new_artifacts` were not there yet; and what
    reading all of the copy found."""

    target: str
    position: int
    artifacts: int
    new_artifacts: int
    bytes: int
    verdict: Verdict


class _Side(Struct, frozen=True):
    """One side of the copy."""

    store: EventStore
    shelf: Shelf
    uptime: UptimeKeeper


def back_up(source: Place, target: Place) -> Backup:
    """Copy the log and the artifacts, and check the copy. Raises `InvalidArgument` when the target holds anything but
    an earlier copy of the same log, `DirectoryOwned` when it is a database whose log is in use, `StoreFault` when it
    cannot be written."""
    if not target.url:
        _check_folder(source, target)
    try:
        with _source(source) as origin:
            if not source.url and not target.url:
                _check_same(origin, target)
                _copy_file(source.log, target.log)
            with _target(target) as copy:
                _copy_events(origin.store, copy.store, target)
                names, new = _copy_artifacts(origin.shelf, copy.shelf)
                copy.uptime.keep_uptime(origin.uptime.uptime())
                verdict, position = verify(copy.store), copy.store.head()
                size = target.log.stat().st_size if not target.url else _size(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreFault(f"the backup cannot be written to {target}: {error}") from error
    return Backup(str(target), position, names, new, size, verdict)


@contextmanager
def _source(place: Place) -> Iterator[_Side]:
    with reading_log(place) as opened:
        if opened.database is not None:
            yield _Side(opened.store, opened.database, opened.database)
        else:
            yield _Side(opened.store, FolderShelf(place.artifacts), UptimeFile(place.folder))


@contextmanager
def _target(place: Place) -> Iterator[_Side]:
    if place.url:
        with contextlib.closing(postgres_log(place, owned=True)) as database:
            yield _Side(database.store, database, database)
        return
    place.folder.mkdir(parents=True, exist_ok=True)
    with open_store(place.log) as store:
        yield _Side(store, FolderShelf(place.artifacts), UptimeFile(place.folder))


def _size(place: Place) -> int:
    with reading_log(place) as opened:
        return opened.database.size_bytes if opened.database is not None else 0


def _check_folder(source: Place, target: Place) -> None:
    folder = target.folder
    if not source.url and folder.is_relative_to(source.folder):
        raise InvalidArgument(f"the backup must lie outside of {source}, got {folder}")
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InvalidArgument(f"the backup must be a folder, got the file {folder}")
    if not target.log.is_file() and any(folder.iterdir()):
        raise InvalidArgument(f"{folder} is neither empty nor a backup: it has no {target.log.name}")


def _check_same(origin: _Side, target: Place) -> None:
    if target.log.is_file():
        with open_store(target.log) as store:
            _check_prefix(origin.store, store, target)


def _check_prefix(origin: EventStore, copy: EventStore, target: Place) -> int:
    """The copy's last position, up to which it holds what the origin holds."""
    head = copy.head()
    if head and (head > origin.head() or _state_at(origin, head) != _state_at(copy, head)):
        raise InvalidArgument(f"{target} holds another log, or one that is ahead: choose another place")
    return head


def _state_at(store: EventStore, position: int) -> tuple[int, bytes]:
    """The event at a position: where it stands, and its bytes, which hold the digest of what was before it."""
    with store.subscribe(position - 1) as events:
        found = events.next_batch(1, 0)
    return (found[0].id, bytes(found[0].state)) if found else (0, b"")


def _copy_file(source: Path, target: Path) -> None:
    """One snapshot of the log, at the speed of the disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(target.name + ".new")
    fresh.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as reader,
        contextlib.closing(sqlite3.connect(fresh)) as writer,
    ):
        reader.backup(writer)
    with fresh.open("rb+") as file:
        os.fsync(file.fileno())
    for leftover in (f"{target}-wal", f"{target}-shm"):
        Path(leftover).unlink(missing_ok=True)
    fresh.replace(target)


def _copy_events(origin: EventStore, copy: EventStore, target: Place) -> None:
    """What is behind the copy's last position, up to where the origin is now. Positions stay the same: neither side's
    have gaps."""
    end = origin.head()
    with origin.subscribe(_check_prefix(origin, copy, target)) as events:
        while events.position < end and (batch := events.next_batch(BATCH, 0)):
            copy.append([NewEvent(str(e.originator_id), e.originator_version, e.topic, e.state) for e in batch])


def _copy_artifacts(origin: Shelf, copy: Shelf) -> tuple[int, int]:
    """How many there are, and how many were not in the copy yet."""
    names = new = 0
    for digest in origin.digests():
        names += 1
        if not copy.holds(digest) and (content := origin.take(digest)) is not None:
            copy.keep(digest, io.BytesIO(content))
            new += 1
    return names, new
