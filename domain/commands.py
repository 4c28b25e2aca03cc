"""The intentions: one frozen struct each, travelling unchanged from the caller to the decision.

Ids enter with the command. Commands of a brain's run carry the `index` of the step they record.
"""

import msgspec

from fleetlog.domain.values import (
    AgentSpec,
    AgentStatus,
    Budget,
    Effect,
    FleetSpec,
    Message,
    PauseKind,
    Stored,
    TicketKind,
    Usage,
    Waiting,
)

__all__ = [
    "AbandonWait",
    "AcknowledgeMessage",
    "AgeTickets",
    "AgentCommand",
    "AnswerHelp",
    "ArchiveFleet",
    "AttachAgent",
    "BeginRun",
    "CancelAgent",
    "CancelFleet",
    "CancelHelp",
    "CloseFleet",
    "CompleteStep",
    "DecideApproval",
    "DeclareStuck",
    "DeliverMessage",
    "ExpireBudget",
    "ExpireFleet",
    "ExpireWait",
    "FailRun",
    "FailStep",
    "FinishRun",
    "FleetCommand",
    "LoseCall",
    "PauseAgent",
    "PauseFleet",
    "RecordAgentEnd",
    "RecordSend",
    "ReleaseCall",
    "ReportProgress",
    "RequestHelp",
    "ReserveSpend",
    "ResolveDoubt",
    "ResumeAgent",
    "ResumeFleet",
    "RunCommand",
    "SetBudget",
    "SetFleetTimeout",
    "SettleSpend",
    "SpawnFleet",
    "StartCall",
    "StartStep",
    "StopAgent",
    "SubmitResult",
    "SuspendInDoubt",
    "TakeMessage",
    "UndoCompaction",
]


class Command(msgspec.Struct, frozen=True, gc=False):
    """An intention."""


# --- to an agent, from outside or from its fleet -------------------------------------------------


class DeliverMessage(Command, frozen=True):
    message: Message


class AcknowledgeMessage(Command, frozen=True):
    message_id: str


class AnswerHelp(Command, frozen=True):
    help_id: str
    answer: str
    by: str


class DecideApproval(Command, frozen=True):
    help_id: str
    approve: bool
    note: str
    by: str


class CancelHelp(Command, frozen=True):
    help_id: str
    reason: str = ""


class AgeTickets(Command, frozen=True):
    """A deadline of the agent's open tickets may have passed."""


class AbandonWait(Command, frozen=True):
    """The fleet is stuck: the wait at step `index` cannot end, for this reason."""

    index: int
    reason: str


class ResolveDoubt(Command, frozen=True):
    """`outcome` is `done` (with the value the step would have returned) or `retry`."""

    outcome: str
    by: str
    value: Stored = Stored()


class UndoCompaction(Command, frozen=True):
    """Have the conversation go on as if the compaction at step `index` had not been made."""

    index: int
    by: str


class CancelAgent(Command, frozen=True):
    reason: str = ""


class StopAgent(Command, frozen=True):
    """The fleet ended: `status` is `cancelled` or `timed_out`."""

    status: str
    reason: str = ""


class ExpireWait(Command, frozen=True):
    """The deadline of the agent's wait may have passed."""


class PauseAgent(Command, frozen=True):
    reason: str
    kind: PauseKind = "operator"


class ResumeAgent(Command, frozen=True):
    pass


class SetBudget(Command, frozen=True):
    """To an agent, or to a fleet."""

    budget: Budget


class ExpireBudget(Command, frozen=True):
    """The wall time of an agent's or a fleet's budget may be over."""


class LoseCall(Command, frozen=True):
    """No run is left that could tell how the open paid call went, or it failed. `counted` is what it has cost, if that
    is known; else its bound counts."""

    number: int
    counted: Usage | None = None


# --- to an agent, from its own run ---------------------------------------------------------------


class BeginRun(Command, frozen=True):
    """A worker is about to call the brain. `interrupted`: the run before it was cut off."""

    interrupted: bool = False


class StartStep(Command, frozen=True):
    index: int
    name: str


class CompleteStep(Command, frozen=True):
    index: int
    name: str
    effect: Effect
    value: Stored
    usage: Usage | None = None


class FailStep(Command, frozen=True):
    index: int
    name: str
    effect: Effect
    error_type: str
    error: str


class StartCall(Command, frozen=True):
    """The paid call `number` of the agent, made by the step `index`, is about to be made."""

    index: int
    name: str
    number: int
    bound: Usage


class ReleaseCall(Command, frozen=True):
    """It has certainly cost nothing."""

    number: int


class RecordSend(Command, frozen=True):
    index: int
    name: str
    message_id: str
    recipients: int
    correlation_id: str = ""
    to_operator: str = ""


class TakeMessage(Command, frozen=True):
    """Take the oldest unread message that fits, or wait for one (or not: `waits`)."""

    index: int
    name: str
    types: tuple[str, ...] = ()
    sender: str = ""
    correlation_id: str = ""
    timeout_s: float | None = None
    acknowledge: bool = False
    waits: bool = True


class RequestHelp(Command, frozen=True):
    help_id: str
    blocker: str
    attempted: str = ""
    deadline_ms: int | None = None
    index: int = -1
    kind: TicketKind = "help"
    subject: str = ""


class ReportProgress(Command, frozen=True):
    """The run's `ordinal`-th report; one that is recorded already is dropped."""

    text: str
    fraction: float | None = None
    ordinal: int = 0


class SubmitResult(Command, frozen=True):
    """`violations` is what the result schema says against the output; `returned`: the function is
    done. An `index` of -1 (from outside) stands for the next step."""

    index: int
    output: Stored
    violations: tuple[str, ...] = ()
    returned: bool = False


class SuspendInDoubt(Command, frozen=True):
    """The brain did not handle the doubt about its last step: a person must."""

    index: int


class FinishRun(Command, frozen=True):
    """The function returned after it had submitted its result."""


class FailRun(Command, frozen=True):
    """The function raised. `jitter` is a number from 0 to 1 that spreads the retries."""

    error: str
    retryable: bool = True
    jitter: float = 0.0


RunCommand = (
    BeginRun
    | StartStep
    | CompleteStep
    | FailStep
    | StartCall
    | ReleaseCall
    | LoseCall
    | PauseAgent
    | RecordSend
    | TakeMessage
    | RequestHelp
    | ReportProgress
    | SubmitResult
    | SuspendInDoubt
    | FinishRun
    | FailRun
)
AgentCommand = (
    DeliverMessage
    | AcknowledgeMessage
    | AnswerHelp
    | DecideApproval
    | CancelHelp
    | AgeTickets
    | AbandonWait
    | ResolveDoubt
    | UndoCompaction
    | CancelAgent
    | StopAgent
    | ExpireWait
    | ResumeAgent
    | SetBudget
    | ExpireBudget
    | RunCommand
)

# --- to a fleet ----------------------------------------------------------------------------------


class SpawnFleet(Command, frozen=True):
    """`spec` has been checked; agents with `each` are expanded by the decision."""

    spec: FleetSpec
    max_agents: int = 10_000


class AttachAgent(Command, frozen=True):
    spec: AgentSpec
    max_agents: int = 10_000


class RecordAgentEnd(Command, frozen=True):
    name: str
    status: AgentStatus
    returned: bool = True


class SetFleetTimeout(Command, frozen=True):
    timeout_s: float


class ExpireFleet(Command, frozen=True):
    """The fleet's deadline may have passed."""


class DeclareStuck(Command, frozen=True):
    """These agents have all confirmed that they wait for ever; the `idle` ones, that they have completed and do
    nothing until they are asked."""

    waiting: tuple[Waiting, ...]
    idle: tuple[str, ...] = ()


class CloseFleet(Command, frozen=True):
    reason: str = ""


class CancelFleet(Command, frozen=True):
    reason: str = ""


class ArchiveFleet(Command, frozen=True):
    reason: str = ""


class PauseFleet(Command, frozen=True):
    reason: str


class ResumeFleet(Command, frozen=True):
    pass


class ReserveSpend(Command, frozen=True):
    """The agent is about to make its `number`-th paid call, which can use at most `bound`."""

    name: str
    number: int
    bound: Usage


class SettleSpend(Command, frozen=True):
    """What the agent's first `number` paid calls have used altogether. `idle`: no run of it lives that could still
    start the next one."""

    name: str
    number: int
    spent: Usage
    idle: bool = False


FleetCommand = (
    SpawnFleet
    | AttachAgent
    | RecordAgentEnd
    | SetFleetTimeout
    | ExpireFleet
    | DeclareStuck
    | CloseFleet
    | CancelFleet
    | ArchiveFleet
    | PauseFleet
    | ResumeFleet
    | SetBudget
    | ExpireBudget
    | ReserveSpend
    | SettleSpend
)
