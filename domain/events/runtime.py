"""What happens beside fleets and agents: at a model's gate, and to a caller's idempotency key."""

from fleetlog.domain.events.fact import Fact

__all__ = [
    "CallRecorded",
    "GateClosed",
]


class GateClosed(Fact, frozen=True, tag="gate.closed"):
    """The provider limited the rate of a model's calls: none is made before `until_ms`, an epoch millisecond."""

    model: str
    until_ms: int
    status: int
    reason: str = ""


class CallRecorded(Fact, frozen=True, tag="call.recorded"):
    """The first and only event of a key's stream, in the same append as what the call recorded."""

    operation: str
    arguments_digest: str
    result: bytes
