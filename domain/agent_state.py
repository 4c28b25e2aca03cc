"""What an agent is: the fold of its events. The state is the program counter: `steps` is what the brain has
done, in order, and a run continues behind the last of them.
"""

from typing import assert_never

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.tickets import Ticket
from fleetlog.domain.values import (
    AGENT_ENDED,
    OPERATOR,
    AgentSpec,
    Budget,
    DeliveryState,
    Effect,
    HelpPolicy,
    Message,
    Now,
    Stored,
    Usage,
    Waiting,
    agent_name_of,
)

__all__ = ["AgentState", "StepRecord", "help_name", "matches"]


NOTHING_SPENT = Usage()
"""One for all agents that have spent nothing."""


class StepRecord(msgspec.Struct, frozen=True, gc=False):
    """What is recorded of one step. `state` is started, completed, failed, doubted, rejected,
    abandoned (a wait that could never end) or undone (a compaction)."""

    name: str
    effect: Effect
    state: str
    value: Stored = Stored()
    message: Message | None = None
    error_type: str = ""
    error: str = ""
    reasons: tuple[str, ...] = ()
    note: str = ""
    """Of an effectful step: what was said inside it last."""


class AgentState:
    """One agent's state; a fresh one does not exist until `agent.spawned` is folded."""

    __slots__ = (
        "abandoned_waits",
        "asks_operator",
        "attempt",
        "budget",
        "calls",
        "deliveries",
        "fleet_id",
        "goal",
        "id",
        "interruptions",
        "item",
        "lease",
        "name",
        "open_call",
        "open_questions",
        "output",
        "pause",
        "progress_reports",
        "reasons",
        "receipts",
        "rejections",
        "retry_uptime_s",
        "returned",
        "spec",
        "spent",
        "started_uptime_s",
        "status",
        "steps",
        "tickets",
        "unread",
        "wait",
        "workspace",
    )

    def __init__(self, agent_id: str) -> None:
        self.id = agent_id
        self.fleet_id = ""
        self.name = ""
        self.spec: AgentSpec | None = None
        self.goal = ""
        self.workspace = ""
        self.item: object = None
        self.status = ""
        self.attempt = 0
        self.interruptions = 0
        self.rejections = 0
        self.progress_reports = 0
        self.steps: list[StepRecord] = []
        self.unread: dict[str, Message] = {}
        self.deliveries: dict[str, DeliveryState] = {}
        self.receipts: frozenset[tuple[str, str]] = frozenset()
        self.open_questions: dict[str, str] = {}
        self.tickets: dict[str, Ticket] = {}
        self.asks_operator = False
        """It has told the operator something, by itself, and not heard of it since: a person may answer."""
        self.abandoned_waits = 0
        self.wait: e.AgentSuspended | None = None
        self.retry_uptime_s: float | None = None
        self.output: Stored | None = None
        self.reasons: tuple[str, ...] = ()
        self.returned = False
        self.pause: e.AgentPaused | None = None
        self.budget: Budget | None = None
        self.started_uptime_s: float | None = None
        self.spent = NOTHING_SPENT
        """By all paid calls that are over; one that was cut off counts with its bound."""
        self.calls = 0
        """How many paid calls are over."""
        self.lease: e.LeaseTaken | None = None
        """Who works its mailbox from outside."""
        self.open_call: e.CallStarted | None = None

    # --- questions ---------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return self.spec is not None

    @property
    def has_ended(self) -> bool:
        return self.status in AGENT_ENDED

    @property
    def is_reachable(self) -> bool:
        """It still takes messages: it has not ended, or it completed (and can be asked)."""
        return self.status == "complete" or not self.has_ended

    @property
    def can_run(self) -> bool:
        """Its function has work left: it has not returned, failed or been stopped."""
        return self.exists and self.is_reachable and not self.returned

    def is_due(self, now: Now) -> bool:
        """The brain would get further if it were called now."""
        if not self.can_run or self.pause is not None:
            return False
        if self.retry_uptime_s is not None:
            return now.uptime_s >= self.retry_uptime_s
        wait = self.wait
        if wait is None:
            return True
        if wait.doubt:
            return False
        return any(matches(wait, message) for message in self.unread.values())

    @property
    def open_tickets(self) -> list[tuple[str, Ticket]]:
        """(help id, ticket) of what people are asked and have not answered."""
        return [(help_id, ticket) for help_id, ticket in self.tickets.items() if ticket.is_open]

    @property
    def tickets_due_ms(self) -> int | None:
        """When the next reminder, escalation or expiry is due, UTC epoch milliseconds."""
        due = (ticket.due_ms for ticket in self.tickets.values())
        return min((moment for moment in due if moment is not None), default=None)

    @property
    def stillness(self) -> str:
        """`waiting`: it waits for a peer's message, and nothing but one will ever move it. `idle`: it has completed,
        and only takes questions, or none any more. Empty: it works, or time or a person may move it."""
        if self.returned:
            return "idle"
        wait = self.wait
        if self.pause is not None or wait is None or self.retry_uptime_s is not None:
            return ""
        if wait.until_uptime_s is not None or wait.doubt:
            return ""
        if wait.sender == OPERATOR or self.asks_operator or self.open_tickets or not self.spec or self.spec.is_external:
            return ""
        if any(matches(wait, message) for message in self.unread.values()):
            return ""
        return {"waiting": "waiting", "complete": "idle"}.get(self.status, "")

    @property
    def waiting(self) -> Waiting | None:
        """What it waits for, if that is a peer's message and for ever."""
        wait = self.wait
        if wait is None or self.stillness != "waiting":
            return None
        asked = wait.name.removeprefix("answer from ") if wait.name.startswith("answer from ") else wait.sender
        return Waiting(self.name, wait.index, wait.name, agent_name_of(asked))

    def unanswered(self) -> list[tuple[str, str]]:
        """(message id, sender) of the questions nobody will answer any more."""
        return [] if self.can_run or self._is_mailbox else list(self.open_questions.items())

    @property
    def _is_mailbox(self) -> bool:
        return self.spec is not None and self.spec.is_external and self.is_reachable

    # --- evolve ------------------------------------------------------------------------------

    def evolve(self, event: e.AgentEvent) -> None:
        """Fold one event; total over all agent events."""
        match event:
            case e.MessageDelivered():
                message = event.message
                self.unread[message.id] = message
                self.deliveries[message.id] = "queued"
                if message.type == "question" and not message.broadcast_size:
                    self.open_questions[message.id] = message.sender
            case e.StepCompleted():
                record = StepRecord(event.name, event.effect, "completed", value=event.value)
                self._record(event.index, record)
                if event.usage is not None:
                    self._settle_call(event.usage)
            case e.MessageSeen():
                self._see(event)
            case e.MessageSent():
                self.asks_operator |= bool(event.to_operator) and not event.correlation_id
                if event.correlation_id in self.deliveries:
                    self._set_acknowledged(event.correlation_id)
                self._record(event.index, StepRecord(event.name, "idempotent", "completed"))
            case e.ReceiptGiven():
                self.receipts |= {(event.message_id, event.action)}
            case e.MessageAcknowledged():
                self._set_acknowledged(event.message_id)
            case e.StepStarted():
                self._record(event.index, StepRecord(event.name, "effectful", "started"))
            case e.StepFailed():
                failed = StepRecord(event.name, event.effect, "failed")
                failed = msgspec.structs.replace(failed, error_type=event.error_type, error=event.error)
                self._record(event.index, failed)
            case e.StepDoubted():
                note = self.steps[event.index].note if event.index < len(self.steps) else ""
                self._record(event.index, StepRecord(event.name, "effectful", "doubted", note=note))
            case e.StepNoted():
                if event.index < len(self.steps):
                    self.steps[event.index] = msgspec.structs.replace(self.steps[event.index], note=event.note)
            case e.LeaseTaken():
                self.lease = event
            case e.LeaseLost() | e.LeaseReleased():
                self.lease = None
            case e.CompactionUndone():
                if event.index < len(self.steps):
                    self.steps[event.index] = msgspec.structs.replace(self.steps[event.index], state="undone")
            case e.StepDoubtResolved():
                self._evolve_doubt_resolved(event)
            case e.WaitTimedOut():
                self._record(event.index, StepRecord(event.name, "pure", "completed"))
            case e.ProgressReported():
                self.progress_reports += 1
            case e.WaitAbandoned():
                self.abandoned_waits += 1
                self._record(event.index, StepRecord(event.name, "pure", "abandoned", error=event.reason))
            case e.HelpRequested():
                policy = event.policy or HelpPolicy()
                self.tickets[event.help_id] = Ticket(event.kind, "open", event.requested_ms, policy)
                if event.index >= 0:
                    self._record(event.index, StepRecord(help_name(event), "idempotent", "completed"))
            case e.HelpReminded():
                self._set_ticket(event.help_id, reminders=event.number)
            case e.HelpEscalated():
                self._set_ticket(event.help_id, is_escalated=True)
            case e.HelpAnswered():
                self._set_ticket(event.help_id, status="answered")
            case e.HelpExpired():
                self._set_ticket(event.help_id, status="expired")
            case e.HelpCancelled():
                self._set_ticket(event.help_id, status="cancelled")
            case (
                e.CallStarted()
                | e.CallReleased()
                | e.CallLost()
                | e.AgentPaused()
                | e.AgentUnpaused()
                | e.AgentBudgetSet()
            ):
                self._evolve_spending(event)
            case e.CapabilityRegistered() | e.RoutingOutcomeRecorded():
                pass  # only a view needs it
            case _:
                self._evolve_life(event)

    def _evolve_spending(
        self,
        event: e.CallStarted | e.CallReleased | e.CallLost | e.AgentPaused | e.AgentUnpaused | e.AgentBudgetSet,
    ) -> None:
        """None of these is a step: a brain that dies in its paid calls is still seen to get no further."""
        match event:
            case e.CallStarted():
                self.open_call = event
                self._run_on()
            case e.CallReleased():
                self._settle_call(Usage())
            case e.CallLost():
                self._settle_call(event.counted)
            case e.AgentPaused():
                self.pause = event
            case e.AgentUnpaused():
                self.pause = None
            case e.AgentBudgetSet():
                self.budget = event.budget
            case _:
                assert_never(event)

    def _settle_call(self, usage: Usage) -> None:
        self.spent = self.spent.plus(usage)
        self.calls += 1
        self.open_call = None

    def _evolve_life(
        self,
        event: e.AgentSpawned
        | e.AgentStarted
        | e.AgentResumed
        | e.AgentSuspended
        | e.AgentAttemptFailed
        | e.AgentCompleted
        | e.AgentParked
        | e.AgentReturned
        | e.AgentResultRejected
        | e.AgentFailed
        | e.AgentCancelled
        | e.AgentTimedOut,
    ) -> None:
        match event:
            case e.AgentSpawned():
                self.spec, self.fleet_id, self.name = event.spec, event.fleet_id, event.name
                self.goal, self.workspace, self.item = event.goal, event.workspace, event.item
                self.status, self.budget = "pending", event.spec.budget
            case e.AgentStarted():
                self.status, self.started_uptime_s = "running", event.uptime_s
            case e.AgentResumed():
                self.interruptions, self.retry_uptime_s = event.interruptions, None
                self._run_on()
            case e.AgentParked():
                self.interruptions = 0
            case e.AgentSuspended():
                self.wait = event
                self.status = self.status if self.status == "complete" else "waiting"
            case e.AgentAttemptFailed():
                self._evolve_attempt_failed(event)
            case e.AgentCompleted():
                self._record(event.index, StepRecord("submit_result", "idempotent", "completed"))
                self.status, self.output, self.returned = "complete", event.output, event.returned
            case e.AgentReturned():
                self.returned = True
                self._stop_running()
            case e.AgentResultRejected():
                self.rejections += 1
                record = StepRecord("submit_result", "idempotent", "rejected", reasons=event.reasons)
                self._record(event.index, record)
            case e.AgentFailed():
                self.reasons = event.reasons
                self._end("failed")
            case e.AgentCancelled():
                self._end("cancelled", event.reason)
            case e.AgentTimedOut():
                self._end("timed_out", event.reason)
            case _:
                assert_never(event)

    def _record(self, index: int, record: StepRecord) -> None:
        """Step `index` now reads `record`; whatever it was waiting for is over."""
        if index < len(self.steps):
            self.steps[index] = record
        else:
            self.steps.append(record)
        self.interruptions = 0
        self._run_on()

    def _set_ticket(self, help_id: str, **fields: object) -> None:
        self.tickets[help_id] = msgspec.structs.replace(self.tickets.get(help_id, Ticket()), **fields)

    def _run_on(self) -> None:
        self.wait = None
        if self.status == "waiting":
            self.status = "running"

    def _see(self, event: e.MessageSeen) -> None:
        message = self.unread.pop(event.message_id, None)
        if message is not None and message.sender == OPERATOR:
            self.asks_operator = False
        self._record(event.index, StepRecord(event.name, "pure", "completed", message=message))
        if event.acknowledged:
            self._set_acknowledged(event.message_id)
        else:
            self.deliveries[event.message_id] = "seen"

    def _set_acknowledged(self, message_id: str) -> None:
        self.unread.pop(message_id, None)
        self.open_questions.pop(message_id, None)
        self.deliveries[message_id] = "acknowledged"

    def _evolve_doubt_resolved(self, event: e.StepDoubtResolved) -> None:
        if event.outcome == "retry":
            del self.steps[event.index :]
            self._run_on()
        else:
            name = self.steps[event.index].name
            self._record(event.index, StepRecord(name, "effectful", "completed", value=event.value))

    def _evolve_attempt_failed(self, event: e.AgentAttemptFailed) -> None:
        """A step that failed as the last thing before the attempt did is tried again with it."""
        self.attempt, self.retry_uptime_s = event.attempt, event.retry_uptime_s
        self.reasons = (*self.reasons, event.error)
        self.wait = None
        while self.steps and self.steps[-1].state in ("failed", "rejected"):
            self.steps.pop()
        if self.status != "complete":
            self.status = "waiting"

    def _end(self, status: str, reason: str = "") -> None:
        self.status = status
        self._stop_running()
        if reason:
            self.reasons = (*self.reasons, reason)

    def _stop_running(self) -> None:
        """Nothing of it goes on; a paid call that is still under way counts with its bound."""
        self.wait = self.retry_uptime_s = None
        if self.open_call is not None:
            self._settle_call(self.open_call.bound)


def matches(wait: e.AgentSuspended, message: Message) -> bool:
    """Does the message fit what the wait asks for?"""
    return (
        (not wait.types or message.type in wait.types)
        and (not wait.sender or message.sender == wait.sender)
        and (not wait.correlation_id or message.correlation_id == wait.correlation_id)
    )


def help_name(event: e.HelpRequested) -> str:
    return f"request_{event.kind} {event.help_id}"
