"""What a log is in PostgreSQL: three tables in one schema. psycopg's room, with the other modules of this name.

`fleetlog_events` is the library's table of events, `fleetlog_artifacts` holds large values in parts, `fleetlog_log` one
row: the log's id, its owner (for people) and its uptime.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, LiteralString
from urllib.parse import unquote

import psycopg
from eventsourcing.persistence import InterfaceError, OperationalError
from eventsourcing.postgres import ConnectionPool, PostgresDatastore
from psycopg import Connection, Cursor
from psycopg.rows import TupleRow, tuple_row
from psycopg.sql import SQL, Composed, Identifier

from fleetlog.domain.errors import InvalidArgument, StoreFault, StoreUnavailable
from fleetlog.runtime.store.failures import TROUBLE, fault_of

__all__ = ["EVENTS", "Database", "first_line"]

EVENTS = "fleetlog_events"
MIN_SERVER = 130_000
CONNECT_TIMEOUT_S = 5
POOL_WAIT_S = 2.0
"""So long a reader waits for a connection of the pool, which comes back slowly after the server was away."""
KEEPALIVE: dict[str, Any] = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}
"""Seconds and tries until a peer that has vanished counts as gone, on both sides: its lock is free after some 25 s."""
_SETTINGS = (
    *(f"SET tcp_{name} = {value}" for name, value in KEEPALIVE.items()),
    "SET idle_in_transaction_session_timeout = '60s'",
    "SELECT set_config(name, '0', false) FROM pg_settings WHERE name = 'idle_session_timeout'",
)
"""An owner may be idle for days, and keeps its lock by its session."""
_LOCK_CLASS = int.from_bytes(b"flog", "big")
_OWNER_ROWS: LiteralString = """
    SELECT a.pid, a.application_name, a.client_addr FROM pg_locks l JOIN pg_stat_activity a USING (pid)
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = %s AND l.objid = %s AND l.objsubid = 2
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""


class _Datastore(PostgresDatastore):
    """The library's, with a pool that keeps to all of the url (its own takes five parts of one)."""

    def __init__(self, conninfo: str, schema: str, name: str) -> None:
        super().__init__("", "", "", "", "", schema=schema, originator_id_type="text")
        self.pool.close()
        self.pool = ConnectionPool(
            conninfo,
            connection_class=Connection[Any],
            kwargs={"row_factory": tuple_row, "application_name": name, **KEEPALIVE},
            min_size=1,
            max_size=8,
            open=False,
            configure=self.after_connect_func(),
            timeout=POOL_WAIT_S,
            num_workers=1,
            name="fleetlog-postgres",
        )

    def register_type_adapters(self) -> None:
        """None are used."""


class Database:
    """Connections to one log's database: of a pool, for readers and artifacts, and single ones. Any thread."""

    def __init__(self, url: str, shown: str) -> None:
        self.conninfo, self.schema = _without_schema(url)
        self.shown = shown
        self.name = f"fleetlog {secrets.token_hex(4)}"
        try:
            psycopg.conninfo.conninfo_to_dict(self.conninfo)
        except psycopg.ProgrammingError as error:
            raise InvalidArgument(f"the url {shown} cannot be used: {str(error).splitlines()[0]}") from None
        self.datastore = _Datastore(self.conninfo, self.schema, self.name)

    def sql(self, text: LiteralString) -> Composed:
        """A statement with the tables' names filled in: `{events}`, `{artifacts}`, `{log}`, `{schema}`."""
        names = {name: Identifier(self.schema, f"fleetlog_{name}") for name in ("events", "artifacts", "log")}
        return SQL(text).format(schema=Identifier(self.schema), **names)

    def name_of(self, table: str) -> str:
        """A table's name, quoted, as PostgreSQL's functions take it."""
        schema = self.schema.replace('"', '""')
        return f'"{schema}".fleetlog_{table}'

    def connect(self) -> Connection[TupleRow]:
        """A connection of its own, in autocommit mode. Raises the library's `OperationalError`."""
        try:
            connection = psycopg.connect(
                self.conninfo,
                autocommit=True,
                application_name=self.name,
                **{"connect_timeout": CONNECT_TIMEOUT_S, **KEEPALIVE},
            )
            for setting in _SETTINGS:
                connection.execute(SQL(setting))
        except psycopg.Error as error:
            raise OperationalError(f"{self.shown} cannot be reached: {first_line(error)}") from error
        return connection

    @contextmanager
    def reading(self) -> Iterator[Cursor[TupleRow]]:
        """A cursor of a pool's connection, whose rows are read in binary form."""
        with self.datastore.get_connection() as connection, connection.cursor(binary=True) as cursor:
            yield cursor  # type: ignore[misc]  # the pool's rows are tuples

    def fetch(self, text: LiteralString, parameters: tuple[object, ...] = ()) -> list[TupleRow]:
        """The rows of a query. Where the pool's connections have broken, over a new one. Raises `StoreFault`."""
        try:
            with self.reading() as cursor:
                return cursor.execute(self.sql(text), parameters).fetchall()
        except (OperationalError, InterfaceError):
            return self._fetched_anew(text, parameters)
        except TROUBLE as error:
            raise fault_of(error, f"{self.shown} cannot be read") from error

    def _fetched_anew(self, text: LiteralString, parameters: tuple[object, ...]) -> list[TupleRow]:
        """Over a connection of its own, which tells why there is none."""
        try:
            with closing(self.connect()) as connection, connection.cursor(binary=True) as cursor:
                rows = cursor.execute(self.sql(text), parameters).fetchall()
        except OperationalError as error:
            raise StoreUnavailable(str(error)) from error
        except psycopg.Error as error:
            raise StoreUnavailable(f"{self.shown} cannot be read: {first_line(error)}") from error
        self.datastore.pool.check()
        return rows

    # --- the lock ------------------------------------------------------------------------------

    @property
    def lock_key(self) -> tuple[int, int]:
        """The advisory lock's two numbers; it is of the database, the second of the schema."""
        digest = hashlib.sha256(self.schema.encode()).digest()
        return _LOCK_CLASS, int.from_bytes(digest[:4], "big") >> 1

    def lock_holder(self, connection: Connection[TupleRow] | None = None) -> tuple[int, str, str] | None:
        """Whose session holds the log's lock: process id in the server, name, address; None when nobody's does."""
        text: LiteralString = _OWNER_ROWS
        rows = connection.execute(text, self.lock_key).fetchall() if connection else self.fetch(text, self.lock_key)
        return (rows[0][0], rows[0][1], str(rows[0][2] or "this machine")) if rows else None

    # --- the tables ----------------------------------------------------------------------------

    def is_there(self) -> bool:
        """Has a log been begun here?"""
        found = self.fetch("SELECT to_regclass(%s) IS NOT NULL", (self.name_of("log"),))
        return bool(found[0][0])

    def make(self, connection: Connection[TupleRow], events: list[Composed]) -> None:
        """Make the tables where there are none. Under the lock: two at once would be in each other's way."""
        if (there := connection.execute("SELECT to_regclass(%s)", (self.name_of("log"),)).fetchone()) and there[0]:
            return
        others = (
            self.sql(
                "CREATE TABLE IF NOT EXISTS {log} (id text NOT NULL, owner text NOT NULL, uptime_s float8 NOT NULL)"
            ),
            self.sql("INSERT INTO {log} SELECT gen_random_uuid()::text, '', 0 WHERE NOT EXISTS (SELECT 1 FROM {log})"),
            self.sql(
                "CREATE TABLE IF NOT EXISTS {artifacts} (sha256 text NOT NULL, part int NOT NULL,"
                " content bytea NOT NULL, PRIMARY KEY (sha256, part))"
            ),
        )
        try:
            if not connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone():
                connection.execute(self.sql("CREATE SCHEMA IF NOT EXISTS {schema}"))
            with connection.transaction():
                for statement in (*events, *others):
                    connection.execute(statement)
        except psycopg.Error as error:
            raise StoreFault(f"no log can be made in {self.shown}: {first_line(error)}") from error

    def close(self) -> None:
        """Close the pool."""
        self.datastore.close()


def first_line(error: Exception) -> str:
    """What an error says first; the others are hints for an administrator."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _without_schema(url: str) -> tuple[str, str]:
    """What libpq takes, and the schema, which is an option of ours."""
    base, _, query = url.partition("?")
    options = [option for option in query.split("&") if option]
    schemas = [unquote(option.partition("=")[2]) for option in options if option.startswith("schema=")]
    kept = "&".join(option for option in options if not option.startswith("schema="))
    return base + (f"?{kept}" if kept else ""), schemas[-1] if schemas else "public"
