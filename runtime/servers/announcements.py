"""Tells MCP clients which resources have changed: it follows the timeline, and publishes what each event touches."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from mcp.server.subscriptions import ResourceUpdated

from fleetlog.domain.errors import FleetlogError, RuntimeClosed
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.servers.resources import uris_of

__all__ = ["Announcements"]

logger = logging.getLogger("fleetlog.servers")

AT_ONCE = 500
EVERY_S = 0.1


class Announcements:
    """One task of the daemon's event loop."""

    def __init__(self, runtime: Runtime, publish: Callable[[ResourceUpdated], Awaitable[None]]) -> None:
        self._runtime, self._publish = runtime, publish
        self._after = runtime.position

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
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()
        with self._runtime.listening(lambda: loop.call_soon_threadsafe(moved.set)):
            while True:
                await moved.wait()
                moved.clear()
                try:
                    await self._announce()
                except RuntimeClosed:
                    return
                except FleetlogError as error:
                    logger.warning("action=announcing_failed error=%s", error)
                await asyncio.sleep(EVERY_S)  # what changes often is announced so often, and no more

    async def _announce(self) -> None:
        while entries := await asyncio.to_thread(self._runtime.timeline, after=self._after, limit=AT_ONCE):
            self._after = entries[-1].position
            for uri in dict.fromkeys(uri for entry in entries for uri in uris_of(entry)):
                await self._publish(ResourceUpdated(uri=uri))
