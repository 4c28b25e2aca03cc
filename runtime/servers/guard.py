"""What every HTTP request passes first: is it for us, from whom, and is it of a bearable size?

Its rules: the Host header must name this server (a web page's script that was resolved to us names another); a
request that a browser sends from another site is refused; a bearer token decides who the caller is, and without one a
loopback caller is the operator unless tokens are required; a body has a greatest size and a time to arrive in.
"""

import asyncio
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleetlog.domain.errors import FleetlogError
from fleetlog.runtime.access.principal import OWNER, Principal

__all__ = ["LOOPBACK_HOSTS", "PRINCIPAL", "TOKEN", "Guard", "GuardPolicy"]

PRINCIPAL = "fleetlog.principal"
"""The key of the caller's principal in a request's scope."""
TOKEN = "fleetlog.token"
"""The key of the token a request was let in with; empty without one."""
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})
OPEN_PATHS = frozenset({"/health"})


class GuardPolicy(msgspec.Struct, frozen=True):
    """`hosts` are the names this server answers to, without port; `origins` those of web pages that may call it."""

    hosts: frozenset[str] = LOOPBACK_HOSTS
    origins: frozenset[str] = frozenset()
    needs_token: bool = False
    max_body_bytes: int = 4 * 1024 * 1024
    body_timeout_s: float = 30.0


class _TooLarge(Exception):
    pass


class _TooSlow(Exception):
    pass


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, policy: GuardPolicy, authenticate: Callable[[str], Principal]) -> None:
        self._app, self._policy, self._authenticate = app, policy, authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(headers) or self._identify(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._bounded(scope, receive, send, headers)

    def _refusal(self, headers: Headers) -> Response | None:
        """Of a request that is not for us, comes from another site, or says itself that it is too large."""
        host = _host_of(headers.get("host", ""))
        if host not in self._policy.hosts:
            return _refused(421, "wrong_host", f"this server does not answer to the host '{host[:80]}'")
        origin = headers.get("origin")
        if origin is not None and not self._is_own(origin, headers.get("host", "")):
            return _refused(403, "wrong_origin", f"pages of {origin[:80]} may not call this server")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._policy.max_body_bytes:
            return self._too_large(length)
        return None

    def _is_own(self, origin: str, host: str) -> bool:
        return origin in self._policy.origins or urlsplit(origin).netloc.lower() == host.lower()

    def _identify(self, scope: Scope, headers: Headers) -> Response | None:
        """Put the caller's principal into the scope, or refuse."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        scope[TOKEN] = token.strip()
        try:
            if token and scheme.lower() == "bearer":
                scope[PRINCIPAL] = self._authenticate(token.strip())
            elif scheme:
                return _refused(401, "unauthenticated", "the Authorization header must be: Bearer TOKEN")
            elif self._policy.needs_token and scope["path"] not in OPEN_PATHS:
                return _refused(401, "unauthenticated", "a token is needed: Authorization: Bearer TOKEN")
            else:
                scope[PRINCIPAL] = OWNER
        except FleetlogError as error:
            return _refused(401, "unauthenticated", str(error))
        return None

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> None:
        has_begun = False

        async def watch(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self._app(scope, _Body(receive, self._policy).receive, watch)
        except* _TooLarge:
            if not has_begun:
                await self._too_large("more")(scope, receive, send)
        except* _TooSlow:
            if not has_begun:
                await _refused(408, "too_slow", "the body did not arrive in time")(scope, receive, send)

    def _too_large(self, length: str) -> Response:
        said = f"Payload too large: {length[:20]} bytes (limit {self._policy.max_body_bytes})"
        return _refused(413, "too_large", said)


class _Body:
    """A request's body as it arrives: bounded in size and time."""

    def __init__(self, receive: Receive, policy: GuardPolicy) -> None:
        self._receive, self._policy = receive, policy
        self._size, self._is_whole = 0, False
        self._deadline = asyncio.get_running_loop().time() + policy.body_timeout_s

    async def receive(self) -> Message:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise _TooSlow from error
        self._size += len(message.get("body", b""))
        if self._size > self._policy.max_body_bytes:
            raise _TooLarge
        self._is_whole = not message.get("more_body", False)
        return message


def _host_of(netloc: str) -> str:
    """The host without its port, lower-case."""
    host, colon, port = netloc.rpartition(":")
    return (host if colon and port.isdecimal() else netloc).lower()


def _refused(status: int, kind: str, message: str) -> Response:
    headers = {"www-authenticate": "Bearer"} if status == 401 else {}
    body = msgspec.json.encode({"error": {"kind": kind, "message": message}})
    return Response(body, status, headers, "application/json")


def hosts_of(names: Iterable[str]) -> frozenset[str]:
    """The hosts a server answers to: the loopback ones and these."""
    return LOOPBACK_HOSTS | {_host_of(name) for name in names}
