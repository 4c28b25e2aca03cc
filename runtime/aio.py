"""The facade for `asyncio` hosts: the same methods, awaitable, never blocking the loop.

Commands and queries run on a thread pool of this runtime's own; `send_message_nowait` needs no thread. A
cancelled await does not undo what was put on its way: repeat it with its idempotency key to learn more.
"""

import asyncio
import contextlib
import functools
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, Self, TypeVar

from fleetlog.domain import checks
from fleetlog.domain.values import MessageType
from fleetlog.runtime.brains.command.mesh import MeshAccess
from fleetlog.runtime.brains.function import Brain
from fleetlog.runtime.extensions import Extensions
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.replies import Results
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.rows import TimelineEntry
from fleetlog.runtime.ticket_notices import OnTicket

__all__ = ["AsyncRuntime"]

THREADS = 32

P = ParamSpec("P")
T = TypeVar("T")


def _awaitable(
    method: Callable[Concatenate[Runtime, P], T],
) -> Callable[Concatenate["AsyncRuntime", P], Coroutine[None, None, T]]:
    @functools.wraps(method)
    async def call(self: "AsyncRuntime", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._in_thread(functools.partial(method, self.runtime, *args, **kwargs))

    return call


class AsyncRuntime:
    """A `Runtime` whose methods are awaited: `async with AsyncRuntime.open(directory) as runtime`."""

    def __init__(self, make: Callable[[], Runtime]) -> None:
        self._make = make
        self._runtime: Runtime | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="fleetlog-aio")

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] = ".fleetlog",
        *,
        brains: Mapping[str, Brain] | None = None,
        config: RuntimeConfig | None = None,
        on_ticket: OnTicket | None = None,
        mesh: MeshAccess | None = None,
        extensions: Extensions | None = None,
    ) -> Self:
        """See `Runtime.open`; the directory is opened when the context is entered."""
        options = {"brains": brains, "config": config, "on_ticket": on_ticket, "mesh": mesh, "extensions": extensions}
        return cls(functools.partial(Runtime.open, directory, **options))  # type: ignore[arg-type]

    @property
    def runtime(self) -> Runtime:
        """The runtime behind this one, for calls from other threads."""
        if self._runtime is None:
            raise RuntimeError("AsyncRuntime is used as a context manager: async with AsyncRuntime.open(...)")
        return self._runtime

    async def __aenter__(self) -> Self:
        self._runtime = await self._in_thread(self._make)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._in_thread(self.runtime.close)
        self._threads.shutdown(wait=False)

    def _in_thread(self, call: Callable[[], T]) -> Awaitable[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, call)

    spawn_fleet = _awaitable(Runtime.spawn_fleet)
    fork_fleet = _awaitable(Runtime.fork_fleet)
    attach_agent = _awaitable(Runtime.attach_agent)
    set_fleet_timeout = _awaitable(Runtime.set_fleet_timeout)
    pause_fleet = _awaitable(Runtime.pause_fleet)
    resume_fleet = _awaitable(Runtime.resume_fleet)
    pause_agent = _awaitable(Runtime.pause_agent)
    resume_agent = _awaitable(Runtime.resume_agent)
    set_budget = _awaitable(Runtime.set_budget)
    spend = _awaitable(Runtime.spend)
    recover = _awaitable(Runtime.recover)
    cancel_fleet = _awaitable(Runtime.cancel_fleet)
    close_fleet = _awaitable(Runtime.close_fleet)
    archive_fleet = _awaitable(Runtime.archive_fleet)
    cancel_agent = _awaitable(Runtime.cancel_agent)
    submit_result = _awaitable(Runtime.submit_result)
    resolve_doubt = _awaitable(Runtime.resolve_doubt)
    undo_compaction = _awaitable(Runtime.undo_compaction)
    send_message = _awaitable(Runtime.send_message)
    send_messages = _awaitable(Runtime.send_messages)
    alert = _awaitable(Runtime.alert)
    inbox = _awaitable(Runtime.inbox)
    ack = _awaitable(Runtime.ack)
    request_help = _awaitable(Runtime.request_help)
    answer_help = _awaitable(Runtime.answer_help)
    decide_approval = _awaitable(Runtime.decide_approval)
    cancel_help = _awaitable(Runtime.cancel_help)
    attach_external = _awaitable(Runtime.attach_external)
    renew_lease = _awaitable(Runtime.renew_lease)
    release_lease = _awaitable(Runtime.release_lease)
    save_fleet_template = _awaitable(Runtime.save_fleet_template)
    list_fleet_templates = _awaitable(Runtime.list_fleet_templates)
    get_fleet_template = _awaitable(Runtime.get_fleet_template)
    delete_fleet_template = _awaitable(Runtime.delete_fleet_template)
    spawn_from_template = _awaitable(Runtime.spawn_from_template)
    register_capability = _awaitable(Runtime.register_capability)
    route_work = _awaitable(Runtime.route_work)
    record_routing_outcome = _awaitable(Runtime.record_routing_outcome)
    list_help = _awaitable(Runtime.list_help)
    help_requests = _awaitable(Runtime.help_requests)
    doubts = _awaitable(Runtime.doubts)
    fleet_status = _awaitable(Runtime.fleet_status)
    list_fleets = _awaitable(Runtime.list_fleets)
    list_agents = _awaitable(Runtime.list_agents)
    definitions = _awaitable(Runtime.definitions)
    query_view = _awaitable(Runtime.query_view)
    health = _awaitable(Runtime.health)
    unread = _awaitable(Runtime.unread)
    gates = _awaitable(Runtime.gates)
    drafts = _awaitable(Runtime.drafts)
    resolve_fleet = _awaitable(Runtime.resolve_fleet)
    give_receipt = _awaitable(Runtime.give_receipt)
    receipts = _awaitable(Runtime.receipts)
    open_ratification = _awaitable(Runtime.open_ratification)
    cast_vote = _awaitable(Runtime.cast_vote)
    ratification = _awaitable(Runtime.ratification)
    sweep_ratifications = _awaitable(Runtime.sweep_ratifications)
    ask_peer = _awaitable(Runtime.ask_peer)
    wake_agent = _awaitable(Runtime.wake_agent)
    reply_discussion = _awaitable(Runtime.reply_discussion)
    discussion = _awaitable(Runtime.discussion)
    issue_token = _awaitable(Runtime.issue_token)
    revoke_token = _awaitable(Runtime.revoke_token)
    list_tokens = _awaitable(Runtime.list_tokens)
    store_artifact = _awaitable(Runtime.store_artifact)
    artifact = _awaitable(Runtime.artifact)
    verify_ledger = _awaitable(Runtime.verify_ledger)

    async def collect_results(self, fleet_id: str, wait_s: float = 0.0) -> Results:
        """See `Runtime.collect_results`. Waiting takes no thread, however many wait."""
        ask = functools.partial(self.runtime.collect_results, fleet_id)
        return await self._until(ask, lambda results: results.is_final, wait_s)

    async def timeline(
        self, fleet_id: str | None = None, *, after: int = 0, limit: int = 200, wait_s: float = 0.0
    ) -> tuple[TimelineEntry, ...]:
        """See `Runtime.timeline`. Waiting takes no thread, however many wait."""
        ask = functools.partial(self.runtime.timeline, fleet_id, after=after, limit=limit)
        return await self._until(ask, bool, wait_s)

    async def _until(self, ask: Callable[[], T], found: Callable[[T], bool], wait_s: float) -> T:
        """The answer once it is `found`, or as it is after `wait_s`: asked again whenever the views move on."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + checks.seconds("wait_s", wait_s, zero=True)
        moved = asyncio.Event()
        with self.runtime.listening(lambda: loop.call_soon_threadsafe(moved.set)):
            while True:
                moved.clear()
                answer = await self._in_thread(ask)
                remaining = deadline - loop.time()
                if found(answer) or remaining <= 0:
                    return answer
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(moved.wait(), remaining)

    async def send_message_nowait(
        self,
        from_agent_id: str,
        to_agent_id: str,
        fleet_id: str,
        type: MessageType,
        payload: str,
        *,
        correlation_id: str = "",
    ) -> Reply[Receipt]:
        """Send without waiting for the commit; await the returned reply for it."""
        send = functools.partial(
            self.runtime.send_message_nowait,
            from_agent_id,
            to_agent_id,
            fleet_id,
            type,
            payload,
            correlation_id=correlation_id,
        )
        return await self._in_thread(send)
