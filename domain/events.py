"""The facts, in the past tense. A stored name is for ever; a Python name may move.

Every event class gives its stored name as its msgspec tag; `ALL_EVENTS` lists them, and
`STORED_NAMES` maps names to classes. A new field must have a default. A change that a default
cannot express gets a new stored name and an upcaster in the runtime's codec.
"""

from typing import Any

import msgspec

from fleetlog.domain.values import (
    AgentSpec,
    AgentStatus,
    Budget,
    Effect,
    FleetSpec,
    HelpPolicy,
    Member,
    Message,
    PauseKind,
    Stored,
    TicketKind,
    Usage,
    Waiting,
)

__all__ = [
    "ALL_EVENTS",
    "STORED_NAMES",
    "AgentEvent",
    "CallRecorded",
    "Event",
    "FleetEvent",
    "GateClosed",
    "stored_name",
]


class Fact(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, tag_field="is", tag="fact"):
    """What all events share: immutability and a tagged, default-omitting encoding."""


# --- an agent's life ---------------------------------------------------------------------------


class AgentSpawned(Fact, frozen=True, tag="agent.spawned"):
    fleet_id: str
    name: str
    spec: AgentSpec
    goal: str = ""
    workspace: str = ""
    item: Any = None


class AgentStarted(Fact, frozen=True, tag="agent.started"):
    """The first run of its brain has begun, at this uptime."""

    uptime_s: float | None = None


class AgentResumed(Fact, frozen=True, tag="agent.resumed"):
    """A run that had been cut off goes on; `interruptions` in a row without a step between."""

    interruptions: int


class AgentSuspended(Fact, frozen=True, tag="agent.suspended"):
    """The brain waits at step `index`, holding no thread. `until_uptime_s` bounds the wait."""

    index: int
    name: str
    types: tuple[str, ...] = ()
    sender: str = ""
    correlation_id: str = ""
    help_id: str = ""
    doubt: bool = False
    until_uptime_s: float | None = None


class AgentAttemptFailed(Fact, frozen=True, tag="agent.attempt_failed"):
    """A run ended in an error; it is tried again when the runtime's uptime reaches `retry_uptime_s`."""

    attempt: int
    error: str
    retry_uptime_s: float


class AgentCompleted(Fact, frozen=True, tag="agent.completed"):
    """The result was submitted at step `index`; `returned` when the function returned with it."""

    index: int
    output: Stored
    returned: bool = False


class AgentReturned(Fact, frozen=True, tag="agent.returned"):
    """The function ended after its result (`error`: by raising): it will answer no more questions."""

    error: str = ""


class AgentResultRejected(Fact, frozen=True, tag="agent.result_rejected"):
    index: int
    reasons: tuple[str, ...]


class AgentFailed(Fact, frozen=True, tag="agent.failed"):
    reasons: tuple[str, ...]


class AgentCancelled(Fact, frozen=True, tag="agent.cancelled"):
    reason: str = ""


class AgentTimedOut(Fact, frozen=True, tag="agent.timed_out"):
    reason: str = ""


class ProgressReported(Fact, frozen=True, tag="agent.progress_reported"):
    text: str
    fraction: float | None = None


# --- its steps ---------------------------------------------------------------------------------


class StepStarted(Fact, frozen=True, tag="step.started"):
    """An effectful step is about to be made."""

    index: int
    name: str


class StepCompleted(Fact, frozen=True, tag="step.completed"):
    index: int
    name: str
    effect: Effect
    value: Stored
    usage: Usage | None = None


class StepFailed(Fact, frozen=True, tag="step.failed"):
    index: int
    name: str
    effect: Effect
    error_type: str
    error: str


class StepDoubted(Fact, frozen=True, tag="step.doubted"):
    """The process ended inside this effectful step."""

    index: int
    name: str


class StepDoubtResolved(Fact, frozen=True, tag="step.doubt_resolved"):
    """A person decided: `done` with this value, or `retry`."""

    index: int
    outcome: str
    value: Stored = Stored()
    by: str = ""


class CompactionUndone(Fact, frozen=True, tag="step.compaction_undone"):
    """The conversation is what it would be without the compaction at step `index`."""

    index: int
    by: str = ""


class WaitTimedOut(Fact, frozen=True, tag="step.wait_timed_out"):
    index: int
    name: str


# --- what it may spend, and its pauses ---------------------------------------------------------


class CallStarted(Fact, frozen=True, tag="call.started"):
    """The agent's `number`-th paid call (from 1) is about to be made; it can use at most `bound`."""

    index: int
    name: str
    number: int
    bound: Usage


class CallReleased(Fact, frozen=True, tag="call.released"):
    """The paid call has certainly cost nothing."""

    index: int
    number: int


class CallLost(Fact, frozen=True, tag="call.lost"):
    """The paid call was cut off, or failed: what it has cost is not known (then `counted` is its bound), or its value
    could not be kept."""

    index: int
    number: int
    counted: Usage


class AgentPaused(Fact, frozen=True, tag="agent.paused"):
    """No new step is made. For a budget, `bound` is the call that did not fit."""

    reason: str
    kind: PauseKind = "operator"
    bound: Usage | None = None


class AgentUnpaused(Fact, frozen=True, tag="agent.unpaused"):
    pass


class AgentBudgetSet(Fact, frozen=True, tag="agent.budget_set"):
    budget: Budget


class WaitAbandoned(Fact, frozen=True, tag="step.wait_abandoned"):
    """The wait could never end: everyone in the fleet waited."""

    index: int
    name: str
    reason: str


# --- its messages ------------------------------------------------------------------------------


class MessageDelivered(Fact, frozen=True, tag="message.delivered"):
    """The message is in this agent's inbox."""

    message: Message


class MessageSent(Fact, frozen=True, tag="message.sent"):
    """The agent's step `index` sent a message; every recipient had it before this was recorded.
    `to_operator` is the text, where the recipient is the operator, who has no inbox."""

    index: int
    name: str
    message_id: str
    recipients: int
    correlation_id: str = ""
    to_operator: str = ""


class MessageSeen(Fact, frozen=True, tag="message.seen"):
    """The agent's step `index` took the message from the inbox."""

    index: int
    name: str
    message_id: str
    acknowledged: bool = False


class MessageAcknowledged(Fact, frozen=True, tag="message.acknowledged"):
    message_id: str


class HelpRequested(Fact, frozen=True, tag="help.requested"):
    """A person is asked: a ticket is open. `index` is the step that asked, or -1 when it came from outside. Of an
    approval, `subject` is the exact action as JSON. `requested_ms` is when its `policy` began, if it has one."""

    help_id: str
    blocker: str
    attempted: str = ""
    deadline_ms: int | None = None
    index: int = -1
    kind: TicketKind = "help"
    subject: str = ""
    policy: HelpPolicy | None = None
    requested_ms: int = 0


class HelpAnswered(Fact, frozen=True, tag="help.answered"):
    """`granted` is the decision about an approval."""

    help_id: str
    answer: str
    by: str
    granted: bool | None = None


class HelpReminded(Fact, frozen=True, tag="help.reminded"):
    """The ticket is still open after its `number`-th interval; of those that were missed only the last is said."""

    help_id: str
    number: int


class HelpEscalated(Fact, frozen=True, tag="help.escalated"):
    help_id: str
    to: str


class HelpExpired(Fact, frozen=True, tag="help.expired"):
    """Nobody answered in time: the ticket is closed."""

    help_id: str


class HelpCancelled(Fact, frozen=True, tag="help.cancelled"):
    """The ticket is closed without an answer: by a person, or with its agent."""

    help_id: str
    reason: str = ""


# --- a fleet's life ----------------------------------------------------------------------------


class FleetSpawned(Fact, frozen=True, tag="fleet.spawned"):
    """`spec` is what was asked for, without the items of `each`; `members` are the agents."""

    spec: FleetSpec
    members: tuple[Member, ...]
    uptime_s: float


class AgentAttached(Fact, frozen=True, tag="fleet.agent_attached"):
    member: Member


class AgentsAdmitted(Fact, frozen=True, tag="fleet.agents_admitted"):
    """What these agents depend on is there: they may start, each in its turn."""

    names: tuple[str, ...]


class AgentEnded(Fact, frozen=True, tag="fleet.agent_ended"):
    name: str
    status: AgentStatus
    returned: bool = True


class FleetTimeoutSet(Fact, frozen=True, tag="fleet.timeout_set"):
    timeout_s: float


class FleetClosed(Fact, frozen=True, tag="fleet.closed"):
    """No agent can be attached any more; the fleet ends with its last agent."""

    reason: str = ""


class FleetStuck(Fact, frozen=True, tag="fleet.stuck"):
    """Every agent waits and nothing is in flight. `waiting` names the first of the `total` that are told."""

    waiting: tuple[Waiting, ...]
    total: int
    reason: str


class FleetCompleted(Fact, frozen=True, tag="fleet.completed"):
    pass


class FleetFailed(Fact, frozen=True, tag="fleet.failed"):
    """All its agents have ended, and none completed."""

    reason: str


class FleetCancelled(Fact, frozen=True, tag="fleet.cancelled"):
    reason: str = ""


class FleetTimedOut(Fact, frozen=True, tag="fleet.timed_out"):
    timeout_s: float


class FleetArchived(Fact, frozen=True, tag="fleet.archived"):
    reason: str = ""


class SpendReserved(Fact, frozen=True, tag="fleet.spend_reserved"):
    """Up to `bound` is set aside for the agent's `number`-th paid call; asked again, the last bound counts."""

    name: str
    number: int
    bound: Usage


class SpendSettled(Fact, frozen=True, tag="fleet.spend_settled"):
    """What the agent's paid calls up to the `number`-th have used since the last settlement; their reservations end."""

    name: str
    number: int
    usage: Usage


class SpendReleased(Fact, frozen=True, tag="fleet.spend_released"):
    """The agent makes no use of its reservations behind its `number`-th call: nothing of that was started."""

    name: str
    number: int


class FleetPaused(Fact, frozen=True, tag="fleet.paused"):
    """None of its agents makes a new step. For a budget, `bound` is the call that did not fit."""

    reason: str
    kind: PauseKind = "operator"
    bound: Usage | None = None


class FleetResumed(Fact, frozen=True, tag="fleet.resumed"):
    pass


class FleetBudgetSet(Fact, frozen=True, tag="fleet.budget_set"):
    budget: Budget


# --- a gate in front of a model ----------------------------------------------------------------


class GateClosed(Fact, frozen=True, tag="gate.closed"):
    """The provider limited the rate of a model's calls: none is made before `until_ms`, an epoch millisecond."""

    model: str
    until_ms: int
    status: int
    reason: str = ""


# --- a caller's idempotency key ----------------------------------------------------------------


class CallRecorded(Fact, frozen=True, tag="call.recorded"):
    """The first and only event of a key's stream, in the same append as what the call recorded."""

    operation: str
    arguments_digest: str
    result: bytes


AgentEvent = (
    AgentSpawned
    | AgentStarted
    | AgentResumed
    | AgentSuspended
    | AgentAttemptFailed
    | AgentCompleted
    | AgentReturned
    | AgentResultRejected
    | AgentFailed
    | AgentCancelled
    | AgentTimedOut
    | ProgressReported
    | StepStarted
    | StepCompleted
    | StepFailed
    | StepDoubted
    | StepDoubtResolved
    | CompactionUndone
    | WaitTimedOut
    | CallStarted
    | CallReleased
    | CallLost
    | AgentPaused
    | AgentUnpaused
    | AgentBudgetSet
    | WaitAbandoned
    | MessageDelivered
    | MessageSent
    | MessageSeen
    | MessageAcknowledged
    | HelpRequested
    | HelpAnswered
    | HelpReminded
    | HelpEscalated
    | HelpExpired
    | HelpCancelled
)
FleetEvent = (
    FleetSpawned
    | AgentAttached
    | AgentsAdmitted
    | AgentEnded
    | FleetTimeoutSet
    | FleetClosed
    | FleetStuck
    | FleetCompleted
    | FleetFailed
    | FleetCancelled
    | FleetTimedOut
    | FleetArchived
    | SpendReserved
    | SpendSettled
    | SpendReleased
    | FleetPaused
    | FleetResumed
    | FleetBudgetSet
)
Event = AgentEvent | FleetEvent | GateClosed | CallRecorded

ALL_EVENTS: tuple[type[Fact], ...] = (*AgentEvent.__args__, *FleetEvent.__args__, GateClosed, CallRecorded)


def stored_name(event_class: type[Fact]) -> str:
    """The name an event is stored under."""
    return str(event_class.__struct_config__.tag)


STORED_NAMES: dict[str, type[Fact]] = {stored_name(event_class): event_class for event_class in ALL_EVENTS}
