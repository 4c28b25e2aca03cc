"""Tells MCP clients which resources have changed: it follows the timeline, and publishes what each event touches.

Its rule: while nobody has subscribed, nothing is read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from mcp.server.subscriptions import InMemorySubscriptionBus, ResourceUpdated, ServerEvent

from fleetlog.domain.errors import FleetlogError, RuntimeClosed
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.servers.resources import uris_of

__all__ = ["Announcements", "Bus"]

logger = logging.getLogger("fleetlog.servers")

AT_ONCE = 500
EVERY_S = 0.1


class Bus(InMemorySubscriptionBus):
    """The library's bus, which knows whether anybody listens. For the daemon's event loop."""

    def __init__(self, position: Callable[[], int]) -> None:
        """`position` is where the log is."""
        super().__init__()
        self._position = position
        self.since = 0
        """Where the log was when the first of those who listen now has come."""
        self.is_heard = asyncio.Event()

    def subscribe(self, listener: Callable[[ServerEvent], None]) -> Callable[[], None]:
        """See `SubscriptionBus`."""
        if not self._listeners:
            self.since = self._position()
        unsubscribe = super().subscribe(listener)
        self.is_heard.set()

        def leave() -> None:
            unsubscribe()
            if not self._listeners:
                self.is_heard.clear()

        return leave


class Announcements:
    """One task of the daemon's event loop."""

    def __init__(self, runtime: Runtime, bus: Bus) -> None:
        self._runtime, self._bus = runtime, bus

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within it, changes are announced."""
        task = asyncio.create_task(self._work())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        with suppress(RuntimeClosed):
            while True:
                await self._bus.is_heard.wait()
                await self._follow(self._bus.since)

    async def _follow(self, after: int) -> None:
        """Announce what comes behind the position, until nobody listens any more."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()
        moved.set()  # the log may have moved already
        with self._runtime.listening(lambda: loop.call_soon_threadsafe(moved.set)):
            while await moved.wait() and self._bus.is_heard.is_set():
                moved.clear()
                try:
                    after = await self._announce(after)
                except RuntimeClosed:
                    raise
                except FleetlogError as error:
                    logger.warning("action=announcing_failed error=%s", error)
                await asyncio.sleep(EVERY_S)  # what changes often is announced so often, and no more

    async def _announce(self, after: int) -> int:
        """Up to where it has been announced."""
        while entries := await asyncio.to_thread(self._runtime.timeline, after=after, limit=AT_ONCE):
            after = entries[-1].position
            for uri in dict.fromkeys(uri for entry in entries for uri in uris_of(entry)):
                await self._bus.publish(ResourceUpdated(uri=uri))
        return after
