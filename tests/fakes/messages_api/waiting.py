"""Requests that hang until they are released, and tests that wait for what the server sees."""

import asyncio
import contextlib
from typing import Protocol

from tests.fakes.messages_api.stats import Stats

__all__ = ["Until", "Waiting"]


class Until(Protocol):
    """What must be reached, all of it."""

    @property
    def requests(self) -> int: ...
    @property
    def answered(self) -> int: ...
    @property
    def hanging(self) -> int: ...
    @property
    def in_flight(self) -> int: ...


class Waiting:
    """For the server's loop alone."""

    def __init__(self, stats: Stats) -> None:
        self._stats = stats
        self._hanging: set[asyncio.Future[None]] = set()
        self._waiters: list[tuple[Until, asyncio.Future[None]]] = []

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

    async def until(self, until: Until, timeout_s: float) -> bool:
        """Whether it was reached in time."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append((until, future))
        self.look()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(future, timeout_s)
        self._waiters = [waiter for waiter in self._waiters if waiter[1] is not future]
        return not future.cancelled()

    def look(self) -> None:
        """Something has changed: tell whoever has waited for it."""
        for until, future in self._waiters:
            if self._is_reached(until) and not future.done():
                future.set_result(None)

    def _count(self) -> None:
        self._stats.hanging = len(self._hanging)
        self.look()

    def _is_reached(self, until: Until) -> bool:
        stats = self._stats
        return (
            stats.requests >= until.requests
            and stats.answered >= until.answered
            and stats.hanging >= until.hanging
            and stats.in_flight >= until.in_flight
        )
