"""The event store: the eventsourcing library's recorders behind a port of four verbs.

Its rule: what it appends is contiguous. The recorders refuse a version that is taken but accept a
gap; `append` refuses both. All of an append is one transaction, fsynced before it returns (SQLite).
"""

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self
from uuid import UUID

import msgspec
from eventsourcing.persistence import (
    ApplicationRecorder,
    IntegrityError,
    Notification,
    OperationalError,
    PersistenceError,
    StoredEvent,
    Subscription,
)
from eventsourcing.popo import POPOApplicationRecorder
from eventsourcing.sqlite import (
    SQLiteApplicationRecorder,
    SQLiteConnection,
    SQLiteConnectionPool,
    SQLiteCursor,
    SQLiteDatastore,
)

from fleetlog.domain.errors import StoreFault, StoreUnavailable, VersionConflict
from fleetlog.runtime.wal_room import WalRoom

__all__ = [
    "EventStore",
    "LogSubscription",
    "NewEvent",
    "Notification",
    "RecorderStore",
    "StoredEvent",
    "open_store",
]

PULL_EVERY_S = 0.25
TUNING = ("PRAGMA wal_autocheckpoint=16000", "PRAGMA cache_size=-32000")
"""A write-ahead log of up to 64 MB, a cache of up to 32 MB for each connection; `synchronous` stays FULL."""
_KNOWN_TAILS = 100_000
_MOST = 2**62


class LogSubscription(Subscription[ApplicationRecorder]):
    """The log's events from a position on, in commit order; an iterator and, for readers in bulk,
    `next_batch`. Woken by our own commits; pulls by itself too, for other processes' commits."""

    def __init__(self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()):
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self.position = gt or 0
        self._woken = threading.Event()
        self._buffer: list[Notification] = []

    def wake(self) -> None:
        """There may be something new. Any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End the iteration, also one that waits in another thread."""
        super().stop()
        self._woken.set()

    def seek(self, position: int) -> None:
        """Go on behind `position`. Only from the thread that reads."""
        self.position, self._buffer = position, []

    def next_batch(self, limit: int, timeout_s: float) -> Sequence[Notification]:
        """At most `limit` events behind the last one; empty after `timeout_s` without any, or when
        stopped. Does not wait while there are events."""
        self._woken.clear()
        batch = self._pull(limit)
        if not batch and not self._has_been_stopped and self._woken.wait(timeout_s):
            batch = self._pull(limit)
        return batch

    def _pull(self, limit: int) -> Sequence[Notification]:
        try:
            batch = self._recorder.select_notifications(
                self.position, limit, topics=self._topics, inclusive_of_start=False
            )
        except (PersistenceError, sqlite3.Error) as error:
            raise StoreFault(f"the log cannot be read behind position {self.position}: {error}") from error
        if batch:
            self.position = batch[-1].id
        return batch

    def __next__(self) -> Notification:
        while not self._buffer:
            if self._has_been_stopped:
                raise StopIteration
            self._buffer = list(reversed(self.next_batch(500, PULL_EVERY_S)))
        return self._buffer.pop()


class _Listeners:
    """Mixed into a recorder: gives it `subscribe`, woken by the recorder's own inserts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subscriptions: set[LogSubscription] = set()
        self._subscriptions_lock = threading.Lock()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        positions: Sequence[int] | None = super().insert_events(stored_events, **kwargs)  # type: ignore[misc]
        with self._subscriptions_lock:
            for subscription in self._subscriptions:
                subscription.wake()
        return positions

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        subscription = LogSubscription(self, gt, topics)  # type: ignore[arg-type]
        with self._subscriptions_lock:
            self._subscriptions = {s for s in self._subscriptions if not s._has_been_stopped} | {subscription}
        return subscription


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


class _SQLiteRecorder(_Listeners, SQLiteApplicationRecorder):
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


class _MemoryRecorder(_Listeners, POPOApplicationRecorder):
    pass


class StoredRow(msgspec.Struct, frozen=True, gc=False):
    """An event as it was read: as good as the library's `Notification` or `StoredEvent`, at a third of the cost."""

    id: int
    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event to append: what the library calls a `StoredEvent`, and as good as one to its recorders."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class EventStore(Protocol):
    """What the journal, the actors and the projector need of a log. Any thread may call."""

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Append all or none, durably; the positions. Raises `VersionConflict` or `StoreFault`."""

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """A stream's events behind version `after`."""

    def head(self) -> int:
        """The position of the last event; 0 for an empty log."""

    def subscribe(self, after: int = 0) -> LogSubscription:
        """The events behind a position, as they are committed."""

    def close(self) -> None:
        """Give back connections; later calls raise `StoreFault`."""


class RecorderStore:
    """An `EventStore` on one of the library's application recorders."""

    def __init__(
        self,
        recorder: ApplicationRecorder,
        datastore: SQLiteDatastore | None = None,
        wal_room: WalRoom | None = None,
    ) -> None:
        self._recorder, self._datastore, self._wal_room = recorder, datastore, wal_room
        self._tails: dict[str, int] = {}
        self._closed = False

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """See `EventStore`. One thread at a time (the journal's)."""
        self._check_open()
        if not events:
            return []
        tails = self._next_tails(events)
        try:
            positions = self._recorder.insert_events(events)  # type: ignore[arg-type]  # NewEvent has what StoredEvent has
        except IntegrityError as error:
            self._forget(events)
            raise VersionConflict(self._conflict_text(events)) from error
        except (OperationalError, OSError) as error:
            self._forget(events)
            raise StoreUnavailable(f"the event store could not append: {error}") from error
        except (PersistenceError, sqlite3.Error) as error:
            self._forget(events)
            raise StoreFault(f"the event store could not append {len(events)} events: {error}") from error
        if len(self._tails) > _KNOWN_TAILS:
            self._tails.clear()
        self._tails.update(tails)
        assert positions is not None
        if self._wal_room is not None:
            self._wal_room.committed()
        return positions

    def _next_tails(self, events: Sequence[NewEvent]) -> dict[str, int]:
        tails: dict[str, int] = {}
        for event in events:
            stream_id, version = event.originator_id, event.originator_version
            tail = tails.get(stream_id)
            if tail is None:
                tail = self._tails.get(stream_id)
                if tail is None:
                    tail = version - 1 if version == 1 else self._stored_tail(stream_id)
            if version != tail + 1:
                self._tails.pop(stream_id, None)
                raise VersionConflict(f"{stream_id} is at version {tail}; version {version} does not follow")
            tails[stream_id] = version
        return tails

    def _stored_tail(self, stream_id: str) -> int:
        last = self._select(stream_id, desc=True, limit=1)
        return last[0].originator_version if last else 0

    def _forget(self, events: Sequence[NewEvent]) -> None:
        for event in events:
            self._tails.pop(event.originator_id, None)

    @staticmethod
    def _conflict_text(events: Sequence[NewEvent]) -> str:
        streams = sorted({event.originator_id for event in events})
        named = ", ".join(streams[:3]) + (f" and {len(streams) - 3} more" if len(streams) > 3 else "")
        return f"another writer has appended to {named}"

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """See `EventStore`."""
        return self._select(stream_id, gt=after)

    def _select(self, stream_id: str, **bounds: Any) -> Sequence[StoredEvent]:
        self._check_open()
        try:
            return self._recorder.select_events(stream_id, **bounds)
        except (PersistenceError, sqlite3.Error) as error:
            raise StoreFault(f"the event store could not read {stream_id}: {error}") from error

    def head(self) -> int:
        """See `EventStore`."""
        self._check_open()
        try:
            return self._recorder.max_notification_id() or 0
        except (PersistenceError, sqlite3.Error) as error:
            raise StoreFault(f"the event store could not be read: {error}") from error

    def subscribe(self, after: int = 0) -> LogSubscription:
        """See `EventStore`."""
        subscription = self._recorder.subscribe(after)
        assert isinstance(subscription, LogSubscription)
        return subscription

    def close(self) -> None:
        """See `EventStore`."""
        self._closed = True
        if self._wal_room is not None:
            self._wal_room.close()
        if self._datastore is not None:
            self._datastore.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the event store is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(path: Path | None) -> RecorderStore:
    """The log in an SQLite file (made if it is not there), or in memory for `None`."""
    if path is None:
        return RecorderStore(_MemoryRecorder())
    try:
        datastore = _Datastore(path)
        recorder = _SQLiteRecorder(datastore)
        recorder.create_table()
    except (PersistenceError, sqlite3.Error) as error:
        raise StoreFault(f"the log {path} cannot be opened: {error}") from error
    return RecorderStore(recorder, datastore, WalRoom(path))
