"""To an agent, from its own run. Those that record a step carry its `index`."""

from fleetlog.domain.commands.command import Command
from fleetlog.domain.values import Effect, Stored, TicketKind, Usage

__all__ = [
    "BeginRun",
    "CompleteStep",
    "FailRun",
    "FailStep",
    "FinishRun",
    "NoteStep",
    "RecordSend",
    "ReleaseCall",
    "ReportProgress",
    "RequestHelp",
    "StartCall",
    "StartStep",
    "SubmitResult",
    "SuspendInDoubt",
    "TakeMessage",
]


class BeginRun(Command, frozen=True):
    """A worker is about to call the brain. `interrupted`: the run before it was cut off."""

    interrupted: bool = False


class StartStep(Command, frozen=True):
    index: int
    name: str


class NoteStep(Command, frozen=True):
    """Inside the effectful step `index`: what a later run needs to know if this one is cut off."""

    index: int
    note: str


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
