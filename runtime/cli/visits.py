"""A runtime directory as a short command visits it: to read, or to change one thing.

Reading needs no lock: the views are a file, also while another process runs the fleets, and after it died.
Only views that are behind a log that nobody owns are brought up to date first, which takes the lock for a moment.
"""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fleetlog.domain.errors import DirectoryOwned, InvalidArgument, NotFound, StoreFault
from fleetlog.projections.all import all_projections
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.ownership import directory_path, owner_of
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.servers.address import DaemonAddress
from fleetlog.runtime.store import open_store
from fleetlog.runtime.views import Reader

if TYPE_CHECKING:
    from fleetlog.runtime.client import Client
    from fleetlog.runtime.host import Runtime

__all__ = ["DEFAULT_DIR", "audited", "changing", "daemon_client", "dir_option", "existing", "reading"]

DEFAULT_DIR = ".fleetlog"

_LOG, _VIEWS, _ARTIFACTS = "log.db", "views.db", "artifacts"


@contextmanager
def reading(directory: str) -> Iterator[Queries]:
    """Queries over the directory, whoever owns it. Raises `NotFound` where nothing was ever run."""
    path = existing(directory)
    is_owned = owner_of(path) is not None
    reader = Reader(path / _VIEWS)
    try:
        queries = Queries(reader, ArtifactStore(path / _ARTIFACTS), is_owned=is_owned)
        if not is_owned and not _is_current(path, queries):
            is_owned = not _brought_up_to_date(path)
            queries = Queries(reader, ArtifactStore(path / _ARTIFACTS), is_owned=is_owned)
        yield queries
    finally:
        reader.close()


@contextmanager
def changing(directory: str, *, makes: bool = False) -> Iterator["Runtime | Client"]:
    """The facade, for a change: the directory's daemon, if it has one; else a runtime that takes commands and starts
    no brain: what it changes goes on with the next `resume`. With `makes`, the directory need not be there.
    Raises `DirectoryOwned` while another process, which is no daemon, runs the directory's fleets."""
    path = directory_path(directory) if makes else existing(directory)
    if path is None:
        raise InvalidArgument("'--dir' must be a directory here: a runtime in memory ends with its process")
    client = daemon_client(path)
    if client is not None:
        with client:
            yield client
        return
    with _without_brains(path) as runtime:
        yield runtime


def daemon_client(path: Path) -> "Client | None":
    """A client of the daemon that serves the directory; None when there is none."""
    if owner_of(path) is None or DaemonAddress.read(path) is None:
        return None
    from fleetlog.runtime.client import Client  # here: loading takes time

    return Client.of(path, patience_s=10.0)


def audited(directory: str) -> Verdict:
    """The verdict on the whole log, also while another process appends to it. Every commit is in the log before it
    is in the views, so views that are ahead of the log tell of a tail that was cut off."""
    path = existing(directory)
    seen = _views_position(path)
    with open_store(path / _LOG) as store:
        head = store.head()
        verdict = verify(store, head)
    if seen <= head:
        return verdict
    missing = f"the views have seen position {seen}, but the log ends at {head}: its tail was cut off"
    return Verdict(False, verdict.events, verdict.streams, (*verdict.findings, missing))


def _without_brains(path: Path) -> "Runtime":
    from fleetlog.runtime.host import Runtime, RuntimeConfig  # here: to look needs no actors, and loading takes time

    return Runtime.open(path, config=RuntimeConfig(workers=0, actor_threads=1), recover=False)


def existing(directory: str) -> Path:
    """The path of a runtime directory in which something was run. Raises `NotFound`, `InvalidArgument`."""
    path = directory_path(directory)
    if path is None:
        raise InvalidArgument("'--dir' must be a directory here: a runtime in memory ends with its process")
    if not (path / _LOG).is_file():
        raise NotFound(f"there is no log in {path}: nothing was run there. Say where with --dir DIR")
    return path


def _is_current(path: Path, queries: Queries) -> bool:
    with open_store(path / _LOG) as store:
        head = store.head()
    try:
        return queries.is_current(all_projections(), head)
    except StoreFault:
        return False


def _brought_up_to_date(path: Path) -> bool:
    """False when another process has taken the directory in the meantime, and keeps the views itself."""
    try:
        with _without_brains(path) as runtime:
            runtime.list_fleets(limit=1)
    except DirectoryOwned:
        return False
    return True


def _views_position(path: Path) -> int:
    reader = Reader(path / _VIEWS)
    try:
        return Queries(reader, ArtifactStore(None), is_owned=True).position()
    except StoreFault:
        return 0
    finally:
        reader.close()


def dir_option(directory: str) -> str:
    """` --dir DIR` for a command line that is shown to the user; empty where it is not needed."""
    is_default = directory == DEFAULT_DIR or directory == os.environ.get("FLEETLOG_DIR")
    return "" if is_default else f" --dir {shlex.quote(directory)}"
