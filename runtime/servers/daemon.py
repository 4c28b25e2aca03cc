"""`fleetlog serve`: one process that has a runtime directory and lets others in, by HTTP, MCP and its socket.

Its rule: what is started is stopped in the reverse order, and a stop loses nothing: no new work is taken, steps in
flight get a moment, the rest goes on at the next start.
"""

import asyncio
import logging
import os
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import OWNER, Principal
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.servers.address import DaemonAddress, socket_path
from fleetlog.runtime.servers.announcements import Announcements, Bus
from fleetlog.runtime.servers.guard import TOKEN, Guard, GuardPolicy, hosts_of
from fleetlog.runtime.servers.http.api import api_routes
from fleetlog.runtime.servers.mcp_endpoint import McpEndpoint
from fleetlog.runtime.servers.patience import PatientProtocol
from fleetlog.runtime.servers.sessions import Sessions
from fleetlog.runtime.servers.surface import Surface
from fleetlog.runtime.servers.tools.all import all_tools

__all__ = ["Daemon", "ServerConfig"]

logger = logging.getLogger("fleetlog.servers")

MAX_HTTP_CONNECTIONS = 1_000
STOP_S = 3


class ServerConfig(msgspec.Struct, frozen=True):
    """Where to listen. Port 0 takes a free one. `allowed_hosts` are further names this server is reached by,
    `allowed_origins` of web pages that may call it. An address that is not loopback needs `needs_token`."""

    host: str = "127.0.0.1"
    port: int = 7420
    needs_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    default_brain: str = ""


class Daemon:
    """The servers of one open runtime. `run` serves until it is told to stop."""

    def __init__(self, runtime: Runtime, directory: Path, config: ServerConfig) -> None:
        _check_exposed(config)
        self.runtime, self.directory, self.config = runtime, directory, config
        self._own_token = f"fl_local_{secrets.token_urlsafe(32)}"
        self._listener = _listen(config)
        self.url = f"http://{_url_host(config.host)}:{self._listener.getsockname()[1]}"
        tools = all_tools(default_brain=config.default_brain, stream_url=self.url)
        self.surface = Surface(runtime, tools)
        self._bus = Bus(lambda: runtime.position)
        self._sessions = Sessions(self.surface, self._bus, self._principal_of)
        self._mcp = McpEndpoint(self.surface, self._bus)
        self.stopping = asyncio.Event()
        self.address = DaemonAddress(
            self.url, str(socket_path(directory)), self._own_token, os.getpid(), metadata.version("fleetlog")
        )

    # --- who is there --------------------------------------------------------------------------

    def authenticate(self, token: str) -> Principal:
        """The bearer's principal; raises `Unauthenticated`."""
        if secrets.compare_digest(token.encode(), self._own_token.encode()):
            return OWNER
        return self.runtime.authenticate(token)

    def _principal_of(self, token: str) -> Principal:
        """Of a caller that was let in: without a token, on this machine alone, it is the owner."""
        return self.authenticate(token) if token else OWNER

    def door(self, request: Request) -> Door:
        """The facade as this request's caller may use it, now: a request can outlive its token. Raises
        `Unauthenticated`."""
        principal = self._principal_of(request.scope[TOKEN])
        if principal.agent_id:
            self.runtime.renew_lease(principal.agent_id)
        return Door(self.runtime, principal)

    async def run_blocking(self, call: Callable[[], Any]) -> Any:
        """A blocking call on the daemon's threads, awaited."""
        return await self.surface.in_thread(call)

    # --- the application -----------------------------------------------------------------------

    def app(self) -> Guard:
        """The ASGI application, guarded."""
        mcp = Route("/mcp", self._mcp, methods=["GET", "POST", "DELETE"])
        routes = [mcp, *api_routes(self)]
        policy = GuardPolicy(
            hosts_of((*self.config.allowed_hosts, self.config.host)),
            frozenset(self.config.allowed_origins),
            self.config.needs_token,
        )
        return Guard(Starlette(routes=routes, lifespan=self._lifespan), policy, self.authenticate)

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._mcp.running())
            await stack.enter_async_context(Announcements(self.runtime, self._bus).running())
            await self._sessions.start(Path(self.address.socket))
            stack.push_async_callback(self._sessions.close)
            self.address.write(self.directory)
            stack.callback(self.address.remove, self.directory)
            yield

    # --- running -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, or `stop`. The runtime stays open: who opened it closes it."""
        config = uvicorn.Config(
            self.app(),
            http=PatientProtocol,
            log_config=None,
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_HTTP_CONNECTIONS,
            timeout_graceful_shutdown=STOP_S,
        )
        self._uvicorn = _Server(config, self.stopping)
        try:
            with _surviving_signals():
                self._uvicorn.run(sockets=[self._listener])
        finally:
            self.surface.close()
            self._listener.close()

    def stop(self) -> None:
        """Have `run` return soon. Any thread."""
        self._uvicorn.should_exit = True


class _Server(uvicorn.Server):
    """Says that it stops before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See `uvicorn.Server`."""
        self._stopping.set()
        await super().shutdown(sockets)


@contextmanager
def _surviving_signals() -> Iterator[None]:
    """The server raises the signal that stopped it once more at its end: the runtime is still to be closed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kept = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _listen(config: ServerConfig) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            config.host, config.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        listener = socket.socket(family, kind, protocol)  # with its protocol named, asyncio sets TCP_NODELAY
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except (OSError, OverflowError) as error:
        raise InvalidArgument(f"cannot listen at {config.host} port {config.port}: {error}") from error
    return listener


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _check_exposed(config: ServerConfig) -> None:
    if _is_loopback(config.host):
        return
    if not config.needs_token:
        raise InvalidArgument(
            f"'{config.host}' can be reached by others: require a token (--require-token), and issue one with "
            "fleetlog token issue"
        )
