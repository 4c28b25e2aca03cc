"""The one connection that appends to a log in PostgreSQL. Its rule: who appends holds the log's lock.

The lock is an advisory lock of the session, so it is lost with the connection, and with it the way to append: no other
connection ever inserts. A new connection must get the lock again, and find the log as we left it. Besides, every insert
names the position it follows; where that is no more the last one, it inserts nothing.
"""

import threading
import time
from collections.abc import Sequence

import psycopg
from eventsourcing.persistence import IntegrityError, OperationalError, PersistenceError
from psycopg import Connection
from psycopg.rows import TupleRow
from psycopg.sql import Composed

from fleetlog.domain.errors import DirectoryOwned, InvalidArgument, StoreFault, StoreUnavailable
from fleetlog.runtime.ownership import is_surely_alive, owner_text, this_process
from fleetlog.runtime.store.port import NewEvent
from fleetlog.runtime.store.postgres_tables import MIN_SERVER, Database, first_line

__all__ = ["Writer"]

PATIENCE_S = 10.0
RETRY_EVERY_S = 0.1
DYING_S = 1.5
_INSERT = """
    INSERT INTO {events} (originator_id, originator_version, topic, state, notification_id)
    SELECT u.stream_id, u.version, u.topic, u.state, %(head)b + u.place
    FROM unnest(%(streams)b::text[], %(versions)b::bigint[], %(topics)b::text[], %(states)b::bytea[])
        WITH ORDINALITY AS u(stream_id, version, topic, state, place)
    WHERE %(head)b = (SELECT coalesce(max(notification_id), 0) FROM {events})"""


class Writer:
    """`insert` is for one thread at a time (the journal's), `close` for any."""

    def __init__(self, database: Database, events_table: list[Composed]) -> None:
        """Raises `DirectoryOwned` when another session holds the lock, `StoreUnavailable`, `StoreFault`."""
        self._database = database
        self._statement = database.sql(_INSERT)
        self._closed = threading.Event()
        self._lost_at: float | None = None
        self._in_doubt: Sequence[NewEvent] = ()
        self._went_on = ""
        try:
            self._connection = connection = database.connect()
        except OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        try:
            self._check_server(connection)
            self._take_lock(connection)
            database.make(connection, events_table)
            connection.execute(database.sql("UPDATE {log} SET owner = %s"), (this_process(),))
            self._head = self._last(connection)
        except psycopg.Error as error:
            connection.close()
            raise StoreFault(f"the log {database.shown} cannot be opened: {first_line(error)}") from error
        except BaseException:
            connection.close()
            raise

    def _check_server(self, connection: Connection[TupleRow]) -> None:
        shown, version = self._database.shown, connection.info.server_version
        if version < MIN_SERVER:
            raise InvalidArgument(
                f"{shown} is PostgreSQL {version // 10_000}; {MIN_SERVER // 10_000} or newer is needed"
            )
        row = connection.execute("SELECT pg_backend_pid(), current_setting('synchronous_commit')").fetchone()
        assert row is not None
        if row[0] != connection.info.backend_pid:
            raise InvalidArgument(
                f"{shown} is reached through a connection pooler: the log's lock needs a connection of its own; "
                "name the server itself"
            )
        if row[1] == "off":
            connection.execute("SET synchronous_commit = on")

    def _take_lock(self, connection: Connection[TupleRow]) -> None:
        """The session of an owner that was killed just now may live a moment longer than it."""
        deadline = time.monotonic() + DYING_S
        while not self._locks(connection):
            owner = self._owner(connection)
            if is_surely_alive(owner) or time.monotonic() > deadline:
                raise DirectoryOwned(self._owned_text(owner))
            time.sleep(RETRY_EVERY_S)

    def _locks(self, connection: Connection[TupleRow]) -> bool:
        row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", self._database.lock_key).fetchone()
        return bool(row and row[0])

    def _owner(self, connection: Connection[TupleRow]) -> str:
        there = connection.execute("SELECT to_regclass(%s)", (self._database.name_of("log"),)).fetchone()
        row = (
            connection.execute(self._database.sql("SELECT owner FROM {log}")).fetchone() if there and there[0] else None
        )
        return str(row[0]) if row else ""

    def _owned_text(self, owner: str) -> str:
        shown = self._database.shown
        return f"the log {shown} is owned by {owner_text(owner)}; stop that process, or name another database"

    def _last(self, connection: Connection[TupleRow]) -> int:
        row = connection.execute(
            self._database.sql("SELECT coalesce(max(notification_id), 0) FROM {events}")
        ).fetchone()
        assert row is not None
        return int(row[0])

    # --- appending -----------------------------------------------------------------------------

    def insert(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Append all or none; the positions. A connection that is lost is made again: only when that does not go in
        time is it an error, and then it is not known whether these events are in the log: whoever wants to know reads
        it. Raises the library's `IntegrityError` and `OperationalError`, and `StoreFault` when another process went on
        with the log."""
        if self._went_on:
            raise StoreFault(self._went_on)
        if self._connection.closed:
            self._come_back()
        try:
            return self._inserted(events)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not self._connection.closed:
                raise OperationalError(str(error)) from error
        self._in_doubt = events
        before = self._head
        self._come_back()
        if self._head > before:  # the answer was lost, not the commit
            return range(before + 1, self._head + 1)
        try:
            return self._inserted(events)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._in_doubt = events
            raise OperationalError(str(error)) from error

    def _inserted(self, events: Sequence[NewEvent]) -> Sequence[int]:
        head = self._head
        parameters = {
            "head": head,
            "streams": [event.originator_id for event in events],
            "versions": [event.originator_version for event in events],
            "topics": [event.topic for event in events],
            "states": [event.state for event in events],
        }
        try:
            count = self._connection.execute(self._statement, parameters).rowcount
        except psycopg.IntegrityError as error:
            raise IntegrityError(str(error)) from error
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except psycopg.Error as error:
            raise PersistenceError(str(error)) from error
        if count != len(events):
            raise self._lost_to_another(self._connection)
        self._head = head + count
        return range(head + 1, self._head + 1)

    # --- a lost connection ---------------------------------------------------------------------

    def _come_back(self) -> None:
        """A new connection with the lock, at the position we left; events that were in doubt are settled. Tries for
        `PATIENCE_S` after the loss, later once a call."""
        self._lost_at = self._lost_at or time.monotonic()
        while self._connection.closed:
            try:
                self._connection = self._owning()
                if self._closed.is_set():  # while we waited: what was given back stays so
                    self._connection.close()
                    raise OperationalError("the log was closed")
            except (OperationalError, psycopg.Error) as error:
                if time.monotonic() - self._lost_at > PATIENCE_S or self._closed.wait(RETRY_EVERY_S):
                    raise OperationalError(str(error)) from error
        self._lost_at, self._in_doubt = None, ()

    def _owning(self) -> Connection[TupleRow]:
        connection = self._database.connect()
        try:
            self._check_server(connection)
            if not self._locks(connection):
                self._end_our_last(connection)
                raise OperationalError(self._owned_text(self._owner(connection)))
            self._settle(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _end_our_last(self, connection: Connection[TupleRow]) -> None:
        """A session of ours that the server has not yet found dead keeps the lock from us."""
        holder = self._database.lock_holder(connection)
        if holder is not None and holder[1] == self._database.name:
            connection.execute("SELECT pg_terminate_backend(%s)", (holder[0],))

    def _settle(self, connection: Connection[TupleRow]) -> None:
        """With the lock in hand, our last session has ended: what was in doubt is in the log, or never will be."""
        head, doubt = self._last(connection), self._in_doubt
        if head == self._head:
            return
        if doubt and head == self._head + len(doubt) and self._is_stored(connection, doubt[-1], head):
            self._head = head
            return
        raise self._lost_to_another(connection)

    def _is_stored(self, connection: Connection[TupleRow], event: NewEvent, position: int) -> bool:
        found = connection.execute(
            self._database.sql(
                "SELECT originator_id, originator_version, state FROM {events} WHERE notification_id = %s"
            ),
            (position,),
        ).fetchone()
        return found is not None and (found[0], found[1], bytes(found[2])) == (
            event.originator_id,
            event.originator_version,
            event.state,
        )

    def _lost_to_another(self, connection: Connection[TupleRow]) -> StoreFault:
        self._went_on = (
            f"another process has written to the log {self._database.shown} since this one held it: nothing more is"
            " appended here; close this runtime and open it again"
        )
        connection.close()
        return StoreFault(self._went_on)

    def close(self) -> None:
        """Give the lock back."""
        self._closed.set()
        self._connection.close()
