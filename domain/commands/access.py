"""To a token."""

from fleetlog.domain.commands.command import Command

__all__ = [
    "IssueToken",
    "RecordForgery",
    "RevokeToken",
]


class IssueToken(Command, frozen=True):
    """`digest` is the secret's SHA-256 in hex."""

    scope: str
    digest: str
    agent_id: str = ""
    label: str = ""
    expires_ms: int | None = None


class RevokeToken(Command, frozen=True):
    reason: str = ""


class RecordForgery(Command, frozen=True):
    """The bearer called `operation` as `claimed`, who it is not."""

    operation: str
    claimed: str
