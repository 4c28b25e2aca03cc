"""The only `now()` of the runtime.

Besides the wall clock there is the *uptime*: the seconds in which this log's runtime was up, summed over all
its processes. Every timeout counts uptime, so that a night in which the machine was off expires nothing.
"""

import threading
import time
from typing import Protocol

from fleetlog.domain.values import Now

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Where the time comes from. Any thread may call."""

    def now(self) -> Now:
        """The wall clock and the uptime."""

    def start_at(self, uptime_s: float) -> None:
        """Uptime goes on from what earlier processes have counted; never backwards."""

    def wait(self, condition: threading.Condition, uptime_s: float | None) -> None:
        """Wait, holding `condition`, until it is notified or the uptime is reached."""


class SystemClock:
    """The machine's clocks: UTC for the wall, the monotonic clock for uptime."""

    def __init__(self) -> None:
        self._offset_s = -time.monotonic()

    def now(self) -> Now:
        """See `Clock`."""
        return Now(time.time_ns() // 1_000_000, time.monotonic() + self._offset_s)

    def start_at(self, uptime_s: float) -> None:
        """See `Clock`."""
        self._offset_s = max(self._offset_s, uptime_s - time.monotonic())

    def wait(self, condition: threading.Condition, uptime_s: float | None) -> None:
        """See `Clock`."""
        timeout = None if uptime_s is None else max(0.0, uptime_s - self.now().uptime_s)
        condition.wait(timeout)


class ManualClock:
    """A clock for tests: it stands still until `advance`, and wakes who waits for it."""

    def __init__(self, wall_ms: int = 1_800_000_000_000) -> None:
        self._wall_ms, self._uptime_s = wall_ms, 0.0
        self._waiting: set[threading.Condition] = set()
        self._lock = threading.Lock()

    def now(self) -> Now:
        """See `Clock`."""
        return Now(self._wall_ms, self._uptime_s)

    def start_at(self, uptime_s: float) -> None:
        """See `Clock`."""
        self._uptime_s = max(self._uptime_s, uptime_s)

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake the timers."""
        with self._lock:
            self._uptime_s += seconds
            self._wall_ms += round(seconds * 1000)
            waiting = list(self._waiting)
        for condition in waiting:
            with condition:
                condition.notify_all()

    def set_wall(self, wall_ms: int) -> None:
        """Somebody sets the wall clock; no uptime passes."""
        self._wall_ms = wall_ms

    def wait(self, condition: threading.Condition, uptime_s: float | None) -> None:
        """See `Clock`."""
        with self._lock:
            self._waiting.add(condition)
            reached = uptime_s is not None and self._uptime_s >= uptime_s
        if not reached:
            condition.wait()
