"""Who works an external agent's mailbox. Renewals are no events: they are many, and mean nothing afterwards."""

from fleetlog.domain.events.fact import Fact

__all__ = ["LeaseLost", "LeaseReleased", "LeaseTaken"]


class LeaseTaken(Fact, frozen=True, tag="lease.taken"):
    """The client has the agent, as long as it is heard of every `ttl_s` seconds of uptime."""

    lease_id: str
    client: str
    ttl_s: float
    since_ms: int


class LeaseLost(Fact, frozen=True, tag="lease.lost"):
    """The client has it no more: it was silent for too long, or another has attached."""

    lease_id: str
    client: str
    reason: str = ""


class LeaseReleased(Fact, frozen=True, tag="lease.released"):
    """The client has left, or the agent's work is done and nobody renews."""

    lease_id: str
    client: str
