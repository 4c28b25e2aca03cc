"""The tools as a caller meets them: looked up, checked, called for a principal, answered as JSON.

Its rule: every call is answered, bad or good; what was refused has recorded nothing. A call that waits holds no
thread while it waits.
"""

import asyncio
import copy
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any, TypeVar

import msgspec

from fleetlog.domain.errors import FleetlogError, InvalidArgument
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import Principal
from fleetlog.runtime.calls import Begun
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.servers.tools.checking import nearest
from fleetlog.runtime.servers.tools.tool import Tool

__all__ = ["Answer", "OnItsWay", "Report", "Surface"]

logger = logging.getLogger("fleetlog.servers")

PROGRESS_EVERY_S = 5.0
T = TypeVar("T")
Report = Callable[[float, float, str], Awaitable[None]]
"""Told, of a call that waits: seconds waited, seconds it may wait, and a word about it."""


class Answer(msgspec.Struct, frozen=True):
    """What a tool answers: an object, whose values may be structs, and the same as JSON."""

    content: dict[str, Any]
    json: bytes
    is_error: bool = False

    @classmethod
    def of(cls, content: dict[str, Any], *, is_error: bool = False) -> "Answer":
        """With its JSON, made on the caller's thread."""
        return cls(content, msgspec.json.encode(content), is_error)

    @property
    def text(self) -> str:
        """The JSON text."""
        return self.json.decode()

    @property
    def structure(self) -> dict[str, Any]:
        """The same as plain values."""
        built: dict[str, Any] = msgspec.json.decode(self.json)
        return built


class OnItsWay(msgspec.Struct, frozen=True):
    """A call that was begun: once `future` is set, `answer` gives its answer at once."""

    future: Reply[Receipt]
    answer: Callable[[], Answer]


class Surface:
    """The tools of one runtime. Its methods are for one event loop; the calls run on threads of its own."""

    def __init__(self, runtime: Runtime, tools: Sequence[Tool], threads: int = 32) -> None:
        self.runtime = runtime
        self.tools = {tool.name: tool for tool in tools}
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="fleetlog-tools")
        self._lane: AbstractAsyncContextManager[Any] = nullcontext()

    def lane(self) -> "Surface":
        """The same for one caller whose calls that change something are to be made one after the other."""
        lane = copy.copy(self)
        lane._lane = asyncio.Lock()
        return lane

    def close(self) -> None:
        """Take no more calls; those that are under way end by themselves."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, call: Callable[[], T]) -> T:
        """A blocking call, awaited."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def answer(
        self,
        principal: Principal,
        name: str,
        given: object,
        *,
        idempotency_key: str | None = None,
        report: Report | None = None,
    ) -> Answer:
        """Call a tool. The key counts for tools that change something, where the arguments name none."""
        try:
            tool = self._tool(name)
            door, arguments = self._entered(principal, tool, given, idempotency_key)
            return await self._called(tool, door, arguments, report)
        except Exception as error:  # noqa: BLE001 - the last door, as below
            return _failed(name, error)

    def begin(
        self, principal: Principal, name: str, given: object, *, idempotency_key: str | None = None
    ) -> OnItsWay | Answer | None:
        """Put a call on its way without waiting for its commit; its answer, if that is known already. None where it
        could not be begun without waiting: then `answer` it. For callers with no call in their lane."""
        tool = self.tools.get(name)
        if tool is None or tool.begin is None:
            return None
        try:
            door, arguments = self._entered(principal, tool, given, idempotency_key)
            begun = tool.begin(door, arguments)
        except Exception as error:  # noqa: BLE001 - the last door, as below
            return _failed(name, error)
        if begun is None:
            return None
        return OnItsWay(begun.future, functools.partial(self._ended, tool, door, arguments, begun))

    def _ended(self, tool: Tool, door: Door, arguments: msgspec.Struct, begun: Begun[Any]) -> Answer:
        try:
            return self._answer(tool, door, arguments, tool.shape(begun.reply()))
        except Exception as error:  # noqa: BLE001 - the last door, as below
            return _failed(tool.name, error)

    def _entered(
        self, principal: Principal, tool: Tool, given: object, idempotency_key: str | None
    ) -> tuple[Door, msgspec.Struct]:
        """The caller's door, and the arguments, checked."""
        if principal.agent_id:
            self.runtime.renew_lease(principal.agent_id)
        return Door(self.runtime, principal), tool.checked(_keyed(tool, given, idempotency_key))

    def _tool(self, name: str) -> Tool:
        tool = self.tools.get(name)
        if tool is None:
            raise InvalidArgument(f"There is no tool '{name[:80]}'{nearest(name, self.tools)}")
        return tool

    async def _called(self, tool: Tool, door: Door, arguments: msgspec.Struct, report: Report | None) -> Answer:
        wait_ms = getattr(arguments, "wait_ms", 0)
        call = functools.partial(self._called_here, tool, door, arguments)
        if tool.is_final is not None and wait_ms:
            return await self._awaited(call, tool.is_final, wait_ms / 1000, report)
        if tool.hints.reads:
            return await self.in_thread(call)
        async with self._lane:
            begun = tool.begin(door, arguments) if tool.begin else None
            if begun is None:
                return await self.in_thread(call)
        await begun.future
        return self._answer(tool, door, arguments, tool.shape(begun.reply()))

    async def _awaited(
        self, call: Callable[[], Answer], is_final: Callable[[Any], bool], wait_s: float, report: Report | None
    ) -> Answer:
        """The answer once it is final, or as it is when the time is over: asked again whenever the views move on."""
        loop = asyncio.get_running_loop()
        moved = asyncio.Event()
        began = time.monotonic()
        with self.runtime.listening(lambda: loop.call_soon_threadsafe(moved.set)):
            while True:
                moved.clear()
                answer = await self.in_thread(call)
                waited_s = time.monotonic() - began
                if is_final(answer.content) or waited_s >= wait_s:
                    return answer
                if report is not None:
                    await report(waited_s, wait_s, "waiting")
                with suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), min(PROGRESS_EVERY_S, wait_s - waited_s))

    def _called_here(self, tool: Tool, door: Door, arguments: msgspec.Struct) -> Answer:
        """The tool's answer; blocks."""
        return self._answer(tool, door, arguments, tool.call(door, arguments), waits=True)

    def _answer(
        self, tool: Tool, door: Door, arguments: msgspec.Struct, answer: object, *, waits: bool = False
    ) -> Answer:
        """The answer as an object, with the count of what the acting agent has not read."""
        built: dict[str, Any] = dict(answer) if isinstance(answer, dict) else msgspec.to_builtins(answer, str_keys=True)
        agent_id = door.principal.agent_id or (getattr(arguments, tool.acting) if tool.acting else "")
        if agent_id.startswith("agent-"):
            built["unread"] = self.runtime.unread(agent_id, waits=waits)
        return Answer.of(built)


def _keyed(tool: Tool, given: object, idempotency_key: str | None) -> object:
    if idempotency_key is None or tool.hints.reads or not isinstance(given, dict):
        return given
    return {"idempotency_key": idempotency_key, **given}


def _failed(name: str, error: Exception) -> Answer:
    """What a refusal says; of a defect, the client gets a sentence, and the log the traceback."""
    if isinstance(error, FleetlogError):
        return Answer.of({"error": str(error)}, is_error=True)
    logger.error("action=tool_failed tool=%s", name, exc_info=error)
    said = f"{name}: this is a defect of fleetlog; its log has the details, and the call may or may not count"
    return Answer.of({"error": said}, is_error=True)
