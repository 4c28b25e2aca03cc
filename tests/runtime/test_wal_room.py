"""Room made in the write-ahead log changes nothing but its length: every event is there, whatever happens."""

import shutil
import sqlite3
import threading
from pathlib import Path

import pytest

from fleetlog.runtime.store import NewEvent, RecorderStore, open_store, wal_room
from fleetlog.runtime.store.wal_room import CHUNK, ROOM_AT_COMMIT

ROOM = ROOM_AT_COMMIT[20]


def append(store: RecorderStore, stream_id: str, count: int) -> None:
    for version in range(1, count + 1):
        store.append([NewEvent(stream_id, version, "t", b"state %d" % version)])


def wait_for_room(name: str = "fleetlog-wal-room") -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(30)


def counted(log: Path) -> int:
    connection = sqlite3.connect(log)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    finally:
        connection.close()
    with open_store(log) as store:
        return store.head()


def test_a_log_in_use_has_room_and_a_copy_of_its_files_has_every_event(tmp_path: Path) -> None:
    log, wal = tmp_path / "log.db", tmp_path / "log.db-wal"
    with open_store(log) as store:
        append(store, "a", 19)
        assert wal.stat().st_size < ROOM
        append(store, "b", 1)
        wait_for_room()
        assert wal.stat().st_size == ROOM
        append(store, "c", 300)
        assert wal.stat().st_size == ROOM
        copy = tmp_path / "copy"  # as a crash of the machine would leave it
        copy.mkdir()
        for file in tmp_path.glob("log.db*"):
            shutil.copy(file, copy / file.name)
        assert counted(copy / "log.db") == 320
    assert not wal.exists()
    assert counted(log) == 320


def test_events_are_appended_while_the_room_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wal_room, "ROOM_AT_COMMIT", dict.fromkeys(range(1, 200, 7), 40 * CHUNK))
    monkeypatch.setattr(wal_room, "CHUNK", 64 * 1024)
    log = tmp_path / "log.db"
    with open_store(log) as store:
        append(store, "a", 400)
        assert [event.originator_version for event in store.read("a")] == list(range(1, 401))
    assert counted(log) == 400


def test_a_full_disk_takes_no_room_and_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(fd: int, data: bytes, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("fleetlog.runtime.store.wal_room.os.pwrite", full)
    log = tmp_path / "log.db"
    with open_store(log) as store:
        append(store, "a", 25)
        wait_for_room()
        assert (tmp_path / "log.db-wal").stat().st_size < CHUNK
        append(store, "b", 5)
    assert counted(log) == 30
