"""The facade: everything a program, a person or a tool can do with fleets. The only way in.

    with Runtime.open(".fleetlog", brains={"explorer": explorer}) as runtime:
        explorer = AgentSpec(role="explorer", prompt="look around", brain="explorer")
        fleet = runtime.spawn_fleet(FleetSpec(agents=(explorer,)))
        print(runtime.collect_results(fleet.fleet_id, wait_s=60))

Every method may be called from any thread. What changes something is durable when it returns (committed,
with SQLite's full fsync) and takes an idempotency key: the same key with the same arguments gives the first
result again; with other arguments it is refused. A query sees everything any caller of this runtime was
told is committed. Errors are `Refused` (nothing was recorded) or `Fault`.
"""

import itertools
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, TypeVar

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound, RuntimeClosed
from fleetlog.domain.values import (
    AGENT_ENDED,
    FLEET_ENDED,
    OPERATOR,
    AgentSpec,
    Artifact,
    FleetSpec,
    Message,
    MessageType,
    Severity,
    Stored,
    fleet_id_of,
    stamp_of,
)
from fleetlog.runtime import mail
from fleetlog.runtime.assembly import Assembly, RuntimeConfig, directory_path
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.brains.function import Brain
from fleetlog.runtime.brains.result_schema import check_schema
from fleetlog.runtime.calls import Call, Calls
from fleetlog.runtime.clock import Clock, SystemClock
from fleetlog.runtime.engine import CallKey, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.queries import DoubtRow, TimelineEntry
from fleetlog.runtime.replies import (
    AckReply,
    AgentList,
    FleetList,
    FleetReply,
    FleetStatus,
    HelpList,
    HelpReply,
    InboxReply,
    Results,
    SendReply,
    SpawnReply,
)
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore

__all__ = ["Runtime", "RuntimeConfig"]

R = TypeVar("R", bound=msgspec.Struct)
Typed = TypeVar("Typed", bound=msgspec.Struct)


class Runtime:
    """One event log, its actors and its workers. Make it with `Runtime.open`."""

    def __init__(self, parts: Assembly, config: RuntimeConfig) -> None:
        self._parts, self.config = parts, config
        self._calls = Calls(parts.engine.store)
        self._closed = threading.Event()
        self._message_stem = f"message-{secrets.token_hex(8)}-"
        self._message_numbers = itertools.count(1)

    # --- open and close ----------------------------------------------------------------------

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str] = ".fleetlog",
        *,
        brains: Mapping[str, Brain] | None = None,
        config: RuntimeConfig | None = None,
        clock: Clock | None = None,
        store: EventStore | None = None,
        recover: bool = True,
    ) -> Self:
        """Open a runtime directory (made if it is not there), or `memory:` for one that leaves nothing.

        What had been interrupted goes on at once (with `recover=False` it waits for a later open). `store`
        replaces the log's store, for tests. Raises `DirectoryOwned` when another process has the directory,
        `InvalidArgument` or `StoreFault` when it cannot be used.
        """
        config = config or RuntimeConfig()
        parts = Assembly(directory_path(directory), config, clock or SystemClock(), brains, store)
        try:
            if recover:
                parts.recover()
            parts.sweep_idle()
        except BaseException:
            parts.close()
            raise
        return cls(parts, config)

    def close(self) -> None:
        """Stop brains, actors and threads of this runtime, and give the directory free. What was not finished
        goes on at the next open. Ends within about `close_timeout_s` and the commit at hand; a brain that
        cannot be interrupted is left behind on a daemon thread and can record nothing any more."""
        self._closed.set()
        self._parts.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- fleets ------------------------------------------------------------------------------

    def spawn_fleet(self, spec: FleetSpec, *, idempotency_key: str | None = None) -> SpawnReply:
        """Spawn a fleet and all its agents, in one commit; they start at once."""
        spec = _typed(spec, FleetSpec, "spec")
        for agent in spec.agents:
            self._check_runnable(agent)
        command = c.SpawnFleet(spec, self.config.max_agents)
        fleet_id = f"fleet-{_new_stamp()}"
        return self._change("spawn_fleet", fleet_id, command, spec, SpawnReply, _spawned, idempotency_key)

    def attach_agent(self, fleet_id: str, spec: AgentSpec, *, idempotency_key: str | None = None) -> SpawnReply:
        """Add an agent to a fleet that is running; it starts at once."""
        spec = _typed(spec, AgentSpec, "spec")
        self._check_runnable(spec)
        command = c.AttachAgent(spec, self.config.max_agents)
        arguments = (_fleet_id(fleet_id), spec)
        return self._change("attach_agent", fleet_id, command, arguments, SpawnReply, _spawned, idempotency_key)

    def set_fleet_timeout(self, fleet_id: str, timeout_s: float, *, idempotency_key: str | None = None) -> FleetReply:
        """Change a running fleet's timeout: seconds of runtime uptime since it was spawned."""
        command = c.SetFleetTimeout(checks.seconds("timeout_s", timeout_s))
        return self._change_fleet("set_fleet_timeout", fleet_id, command, idempotency_key)

    def cancel_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """End a fleet now: what runs is stopped, child processes included."""
        return self._change_fleet("cancel_fleet", fleet_id, c.CancelFleet(_reason(reason)), idempotency_key)

    def close_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Let a fleet that is kept open end with its last agent; no agent can be attached any more."""
        return self._change_fleet("close_fleet", fleet_id, c.CloseFleet(_reason(reason)), idempotency_key)

    def archive_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Hide an ended fleet from lists; the log keeps everything."""
        return self._change_fleet("archive_fleet", fleet_id, c.ArchiveFleet(_reason(reason)), idempotency_key)

    def recover(self, fleet_id: str) -> FleetReply:
        """Have a fleet go on that was interrupted before this runtime was opened with `recover=False`; one
        that goes on already is not disturbed. Raises `InvalidArgument` when a brain it needs is not known
        here, `NotAllowed` when nothing in it is left to do."""
        position = self._catch_up()
        fleet = self._parts.queries.fleet(_fleet_id(fleet_id))
        if fleet_id not in self._parts.queries.open_fleets():
            raise NotAllowed(f"Fleet {fleet_id} is {fleet.status}: nothing in it is left to do")
        for agent in self._parts.queries.agents(fleet_id):
            if agent.brain and agent.status not in AGENT_ENDED:
                self._parts.engine.brains.find(agent.brain)
        self._parts.recover(fleet_id)
        return FleetReply(fleet_id, position)

    # --- agents ------------------------------------------------------------------------------

    def cancel_agent(self, agent_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """End one agent now; its fleet goes on."""
        return self._change_agent("cancel_agent", agent_id, c.CancelAgent(_reason(reason)), idempotency_key)

    def submit_result(self, agent_id: str, output: Any, *, idempotency_key: str | None = None) -> FleetReply:
        """Give the result of an agent without a brain, worked from outside."""
        command = c.SubmitResult(-1, self._stored("output", output))
        return self._change_agent("submit_result", agent_id, command, idempotency_key)

    def resolve_doubt(
        self,
        agent_id: str,
        outcome: str,
        value: Any = None,
        *,
        by: str = OPERATOR,
        idempotency_key: str | None = None,
    ) -> FleetReply:
        """Decide about the step in doubt an agent waits with: `done` (with what it would have returned)
        or `retry`."""
        checks.choice("outcome", outcome, ("done", "retry"))
        command = c.ResolveDoubt(outcome, checks.identifier("by", by), self._stored("value", value))
        return self._change_agent("resolve_doubt", agent_id, command, idempotency_key)

    # --- messages ----------------------------------------------------------------------------

    def send_message(
        self,
        from_agent_id: str,
        to_agent_id: str,
        fleet_id: str,
        type: MessageType,
        payload: str,
        *,
        correlation_id: str = "",
        idempotency_key: str | None = None,
    ) -> SendReply:
        """Send to an agent of the fleet, or with `*` to every other one (fixed at send time, one commit).
        `from_agent_id` is an agent of the fleet or `operator`. Payloads are text up to 64 KiB."""
        message = Message(self._new_message_id(), from_agent_id, type, payload, correlation_id)
        return self._send("send_message", fleet_id, message, to_agent_id, idempotency_key)

    def send_message_nowait(
        self,
        from_agent_id: str,
        to_agent_id: str,
        fleet_id: str,
        type: MessageType,
        payload: str,
        *,
        correlation_id: str = "",
    ) -> Reply[Receipt]:
        """As `send_message`, without waiting for the commit: the future's `Receipt` is set after it. For
        callers that pipeline; waits only while a queue is full."""
        self._check_open()
        message = Message(self._new_message_id(), from_agent_id, type, payload, correlation_id)
        mail.check_message(message)
        self._parts.engine.journal.wait_for_room()
        return mail.post_message(self._parts.engine, fleet_id, message, to_agent_id)

    def alert(
        self,
        fleet_id: str,
        severity: Severity,
        text: str,
        *,
        skills: Sequence[str] = (),
        from_agent_id: str = OPERATOR,
        idempotency_key: str | None = None,
    ) -> SendReply:
        """Alert the agents with one of the skills, or all when nobody has one (or none is named)."""
        checks.choice("severity", severity, ("info", "warning", "high", "critical"))
        checks.text("text", text, empty=False)
        payload = msgspec.json.encode({"severity": severity, "text": text}).decode()
        message = Message(self._new_message_id(), from_agent_id, "alert", payload)
        wanted = tuple(checks.text("skills", skill, empty=False) for skill in skills)
        return self._send("alert", fleet_id, message, "*", idempotency_key, wanted)

    def inbox(self, agent_id: str, *, since: int | None = None, all: bool = False) -> InboxReply:
        """An agent's messages that are not acknowledged (or all), oldest first."""
        position = self._catch_up()
        return InboxReply(tuple(self._parts.queries.inbox(agent_id, since, all=all)), position)

    def ack(self, agent_id: str, message_id: str, *, idempotency_key: str | None = None) -> AckReply:
        """Take a message out of an agent's inbox; acknowledging twice changes nothing."""
        command = c.AcknowledgeMessage(checks.identifier("message_id", message_id))
        arguments = (_agent_id(agent_id), message_id)
        return self._change(
            "ack",
            agent_id,
            command,
            arguments,
            AckReply,
            lambda known: AckReply(bool(known)),
            idempotency_key,
        )

    # --- help --------------------------------------------------------------------------------

    def request_help(
        self,
        agent_id: str,
        blocker: str,
        *,
        attempted: str = "",
        deadline: int | None = None,
        idempotency_key: str | None = None,
    ) -> HelpReply:
        """Ask a person on behalf of an agent; the answer reaches it as a message. `deadline` is an epoch
        millisecond, for people to see."""
        checks.text("blocker", blocker, empty=False)
        checks.text("attempted", attempted)
        if deadline is not None:
            checks.integer("deadline", deadline)
        help_id = f"help-{stamp_of(_agent_id(agent_id))}-{secrets.token_hex(4)}"
        command = c.RequestHelp(help_id, blocker, attempted, deadline)
        arguments = (agent_id, blocker, attempted, deadline)
        return self._change(
            "request_help",
            agent_id,
            command,
            arguments,
            HelpReply,
            lambda _: HelpReply(help_id),
            idempotency_key,
        )

    def answer_help(
        self, help_id: str, answer: str, *, by: str = OPERATOR, idempotency_key: str | None = None
    ) -> HelpReply:
        """Answer a request for help; the agent gets it in the same commit."""
        command = c.AnswerHelp(help_id, checks.payload(answer), checks.identifier("by", by))
        self._catch_up()
        agent_id = self._parts.queries.help_agent(help_id)
        return self._change(
            "answer_help",
            agent_id,
            command,
            command,
            HelpReply,
            lambda _: HelpReply(help_id),
            idempotency_key,
        )

    def help_requests(self, fleet_id: str | None = None, status: str | None = None) -> HelpList:
        """Requests for help: `open`, `answered`, `closed` or all."""
        position = self._catch_up()
        return HelpList(tuple(self._parts.queries.help_requests(fleet_id, status)), position)

    def doubts(self, fleet_id: str | None = None) -> tuple[DoubtRow, ...]:
        """Steps of which it is not known whether they were done, waiting for `resolve_doubt`."""
        self._catch_up()
        return tuple(self._parts.queries.doubts(fleet_id))

    # --- queries -----------------------------------------------------------------------------

    def fleet_status(self, fleet_id: str) -> FleetStatus:
        """A fleet and its agents; raises `NotFound`."""
        position = self._catch_up()
        return FleetStatus(self._parts.queries.fleet(fleet_id), tuple(self._parts.queries.agents(fleet_id)), position)

    def list_fleets(
        self,
        *,
        status: str | None = None,
        query: str = "",
        limit: int = 50,
        cursor: str | None = None,
        archived: bool = False,
    ) -> FleetList:
        """Fleets, newest first; `query` is looked for in id, name and goal; archived ones only if asked."""
        position = self._catch_up()
        fleets, next_cursor = self._parts.queries.fleets(status, query, limit, cursor, archived)
        return FleetList(tuple(fleets), next_cursor, position)

    def list_agents(self, fleet_id: str) -> AgentList:
        """The agents of a fleet, in the order they were spawned."""
        position = self._catch_up()
        self._parts.queries.fleet(fleet_id)
        return AgentList(tuple(self._parts.queries.agents(fleet_id)), position)

    def collect_results(self, fleet_id: str, wait_s: float = 0.0) -> Results:
        """How the fleet's agents have ended. Waits up to `wait_s` seconds until the fleet ends (a fleet that
        is kept open: until none of its agents is left to end)."""
        checks.seconds("wait_s", wait_s, zero=True)
        deadline = time.monotonic() + wait_s
        position = self._catch_up()
        while True:
            fleet = self._parts.queries.fleet(fleet_id)
            results = self._parts.queries.results(fleet_id)
            remaining = deadline - time.monotonic()
            if len(results) >= fleet.agent_count and (fleet.keep_open or fleet.status in FLEET_ENDED):
                break
            if remaining <= 0 or self._closed.is_set():
                break
            position = self._parts.projector.wait_past(position, min(remaining, 1.0))
        delivered = sum(1 for result in results if result.status == "complete")
        return Results(
            fleet_id=fleet_id,
            status=fleet.status,
            total=fleet.agent_count,
            delivered=delivered,
            lost=len(results) - delivered,
            still_running=fleet.agent_count - len(results),
            results=tuple(results),
            position=position,
        )

    def timeline(
        self, fleet_id: str | None = None, *, after: int = 0, limit: int = 200, wait_s: float = 0.0
    ) -> tuple[TimelineEntry, ...]:
        """Events behind a log position, one line each; waits up to `wait_s` for the first."""
        position = self._catch_up()
        if fleet_id is not None:
            self._parts.queries.fleet(fleet_id)
        entries = self._parts.queries.timeline(fleet_id, after, limit)
        deadline = time.monotonic() + checks.seconds("wait_s", wait_s, zero=True)
        while not entries and time.monotonic() < deadline and not self._closed.is_set():
            position = self._parts.projector.wait_past(position, min(1.0, deadline - time.monotonic()))
            entries = self._parts.queries.timeline(fleet_id, after, limit)
        return tuple(entries)

    def resolve_fleet(self, prefix: str) -> str:
        """The one fleet whose id begins with `prefix` (with or without `fleet-`)."""
        self._catch_up()
        return self._parts.queries.resolve_fleet(prefix)

    def verify_ledger(self) -> Verdict:
        """Read the whole log and check that every stream is contiguous, chained and folds."""
        self._check_open()
        return verify(self._parts.engine.store)

    def store_artifact(self, content: str | bytes) -> Artifact:
        """Store something large; messages and results can name it by its SHA-256."""
        self._check_open()
        return self._parts.engine.artifacts.put(content.encode() if isinstance(content, str) else content)

    def artifact(self, sha256: str) -> bytes:
        """The content of an artifact."""
        return self._parts.engine.artifacts.get(sha256)

    @property
    def position(self) -> int:
        """The log position of the last event this runtime has committed."""
        return self._parts.engine.journal.position

    # --- a command's way ---------------------------------------------------------------------

    def _change_fleet(
        self, operation: str, fleet_id: str, command: c.FleetCommand, idempotency_key: str | None
    ) -> FleetReply:
        arguments = (_fleet_id(fleet_id), command)
        return self._change(
            operation,
            fleet_id,
            command,
            arguments,
            FleetReply,
            lambda _: FleetReply(fleet_id),
            idempotency_key,
        )

    def _change_agent(
        self, operation: str, agent_id: str, command: c.AgentCommand, idempotency_key: str | None
    ) -> FleetReply:
        fleet_id = fleet_id_of(_agent_id(agent_id))
        arguments = (agent_id, command)
        return self._change(
            operation,
            agent_id,
            command,
            arguments,
            FleetReply,
            lambda _: FleetReply(fleet_id),
            idempotency_key,
        )

    def _change(
        self,
        operation: str,
        stream_id: str,
        command: c.AgentCommand | c.FleetCommand,
        arguments: object,
        reply_type: type[R],
        seal: Callable[[Any], R],
        idempotency_key: str | None,
    ) -> R:
        """One command to one actor, and its reply after the commit."""

        def make(key: CallKey | None) -> R:
            self._parts.engine.journal.wait_for_room()
            future: Reply[Receipt] = Reply()
            self._parts.engine.residents.send(stream_id, Request(command, future, key=key))
            return self._replied(future, seal)

        self._check_open()
        reply, _ = self._calls.once(Call(operation, arguments, reply_type, make, seal), idempotency_key)
        return reply

    def _send(
        self,
        operation: str,
        fleet_id: str,
        message: Message,
        to: str,
        idempotency_key: str | None,
        skills: tuple[str, ...] = (),
    ) -> SendReply:
        _fleet_id(fleet_id)
        checks.identifier("from_agent_id", message.sender)
        checks.identifier("to_agent_id", to)
        mail.check_message(message)

        def make(key: CallKey | None) -> SendReply:
            self._parts.engine.journal.wait_for_room()
            future = mail.post_message(self._parts.engine, fleet_id, message, to, key=key, skills=skills)
            return self._replied(future, _sent)

        self._check_open()
        arguments = (fleet_id, to, msgspec.structs.replace(message, id=""), skills)
        reply, repeated = self._calls.once(Call(operation, arguments, SendReply, make, _sent), idempotency_key)
        if not repeated:
            return reply
        position = self._catch_up()
        states = self._parts.queries.deliveries(reply.message_id, reply.recipients)
        return msgspec.structs.replace(reply, deliveries=states, position=position)

    def _replied(self, future: Reply[Receipt], seal: Callable[[Any], R]) -> R:
        receipt = future.result()
        reply: R = msgspec.structs.replace(seal(receipt.outcome), position=receipt.position)
        return reply

    def _stored(self, field: str, value: object) -> Stored:
        try:
            return self._parts.engine.artifacts.store_value(value)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidArgument(f"'{field}' cannot be stored: {error}") from error

    def _new_message_id(self) -> str:
        """Unique: no two runtimes have the same stem, and this one counts."""
        return f"{self._message_stem}{next(self._message_numbers)}"

    def _catch_up(self) -> int:
        self._check_open()
        return self._parts.catch_up()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise RuntimeClosed("the runtime is closed; open it again")

    def _check_runnable(self, spec: AgentSpec) -> None:
        if spec.brain:
            self._parts.engine.brains.find(spec.brain)
        if spec.result_schema is not None:
            check_schema(spec.result_schema)


def _fleet_id(fleet_id: object) -> str:
    checked = checks.identifier("fleet_id", fleet_id)
    if not checked.startswith("fleet-"):
        raise NotFound(f"Fleet {checked} not found")
    return checked


def _agent_id(agent_id: object) -> str:
    checked = checks.identifier("agent_id", agent_id)
    if not checked.startswith("agent-") or not stamp_of(checked):
        raise NotFound(f"No such agent: {checked}")
    return checked


def _reason(reason: object) -> str:
    return checks.text("reason", reason, max_chars=2_000)


def _new_stamp() -> str:
    """A moment, sortable to about a millisecond, and noise: `261123-014647-k3f2q7`."""
    symbols = "23456789abcdefghjkmnpqrstuvwxyz"
    seconds, rest_ns = divmod(time.time_ns(), 1_000_000_000)
    high, low = divmod(rest_ns * len(symbols) ** 2 // 1_000_000_000, len(symbols))
    noise = "".join(secrets.choice(symbols) for _ in range(4))
    return f"{time.strftime('%y%m%d-%H%M%S', time.gmtime(seconds))}-{symbols[high]}{symbols[low]}{noise}"


def _spawned(outcome: Any) -> SpawnReply:
    return SpawnReply(outcome.fleet_id, outcome.agent_ids)


def _sent(outcome: Any) -> SendReply:
    return SendReply(outcome.message_id, outcome.recipients, dict.fromkeys(outcome.recipients, "queued"))


def _typed(value: object, wanted: type[Typed], field: str) -> Typed:
    """The value, with every field's type checked: structs made in Python are not checked by themselves."""
    try:
        return msgspec.convert(msgspec.to_builtins(value), wanted, strict=True)
    except (msgspec.ValidationError, TypeError, RecursionError, UnicodeError) as error:
        raise InvalidArgument(f"'{field}' must be a {wanted.__name__}: {error}") from error
