"""To a discussion."""

from typing import Literal

from fleetlog.domain.commands.command import Command

__all__ = [
    "ExpireDiscussion",
    "OpenDiscussion",
    "ReplyDiscussion",
    "ReserveTurn",
]


class OpenDiscussion(Command, frozen=True):
    """Both have been found to be agents of the fleet. `attempt_id` is that of the peer's first turn, if it is to be
    reserved at once."""

    fleet_id: str
    asker: str
    peer: str
    payload: str
    max_turns: int
    timeout_s: float
    turn_timeout_s: float
    attempt_id: str = ""


class ReserveTurn(Command, frozen=True):
    attempt_id: str
    agent_id: str
    expected_head: str


class ReplyDiscussion(Command, frozen=True):
    agent_id: str
    attempt_id: str
    reply_to: str
    type: Literal["question", "result"]
    payload: str
    close: bool = False


class ExpireDiscussion(Command, frozen=True):
    """A turn's time, or the discussion's, may be over."""
