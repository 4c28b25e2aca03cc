"""The log in an SQLite file: the library's recorder, tuned for inserts all over a large index."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
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


class _SQLiteRecorder(Listeners, SQLiteApplicationRecorder):
    """The library's recorder, inserting a batch with one statement, and reading light rows."""

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        c.executemany(
            self.insert_events_statement,
            [(e.originator_id, e.originator_version, e.topic, e.state) for e in stored_events],
        )
        # Nobody else can insert within this transaction, so the rows' ids are consecutive.
        last: int = self._max_notification_id(c)
        return range(last - len(stored_events) + 1, last + 1)

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
        with self.datastore.transaction(commit=False) as cursor:
            cursor.execute(statement, parameters)
            return [StoredRow(row[0], row[1], row[2], row[3], row[4]) for row in cursor.fetchall()]


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
        datastore.close()

    return RecorderStore(recorder, room.committed, close)
