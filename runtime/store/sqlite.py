"""The log in an SQLite file: the library's recorder, tuned for inserts all over a large index."""

import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteDatastore,
)

from fleetlog.runtime.store.failures import TROUBLE, fault_of
from fleetlog.runtime.store.port import Notification, StoredEvent, StoredRow
from fleetlog.runtime.store.recorder_store import RecorderStore
from fleetlog.runtime.store.subscription import Listeners
from fleetlog.runtime.store.wal_room import WalRoom

__all__ = ["TUNING", "open_sqlite"]

TUNING = ("PRAGMA wal_autocheckpoint=16000", "PRAGMA cache_size=-32000")
"""A write-ahead log of up to 64 MB, a cache of up to 32 MB for each connection; `synchronous` stays FULL."""
BUSY_S = 5.0
_MOST = 2**62


class _Pool(SQLiteConnectionPool):
    """The library's pool, its connections tuned for inserts all over a large index: each commit dirties up to a page
    for each event. Pages go from the write-ahead log to the file rarely, and stay in memory meanwhile."""

    def _create_connection(self) -> SQLiteConnection:
        connection = super()._create_connection()
        with connection.cursor() as cursor:
            for pragma in TUNING:
                cursor.execute(pragma)
        return connection


class _Datastore(SQLiteDatastore):
    def __init__(self, path: Path) -> None:
        super().__init__(str(path), originator_id_type="text")
        self.pool.close()
        self.pool = _Pool(db_name=str(path))


class _Recorder(SQLiteApplicationRecorder):
    """The library's recorder, inserting over a connection of its own, and reading light rows over others. (The way
    through its pool, with turns and cursors, costs a quarter of a commit.)"""

    def __init__(self, datastore: _Datastore) -> None:
        super().__init__(datastore)
        self._inserting = threading.Lock()  # guards _connection
        self._connection: sqlite3.Connection | None = None
        self._free: deque[sqlite3.Connection] = deque()
        self._closed = False

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        rows = [(e.originator_id, e.originator_version, e.topic, e.state) for e in stored_events]
        with self._inserting:
            connection = self._connection = self._connection or self._connect()
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany(self.insert_events_statement, rows)
                # Nobody else can insert within this transaction, so the rows' ids are consecutive.
                last: int = connection.execute("SELECT last_insert_rowid()").fetchone()[0]
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise _as_the_library_says(error) from error
        return range(last - len(rows) + 1, last + 1)

    def _connect(self) -> sqlite3.Connection:
        path = self.datastore.pool.db_name
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        for pragma in ("PRAGMA synchronous=FULL", *TUNING):
            connection.execute(pragma)
        return connection

    def close(self) -> None:
        self._closed = True
        with self._inserting:
            if self._connection is not None:
                self._connection.close()
        while self._free:
            self._free.pop().close()

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        order, bounds = "DESC" if desc else "ASC", (gt or 0, _MOST if lte is None else lte)
        statement = (
            f"SELECT 0, originator_id, originator_version, topic, state FROM {self.events_table_name} WHERE"
            f" originator_id=? AND originator_version>? AND originator_version<=? ORDER BY originator_version {order}"
            " LIMIT ?"
        )
        return self._rows(statement, (str(originator_id), *bounds, _MOST if limit is None else limit))

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        first = 0 if start is None else start + (not inclusive_of_start)
        named = f" AND topic IN ({','.join('?' * len(topics))})" if topics else ""
        statement = (
            f"SELECT rowid, originator_id, originator_version, topic, state FROM {self.events_table_name}"
            f" WHERE rowid>=? AND rowid<=?{named} ORDER BY rowid LIMIT ?"
        )
        return self._rows(statement, (first, _MOST if stop is None else stop, *topics, limit))

    def _rows(self, statement: str, parameters: Sequence[object]) -> Sequence[Any]:
        try:
            connection = self._free.pop()
        except IndexError:
            connection = self._connect()
        try:
            rows = connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            connection.close()
            raise _as_the_library_says(error) from error
        if self._closed:
            connection.close()
        else:
            self._free.append(connection)
        return [StoredRow(*row) for row in rows]


class _SQLiteRecorder(Listeners, _Recorder):
    pass


def _as_the_library_says(error: sqlite3.Error) -> Exception:
    if isinstance(error, sqlite3.IntegrityError):
        return IntegrityError(error)
    return OperationalError(error) if isinstance(error, sqlite3.OperationalError) else error


def open_sqlite(path: Path) -> RecorderStore:
    """The log in this file, which is made if it is not there. Raises `StoreFault`, `StoreUnavailable`."""
    try:
        datastore = _Datastore(path)
        recorder = _SQLiteRecorder(datastore)
        recorder.create_table()
    except TROUBLE as error:
        raise fault_of(error, f"the log {path} cannot be opened") from error
    room = WalRoom(path)

    def close() -> None:
        room.close()
        recorder.close()
        datastore.close()

    return RecorderStore(recorder, room.committed, close)
