"""The server: its loop, its door, and the commands of tests."""

import asyncio
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.fakes.messages_api import control as c
from tests.fakes.messages_api.refusals import error_body
from tests.fakes.messages_api.replies import Script
from tests.fakes.messages_api.scripts import standard_scripts
from tests.fakes.messages_api.service import Pace, Service
from tests.fakes.messages_api.settings import Settings
from tests.fakes.messages_api.tokens import json_bytes
from tests.fakes.messages_api.wire import Connection, HttpRequest

__all__ = ["Door", "FakeMessagesApi"]

_JSON = {"content-type": "application/json"}


class Door:
    """Where connections come in. It runs on a loop; `start` and `stop` are called there."""

    def __init__(self, settings: Settings, scripts: Mapping[str, Script]) -> None:
        self.service = Service(settings, scripts)
        self.max_body_bytes = settings.max_body_bytes
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def start(self, port: int) -> int:
        """Listen on loopback; gives the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), "127.0.0.1", port, backlog=2_048)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Close the door and every connection."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.abort()
        while self._connections:
            await asyncio.sleep(0)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.service.stats.connections += 1

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)

    def accept(self, connection: Connection, request: HttpRequest) -> None:
        if request.path.startswith("/_"):
            connection.run(self._told(connection, request))
        else:
            self.service.answer(connection, request)

    # --- commands ----------------------------------------------------------------------------

    async def _told(self, connection: Connection, request: HttpRequest) -> None:
        """A command over HTTP; its answer as JSON."""
        try:
            status, answer = 200, await self.control(_command(request))
        except msgspec.ValidationError as error:
            status, answer = 400, error_body("invalid_request_error", f"no such command: {error}", "")
        connection.send(status, _JSON, json_bytes(answer))

    async def control(self, command: c.Command) -> Any:
        """Carry a command out; gives its answer in JSON's form."""
        service = self.service
        match command:
            case c.AddRule(rule):
                service.rules.add(rule)
            case c.SetLimit(limit):
                service.limits.set(limit)
            case c.SetPace(latency_s, tokens_per_s):
                service.pace = Pace(latency_s, tokens_per_s)
            case c.Clear():
                service.rules.clear()
                service.limits.clear()
                service.waiting.release()
            case c.Release():
                service.waiting.release()
            case c.ResetStats():
                service.stats.reset()
            case c.Advance(seconds):
                service.ahead_s += seconds
            case c.Wait():
                reached = await service.waiting.until(command.is_reached, command.timeout_s)
                return msgspec.to_builtins(service.stats.report()) if reached else None
            case c.GetReport(all_digests):
                return msgspec.to_builtins(service.stats.report(all_digests=all_digests))
            case c.Calls():
                return msgspec.to_builtins(list(service.stats.calls))
        return {"ok": True}


def _command(request: HttpRequest) -> c.Command:
    match request.method, request.path:
        case "GET", "/_stats":
            return c.GetReport("digests=1" in request.query)
        case "GET", "/_calls":
            return c.Calls()
        case "POST", "/_control":
            told: c.Command = msgspec.json.decode(request.body, type=c.Command)
            return told
    raise msgspec.ValidationError(f"{request.method} {request.path}")


class FakeMessagesApi(c.Controls):
    """The server on a thread of this process.

        with FakeMessagesApi({"planner": planner}) as api:
            client = anthropic.Anthropic(base_url=api.url, api_key=api.api_key)

    `scripts` are added to the standard ones, now or later; all of them run on the server's thread.
    """

    def __init__(self, scripts: Mapping[str, Script] | None = None, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.scripts = {**standard_scripts(), **(scripts or {})}
        self.api_key = self.settings.api_keys[0]
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._door = Door(self.settings, self.scripts)
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake-messages-api", daemon=True)

    def start(self, port: int = 0) -> Self:
        """Listen; port 0 takes any that is free."""
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._door.start(port), self._loop).result(10)
        return self

    def stop(self) -> None:
        """Close every connection and end the thread."""
        asyncio.run_coroutine_threadsafe(self._door.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def control(self, command: c.Command) -> Any:
        """Carry a command out; gives its answer in JSON's form. The figures are there after the end, too."""
        if self._loop.is_closed():
            return asyncio.run(self._door.control(command))
        return asyncio.run_coroutine_threadsafe(self._door.control(command), self._loop).result()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
