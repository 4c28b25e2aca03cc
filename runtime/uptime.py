"""The seconds a log's runtime was up, summed over all its processes (see clock.py): written down every second."""

import contextlib
import threading
from pathlib import Path
from typing import Protocol

from fleetlog.domain.errors import StoreFault
from fleetlog.runtime.clock import Clock

__all__ = ["Heartbeat", "UptimeFile", "UptimeKeeper"]

BEAT_EVERY_S = 1.0


class UptimeKeeper(Protocol):
    """Where the uptime outlives its process."""

    def uptime(self) -> float:
        """The seconds that were kept last; 0 for a new log."""

    def keep_uptime(self, seconds: float) -> None:
        """Keep them. Raises `OSError` or `StoreFault` when that does not go: at worst a second is forgotten."""


class UptimeFile:
    """The file `uptime` beside the log."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "uptime"

    def uptime(self) -> float:
        """See `UptimeKeeper`."""
        try:
            return float(self._path.read_text())
        except (OSError, ValueError):
            return 0.0

    def keep_uptime(self, seconds: float) -> None:
        """See `UptimeKeeper`."""
        temporary = self._path.with_suffix(".new")
        temporary.write_text(f"{seconds:.3f}\n")
        temporary.replace(self._path)


class Heartbeat:
    """The clock goes on from what was kept, and is kept until `stop`."""

    def __init__(self, clock: Clock, keeper: UptimeKeeper) -> None:
        self._clock, self._keeper = clock, keeper
        clock.start_at(keeper.uptime())
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="fleetlog-heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        while not self._stopped.wait(BEAT_EVERY_S):
            self._keep()

    def _keep(self) -> None:
        with contextlib.suppress(OSError, StoreFault):  # a full disk: at worst a second of uptime is forgotten
            self._keeper.keep_uptime(self._clock.now().uptime_s)

    def stop(self) -> None:
        """Keep it a last time."""
        self._stopped.set()
        self._thread.join(5)
        self._keep()
