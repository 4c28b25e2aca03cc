"""To a council."""

import msgspec

from fleetlog.domain.commands.command import Command
from fleetlog.domain.values import SilencePolicy

__all__ = [
    "CastVote",
    "ExpireCouncil",
    "OpenCouncil",
]


class OpenCouncil(Command, frozen=True):
    """`voters` have been found to be agents of the fleet."""

    fleet_id: str
    proposer: str
    subject: str
    quorum: int
    voters: tuple[str, ...]
    payload: str = ""
    required_signoffs: tuple[str, ...] = ()
    deadline_ms: int | None = None
    silence_policy: SilencePolicy = "abstain"
    weights: dict[str, int] = msgspec.field(default_factory=dict)


class CastVote(Command, frozen=True):
    agent_id: str
    approve: bool
    note: str = ""


class ExpireCouncil(Command, frozen=True):
    """The council's deadline may have passed."""
