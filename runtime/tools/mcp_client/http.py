"""HTTP for one server: what goes wrong with one request is that request's answer, and no answer is larger than a limit.

The client of the mcp package ends the whole connection when a request cannot be sent, and reads a JSON answer of any
size. So a failure is turned into a JSON-RPC error here, marked with a code nobody else knows.
"""

import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx2

__all__ = ["GuardedClient"]

_NOT_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
    httpx2.LocalProtocolError,
)


class GuardedClient(httpx2.AsyncClient):
    """An HTTP client whose errors come as JSON-RPC errors. `not_sent` and `lost` are the `data` of those that say
    that a request never reached the server, and that nobody knows whether it did."""

    def __init__(self, *, headers: dict[str, str], timeout_s: float, max_bytes: int) -> None:
        timeout = httpx2.Timeout(timeout_s + 5, connect=timeout_s)  # the caller's own limit comes first
        limits = httpx2.Limits(max_connections=None)  # streams stay open: calls must not wait for one another
        super().__init__(headers={**headers, "accept-encoding": "identity"}, timeout=timeout, limits=limits)
        self._max_bytes = max_bytes
        self.not_sent, self.lost = secrets.token_hex(16), secrets.token_hex(16)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """See `httpx2.AsyncClient.send`."""
        try:
            response = await super().send(request, **options)
        except _NOT_SENT as error:
            return _failed(request, f"it cannot be reached: {_said(error)}", self.not_sent)
        except httpx2.TransportError as error:
            return _failed(request, f"the connection broke: {_said(error)}", self.lost)
        refusal = self._refusal(response)
        if refusal is None:
            if not response.is_stream_consumed and isinstance(response.stream, httpx2.AsyncByteStream):
                response.stream = _Limited(response.stream, None if _is_events(response) else self._max_bytes)
            return response
        await response.aclose()
        return _failed(request, *refusal)

    def _refusal(self, response: httpx2.Response) -> tuple[str, str] | None:
        """Why this answer is not read, and its mark."""
        if response.status_code == 404 and "mcp-session-id" in response.request.headers:
            return "the server has forgotten this session", self.not_sent
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return "the server compressed its answer though it was asked not to", self.lost
        is_json = response.headers.get("content-type", "").lower().startswith("application/json")
        if response.status_code < 400 or is_json or response.request.method != "POST":
            return None
        hint = "; is a header of its spec wrong or missing?" if response.status_code in (401, 403) else ""
        return f"it answered HTTP {response.status_code} {response.reason_phrase}{hint}", ""


class _Limited(httpx2.AsyncByteStream):
    """A body that ends with a `StreamError` when it is too large or breaks off: the error of one request."""

    def __init__(self, stream: httpx2.AsyncByteStream, max_bytes: int | None) -> None:
        self._stream, self._max_bytes = stream, max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            async for chunk in self._stream:
                size += len(chunk)
                if self._max_bytes is not None and size > self._max_bytes:
                    raise httpx2.StreamError(f"the answer is larger than {self._max_bytes} bytes")
                yield chunk
        except httpx2.TransportError as error:
            raise httpx2.StreamError(f"the answer broke off: {_said(error)}") from error

    async def aclose(self) -> None:
        await self._stream.aclose()


def _is_events(response: httpx2.Response) -> bool:
    """A stream of events has no end; its single events are bounded where they are read."""
    return bool(response.headers.get("content-type", "").lower().startswith("text/event-stream"))


def _failed(request: httpx2.Request, message: str, mark: str) -> httpx2.Response:
    error = {"code": -32603, "message": message, **({"data": mark} if mark else {})}
    return httpx2.Response(503, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
