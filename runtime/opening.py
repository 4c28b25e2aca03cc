"""A place, opened: its log, what its artifacts lie on, and the file of its views; ours until they are given back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.domain.errors import DirectoryOwned, InvalidArgument
from fleetlog.projections.all import all_projections
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.clock import Clock
from fleetlog.runtime.ownership import FolderLock, owner_of
from fleetlog.runtime.places import Place
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import EventStore, open_store
from fleetlog.runtime.uptime import Heartbeat, UptimeFile
from fleetlog.runtime.views import ViewFile, delete_views, views_position

if TYPE_CHECKING:
    from fleetlog.runtime.store.postgres import PostgresLog

__all__ = ["Opened", "anyone_at", "bring_views_up_to_date", "open_place", "postgres_log", "reading_log"]

CATCH_UP_TIMEOUT_S = 3600.0
_LOG_ID_FILE = "views.of"


class Opened(msgspec.Struct, frozen=True):
    """What a runtime stands on. `database` is the log again, where it is in one."""

    store: EventStore
    artifacts: ArtifactStore
    database: "PostgresLog | None" = None


def postgres_log(place: Place, *, owned: bool) -> "PostgresLog":
    """The log in the place's database. Raises `InvalidArgument` where psycopg is not installed."""
    try:
        from fleetlog.runtime.store.postgres import PostgresLog  # here: only who needs it has it installed
    except ImportError as error:
        raise InvalidArgument(
            f"a log in PostgreSQL is read with psycopg ({error}): pip install 'fleetlog[postgres]'"
        ) from error
    return PostgresLog(place.url, str(place), owned=owned)


def open_place(place: Place, clock: Clock, then: Callable[..., Any], store: EventStore | None) -> Opened:
    """Take the place, and open its log (`store` stands for it in tests). What is to be closed, last first, is told to
    `then`. Raises `DirectoryOwned`, `InvalidArgument`, `StoreFault`."""
    then(FolderLock(place).release)
    if not place.url:
        then(Heartbeat(clock, UptimeFile(place.folder)).stop)
        return Opened(store or open_store(place.log), ArtifactStore(place.artifacts))
    database = postgres_log(place, owned=True)
    then(database.close)
    then(Heartbeat(clock, database).stop)
    _keep_only_its_own_views(place, database)
    return Opened(store or database.store, ArtifactStore(database), database)


@contextmanager
def reading_log(place: Place) -> Iterator[Opened]:
    """The place's log as a visitor reads it, whoever owns it."""
    if not place.url:
        with open_store(place.log) as store:
            yield Opened(store, ArtifactStore(place.artifacts))
        return
    database = postgres_log(place, owned=False)
    try:
        yield Opened(database.store, ArtifactStore(database), database)
    finally:
        database.close()


def anyone_at(place: Place) -> str | None:
    """Who runs the place's fleets now, on this machine or, with a log in a database, on another; None when nobody
    does."""
    if (owner := owner_of(place.folder)) is not None or not place.url:
        return owner
    with reading_log(place) as opened:
        database = opened.database
        return database.owner if database is not None and database.exists else None


def bring_views_up_to_date(place: Place, opened: Opened) -> bool:
    """Fold what the log has and this machine's views have not: nobody keeps them here now. The log itself may be owned,
    by another machine. False when somebody else has taken the folder in the meantime."""
    try:
        lock = FolderLock(place)
    except DirectoryOwned:
        return False
    try:
        if opened.database is not None:
            _keep_only_its_own_views(place, opened.database)
        projections = all_projections()
        projector = Projector(opened.store, ViewFile(place.views, projections), projections)
        try:
            projector.wait(opened.store.head(), CATCH_UP_TIMEOUT_S)
        finally:
            projector.close()
    finally:
        lock.release()
    return True


def _keep_only_its_own_views(place: Place, database: "PostgresLog") -> None:
    """Views of another log, or of a future that a restored database does not have, are made anew."""
    mark, log_id = place.folder / _LOG_ID_FILE, database.log_id
    is_its_own = mark.exists() and mark.read_text() == log_id
    if not is_its_own or views_position(place.views) > database.store.head():
        delete_views(place.views)
        mark.write_text(log_id)
