"""`/mcp`: MCP over HTTP. Nothing is kept between two requests, so a client does not notice the daemon's restart.

A plain tool call is answered at once (see quick_calls.py); a request that wants to hear of its progress, or listens,
is answered by a stream of events, any other by JSON.
"""

from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from mcp.server import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import SubscriptionBus
from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.servers.guard import PRINCIPAL
from fleetlog.runtime.servers.mcp import IDEMPOTENCY_KEY, mcp_server
from fleetlog.runtime.servers.quick_calls import QuickCall, quick_answer, quick_call
from fleetlog.runtime.servers.surface import Surface

__all__ = ["McpEndpoint"]

_STREAMING = (b'"progressToken"', b'"subscriptions/listen"')


class McpEndpoint:
    """An ASGI endpoint; `running` must be entered first."""

    def __init__(self, surface: Surface, bus: SubscriptionBus) -> None:
        self._surface = surface
        self._closing = ExitStack()
        server = mcp_server(surface, bus, _principal, self._closing)
        self._server_info = server.server_info_stamp
        self._plain = StreamableHTTPSessionManager(server, stateless=True, json_response=True)
        self._streaming = StreamableHTTPSessionManager(server, stateless=True)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Within it, requests are served."""
        with self._closing:
            async with self._plain.run(), self._streaming.run():
                yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await _whole(receive)
        headers = Headers(scope=scope)
        call = quick_call(body, is_initialized=True) if scope["method"] == "POST" else None
        if call is not None and _is_consistent(call, headers):
            await self._answer(call, scope, receive, send)
            return
        manager = self._streaming if any(sign in body for sign in _STREAMING) else self._plain
        await manager.handle_request(scope, _again(body, receive), send)

    async def _answer(self, call: QuickCall, scope: Scope, receive: Receive, send: Send) -> None:
        params = call.params
        key = params.meta.get(IDEMPOTENCY_KEY)
        answer = await self._surface.answer(scope[PRINCIPAL], params.name, params.arguments, idempotency_key=key)
        response = Response(quick_answer(call, answer, self._server_info), media_type="application/json")
        await response(scope, receive, send)


def _is_consistent(call: QuickCall, headers: Headers) -> bool:
    """Do the headers say what the body says, and take JSON? What is doubtful is left to the protocol's library."""
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return False
    accept = headers.get("accept", "")
    if "application/json" not in accept or "text/event-stream" not in accept:
        return False
    version = headers.get("mcp-protocol-version")
    if PROTOCOL_VERSION_META_KEY in call.params.meta:
        said = [version, headers.get("mcp-method"), headers.get("mcp-name")]
        return said == [call.params.meta[PROTOCOL_VERSION_META_KEY], "tools/call", call.params.name]
    return version is None or version in HANDSHAKE_PROTOCOL_VERSIONS


async def _whole(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, and then what comes."""
    given = False

    async def replay() -> Any:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _principal(ctx: ServerRequestContext[Any, Any]) -> Principal:
    assert ctx.request is not None
    principal: Principal = ctx.request.scope[PRINCIPAL]
    return principal
