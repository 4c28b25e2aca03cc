"""To an agent, from outside or from its fleet."""

from fleetlog.domain.commands.command import Command
from fleetlog.domain.values import Budget, Message, PauseKind, Stored, Usage

__all__ = [
    "AbandonWait",
    "AcknowledgeMessage",
    "AgeTickets",
    "AnswerHelp",
    "CancelAgent",
    "CancelHelp",
    "DecideApproval",
    "DeliverMessage",
    "ExpireBudget",
    "ExpireWait",
    "GiveReceipt",
    "LoseCall",
    "ParkAgent",
    "PauseAgent",
    "ResolveDoubt",
    "ResumeAgent",
    "SetBudget",
    "StopAgent",
    "UndoCompaction",
]


class DeliverMessage(Command, frozen=True):
    message: Message


class AcknowledgeMessage(Command, frozen=True):
    message_id: str


class GiveReceipt(Command, frozen=True):
    """Say what was done with a message."""

    message_id: str
    action: str
    note: str = ""


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


class ParkAgent(Command, frozen=True):
    """Its run has ended waiting for a gate, or for money."""


class ExpireWait(Command, frozen=True):
    """The deadline of the agent's wait may have passed."""


class PauseAgent(Command, frozen=True):
    reason: str
    kind: PauseKind = "operator"


class ResumeAgent(Command, frozen=True):
    pass


class LoseCall(Command, frozen=True):
    """No run is left that could tell how the open paid call went, or it failed. `counted` is what it has cost, if that
    is known; else its bound counts."""

    number: int
    counted: Usage | None = None


class SetBudget(Command, frozen=True):
    """To an agent, or to a fleet."""

    budget: Budget


class ExpireBudget(Command, frozen=True):
    """The wall time of an agent's or a fleet's budget may be over."""
