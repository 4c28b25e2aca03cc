"""The file the read models' rows live in, beside the log; and connections to read it with.

It is disposable. A file that was deleted, damaged or made by another version is made anew from the log; a
reader in another process needs nothing but the file.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from fleetlog.domain.errors import StoreFault
from fleetlog.projections.projection import Projection, Rows
from fleetlog.runtime.store import TUNING

__all__ = ["Reader", "ViewFile", "delete_views", "views_position"]

_POSITIONS = """CREATE TABLE IF NOT EXISTS projections (
    name TEXT PRIMARY KEY, version INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID"""
_RESTORES = 5
_GONE = -1
_ITS_OWN_FAULT = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_RANGE,
    sqlite3.SQLITE_TOOBIG,
}
"""Primary result codes that a statement or its values are to blame for; the others are the file's or the disk's."""
_SUFFIXES = ("", "-wal", "-shm")


def delete_views(path: Path) -> None:
    """Delete a file of views, which nobody writes now."""
    for suffix in _SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def views_position(path: Path) -> int:
    """The farthest position of the log that these views have seen; 0 where there are none."""
    if not path.exists():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT coalesce(max(position), 0) FROM projections").fetchone()[0])
    except sqlite3.Error:  # not a file of views: it will be made anew
        return 0


class ViewFile:
    """The projector's connection: the only writer. Not thread-safe; the projector's thread has it."""

    def __init__(self, path: Path, projections: Sequence[Projection]) -> None:
        self.path, self._projections = path, projections
        self.positions: dict[str, int] = {}
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            delete_views(self.path)
            self._connection = self._open()
        self._inode = self._current_inode()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            for pragma in ("PRAGMA synchronous=NORMAL", *TUNING):
                connection.execute(pragma)
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_POSITIONS)
            for projection in self._projections:
                self.positions[projection.name] = self._prepare(connection, projection)
            connection.execute("COMMIT")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _prepare(connection: sqlite3.Connection, projection: Projection) -> int:
        """The projection's position; 0, with empty tables, when it is new or has another version."""
        row = connection.execute(
            "SELECT version, position FROM projections WHERE name=?", (projection.name,)
        ).fetchone()
        if row is not None and row[0] == projection.version:
            return int(row[1])
        for table in projection.tables:
            connection.execute(f"DROP TABLE IF EXISTS {table}")
        for statement in projection.schema:
            connection.execute(statement)
        connection.execute("INSERT OR REPLACE INTO projections VALUES (?,?,0)", (projection.name, projection.version))
        return 0

    def write(self, batches: Sequence[tuple[Projection, Rows, int]]) -> dict[str, sqlite3.Error]:
        """Rows and positions of a batch, in one transaction. A projection whose own statements are wrong is left as
        it was, and named with its error; what is wrong with the file is raised, and nothing is written."""
        connection = self._connection
        failed: dict[str, sqlite3.Error] = {}
        connection.execute("BEGIN IMMEDIATE")
        try:
            for projection, rows, _ in batches:
                error = self._write_one(rows) if len(rows) else None
                if error is not None:
                    failed[projection.name] = error
            positions = {one.name: position for one, _, position in batches if one.name not in failed}
            moved = [(position, name) for name, position in positions.items()]
            connection.executemany("UPDATE projections SET position=? WHERE name=?", moved)
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self.positions |= positions
        return failed

    def _write_one(self, rows: Rows) -> sqlite3.Error | None:
        connection = self._connection
        connection.execute("SAVEPOINT one")
        try:
            for sql, parameters in rows.runs():
                connection.executemany(sql, parameters)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _ITS_OWN_FAULT:
                raise
            connection.execute("ROLLBACK TO one")
            return error
        connection.execute("RELEASE one")
        return None

    @property
    def is_there(self) -> bool:
        """The file still is the one that is open here."""
        return self._inode == self._current_inode() != _GONE

    def _current_inode(self) -> int:
        try:
            return self.path.stat().st_ino
        except OSError:
            return _GONE

    def replace(self) -> None:
        """Begin anew with an empty file: the one that was open is gone or damaged."""
        self.close()
        delete_views(self.path)
        self._connection = self._open()
        self._inode = self._current_inode()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class Reader:
    """Connections for queries, one for each that is under way. Any thread."""

    def __init__(self, path: Path, restore: Callable[[], object] | None = None) -> None:
        """`restore` makes a file that was deleted anew; without it, a reader says that there is none."""
        self._path, self._restore = path, restore
        self._free: list[tuple[int, sqlite3.Connection]] = []
        self._lock = threading.Lock()
        self._closed = False

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A read-only connection for one query."""
        inode, connection = self._take_or_restore()
        try:
            yield connection
        except sqlite3.Error as error:
            connection.close()
            raise StoreFault(f"the views {self._path} cannot be read: {error}") from error
        else:
            self._give_back(inode, connection)

    def _take_or_restore(self) -> tuple[int, sqlite3.Connection]:
        for _ in range(_RESTORES):
            try:
                return self._take()
            except StoreFault as fault:
                if self._restore is None or not isinstance(fault.__cause__, FileNotFoundError):
                    raise
                self._restore()
        return self._take()

    def _take(self) -> tuple[int, sqlite3.Connection]:
        try:
            inode = self._path.stat().st_ino
            with self._lock:
                while self._free:
                    known, connection = self._free.pop()
                    if known == inode:
                        return known, connection
                    connection.close()
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StoreFault(f"the views {self._path} cannot be opened: {error}") from error
        connection.row_factory = sqlite3.Row
        return inode, connection

    def _give_back(self, inode: int, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._free) < 8:
                self._free.append((inode, connection))
                return
        connection.close()

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            self._closed = True
            for _, connection in self._free:
                connection.close()
            self._free.clear()
