"""The facade over HTTP: `POST /v1/METHOD` with the arguments as JSON, `GET` for what only reads.

Its rule: a request only becomes a call through its caller's door, and the reply, or the refusal, becomes the answer;
bad input is never a 500. A call that waits holds no thread while it waits.
"""

import asyncio
import functools
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from importlib import metadata
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fleetlog.domain import checks
from fleetlog.domain.errors import FleetlogError
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.http import streams
from fleetlog.runtime.servers.http.bodies import (
    MAX_JSON_BYTES,
    MAX_RAW_BYTES,
    body_of,
    json_of,
    key_of,
    query_of,
    refuse_other_types,
)
from fleetlog.runtime.servers.http.hooks import take_alerts
from fleetlog.runtime.servers.http.openapi import openapi
from fleetlog.runtime.servers.http.operations import Operation, operations
from fleetlog.runtime.servers.http.refusals import Problem, problem_of, refusal
from fleetlog.runtime.servers.http.replies import encoded
from fleetlog.runtime.servers.http.streams import House
from fleetlog.runtime.servers.tools.checking import checked, nearest

__all__ = ["House", "api_routes"]

logger = logging.getLogger("fleetlog.servers")

MAX_WAIT_S = 60.0
LOOK_S = 2.0
"""So often a call that waits looks whether its client is still there."""
_IS_FINAL: Mapping[str, Callable[[Any], bool]] = {"collect_results": lambda results: results.is_final, "timeline": bool}
"""Of calls that take `wait_s`: is the wait over?"""
_NOT_KEPT = {"cache-control": "no-store"}
READS, CALLS = ("GET", "HEAD"), ("POST",)

Handle = Callable[[Request], Awaitable[ASGIApp]]


def api_routes(house: House) -> list[BaseRoute]:
    """The routes of the API; the arguments of each are the facade's."""
    table = operations()
    index = functools.cache(lambda: msgspec.json.encode(_index(table)))
    document = functools.cache(lambda: msgspec.json.encode(openapi(table)))
    health = msgspec.json.encode({"status": "ok", "version": metadata.version("fleetlog")})
    feeds = {
        "/v1/events": streams.all_events,
        "/v1/fleets/{fleet_id}/events": streams.fleet_events,
        "/v1/agents/{agent_id}/inbox/events": streams.agent_messages,
    }
    return [
        _route("/health", READS, _constant(lambda: health)),
        _route("/openapi.json", READS, _constant(document)),
        _route("/v1", READS, _constant(index)),
        *(_route(path, READS, functools.partial(feed, house)) for path, feed in feeds.items()),
        _route("/hooks/alerts", CALLS, functools.partial(take_alerts, house)),
        *(_route(f"/v1/{one.name}", _verbs(one), _Call(house, one).answer) for one in table.values()),
        _route("/v1/{name:path}", (), _Missing(table).answer),
    ]


def _route(path: str, verbs: tuple[str, ...], handle: Handle) -> Route:
    return Route(path, _Endpoint(verbs, handle))


def _verbs(operation: Operation) -> tuple[str, ...]:
    return (*READS, *CALLS) if operation.is_plain else CALLS


def _index(table: Mapping[str, Operation]) -> dict[str, Any]:
    found = [
        {"name": one.name, "path": f"/v1/{one.name}", "methods": _verbs(one), "summary": one.summary}
        for one in table.values()
    ]
    return {"version": metadata.version("fleetlog"), "openapi": "/openapi.json", "operations": found}


def _constant(body: Callable[[], bytes]) -> Handle:
    async def answer(_: Request) -> Response:
        return Response(body(), media_type="application/json")

    return answer


class _Endpoint:
    """A handler as an ASGI application. No verbs means all of them."""

    def __init__(self, verbs: tuple[str, ...], handle: Handle) -> None:
        self._verbs, self._handle = verbs, handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> ASGIApp:
        try:
            if self._verbs and request.method not in self._verbs:
                allowed = ", ".join(self._verbs)
                said = f"{request.method} is not for {request.url.path}: use {allowed}"
                raise Problem(405, "method_not_allowed", said, {"allow": allowed})
            return await self._handle(request)
        except FleetlogError as error:
            return refusal(problem_of(error))
        except Problem as problem:
            return refusal(problem)


class _Missing:
    def __init__(self, table: Mapping[str, Operation]) -> None:
        self._table = table

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        raise Problem(404, "not_found", f"There is no operation '{name[:80]}'{nearest(name, self._table)}; see /v1")


class _Call:
    """One operation, as requests call it."""

    def __init__(self, house: House, operation: Operation) -> None:
        self._house, self._operation = house, operation

    async def answer(self, request: Request) -> Response:
        arguments = await self._arguments(request)
        if self._operation.takes_key:
            arguments["idempotency_key"] = key_of(request)
        door = self._house.door(request)
        try:
            return self._response(await self._reply(request, door, arguments))
        except FleetlogError:
            raise
        except Exception as error:  # the last door: a client gets a sentence, the log gets the traceback
            name = self._operation.name
            logger.exception("action=operation_failed operation=%s", name)
            said = "this is a defect of fleetlog; its log has the details, and the call may or may not count"
            raise Problem(500, "defect", f"{name}: {said}") from error

    def _response(self, reply: Any) -> Response:
        if self._operation.reply is bytes:
            return Response(reply, headers=_NOT_KEPT, media_type="application/octet-stream")
        return Response(encoded(reply), headers=_NOT_KEPT, media_type="application/json")

    async def _arguments(self, request: Request) -> dict[str, Any]:
        operation = self._operation
        if request.method in READS:
            return _fields(checked(operation.name, query_of(request, operation), operation.arguments))
        if operation.raw:
            refuse_other_types(request, "application/octet-stream")
            given = _fields(checked(operation.name, query_of(request, operation), operation.arguments))
            return {operation.raw: await body_of(request, MAX_RAW_BYTES), **given}
        body = await body_of(request, MAX_JSON_BYTES)
        if body or "content-type" in request.headers:
            refuse_other_types(request, "application/json")
        return _fields(checked(operation.name, json_of(operation.name, body), operation.arguments))

    async def _reply(self, request: Request, door: Door, arguments: dict[str, Any]) -> Any:
        operation = self._operation
        if operation.begin is not None and (begun := operation.begin(door, **arguments)) is not None:
            await begun.future
            return begun.reply()
        is_final = _IS_FINAL.get(operation.name)
        wait_s = 0.0 if is_final is None else checks.seconds("wait_s", arguments.pop("wait_s"), zero=True)
        call = functools.partial(operation.call, door, **arguments)
        if is_final is None or not wait_s:
            return await self._house.run_blocking(call)
        return await self._awaited(request, call, is_final, min(wait_s, MAX_WAIT_S))

    async def _awaited(
        self, request: Request, call: Callable[[], Any], is_final: Callable[[Any], bool], wait_s: float
    ) -> Any:
        """The reply once it is final, or as it is when the time is over."""
        loop = asyncio.get_running_loop()
        deadline, moved = loop.time() + wait_s, asyncio.Event()
        with self._house.runtime.listening(lambda: loop.call_soon_threadsafe(moved.set)):
            while True:
                moved.clear()
                reply = await self._house.run_blocking(call)
                if is_final(reply) or await self._is_over(request, deadline):
                    return reply
                with suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), min(LOOK_S, max(0.0, deadline - loop.time())))

    async def _is_over(self, request: Request, deadline: float) -> bool:
        """Nobody waits any more, or not for longer."""
        if self._house.stopping.is_set() or asyncio.get_running_loop().time() >= deadline:
            return True
        return await request.is_disconnected()


def _fields(arguments: msgspec.Struct) -> dict[str, Any]:
    return msgspec.structs.asdict(arguments)
