"""The catalogs of a runtime, one for each workspace: read once a minute at most, or when a spec's name is missing."""

import threading
import time
from pathlib import Path

from fleetlog.domain.errors import NotFound
from fleetlog.runtime.definitions.catalog import Catalog
from fleetlog.runtime.definitions.definition import AgentDefinition

__all__ = ["Catalogs"]

MAX_AGE_S = 60.0
MAX_KEPT = 64


class Catalogs:
    """One runtime's. Any thread; a read holds the others up, who would read the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the dict, whose entries are in the order they were read
        self._kept: dict[str, tuple[float, Catalog]] = {}

    def find(self, name: str, workspace: str | None) -> AgentDefinition:
        """The definition of that name for a workspace, as it was at most a minute ago; raises `NotFound`."""
        return self._catalog(workspace, MAX_AGE_S).find(name)

    def check(self, name: str, workspace: str | None) -> None:
        """Raise `NotFound` when no file, as they are now, defines it."""
        try:
            self.find(name, workspace)
        except NotFound:
            self._catalog(workspace, 0.0).find(name)

    def _catalog(self, workspace: str | None, max_age_s: float) -> Catalog:
        key = workspace or ""
        with self._lock:
            read_at, catalog = self._kept.get(key, (0.0, None))
            if catalog is None or time.monotonic() - read_at >= max_age_s:
                catalog = Catalog.load(Path(key) if key else None)
                self._kept.pop(key, None)
                self._kept[key] = (time.monotonic(), catalog)
            while len(self._kept) > MAX_KEPT:
                del self._kept[next(iter(self._kept))]
            return catalog
