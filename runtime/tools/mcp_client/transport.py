"""The streams between the mcp package's client and a server: of a process here, mended for both kinds."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import JSONRPCResponse, jsonrpc_message_adapter

from fleetlog.runtime.tools.mcp_client.lines import TooLong
from fleetlog.runtime.tools.mcp_client.messages import error_for_too_long, mend_result
from fleetlog.runtime.tools.mcp_client.process import ServerProcess

if TYPE_CHECKING:  # private names of the package, for types alone
    from mcp.client._transport import ReadStream, TransportStreams

__all__ = ["Streams", "mended", "pipes"]

logger = logging.getLogger("fleetlog.tools")

Streams = AbstractAsyncContextManager["TransportStreams"]

_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError)


@asynccontextmanager
async def mended(streams: Streams, warn_of_odd_tools: Callable[[list[str]], None]) -> "AsyncIterator[TransportStreams]":
    """The same streams, every incoming result mended."""
    async with streams as (incoming, outgoing):
        yield MendedStream(incoming, warn_of_odd_tools), outgoing


class MendedStream:
    """What comes in; see `messages.mend_result`."""

    def __init__(
        self, incoming: "ReadStream[SessionMessage | Exception]", warn_of_odd_tools: Callable[[list[str]], None]
    ) -> None:
        self._incoming, self._warn = incoming, warn_of_odd_tools

    async def receive(self) -> SessionMessage | Exception:
        """See `ReadStream`."""
        return self._mended(await self._incoming.receive())

    async def aclose(self) -> None:
        """See `ReadStream`."""
        await self._incoming.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return self._mended(await self._incoming.__anext__())

    async def __aenter__(self) -> Self:
        await self._incoming.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._incoming.__aexit__(kind, error, traceback)

    def _mended(self, item: SessionMessage | Exception) -> SessionMessage | Exception:
        if isinstance(item, SessionMessage) and isinstance(item.message, JSONRPCResponse):
            odd = mend_result(item.message.result)
            if odd:
                self._warn(odd)
        return item


@asynccontextmanager
async def pipes(process: ServerProcess, ending: asyncio.Event) -> "AsyncIterator[TransportStreams]":
    """A process's stdin and stdout as streams; sets `ending` when the process closes one of them."""
    to_client, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_client = anyio.create_memory_object_stream[SessionMessage](0)

    async def read() -> None:
        async with to_client:
            with suppress(*_GONE):
                async for line in process.lines():
                    message = _parsed(line, process)
                    if message is not None:
                        await to_client.send(message)
        ending.set()

    async def write() -> None:
        async with from_client:
            with suppress(OSError):
                async for message in from_client:
                    await process.write(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        await to_client.aclose()
        ending.set()

    async with incoming, outgoing, anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        tasks.start_soon(write)
        try:
            yield incoming, outgoing
        finally:
            tasks.cancel_scope.cancel()


def _parsed(line: bytes | TooLong, process: ServerProcess) -> SessionMessage | None:
    """A message; None for what is none. Raises `ClosedResourceError` when the conversation cannot go on."""
    if isinstance(line, TooLong):
        error = error_for_too_long(line)
        process.note(f"(a message of {line.size_bytes} bytes, which is too large to be read)".encode())
        if error is None:
            raise anyio.ClosedResourceError
        return SessionMessage(jsonrpc_message_adapter.validate_python(error, by_name=False))
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        if line.strip():
            process.note(line)
        return None
