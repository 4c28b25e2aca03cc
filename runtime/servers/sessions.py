"""The daemon's side of stdio clients: one MCP session for each connection to its Unix socket.

Frames are described in stdio.py. A session's calls that change something are made in the order of its lines.
"""

import asyncio
import functools
import logging
import os
import socket
from collections.abc import Callable
from contextlib import ExitStack, nullcontext, suppress
from pathlib import Path
from typing import Any

import anyio
import mcp.types as t
import msgspec
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server.subscriptions import SubscriptionBus
from mcp.shared.message import SessionMessage

from fleetlog.domain.errors import FleetlogError
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.servers.arrivals import Arrivals
from fleetlog.runtime.servers.mcp import IDEMPOTENCY_KEY, mcp_server
from fleetlog.runtime.servers.quick_calls import QuickCall, quick_answer, quick_call
from fleetlog.runtime.servers.surface import Answer, OnItsWay, Surface

__all__ = ["Sessions"]

logger = logging.getLogger("fleetlog.servers")

MAX_LINE_BYTES = 16 * 1024 * 1024
SEND_BYTES = 1 << 20
"""What the system may keep of a connection's answers (it may allow less): a long one is sent at once."""
HELLO_TIMEOUT_S = 5.0
IN_A_ROW = 16
"""So many calls of one client are begun before others get their turn."""
PARSE_ERROR, INVALID_REQUEST = -32700, -32600


class Hello(msgspec.Struct, frozen=True):
    """A connection's first line. `token` is empty for the directory's owner. Frames whose key is `stem`, a hyphen and a
    number above `sent` were never sent before; clients of an older version say nothing of them."""

    fleetlog: int
    token: str = ""
    stem: str = ""
    sent: int = 0


class Sessions:
    """All sessions of a daemon. Its methods are for the daemon's event loop."""

    def __init__(self, surface: Surface, bus: SubscriptionBus, principal_of: Callable[[str], Principal]) -> None:
        self._surface, self._bus, self._principal_of = surface, bus, principal_of
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._path: Path | None = None

    async def start(self, path: Path) -> None:
        """Listen at the path; nobody but the owner may connect."""
        path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._connected, sock=_bound(path), limit=MAX_LINE_BYTES)
        self._path = path

    async def close(self) -> None:
        """Listen no more, and end the sessions: their clients connect again to the next daemon."""
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BYTES)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the daemon goes
        except Exception:
            logger.exception("action=session_failed")
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await asyncio.wait_for(reader.readline(), HELLO_TIMEOUT_S)
        try:
            hello = msgspec.json.decode(line, type=Hello)
            principal = self._principal_of(hello.token)
        except (msgspec.MsgspecError, FleetlogError) as error:
            principal, refusal = None, str(error)
        if principal is None:
            await _refuse_all(reader, writer, refusal)
            return
        still = functools.partial(self._principal_of, hello.token)
        with self._surface.runtime.counted_keys(hello.stem, hello.sent) if hello.stem else nullcontext():
            await _Session(self._surface, self._bus, principal, still, reader, writer).run()


def _bound(path: Path) -> socket.socket:
    """A socket at the path that nobody but its owner could ever connect to: it is made with its mode."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(umask)
    return listener


async def _refuse_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, reason: str) -> None:
    """Tell a client with a wrong token so at its every request."""
    async for frame in reader:
        await _refuse(writer, frame, reason)


async def _refuse(writer: asyncio.StreamWriter, frame: bytes, reason: str) -> None:
    with suppress(msgspec.MsgspecError):
        request = msgspec.json.decode(frame.partition(b"\t")[2])
        if isinstance(request, dict) and "id" in request:
            await _write(writer, request["id"], _error(request["id"], INVALID_REQUEST, reason))


class _Session:
    """One client's connection. It can outlive its token: `still` raises `Unauthenticated` from then on."""

    def __init__(
        self,
        surface: Surface,
        bus: SubscriptionBus,
        principal: Principal,
        still: Callable[[], Principal],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._reader, self._writer, self._still = reader, writer, still
        self._closing = ExitStack()
        self._principal, self._surface = principal, surface.lane()
        self._server = mcp_server(self._surface, bus, lambda _: principal, self._closing)
        self._server_info = self._server.server_info_stamp
        self._is_initialized = False
        self._hello: t.RequestId | None = None
        self._greeted = asyncio.Event()
        """The handshake with this id was answered."""
        self._begun, self._in_tasks = 0, 0
        """Calls that were begun at once; and those that tasks answer, which nobody behind them may overtake."""
        self._ended = Arrivals(asyncio.get_running_loop(), self._answer_all)
        self._tasks: TaskGroup

    async def run(self) -> None:
        """Serve until the client has gone."""
        heard, to_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        said, from_server = anyio.create_memory_object_stream[SessionMessage](0)
        with self._closing:
            async with anyio.create_task_group() as self._tasks:
                tasks = self._tasks
                tasks.start_soon(self._read, heard)
                tasks.start_soon(self._write_all, from_server)
                await self._server.run(to_server, said, self._server.create_initialization_options())
                tasks.cancel_scope.cancel()

    async def _read(self, heard: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
        async with heard:
            async for frame in self._reader:
                if (refusal := self._refusal()) is not None:
                    self._closing.close()
                    await _refuse(self._writer, frame, refusal)
                    continue
                key, _, line = frame.partition(b"\t")
                if call := quick_call(line, is_initialized=self._is_initialized):
                    await self._take(call, key.decode())
                    continue
                try:
                    message: Any = t.jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError as error:
                    await _write(self._writer, "", _error(None, PARSE_ERROR, f"this line is no message: {error}"[:500]))
                    continue
                if isinstance(message, t.JSONRPCRequest) and message.method == "tools/call":
                    _give_key(message, key.decode())
                is_hello = isinstance(message, t.JSONRPCRequest) and message.method == "initialize"
                if is_hello:
                    self._hello = message.id
                    self._greeted.clear()
                await heard.send(SessionMessage(message))
                if is_hello:
                    await self._greeted.wait()  # else a call behind it could overtake one that goes the long way

    def _refusal(self) -> str | None:
        """Why the client's token counts no more; None while it does."""
        try:
            self._still()
        except FleetlogError as error:
            return str(error)
        return None

    async def _take(self, call: QuickCall, key: str) -> None:
        """A plain call of a tool. Calls reach the surface in the order of their lines."""
        key = call.params.meta.get(IDEMPOTENCY_KEY, key)
        if self._in_tasks or not self._begin(call, key):
            self._in_tasks += 1
            self._tasks.start_soon(self._call, call, key)
            return
        self._begun += 1
        if self._begun % IN_A_ROW == 0:
            await asyncio.sleep(0)
        await self._writer.drain()

    def _begin(self, call: QuickCall, key: str) -> bool:
        """Put it on its way at once, if it can be; it is answered without a task of its own."""
        params = call.params
        begun = self._surface.begin(self._principal, params.name, params.arguments, idempotency_key=key)
        if isinstance(begun, OnItsWay):
            begun.future.add_done_callback(lambda _: self._ended.put((call, begun.answer)))
        elif begun is not None:
            self._ended.put((call, lambda: begun))
        return begun is not None

    def _answer_all(self, ended: list[tuple[QuickCall, Callable[[], Answer]]]) -> None:
        frames = [_frame(call.id, quick_answer(call, answer(), self._server_info)) for call, answer in ended]
        if not self._writer.is_closing():
            self._writer.write(b"".join(frames))

    async def _call(self, call: QuickCall, key: str) -> None:
        params = call.params
        try:
            answer = await self._surface.answer(self._principal, params.name, params.arguments, idempotency_key=key)
        finally:
            self._in_tasks -= 1
        await _write(self._writer, call.id, quick_answer(call, answer, self._server_info))

    async def _write_all(self, said: MemoryObjectReceiveStream[SessionMessage]) -> None:
        async with said:
            async for one in said:
                message = one.message
                if isinstance(message, t.JSONRPCResponse | t.JSONRPCError) and message.id == self._hello:
                    self._is_initialized |= isinstance(message, t.JSONRPCResponse)
                    self._greeted.set()
                answered = message.id if isinstance(message, t.JSONRPCResponse | t.JSONRPCError) else ""
                text = message.model_dump_json(by_alias=True, exclude_unset=True)
                await _write(self._writer, answered, text.encode())


def _give_key(message: t.JSONRPCRequest, key: str) -> None:
    params = message.params if message.params is not None else {}
    meta = params.get("_meta")
    message.params = {**params, "_meta": {IDEMPOTENCY_KEY: key, **(meta if isinstance(meta, dict) else {})}}


async def _write(writer: asyncio.StreamWriter, answered: object, line: bytes) -> None:
    writer.write(_frame(answered, line))
    await writer.drain()


def _frame(answered: object, line: bytes) -> bytes:
    request_id = msgspec.json.encode(answered) if answered not in ("", None) else b""
    return request_id + b"\t" + line + b"\n"


def _error(request_id: object, code: int, message: str) -> bytes:
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "error": {"code": code, "message": message}})
