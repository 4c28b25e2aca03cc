"""What agents are known to be good at. These are in the agents' own streams; views hold them, the agents' state does
not.
"""

from fleetlog.domain.events.fact import Fact

__all__ = ["CapabilityRegistered", "RoutingOutcomeRecorded"]


class CapabilityRegistered(Fact, frozen=True, tag="capability.registered"):
    """The agent is to be found for this; it replaces the role and the skills it was to be found for before."""

    role: str
    skills: tuple[str, ...]
    model: str = ""
    context_window: int | None = None


class RoutingOutcomeRecorded(Fact, frozen=True, tag="routing.outcome_recorded"):
    """Work of this kind that had been given to the agent went well, or did not."""

    capability_key: str
    success: bool
