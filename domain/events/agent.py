"""What may happen to an agent: its life and its steps."""

from typing import Any

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import AgentSpec, Effect, Stored, Usage

__all__ = [
    "AgentAttemptFailed",
    "AgentCancelled",
    "AgentCompleted",
    "AgentFailed",
    "AgentParked",
    "AgentResultRejected",
    "AgentResumed",
    "AgentReturned",
    "AgentSpawned",
    "AgentStarted",
    "AgentSuspended",
    "AgentTimedOut",
    "CompactionUndone",
    "ProgressReported",
    "StepCompleted",
    "StepDoubtResolved",
    "StepDoubted",
    "StepFailed",
    "StepNoted",
    "StepStarted",
    "WaitAbandoned",
    "WaitTimedOut",
]


class AgentSpawned(Fact, frozen=True, tag="agent.spawned"):
    """`description` is what its agent definition said of it then."""

    fleet_id: str
    name: str
    spec: AgentSpec
    goal: str = ""
    workspace: str = ""
    item: Any = None
    description: str = ""


class AgentStarted(Fact, frozen=True, tag="agent.started"):
    """The first run of its brain has begun, at this uptime."""

    uptime_s: float | None = None


class AgentResumed(Fact, frozen=True, tag="agent.resumed"):
    """A run that had been cut off goes on; `interruptions` in a row without a step between."""

    interruptions: int


class AgentParked(Fact, frozen=True, tag="agent.parked"):
    """A run that had been cut off went on, and waits now for a model's gate or for money: it has not failed to get on,
    and is counted as interrupted no more."""


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


class StepStarted(Fact, frozen=True, tag="step.started"):
    """An effectful step is about to be made."""

    index: int
    name: str


class StepNoted(Fact, frozen=True, tag="step.noted"):
    """Said inside an effectful step that is under way: the session of a program that can go on with it."""

    index: int
    note: str


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


class WaitAbandoned(Fact, frozen=True, tag="step.wait_abandoned"):
    """The wait could never end: everyone in the fleet waited."""

    index: int
    name: str
    reason: str
