"""What agents and fleets may spend, what they have spent, and their pauses."""

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import Budget, PauseKind, Usage

__all__ = [
    "AgentBudgetSet",
    "AgentPaused",
    "AgentUnpaused",
    "CallLost",
    "CallReleased",
    "CallStarted",
    "FleetBudgetSet",
    "FleetPaused",
    "FleetResumed",
    "SpendReleased",
    "SpendReserved",
    "SpendSettled",
]


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
