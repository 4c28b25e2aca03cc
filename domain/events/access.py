"""Who was let in, who no longer, and who pretended to be somebody else."""

from fleetlog.domain.events.fact import Fact

__all__ = [
    "ForgeryRefused",
    "TokenIssued",
    "TokenRevoked",
]


class TokenIssued(Fact, frozen=True, tag="token.issued"):
    """Whoever has the secret may act in this scope. `digest` is the secret's SHA-256 in hex; the secret itself is
    nowhere. `agent_id` is whose token it is, where the scope is `agent`."""

    scope: str
    digest: str
    agent_id: str = ""
    label: str = ""
    expires_ms: int | None = None


class TokenRevoked(Fact, frozen=True, tag="token.revoked"):
    reason: str = ""


class ForgeryRefused(Fact, frozen=True, tag="token.forgery_refused"):
    """The token's bearer called `operation` as somebody else: `claimed`. Nothing else of that call was recorded."""

    operation: str
    claimed: str
    at_ms: int
