"""What other threads hand to an event loop: however much arrives at once, the loop is woken once."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

__all__ = ["Arrivals"]

T = TypeVar("T")


class Arrivals(Generic[T]):
    """`put` is for any thread; `take` is called on the loop, with what has arrived, in its order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, take: Callable[[list[T]], None]) -> None:
        self._loop, self._take = loop, take
        self._arrived: deque[T] = deque()
        self._is_woken = False

    def put(self, one: T) -> None:
        """Hand it over soon; a loop that has ended takes no more."""
        self._arrived.append(one)
        if not self._is_woken:  # two threads may both find it so: the second wake-up finds nothing
            self._is_woken = True
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._hand_over)

    def _hand_over(self) -> None:
        self._is_woken = False  # first: what is put from now on wakes the loop again
        self._take([self._arrived.popleft() for _ in range(len(self._arrived))])
