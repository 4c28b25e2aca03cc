"""Event streams (server-sent events): what happens, as it happens, to clients that can go on where they stopped.

Its rules: an event's id is its position in the log. A client that waits costs no thread, and one that reads slowly
holds back its own stream: at most one page of it is in memory. A stream ends when its client goes or the house stops.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from fleetlog.domain.errors import FleetlogError, InvalidArgument, RuntimeClosed
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.servers.http.bodies import refuse_unknown
from fleetlog.runtime.servers.http.refusals import error_body, problem_of

__all__ = ["EventStream", "House", "agent_messages", "all_events", "fleet_events"]

HEARTBEAT_S = 15.0
PACE_S = 0.02
"""What changes often is looked at so often, and no more."""
STALL_S = 60.0
"""A client that takes nothing for so long is let go."""
LAST_WORDS_S = 1.0
"""So long it has when the house stops."""
TIMELINE_PAGE = 200
INBOX_PAGE = 16  # payloads have up to 64 KiB


class House(Protocol):
    """What the HTTP API needs of the daemon it is part of."""

    @property
    def runtime(self) -> Runtime:
        """The open runtime."""

    @property
    def stopping(self) -> asyncio.Event:
        """Set, on the event loop, when no more is to be waited for."""

    def door(self, request: Request) -> Door:
        """The facade as this request's caller may use it, now; raises `Unauthenticated`."""

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        """A blocking call, on a thread."""


class Sent(msgspec.Struct, frozen=True):
    """An event of a stream: its position, its name, and its data as JSON."""

    position: int
    name: str
    data: bytes

    @property
    def frame(self) -> bytes:
        """As it is sent."""
        return b"event: %s\nid: %d\ndata: %s\n\n" % (self.name.encode(), self.position, self.data)


Page = Callable[[int], Sequence[Sent]]
"""The events behind a position, not more than one page of them. Blocks."""


async def all_events(house: House, request: Request) -> "EventStream":
    """Every fleet's events, one after the other, oldest first."""
    return await _timeline(house, request, None)


async def fleet_events(house: House, request: Request) -> "EventStream":
    """A fleet's events and those of its agents, oldest first."""
    return await _timeline(house, request, request.path_params["fleet_id"])


async def agent_messages(house: House, request: Request) -> "EventStream":
    """An agent's messages, oldest first: those that it has not acknowledged, and then each that comes."""
    agent_id = request.path_params["agent_id"]

    def page(after: int) -> list[Sent]:
        found = house.door(request).inbox(agent_id, after=after, limit=INBOX_PAGE)
        return [Sent(one.position, "message", msgspec.json.encode(one)) for one in found.messages]

    return await _opened(house, request, page)


async def _timeline(house: House, request: Request, fleet_id: str | None) -> "EventStream":
    def page(after: int) -> list[Sent]:
        found = house.door(request).timeline(fleet_id, after=after, limit=TIMELINE_PAGE)
        return [Sent(one.position, one.what, msgspec.json.encode(one)) for one in found]

    return await _opened(house, request, page)


async def _opened(house: House, request: Request, page: Page) -> "EventStream":
    """The stream; what is refused is refused before it begins."""
    refuse_unknown(request.query_params, ("after",))
    after = _begin(house, request)
    first = await house.run_blocking(lambda: page(after))
    return EventStream(house, page, after, first)


def _begin(house: House, request: Request) -> int:
    """The position behind which the stream begins; that of a client which comes again counts more than its url's."""
    given = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    if given == "now":
        return house.runtime.position
    if not (given.isascii() and given.isdecimal() and len(given) <= 18):
        raise InvalidArgument(f"'after' (or Last-Event-ID) must be a position of the log or now, got \"{given[:80]}\"")
    return int(given)


class EventStream:
    """A response, as an ASGI application."""

    def __init__(self, house: House, page: Page, after: int, first: Sequence[Sent]) -> None:
        self._house, self._page, self._after, self._events = house, page, after, first
        self._is_over = False
        self._moved = asyncio.Event()
        self._giving: asyncio.Timeout | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        if scope["method"] != "HEAD":
            watch = asyncio.create_task(self._watch(receive))
            try:
                await self._flow(send)
            except TimeoutError:
                return  # it takes nothing any more: the server cuts what is not whole
            finally:
                watch.cancel()
                with suppress(asyncio.CancelledError):
                    await watch
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _flow(self, send: Send) -> None:
        """Send what is there and what comes, until the stream is over."""
        loop = asyncio.get_running_loop()
        await self._give(send, b"retry: 1000\nid: %d\n\n" % self._after)
        try:
            with self._house.runtime.listening(lambda: loop.call_soon_threadsafe(self._moved.set)):
                while True:
                    await self._pass_on(send)
                    if self._is_over:
                        return
                    self._moved.clear()
                    self._events = await self._house.run_blocking(lambda: self._page(self._after))
                    if not self._events:
                        await self._rest(send)
        except RuntimeClosed:
            return
        except FleetlogError as error:
            await self._give(send, b"event: fault\ndata: %s\n\n" % error_body(problem_of(error)))

    async def _pass_on(self, send: Send) -> None:
        if self._events:
            self._after = self._events[-1].position
            await self._give(send, b"".join(event.frame for event in self._events))
            self._events = ()

    async def _rest(self, send: Send) -> None:
        """Wait until there may be more. A word now and then keeps the connection; then it is looked whether the
        client may still hear what comes."""
        try:
            async with asyncio.timeout(HEARTBEAT_S):
                await self._moved.wait()
        except TimeoutError:
            await self._give(send, b": still here\n\n")
        else:
            await asyncio.sleep(0 if self._is_over else PACE_S)

    async def _give(self, send: Send, body: bytes) -> None:
        """Send, and wait until the client has room for it; raises `TimeoutError` when it takes nothing for too long."""
        async with asyncio.timeout(LAST_WORDS_S if self._is_over else STALL_S) as self._giving:
            await send({"type": "http.response.body", "body": body, "more_body": True})
        self._giving = None

    async def _watch(self, receive: Receive) -> None:
        """The stream is over when its client goes or the house stops."""
        ends = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._house.stopping.wait())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            self._is_over = True
            self._moved.set()
            if self._giving is not None and not self._giving.expired():
                self._giving.reschedule(asyncio.get_running_loop().time() + LAST_WORDS_S)


_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
