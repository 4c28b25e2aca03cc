"""A runtime directory as a short command visits it: to read, or to change one thing.

Reading needs no lock: the views are a file, also while another process runs the fleets, and after it died.
Only views that are behind a log that nobody owns are brought up to date first, which takes the lock for a moment.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fleetlog.domain.errors import InvalidArgument, NotFound, StoreFault
from fleetlog.projections.all import all_projections
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.opening import Opened, bring_views_up_to_date, reading_log
from fleetlog.runtime.ownership import owner_of
from fleetlog.runtime.places import Place, as_given, place_of
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.servers.address import DaemonAddress
from fleetlog.runtime.views import Reader, views_position

if TYPE_CHECKING:
    from fleetlog.runtime.client import Client
    from fleetlog.runtime.host import Runtime

__all__ = ["DEFAULT_DIR", "audited", "changing", "daemon_client", "dir_option", "reading", "visited"]

DEFAULT_DIR = ".fleetlog"


@contextmanager
def visited(directory: str) -> Iterator[tuple[Place, Opened]]:
    """The place, and its log as a visitor reads it. Raises `NotFound` where nothing was ever run."""
    place = _existing(directory)
    with reading_log(place) as opened:
        if opened.database is not None and owner_of(place.folder) is None and not opened.database.exists:
            raise _nothing_there(place)
        yield place, opened


def _existing(directory: str) -> Place:
    """The place; of a database, whether it holds a log is yet to be seen."""
    place = place_of(directory)
    if place is None:
        raise InvalidArgument("'--dir' must be a directory here: a runtime in memory ends with its process")
    if not place.url and not place.log.is_file():
        raise _nothing_there(place)
    return place


def _nothing_there(place: Place) -> NotFound:
    return NotFound(f"there is no log in {place}: nothing was run there. Say where with --dir DIR")


@contextmanager
def reading(directory: str) -> Iterator[Queries]:
    """Queries over the directory, whoever owns it. Raises `NotFound` where nothing was ever run."""
    place = _existing(directory)
    reader = Reader(place.views)
    try:
        if not place.url and owner_of(place.folder) is not None:  # the owner keeps the views: nothing else is opened
            yield Queries(reader, ArtifactStore(place.artifacts), is_owned=True)
            return
        with visited(directory) as (_, opened):
            yield _queries(place, opened, reader)
    finally:
        reader.close()


def _queries(place: Place, opened: Opened, reader: Reader) -> Queries:
    """Over views that are as new as the log: an owner on this machine keeps them so; else they are brought up to it."""
    owned = Queries(reader, opened.artifacts, is_owned=True)
    if owner_of(place.folder) is not None:
        return owned
    if not _is_current(owned, opened) and not bring_views_up_to_date(place, opened):
        return owned  # somebody has taken it in the meantime
    is_owned = opened.database is not None and opened.database.owner is not None
    return Queries(reader, opened.artifacts, is_owned=is_owned)


def _is_current(queries: Queries, opened: Opened) -> bool:
    head = opened.store.head()
    try:
        return queries.is_current(all_projections(), head)
    except StoreFault:
        return False


@contextmanager
def changing(directory: str, *, makes: bool = False) -> Iterator["Runtime | Client"]:
    """The facade, for a change: the directory's daemon, if it has one; else a runtime that takes commands and starts
    no brain: what it changes goes on with the next `resume`. With `makes`, the directory need not be there.
    Raises `DirectoryOwned` while another process, which is no daemon, runs the directory's fleets."""
    place = place_of(directory)
    if place is None or not makes:
        with visited(directory) as (place, _):
            pass
    client = daemon_client(place)
    if client is not None:
        with client:
            yield client
        return
    from fleetlog.runtime.host import Runtime, RuntimeConfig  # here: to look needs no actors, and loading takes time

    with Runtime.open(directory, config=RuntimeConfig(workers=0, actor_threads=1), recover=False) as runtime:
        yield runtime


def daemon_client(place: Place | None) -> "Client | None":
    """A client of the daemon that serves the place on this machine; None when there is none."""
    if place is None or owner_of(place.folder) is None or DaemonAddress.read(place.folder) is None:
        return None
    from fleetlog.runtime.client import Client  # here: loading takes time

    return Client.of(place.folder, patience_s=10.0)


def audited(directory: str) -> Verdict:
    """The verdict on the whole log, also while another process appends to it. Every commit is in the log before it
    is in the views, so views that are ahead of the log tell of a tail that was cut off."""
    with visited(directory) as (place, opened):
        seen = views_position(place.views)
        head = opened.store.head()
        verdict = verify(opened.store, head)
    if seen <= head:
        return verdict
    missing = f"the views have seen position {seen}, but the log ends at {head}: its tail was cut off"
    return Verdict(False, verdict.events, verdict.streams, (*verdict.findings, missing))


def dir_option(directory: str) -> str:
    """` --dir DIR` for a command line that is shown to the user; empty where it is not needed."""
    is_default = directory == DEFAULT_DIR or directory == os.environ.get("FLEETLOG_DIR")
    return "" if is_default else f" --dir {shlex.quote(as_given(directory))}"
