"""What may happen to a fleet."""

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import AgentStatus, FleetSpec, Member, Waiting

__all__ = [
    "AgentAttached",
    "AgentEnded",
    "AgentsAdmitted",
    "FleetArchived",
    "FleetCancelled",
    "FleetClosed",
    "FleetCompleted",
    "FleetFailed",
    "FleetForked",
    "FleetSpawned",
    "FleetStuck",
    "FleetTimedOut",
    "FleetTimeoutSet",
]


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


class FleetForked(Fact, frozen=True, tag="fleet.forked"):
    """What stands before this was copied from another fleet, as it was at an epoch millisecond. `uptime_s` is the
    uptime at the fork, from which the copied deadlines count on."""

    forked_from: str
    at_ms: int
    uptime_s: float | None = None


class FleetArchived(Fact, frozen=True, tag="fleet.archived"):
    reason: str = ""
