"""Requests that hang until they are released, and tests that wait for what the server sees."""

import asyncio
import contextlib
from collections.abc import Callable

from tests.fakes.messages_api.stats import Stats

__all__ = ["Condition", "Waiting"]


Condition = Callable[[Stats], bool]


class Waiting:
    """For the server's loop alone."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._hanging: set[asyncio.Future[None]] = set()
        self._waiters: list[tuple[Condition, asyncio.Future[None]]] = []

    async def hang(self, seconds: float | None) -> None:
        """Wait for so many seconds (None: without end), or until the next release."""
        future = asyncio.get_running_loop().create_future()
        self._hanging.add(future)
        self._count()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(future, seconds)
        finally:
            self._hanging.discard(future)
            self._count()

    def release(self) -> None:
        """What hangs now goes on."""
        for future in self._hanging:
            if not future.done():
                future.set_result(None)

    async def until(self, condition: Condition, timeout_s: float) -> bool:
        """Whether it was reached in time."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((condition, future))
        self.look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(future, timeout_s)
        self._waiters = [waiter for waiter in self._waiters if waiter[1] is not future]
        return not future.cancelled()

    def look(self) -> None:
        """Something has changed: tell whoever has waited for it."""
        for condition, future in self._waiters:
            if not future.done() and condition(self._stats):
                future.set_result(None)

    def _count(self) -> None:
        self._stats.hanging = len(self._hanging)
        self.look()
