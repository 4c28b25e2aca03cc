"""To an external agent: who works its mailbox."""

from fleetlog.domain.commands.command import Command

__all__ = ["AttachExternal", "ExpireLease", "ReleaseLease"]


class AttachExternal(Command, frozen=True):
    """The client takes the agent, whoever has it."""

    lease_id: str
    client: str
    ttl_s: float


class ExpireLease(Command, frozen=True):
    """Nobody has renewed the lease in time."""

    lease_id: str


class ReleaseLease(Command, frozen=True):
    lease_id: str
