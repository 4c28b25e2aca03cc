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
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.budget import check_budget
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import (
    AGENT_ENDED,
    OPERATOR,
    AgentSpec,
    Artifact,
    Budget,
    FleetSpec,
    Message,
    MessageType,
    Severity,
)
from fleetlog.runtime import arguments, mail
from fleetlog.runtime.assembly import Assembly, RuntimeConfig
from fleetlog.runtime.batch import Batches
from fleetlog.runtime.brains.command.mesh import MeshAccess
from fleetlog.runtime.brains.function import Brain, check_brain_names
from fleetlog.runtime.calls import Begun, Call
from fleetlog.runtime.capabilities import Routing
from fleetlog.runtime.clock import Clock, SystemClock
from fleetlog.runtime.councils import Councils
from fleetlog.runtime.discussions import Discussions
from fleetlog.runtime.engine import CallKey
from fleetlog.runtime.extensions import Extensions
from fleetlog.runtime.forks import Forks
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.leases import Leases
from fleetlog.runtime.places import place_of
from fleetlog.runtime.replies import (
    AckReply,
    FleetReply,
    SendReply,
    SpawnReply,
)
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore
from fleetlog.runtime.templates import Templates
from fleetlog.runtime.ticket_notices import OnTicket
from fleetlog.runtime.tickets import Tickets
from fleetlog.runtime.tokens import Tokens

__all__ = ["Runtime", "RuntimeConfig"]


class Runtime(Tickets, Batches, Councils, Discussions, Forks, Leases, Tokens, Templates, Routing):
    """One event log, its actors and its workers. Make it with `Runtime.open`."""

    def __init__(self, parts: Assembly, config: RuntimeConfig) -> None:
        super().__init__(parts)
        self.config = config
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
        on_ticket: OnTicket | None = None,
        mesh: MeshAccess | None = None,
        extensions: Extensions | None = None,
    ) -> Self:
        """Open a runtime directory (made if it is not there), the log in a PostgreSQL database (its url), or `memory:`
        for one that leaves nothing.

        What had been interrupted goes on at once (with `recover=False` it waits for a later open). `store`
        replaces the log's store, for tests. `on_ticket` is called with every `TicketNotice` (a ticket was opened, is
        reminded of, was escalated): at least once, on a thread of its own. `mesh` is what this process's servers offer
        to the programs of command agents; without one these run without the mesh's tools. `extensions` are tools and
        read models of the program's own.
        Raises `DirectoryOwned` when another process has the directory or the log, `InvalidArgument` or `StoreFault`
        when it cannot be used.
        """
        check_brain_names(brains)
        config = config or RuntimeConfig()
        added = (extensions or Extensions()).check()
        parts = Assembly(place_of(directory), config, clock or SystemClock(), brains, store, mesh, added)
        try:
            if recover:
                parts.recover()
                parts.leases.begin()
            parts.sweep_idle()
            parts.notify(on_ticket)
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
        spec = arguments.typed(spec, FleetSpec, "spec")
        command = self._spawn_command(spec)
        fleet_id = f"fleet-{arguments.new_stamp()}"
        return self._change("spawn_fleet", fleet_id, command, spec, SpawnReply, _spawned, idempotency_key)

    def attach_agent(self, fleet_id: str, spec: AgentSpec, *, idempotency_key: str | None = None) -> SpawnReply:
        """Add an agent to a fleet that is running; it starts at once."""
        spec = arguments.typed(spec, AgentSpec, "spec")
        command = self._attach_command(fleet_id, spec)
        given = (arguments.fleet_id(fleet_id), spec)
        return self._change("attach_agent", fleet_id, command, given, SpawnReply, _spawned, idempotency_key)

    def set_fleet_timeout(self, fleet_id: str, timeout_s: float, *, idempotency_key: str | None = None) -> FleetReply:
        """Change a running fleet's timeout: seconds of runtime uptime since it was spawned."""
        command = c.SetFleetTimeout(checks.seconds("timeout_s", timeout_s))
        return self._change_fleet("set_fleet_timeout", fleet_id, command, idempotency_key)

    def cancel_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """End a fleet now: what runs is stopped, child processes included."""
        return self._change_fleet("cancel_fleet", fleet_id, c.CancelFleet(arguments.reason(reason)), idempotency_key)

    def close_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Let a fleet that is kept open end with its last agent; no agent can be attached any more."""
        return self._change_fleet("close_fleet", fleet_id, c.CloseFleet(arguments.reason(reason)), idempotency_key)

    def archive_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Hide an ended fleet from lists; the log keeps everything."""
        return self._change_fleet("archive_fleet", fleet_id, c.ArchiveFleet(arguments.reason(reason)), idempotency_key)

    # --- pauses and budgets ------------------------------------------------------------------

    def pause_fleet(self, fleet_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Have none of a fleet's agents begin a new step: what is under way ends and is recorded. Messages are still
        taken, and timeouts still count."""
        return self._change_fleet("pause_fleet", fleet_id, c.PauseFleet(arguments.reason(reason)), idempotency_key)

    def resume_fleet(self, fleet_id: str, *, idempotency_key: str | None = None) -> FleetReply:
        """Have a paused fleet go on. One that its budget has paused is refused while the budget does not admit more."""
        return self._change_fleet("resume_fleet", fleet_id, c.ResumeFleet(), idempotency_key)

    def pause_agent(self, agent_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """Have one agent begin no new step; it still takes messages."""
        return self._change_agent("pause_agent", agent_id, c.PauseAgent(arguments.reason(reason)), idempotency_key)

    def resume_agent(self, agent_id: str, *, idempotency_key: str | None = None) -> FleetReply:
        """Have a paused agent go on, whoever has paused it; its budget must admit more if that has."""
        return self._change_agent("resume_agent", agent_id, c.ResumeAgent(), idempotency_key)

    def set_budget(self, fleet_or_agent_id: str, budget: Budget, *, idempotency_key: str | None = None) -> FleetReply:
        """Replace the whole budget of a fleet, or of an agent; who was paused by it goes on if this one admits more."""
        command = c.SetBudget(check_budget("budget", arguments.typed(budget, Budget, "budget")))
        if fleet_or_agent_id.startswith("agent-"):
            return self._change_agent("set_budget", fleet_or_agent_id, command, idempotency_key)
        return self._change_fleet("set_budget", fleet_or_agent_id, command, idempotency_key)

    def recover(self, fleet_id: str) -> FleetReply:
        """Have a fleet go on that was interrupted before this runtime was opened with `recover=False`; one
        that goes on already is not disturbed. Raises `InvalidArgument` when a brain it needs is not known
        here, `NotAllowed` when nothing in it is left to do."""
        position = self._catch_up()
        fleet = self._parts.queries.fleet(arguments.fleet_id(fleet_id))
        if fleet_id not in self._parts.queries.open_fleets():
            raise NotAllowed(f"Fleet {fleet_id} is {fleet.status}: nothing in it is left to do")
        for agent in self._parts.queries.agents(fleet_id):
            if agent.brain not in ("", "external") and agent.status not in AGENT_ENDED:
                self._parts.engine.brains.find(agent.brain)
        self._parts.recover(fleet_id)
        return FleetReply(fleet_id, position)

    # --- agents ------------------------------------------------------------------------------

    def cancel_agent(self, agent_id: str, reason: str = "", *, idempotency_key: str | None = None) -> FleetReply:
        """End one agent now; its fleet goes on."""
        return self._change_agent("cancel_agent", agent_id, c.CancelAgent(arguments.reason(reason)), idempotency_key)

    def submit_result(self, agent_id: str, output: Any, *, idempotency_key: str | None = None) -> FleetReply:
        """Give the result of an external agent (the brain `external`, or none), worked from outside."""
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

    def undo_compaction(
        self, agent_id: str, step: int, *, by: str = OPERATOR, idempotency_key: str | None = None
    ) -> FleetReply:
        """Have a Claude agent's conversation be what it was without the compaction at this step: nothing of what it
        replaced is lost. It holds from the agent's next run (after a wait, a pause or a restart)."""
        command = c.UndoCompaction(checks.integer("step", step, at_least=0), checks.identifier("by", by))
        return self._change_agent("undo_compaction", agent_id, command, idempotency_key)

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
        return self._send(self._sending("send_message", fleet_id, message, to_agent_id), idempotency_key)

    def begin_send_message(
        self,
        from_agent_id: str,
        to_agent_id: str,
        fleet_id: str,
        type: MessageType,
        payload: str,
        *,
        correlation_id: str = "",
        idempotency_key: str | None = None,
    ) -> Begun[SendReply] | None:
        """As `send_message`, without waiting for the commit, for event loops; None where it could not be begun without
        waiting: then `send_message` is to be called. Messages are delivered in the order in which they were begun."""
        message = Message(self._new_message_id(), from_agent_id, type, payload, correlation_id)
        call = self._sending("send_message", fleet_id, message, to_agent_id)
        engine = self._parts.engine
        if fleet_id not in engine.rosters or not engine.journal.has_room or not engine.residents.has_room(to_agent_id):
            return None
        return self._calls.begin(call, idempotency_key)

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
        return mail.post_message(self._parts.engine, fleet_id, message, to_agent_id, by=self._by)

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
        return self._send(self._sending("alert", fleet_id, message, "*", wanted), idempotency_key)

    def ack(self, agent_id: str, message_id: str, *, idempotency_key: str | None = None) -> AckReply:
        """Take a message out of an agent's inbox; acknowledging twice changes nothing."""
        command = c.AcknowledgeMessage(checks.identifier("message_id", message_id))
        given = (arguments.agent_id(agent_id), message_id)
        return self._change(
            "ack",
            agent_id,
            command,
            given,
            AckReply,
            lambda known: AckReply(bool(known)),
            idempotency_key,
        )

    # --- artifacts ---------------------------------------------------------------------------

    def store_artifact(self, content: str | bytes) -> Artifact:
        """Store something large; messages and results can name it by its SHA-256."""
        self._check_open()
        return self._parts.engine.artifacts.put(content.encode() if isinstance(content, str) else content)

    # --- a message's way -----------------------------------------------------------------------

    def _sending(
        self, operation: str, fleet_id: str, message: Message, to: str, skills: tuple[str, ...] = ()
    ) -> Call[SendReply]:
        arguments.fleet_id(fleet_id)
        checks.identifier("from_agent_id", message.sender)
        checks.identifier("to_agent_id", to)
        mail.check_message(message)

        def start(key: CallKey | None) -> Reply[Receipt]:
            self._parts.engine.journal.wait_for_room()
            return mail.post_message(self._parts.engine, fleet_id, message, to, by=self._by, key=key, skills=skills)

        self._check_open()
        given = (fleet_id, to, msgspec.structs.replace(message, id=""), skills)
        return Call(operation, given, SendReply, start, _sent)

    def _send(self, call: Call[SendReply], idempotency_key: str | None) -> SendReply:
        reply, repeated = self._calls.once(call, idempotency_key)
        if not repeated:
            return reply
        position = self._catch_up()
        states = self._parts.queries.deliveries(reply.message_id, reply.recipients)
        return msgspec.structs.replace(reply, deliveries=states, position=position)

    def _new_message_id(self) -> str:
        """Unique: no two runtimes have the same stem, and this one counts."""
        return f"{self._message_stem}{next(self._message_numbers)}"


def _spawned(outcome: Any) -> SpawnReply:
    return SpawnReply(outcome.fleet_id, outcome.agent_ids)


def _sent(outcome: Any) -> SendReply:
    return SendReply(outcome.message_id, outcome.recipients, dict.fromkeys(outcome.recipients, "queued"))
