"""What may happen to a discussion of two agents."""

from typing import Literal

from fleetlog.domain.events.fact import Fact

__all__ = [
    "DiscussionEnded",
    "DiscussionOpened",
    "TurnReplied",
    "TurnReserved",
]


class DiscussionOpened(Fact, frozen=True, tag="discussion.opened"):
    """`asker` has put `payload`, JSON text, to `peer`. Times are seconds of runtime uptime."""

    fleet_id: str
    asker: str
    peer: str
    payload: str
    max_turns: int
    timeout_s: float
    turn_timeout_s: float
    opened_uptime_s: float


class TurnReserved(Fact, frozen=True, tag="discussion.turn_reserved"):
    """The agent is to answer the head message; the turn is paid for, whether an answer comes or not."""

    attempt_id: str
    agent_id: str
    head_message_id: str
    until_uptime_s: float


class TurnReplied(Fact, frozen=True, tag="discussion.turn_replied"):
    """The attempt's one reply: it is the head message now."""

    attempt_id: str
    message_id: str
    type: Literal["question", "result"]
    payload: str


class DiscussionEnded(Fact, frozen=True, tag="discussion.ended"):
    """It never opens again. `closed`: a reply closed it; `deadman`: a turn's time was over without a reply; `expired`:
    its own time was; `exhausted`: its turns are used up."""

    status: Literal["closed", "deadman", "expired", "exhausted"]
