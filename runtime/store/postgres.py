"""A log in PostgreSQL: its events, its artifacts, its uptime, and who has it.

Positions have no gaps, as in SQLite: they are given at the insert, by the one session that may (postgres_writer.py), so
their order is the order of commits, for every reader.
"""

from collections.abc import Sequence
from typing import IO, Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import Notification
from eventsourcing.postgres import PostgresApplicationRecorder

from fleetlog.domain.errors import StoreUnavailable
from fleetlog.runtime.ownership import owner_text
from fleetlog.runtime.store.failures import TROUBLE, fault_of
from fleetlog.runtime.store.port import StoredEvent, StoredRow
from fleetlog.runtime.store.postgres_tables import EVENTS, Database
from fleetlog.runtime.store.postgres_writer import Writer
from fleetlog.runtime.store.recorder_store import RecorderStore
from fleetlog.runtime.store.subscription import Listeners

__all__ = ["PostgresLog"]

PART_BYTES = 4 * 1024 * 1024
_MOST = 2**62


class _Inserts(PostgresApplicationRecorder):
    """The library's recorder, inserting by the writer alone, and reading light rows."""

    def __init__(self, database: Database) -> None:
        super().__init__(database.datastore, events_table_name=EVENTS)
        self.database = database
        self.writer: Writer | None = None

    def insert_events(self, stored_events: Sequence[Any], **_: Any) -> Sequence[int] | None:
        if self.writer is None:
            raise StoreUnavailable(f"the log {self.database.shown} is open for reading only")
        return self.writer.insert(stored_events)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        text = _LAST if desc else _STREAM
        bounds = (gt or 0, _MOST if lte is None else lte, _MOST if limit is None else limit)
        return self._rows(text, (str(originator_id), *bounds))

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
        bounds = (first, _MOST if stop is None else stop)
        if topics:
            return self._rows(_SOME, (*bounds, list(topics), limit))
        return self._rows(_ALL, (*bounds, limit))

    def max_notification_id(self) -> int | None:
        rows = self.database.fetch("SELECT max(notification_id) FROM {events}")
        return None if rows[0][0] is None else int(rows[0][0])

    def _rows(self, text: Any, parameters: tuple[object, ...]) -> Sequence[Any]:
        return [
            StoredRow(row[0], row[1], row[2], row[3], bytes(row[4])) for row in self.database.fetch(text, parameters)
        ]


_COLUMNS = "SELECT notification_id, originator_id, originator_version, topic, state FROM {events} WHERE "
_STREAM = (
    _COLUMNS + "originator_id = %s AND originator_version > %s AND originator_version <= %s"
    " ORDER BY originator_version LIMIT %s"
)
_LAST = _STREAM.replace("LIMIT", "DESC LIMIT")
_ALL = _COLUMNS + "notification_id >= %s AND notification_id <= %s ORDER BY notification_id LIMIT %s"
_SOME = _ALL.replace("ORDER", "AND topic = ANY(%s) ORDER")


class _Recorder(Listeners, _Inserts):
    pass


class PostgresLog:
    """Everything durable of a runtime, in a database. As a `Shelf` it keeps artifacts, as an `UptimeKeeper` the uptime.
    Any thread may call."""

    def __init__(self, url: str, shown: str, *, owned: bool) -> None:
        """Open it: `owned`, to append (the tables are made if they are not there); else only to read. `shown` is the
        url for messages. Raises `InvalidArgument` for a url that is none, `DirectoryOwned` when another process has
        the log, `StoreUnavailable` when the server does not answer."""
        self._database = database = Database(url, shown)
        recorder = _Recorder(database)
        tables = [one for one in recorder.sql_create_statements if _is_wanted(one.as_string())]
        try:
            self._writer = recorder.writer = Writer(database, tables) if owned else None
        except BaseException:
            database.close()
            raise
        self.store = RecorderStore(recorder)

    @property
    def exists(self) -> bool:
        """Has anything been recorded in this database?"""
        return self._database.is_there()

    @property
    def log_id(self) -> str:
        """What tells this log from every other one."""
        return str(self._database.fetch("SELECT id FROM {log}")[0][0])

    @property
    def owner(self) -> str | None:
        """Who has the log now, on whatever machine, for a message to a person; None when nobody does."""
        if self._database.lock_holder() is None:
            return None
        return owner_text(self._database.fetch("SELECT owner FROM {log}")[0][0])

    @property
    def server(self) -> tuple[str, bool]:
        """Its version, and does it sync commits to the disk?"""
        rows = self._database.fetch("SELECT current_setting('server_version'), current_setting('fsync') = 'on'")
        return str(rows[0][0]).partition(" ")[0], bool(rows[0][1])

    @property
    def size_bytes(self) -> int:
        """Of events and artifacts, with their indexes."""
        names = [self._database.name_of(table) for table in ("events", "artifacts")]
        text: LiteralString = "SELECT sum(pg_total_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name"
        rows = self._database.fetch(text, (names,))
        return int(rows[0][0])

    # --- a shelf -------------------------------------------------------------------------------

    def holds(self, digest: str) -> bool:
        """See `Shelf`."""
        return bool(self._database.fetch("SELECT 1 FROM {artifacts} WHERE sha256 = %s AND part = 0", (digest,)))

    def keep(self, digest: str, content: IO[bytes]) -> None:
        """See `Shelf`. In parts, all in one transaction."""
        statement = self._database.sql("INSERT INTO {artifacts} VALUES (%s, %s, %b) ON CONFLICT DO NOTHING")
        try:
            with self._database.datastore.transaction(commit=True) as cursor:
                part = 0
                while (piece := content.read(PART_BYTES)) or part == 0:
                    cursor.execute(statement, (digest, part, piece))
                    part += 1
        except TROUBLE as error:
            raise StoreUnavailable(f"the artifact {digest} could not be stored: {error}") from error

    def take(self, digest: str) -> bytes | None:
        """See `Shelf`."""
        rows = self._database.fetch("SELECT content FROM {artifacts} WHERE sha256 = %s ORDER BY part", (digest,))
        return b"".join(row[0] for row in rows) if rows else None

    def digests(self) -> list[str]:
        """See `Shelf`."""
        return [row[0] for row in self._database.fetch("SELECT sha256 FROM {artifacts} WHERE part = 0 ORDER BY sha256")]

    # --- an uptime's keeper --------------------------------------------------------------------

    def uptime(self) -> float:
        """See `UptimeKeeper`."""
        return float(self._database.fetch("SELECT uptime_s FROM {log}")[0][0])

    def keep_uptime(self, seconds: float) -> None:
        """See `UptimeKeeper`. Not worth a sync of its own."""
        statement = self._database.sql("UPDATE {log} SET uptime_s = greatest(uptime_s, %s)")
        try:
            with self._database.datastore.transaction(commit=True) as cursor:
                cursor.execute("SET LOCAL synchronous_commit = off")
                cursor.execute(statement, (seconds,))
        except TROUBLE as error:
            raise fault_of(error, "the uptime could not be kept") from error

    def close(self) -> None:
        """Give back the lock and the connections."""
        self.store.close()
        if self._writer is not None:
            self._writer.close()
        self._database.close()


def _is_wanted(statement: str) -> bool:
    """Its table and its index; not the type and the function of the library's own way to insert."""
    return statement.startswith(("CREATE TABLE", "CREATE UNIQUE INDEX"))
