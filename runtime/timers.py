"""Deadlines: at an uptime, a message to an actor. Nothing here is durable; actors re-arm from their state."""

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

from fleetlog.runtime.clock import Clock

__all__ = ["Timers"]

logger = logging.getLogger("fleetlog.timers")


class Timers:
    """One thread that calls what is due. A key has one deadline: arming it again replaces it."""

    def __init__(self, clock: Clock, name: str = "fleetlog") -> None:
        self._clock = clock
        self._changed = threading.Condition()  # guards all below
        self._heap: list[tuple[float, int, str, Callable[[], None]]] = []
        self._latest: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"{name}-timers", daemon=True)
        self._thread.start()

    def arm(self, key: str, uptime_s: float, action: Callable[[], None]) -> None:
        """Call `action` on the timers' thread when the uptime is reached; it must not block."""
        number = next(self._numbers)
        with self._changed:
            self._latest[key] = number
            heapq.heappush(self._heap, (uptime_s, number, key, action))
            if self._heap[0][1] == number:
                self._changed.notify_all()

    def disarm(self, key: str) -> None:
        """Forget the key's deadline, if it has one."""
        with self._changed:
            self._latest.pop(key, None)

    def close(self) -> None:
        """Call nothing any more and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(5)

    def _work(self) -> None:
        while (action := self._next_due()) is not None:
            try:
                action()
            except BaseException:  # one deadline's trouble must not stop the others
                logger.exception("action=timer_failed")

    def _next_due(self) -> Callable[[], None] | None:
        with self._changed:
            while not self._closed:
                if self._heap and self._latest.get(self._heap[0][2]) != self._heap[0][1]:
                    heapq.heappop(self._heap)
                elif self._heap and self._heap[0][0] <= self._clock.now().uptime_s:
                    _, _, key, action = heapq.heappop(self._heap)
                    del self._latest[key]
                    return action
                else:
                    self._clock.wait(self._changed, self._heap[0][0] if self._heap else None)
            return None
