"""HTTP/1.1 over one connection: requests in, replies out, one at a time, kept alive.

It knows nothing of messages. A reply is either whole (`send`) or in chunks (`open`, `chunk`, `close_chunks`); after it
the next request of the connection is taken up. All of it runs on the server's loop.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import NamedTuple, Protocol

__all__ = ["Connection", "Handler", "HttpRequest"]

MAX_HEAD_BYTES = 64 * 1024
_NO_LINGER = struct.pack("ii", 1, 0)


class HttpRequest(NamedTuple):
    """A request with its body. Header names are in lower case. `too_large`: the body was longer than allowed, and was
    thrown away."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    too_large: bool


class Handler(Protocol):
    """Who answers."""

    max_body_bytes: int

    def accept(self, connection: "Connection", request: HttpRequest) -> None:
        """Answer on the connection, now or in a task that the connection runs."""

    def opened(self, connection: "Connection") -> None:
        """A client has connected."""

    def closed(self, connection: "Connection") -> None:
        """The client has gone."""


class Connection(asyncio.Protocol):
    """One client's connection. `after_reply` is told what became of the last reply: True when the client goes on or
    closes in good order, False when it resets the connection; nothing when the server closes it."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._needed = 0  # bytes in the buffer before it is worth looking again
        self._dropping = 0  # bytes of a body that is too large, still to come
        self._head: HttpRequest | None = None
        self._keep_alive = True
        self._is_busy = False
        self._task: asyncio.Task[None] | None = None
        self.after_reply: Callable[[bool], None] | None = None

    # --- from the loop -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._handler.opened(self)

    def data_received(self, data: bytes) -> None:
        self._settle(True)
        if self._dropping:
            data = self._dropped(data)
        self._buffer += data
        if not self._is_busy and len(self._buffer) >= self._needed:
            self._take()

    def eof_received(self) -> bool:
        self._settle(True)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._settle(False)
        self._transport = None
        if self._task is not None:
            self._task.cancel()
        self._handler.closed(self)

    # --- requests ----------------------------------------------------------------------------

    def _dropped(self, data: bytes) -> bytes:
        gone = min(self._dropping, len(data))
        self._dropping -= gone
        if not self._dropping:
            self._needed = 0
        return data[gone:]

    def _take(self) -> None:
        """Hand over the request in the buffer, if it is whole."""
        while not self._is_busy and self.is_open and not self._dropping:
            if self._head is None and not self._read_head():
                return
            request = self._whole()
            if request is None:
                return
            self._is_busy = True
            self._handler.accept(self, request)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                self.abort()
            return False
        line, *lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        method, target, version = line.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        path, _, query = target.partition("?")
        self._keep_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        size = int(headers.get("content-length", 0))
        too_large = size > self._handler.max_body_bytes
        if too_large:
            gone = min(size, len(self._buffer))
            del self._buffer[:gone]
            self._dropping = size - gone
        self._needed = 0 if too_large else size
        self._head = HttpRequest(method, path, query, headers, b"", too_large)
        return True

    def _whole(self) -> HttpRequest | None:
        if self._head is None or self._dropping or len(self._buffer) < self._needed:
            return None
        request = self._head._replace(body=bytes(self._buffer[: self._needed]))
        del self._buffer[: self._needed]
        self._head, self._needed = None, 0
        return request

    # --- replies -----------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def run(self, work: Coroutine[None, None, None]) -> None:
        """Go on answering in a task, which is cancelled when the client goes."""
        self._task = asyncio.get_running_loop().create_task(work)
        self._task.add_done_callback(self._ended)

    def send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """A whole reply."""
        self._write(_head(status, {**headers, "content-length": str(len(body))}, self._keep_alive) + body)
        self._done()

    def open(self, headers: Mapping[str, str], first: bytes = b"", *, is_last: bool = False) -> None:
        """The head of a reply in chunks (status 200), and its first chunk; all of it when `is_last`."""
        head = _head(200, {**headers, "transfer-encoding": "chunked"}, self._keep_alive)
        self._write(head + _chunk(first) + (b"0\r\n\r\n" if is_last else b""))
        if is_last:
            self._done()

    def chunk(self, data: bytes, *, is_last: bool = False) -> None:
        """The next chunk; with the end of the reply when `is_last`."""
        self._write(_chunk(data) + (b"0\r\n\r\n" if is_last else b""))
        if is_last:
            self._done()

    def promise(self, headers: Mapping[str, str], size: int) -> None:
        """The head of a reply (status 200) whose body of that size comes by `write_raw`."""
        self._write(_head(200, {**headers, "content-length": str(size)}, self._keep_alive))

    def write_raw(self, data: bytes) -> None:
        """Bytes as they are."""
        self._write(data)

    def finish(self) -> None:
        """What was promised is sent."""
        self._done()

    def close(self) -> None:
        """Close once everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close at once, with a reset."""
        if self._transport is not None:
            with contextlib.suppress(OSError):
                linger = self._transport.get_extra_info("socket")
                linger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
            self._transport.abort()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _done(self) -> None:
        self._is_busy = False
        if not self._keep_alive:
            self.close()
        elif self._buffer and self._task is None:
            asyncio.get_running_loop().call_soon(self._take)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if self._task is task:  # the next request may have begun a task of its own
            self._task = None
        if not task.cancelled() and task.exception() is not None:
            self.abort()
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a reply failed", "exception": task.exception(), "protocol": self}
            )
        elif self._buffer and not self._is_busy:
            self._take()

    def _settle(self, went_on: bool) -> None:
        told, self.after_reply = self.after_reply, None
        if told is not None:
            told(went_on)


def _head(status: int, headers: Mapping[str, str], keep_alive: bool) -> bytes:
    phrase = "Overloaded" if status == 529 else HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append("connection: keep-alive" if keep_alive else "connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
