"""What may happen to a council: it is opened, votes are cast, it ends."""

import msgspec

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import SilencePolicy

__all__ = [
    "CouncilExpired",
    "CouncilOpened",
    "CouncilRatified",
    "CouncilRejected",
    "VoteCast",
]


class CouncilOpened(Fact, frozen=True, tag="council.opened"):
    """`voters` are asked. `weights` holds those that are not 1. `deadline_ms` is an epoch millisecond."""

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


class VoteCast(Fact, frozen=True, tag="council.vote_cast"):
    """The voter's last vote counts; those before stay in the log."""

    agent_id: str
    approve: bool
    note: str = ""


class CouncilRatified(Fact, frozen=True, tag="council.ratified"):
    """`silent` voters counted as approving: they had not voted at the deadline."""

    silent: tuple[str, ...] = ()


class CouncilRejected(Fact, frozen=True, tag="council.rejected"):
    """It cannot be ratified any more."""

    reason: str


class CouncilExpired(Fact, frozen=True, tag="council.expired"):
    """The deadline came, and it was not ratified."""

    reason: str
