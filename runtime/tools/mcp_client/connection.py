"""A server as the agents of one fleet use it: started when it is needed, and again at the first call after it has died.

Everything here runs on the loop's thread, but `kill`.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from mcp import MCPError
from mcp.types import CONNECTION_CLOSED
from pydantic import ValidationError

from fleetlog.domain.errors import McpServerFault
from fleetlog.domain.values import Effect, McpServerSpec
from fleetlog.runtime.tools.mcp_client.life import Life
from fleetlog.runtime.tools.tool import ToolError

__all__ = ["Connection"]

logger = logging.getLogger("fleetlog.tools")


class NotSent(Exception):
    """The call never reached the server."""


class Connection:
    """One server of one fleet, over as many lives of its process (or sessions at its URL) as it takes."""

    def __init__(self, spec: McpServerSpec, environ: Mapping[str, str]) -> None:
        self._spec, self._environ = spec, environ
        self._life: Life | None = None
        self._calls: set[asyncio.Task[dict[str, Any]]] = set()
        self._is_stopped = False

    async def tools(self) -> list[dict[str, Any]]:
        """The server's tools as it lists them, over all pages. Raises `McpServerFault`."""
        return (await self._living()).tools

    async def call(self, tool: str, arguments: Mapping[str, Any], effect: Effect) -> dict[str, Any]:
        """The result of one call, as JSON. What was certainly not sent is sent once more, to a new life of the
        server; nothing else is. Raises `ToolError`."""
        try:
            try:
                return await self._call(await self._living(), tool, arguments, effect)
            except NotSent:
                return await self._call(await self._living(), tool, arguments, effect)
        except (NotSent, McpServerFault) as error:
            raise ToolError(f"{error}. The call was not made") from error

    async def stop(self, grace_s: float) -> None:
        """End the server, and every call; no life follows. Bounded by about five times `grace_s`."""
        self._is_stopped = True
        if self._life is not None:
            await self._life.stop(grace_s)
        for call in self._calls:
            call.cancel()

    def kill(self) -> None:
        """Kill what runs, whatever the loop is doing. Any thread."""
        life = self._life
        if life is not None:
            life.kill()

    async def _living(self) -> Life:
        """The life of now, or a new one when the last is wholly over. Raises `McpServerFault` when it cannot begin."""
        life = self._life
        if life is not None and life.is_ending:
            await life.over()
        if self._is_stopped:
            raise McpServerFault(f"MCP server {self._spec.name} was stopped, because its fleet has ended")
        if self._life is life and (life is None or life.is_ending):
            self._life = Life(self._spec, self._environ)
            if life is not None:
                logger.info("action=mcp_server_started_again server=%s", self._spec.name)
        assert self._life is not None
        life = self._life
        await life.begun()
        return life

    async def _call(self, life: Life, tool: str, arguments: Mapping[str, Any], effect: Effect) -> dict[str, Any]:
        if all(listed["name"] != tool for listed in life.tools):
            raise ToolError(f"MCP server {self._spec.name} has no tool {tool} any more. The call was not made")
        call = asyncio.create_task(life.call(tool, arguments))
        self._calls.add(call)
        call.add_done_callback(self._call_ended)
        try:
            await asyncio.wait([call], timeout=self._spec.timeout_s)
            if not call.done():
                wait = f"{self._spec.timeout_s:g} seconds"
                raise ToolError(f"{self._named(tool)} gave no answer within {wait}; {_what_now(effect)}")
            return await self._answer(life, call, tool, effect)
        finally:
            call.cancel()

    async def _answer(
        self, life: Life, call: asyncio.Task[dict[str, Any]], tool: str, effect: Effect
    ) -> dict[str, Any]:
        try:
            return call.result()
        except MCPError as error:
            if life.was_not_sent(error):
                life.end()
                raise NotSent(f"MCP server {self._spec.name}: {life.redact(error.message)}") from error
            if error.code == CONNECTION_CLOSED or life.was_lost(error):
                reason = life.redact(f"{error.message}: {await life.last_words()}")
                raise ToolError(f"{self._named(tool)} broke off ({reason}); {_what_now(effect)}") from error
            raise ToolError(f"{self._named(tool)} was refused: {life.redact(error.message)}") from error
        except (ValueError, RuntimeError) as error:
            said = life.redact(_said(error))[:500]
            raise ToolError(f"{self._named(tool)} answered what is no result ({said}); {_what_now(effect)}") from error
        except asyncio.CancelledError as error:
            raise ToolError(f"{self._named(tool)} broke off: the server was stopped; {_what_now(effect)}") from error

    def _named(self, tool: str) -> str:
        return f"The call of {tool} of MCP server {self._spec.name}"

    def _call_ended(self, call: asyncio.Task[dict[str, Any]]) -> None:
        self._calls.discard(call)
        if not call.cancelled():
            call.exception()  # it was told, or nobody waits for it any more


def _said(error: Exception) -> str:
    """One line; of pydantic's many only the first."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return str(error)


def _what_now(effect: Effect) -> str:
    if effect == "effectful":
        return "it may or may not have been done: find out before you do anything like it again"
    return "what it does may be done twice, so you can call it again"
