"""Outside MCP servers as tools of agents: started at first use, shared within a fleet, gone with it.

A call is effectful unless the agent's spec declares otherwise; no server's own word changes that. Nothing here is
trusted: not a server's names, schemas, sizes, nor that it answers or ends.
"""

import functools
import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.domain.errors import McpServerFault, RuntimeClosed
from fleetlog.domain.values import McpServerSpec
from fleetlog.runtime.tools.tool import Tool, ToolOutput, ToolRun

if TYPE_CHECKING:
    from fleetlog.runtime.tools.mcp_client.connection import Connection
    from fleetlog.runtime.tools.mcp_client.listing import Listed
    from fleetlog.runtime.tools.mcp_client.loop import LoopThread

__all__ = ["McpServers"]

logger = logging.getLogger("fleetlog.tools")

_GRACE_S = 1.0
_Key = tuple[str, bytes]


class McpServers:
    """Every outside server of one runtime. Any thread may call; nothing is started, nor imported, before it is used."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._lock = threading.Lock()  # guards all that follows
        self._loop: LoopThread | None = None
        self._connections: dict[_Key, Connection] = {}
        self._listed: dict[_Key, tuple[list[dict[str, Any]], tuple[Listed, ...]]] = {}  # of the list seen last
        self._stopping: list[Connection] = []
        self._is_closed = False

    def tools(self, owner: str, spec: McpServerSpec, check: Callable[[], None] = lambda: None) -> tuple[Tool, ...]:
        """The server's tools, for agents of the fleet `owner`; starts it when it does not run.

        Blocks for at most `spec.timeout_s` seconds and about one more. `check` is called ten times a second and ends
        the waiting when it raises. Raises `McpServerFault` (not there, refused, died, too slow, no tools), or
        `RuntimeClosed`.
        """
        check()
        key = (owner, msgspec.json.encode(spec, order="sorted"))
        loop, connection = self._connected(key, spec)
        listed = self._usable(key, spec, loop.result(connection.tools(), check))
        return tuple(_tool(loop, connection, spec, tool) for tool in listed)

    def release(self, owner: str) -> None:
        """The fleet has ended: its servers are stopped, in the background."""
        with self._lock:
            loop = self._loop
            ended = [self._connections.pop(key) for key in list(self._connections) if key[0] == owner]
            self._listed = {key: listed for key, listed in self._listed.items() if key[0] != owner}
            if loop is None or not ended or self._is_closed:
                return
            self._stopping += ended
        for connection in ended:
            loop.start(self._stop(connection))

    def close(self, timeout_s: float) -> None:
        """Stop everything within the time, whatever the servers do; calls that wait get `RuntimeClosed`."""
        with self._lock:
            loop, self._is_closed = self._loop, True
            connections = [*self._connections.values(), *self._stopping]
            self._loop = None
        if loop is None:
            return
        in_time = loop.close(_all_stopped(connections, timeout_s / 8), timeout_s)
        for connection in connections:
            connection.kill()
        if not in_time:
            logger.warning("action=mcp_servers_abandoned servers=%d timeout_s=%g", len(connections), timeout_s)

    def _connected(self, key: _Key, spec: McpServerSpec) -> "tuple[LoopThread, Connection]":
        """The owner's connection for this spec; it may not have begun yet."""
        connection_type, loop_type = _client()
        with self._lock:
            if self._is_closed:
                raise RuntimeClosed("the runtime is closed; no MCP server can be started")
            if self._loop is None:
                self._loop = loop_type("fleetlog-mcp")
            if key not in self._connections:
                self._connections[key] = connection_type(spec, self._environ)
            return self._loop, self._connections[key]

    def _usable(self, key: _Key, spec: McpServerSpec, tools: list[dict[str, Any]]) -> "tuple[Listed, ...]":
        """Those of the tools that can be used; looked through once in each life of the server."""
        with self._lock:
            seen, listed = self._listed.get(key, (None, ()))
        if seen is not tools:
            listed = _looked_through(spec, tools)
            with self._lock:
                if key in self._connections:
                    self._listed[key] = (tools, listed)
        return listed

    async def _stop(self, connection: "Connection") -> None:
        await connection.stop(_GRACE_S)
        with self._lock:
            self._stopping.remove(connection)


def _looked_through(spec: McpServerSpec, tools: list[dict[str, Any]]) -> "tuple[Listed, ...]":
    from fleetlog.runtime.tools.mcp_client.listing import listed_tools

    listed = listed_tools(spec, tools)
    if not listed:
        has = ", ".join(sorted(ascii(tool["name"])[1:-1] for tool in tools)[:20])
        raise McpServerFault(
            f"MCP server {spec.name}: it has no tools that can be used"
            + (f"; it lists: {has}" if has else "")
            + (f"; its spec asks for: {', '.join(spec.tools)}" if spec.tools else "")
        )
    return listed


def _tool(loop: "LoopThread", connection: "Connection", spec: McpServerSpec, listed: "Listed") -> Tool:
    verify = "" if listed.effect != "effectful" else _how_to_verify(spec, listed)
    call = functools.partial(_call, loop, connection, listed)
    return Tool(listed.name, listed.description, listed.input_schema, listed.effect, call, verify)


def _call(
    loop: "LoopThread", connection: "Connection", listed: "Listed", run: ToolRun, arguments: Mapping[str, Any]
) -> ToolOutput:
    from fleetlog.runtime.tools.mcp_client.output import output_of

    result = loop.result(connection.call(listed.own_name, arguments, listed.effect), run.check)
    return output_of(result, run.artifacts)


async def _all_stopped(connections: "list[Connection]", grace_s: float) -> None:
    import asyncio

    await asyncio.gather(*(connection.stop(grace_s) for connection in connections))


def _how_to_verify(spec: McpServerSpec, listed: "Listed") -> str:
    return (
        f"Look with the tools of the MCP server {spec.name} that only read, or in the place that {listed.own_name} "
        "changes, whether it was done; if that cannot be found out, ask a person."
    )


def _client() -> "tuple[type[Connection], type[LoopThread]]":
    """The client's classes. Here, since mcp takes long to load, and is an extra."""
    try:
        from fleetlog.runtime.tools.mcp_client.connection import Connection
        from fleetlog.runtime.tools.mcp_client.loop import LoopThread
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("fleetlog"):
            raise
        raise McpServerFault(
            f"MCP servers need the package '{error.name}': install fleetlog with its extra, as fleetlog[mcp]"
        ) from error
    return Connection, LoopThread
