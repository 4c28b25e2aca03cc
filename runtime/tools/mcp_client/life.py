"""One life of a server, from its start to its end: one task, which enters the client's contexts, waits, and leaves
them, since a context must be left by the task that entered it. Calls are tasks of their own beside it.
"""

import asyncio
import json
import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Implementation

from fleetlog.domain.errors import McpServerFault
from fleetlog.domain.values import McpServerSpec
from fleetlog.runtime.tools.mcp_client.environment import Filled, child_environment, filled
from fleetlog.runtime.tools.mcp_client.http import GuardedClient
from fleetlog.runtime.tools.mcp_client.process import MAX_MESSAGE_BYTES, ServerProcess
from fleetlog.runtime.tools.mcp_client.transport import Streams, mended, pipes

__all__ = ["Life"]

logger = logging.getLogger("fleetlog.tools")

MAX_PAGES, MAX_TOOLS = 100, 1_000
_GRACE_S = 1.0
_REASON_CHARS = 3_000


class Life:
    """A server that is starting, running or over. `tools` are those it listed when it began."""

    def __init__(self, spec: McpServerSpec, environ: Mapping[str, str]) -> None:
        self._spec, self._environ = spec, environ
        self._filled = Filled({}, {})
        self._process: ServerProcess | None = None
        self._http: GuardedClient | None = None
        self._client: Client | None = None
        self._grace_s = _GRACE_S
        self._ending = asyncio.Event()
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.tools: list[dict[str, Any]] = []
        self._task = asyncio.create_task(self._live())
        self._alarm = asyncio.get_running_loop().call_later(spec.timeout_s, self._start_took_too_long)

    @property
    def is_ending(self) -> bool:
        """It takes no more calls."""
        return self._ending.is_set()

    async def over(self) -> None:
        """Wait until nothing of it is left; bounded, since its end is."""
        await asyncio.wait([self._task], timeout=5 * self._grace_s)

    async def begun(self) -> None:
        """Wait until it takes calls; raises `McpServerFault` when it never will."""
        await asyncio.wait([self._begun])
        self._begun.result()

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The result as JSON. Raises what the client raises."""
        if self._client is None:
            raise RuntimeError("called before it had begun")
        result = await self._client.call_tool(tool, dict(arguments))
        plain: dict[str, Any] = result.model_dump(by_alias=True, mode="json", exclude_none=True)
        return self._redacted(plain)

    async def stop(self, grace_s: float) -> None:
        """End it, politely for up to about three times `grace_s`, then not."""
        self._grace_s = grace_s
        self.end()
        await asyncio.wait([self._task], timeout=4 * grace_s)
        if not self._task.done():
            self.kill()
            self._task.cancel()
            await asyncio.wait([self._task], timeout=grace_s)

    def end(self) -> None:
        """Have it end by itself."""
        self._ending.set()
        if not self._begun.done():
            self._fail("it was stopped before it had begun")
            self._task.cancel()

    def kill(self) -> None:
        """Kill its process, if it has one. Any thread."""
        process = self._process
        if process is not None:
            process.kill()

    # --- what went wrong ---------------------------------------------------------------------

    def was_not_sent(self, error: MCPError) -> bool:
        """Did the call certainly never reach the server?"""
        return self._http is not None and error.data == self._http.not_sent

    def was_lost(self, error: MCPError) -> bool:
        """Is it unknown whether the call reached the server?"""
        return self._http is not None and error.data == self._http.lost

    async def last_words(self) -> str:
        """How a process has ended, and what it said last."""
        return "the server did not say why" if self._process is None else await self._process.last_words()

    def redact(self, text: str) -> str:
        """The text without what was filled in from the environment."""
        return self._filled.redact(text)

    def _redacted(self, result: dict[str, Any]) -> dict[str, Any]:
        """A server may show its environment to whoever asks; what an agent is shown, is recorded."""
        if not self._filled.secrets:
            return result
        mended: dict[str, Any] = _mapped(result, self.redact)
        return mended

    # --- the one task ------------------------------------------------------------------------

    async def _live(self) -> None:
        try:
            if self._spec.command:
                await self._live_in_process()
            else:
                await self._live_over_http()
        except Exception as error:  # noqa: BLE001 - the boundary to a foreign program and its client
            self._fail(await self._reason(error))
        finally:
            self._ending.set()
            self._alarm.cancel()
            self._fail("it ended before it had begun")

    async def _live_in_process(self) -> None:
        self._filled = filled("env", self._spec.env, self._environ)
        environment = child_environment(self._filled.values, self._environ)
        self._process = await ServerProcess.start(self._spec.command, environment)
        try:
            await self._converse(pipes(self._process, self._ending))
        finally:
            await self._process.stop(self._grace_s)

    async def _live_over_http(self) -> None:
        self._filled = filled("headers", self._spec.headers, self._environ)
        async with GuardedClient(
            headers=self._filled.values, timeout_s=self._spec.timeout_s, max_bytes=MAX_MESSAGE_BYTES
        ) as self._http:
            url = self._spec.url
            await self._converse(
                streamable_http_client(url, http_client=self._http, max_sse_event_size=MAX_MESSAGE_BYTES)
            )

    async def _converse(self, streams: Streams) -> None:
        us = Implementation(name="fleetlog", version=version("fleetlog"))
        async with Client(mended(streams, self._warn_of_odd_tools), cache=None, client_info=us) as client:
            self.tools = await self._list_tools(client)
            self._client = client
            self._begun.set_result(None)
            self._alarm.cancel()
            await self._ending.wait()

    async def _list_tools(self, client: Client) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            page = await client.list_tools(cursor=cursor)
            tools += [tool.model_dump(by_alias=True, mode="json", exclude_none=True) for tool in page.tools]
            cursor = page.next_cursor
            if cursor is None or len(tools) > MAX_TOOLS:
                break
        if cursor is not None or len(tools) > MAX_TOOLS:
            logger.warning("action=mcp_tools_cut server=%s limit=%d pages=%d", self._spec.name, MAX_TOOLS, MAX_PAGES)
        return tools[:MAX_TOOLS]

    def _warn_of_odd_tools(self, names: list[str]) -> None:
        for name in names:
            logger.warning(
                "action=mcp_tool_left_out server=%s tool=%s reason=its input schema is not of type object",
                self._spec.name,
                json.dumps(name[:200]),
            )

    def _start_took_too_long(self) -> None:
        said = self._process.said if self._process is not None else ""
        words = f"; its last words: {said}" if said else ""
        self._fail(f"it was not ready within {self._spec.timeout_s:g} seconds{words}")
        self._task.cancel()

    async def _reason(self, error: BaseException) -> str:
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        if isinstance(error, OSError) and self._process is None:
            return f"it cannot be started: {error}"
        said = str(error) or type(error).__name__
        return f"{said}: {await self._process.last_words()}" if self._process is not None else said

    def _fail(self, reason: str) -> None:
        """The start has failed, for this reason; when it had begun, it has ended for this reason."""
        name = self._spec.name
        text = self.redact(f"MCP server {name}: {reason}")
        if not self._begun.done():
            self._begun.set_exception(McpServerFault(text[:_REASON_CHARS]))
            self._begun.exception()  # told to whoever waits; nobody may
        elif self._client is not None and not self._task.cancelled() and not self._ending.is_set():
            logger.warning("action=mcp_server_lost server=%s error=%s", name, text[:_REASON_CHARS])


def _mapped(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [_mapped(item, change) for item in value]
    if isinstance(value, dict):
        return {key: _mapped(item, change) for key, item in value.items()}
    return value
