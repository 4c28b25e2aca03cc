"""A discussion: two agents answer each other in turns, so often and so long, and no further.

The rules. The head is the message that was said last; only the other one may answer it, and only in a turn that was
reserved for it: one turn at a time, at most `max_turns` altogether. A turn is paid for when it is reserved. An attempt
replies once; whatever does not fit (another head, another agent, an attempt that is over) is refused. When a turn's
time, or the discussion's, is over, it has ended; what has ended never opens again. Times are runtime uptime.
"""

from typing import Literal, assert_never

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import Now

__all__ = ["Attempt", "Discussion", "DiscussionStatus", "message_id_of"]

DiscussionStatus = Literal["invalid", "closed", "deadman", "expired", "exhausted", "active", "open"]
MAX_TURNS = (2, 32)
TIMEOUT_S = (1.0, 900.0)
TURN_TIMEOUT_S = (1.0, 300.0)


class Attempt(msgspec.Struct):
    """A turn that was reserved. `reply_id` is empty until it has replied."""

    reserved: e.TurnReserved
    reply_id: str = ""


def message_id_of(discussion_id: str, number: int) -> str:
    """The id of its `number`-th message, from 1 (the asker's)."""
    return f"{discussion_id}-{number}"


class Discussion:
    """One discussion; it does not exist until `discussion.opened` is folded."""

    __slots__ = ("attempts", "ended", "head", "head_author", "id", "messages", "opened")

    def __init__(self, discussion_id: str) -> None:
        self.id = discussion_id
        self.opened: e.DiscussionOpened | None = None
        self.attempts: dict[str, Attempt] = {}
        self.head = ""
        self.head_author = ""
        self.messages = 0
        self.ended: e.DiscussionEnded | None = None

    @property
    def exists(self) -> bool:
        return self.opened is not None

    @property
    def active(self) -> Attempt | None:
        """The turn that is to be answered now."""
        last = next(reversed(self.attempts.values()), None)
        return last if last is not None and not last.reply_id and self.ended is None else None

    @property
    def status(self) -> DiscussionStatus:
        if self.ended is not None:
            return self.ended.status
        return "active" if self.active else "open"

    @property
    def whose_turn(self) -> str:
        """Who may answer the head."""
        assert self.opened is not None
        return self.opened.peer if self.head_author == self.opened.asker else self.opened.asker

    @property
    def due_uptime_s(self) -> float | None:
        """When something of it is over, if it goes on."""
        if self.opened is None or self.ended is not None:
            return None
        own = self.opened.opened_uptime_s + self.opened.timeout_s
        return min(own, self.active.reserved.until_uptime_s) if self.active else own

    # --- decide ------------------------------------------------------------------------------

    def decide(self, command: c.DiscussionCommand, now: Now) -> list[e.DiscussionEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if isinstance(command, c.OpenDiscussion):
            return self._open(command, now)
        if self.opened is None:
            raise NotFound(f"No such discussion: {self.id}")
        if over := self._expire(self.opened, now):
            if isinstance(command, c.ExpireDiscussion):
                return [*over]
            raise NotAllowed(f"Discussion {self.id} is {over[0].status}")
        match command:
            case c.ReserveTurn():
                return self._reserve(self.opened, command, now)
            case c.ReplyDiscussion():
                return self._reply(self.opened, command)
            case c.ExpireDiscussion():
                return []
            case _:
                assert_never(command)

    def _open(self, command: c.OpenDiscussion, now: Now) -> list[e.DiscussionEvent]:
        if self.opened is not None:
            raise NotAllowed(f"Discussion {self.id} exists already")
        if command.asker == command.peer:
            raise InvalidArgument("'to_agent_id' must be another agent")
        _between("max_turns", command.max_turns, MAX_TURNS)
        _between("timeout_ms", command.timeout_s * 1000, (TIMEOUT_S[0] * 1000, TIMEOUT_S[1] * 1000))
        _between("turn_timeout_ms", command.turn_timeout_s * 1000, (1_000, TURN_TIMEOUT_S[1] * 1000))
        if command.turn_timeout_s > command.timeout_s:
            raise InvalidArgument("'turn_timeout_ms' must be <= timeout_ms")
        opened = e.DiscussionOpened(
            command.fleet_id,
            command.asker,
            command.peer,
            command.payload,
            command.max_turns,
            command.timeout_s,
            command.turn_timeout_s,
            now.uptime_s,
        )
        events: list[e.DiscussionEvent] = [opened]
        if command.attempt_id:
            until = now.uptime_s + command.turn_timeout_s
            events.append(e.TurnReserved(command.attempt_id, command.peer, message_id_of(self.id, 1), until))
        return events

    def _reserve(self, opened: e.DiscussionOpened, command: c.ReserveTurn, now: Now) -> list[e.DiscussionEvent]:
        self._check_participant(opened, command.agent_id)
        if self.active is not None:
            attempt_id = self.active.reserved.attempt_id
            raise NotAllowed(f"turn_already_active: attempt {attempt_id} of discussion {self.id} has not replied yet")
        if command.expected_head != self.head:
            raise NotAllowed(f"stale_head: the head of discussion {self.id} is {self.head}")
        if command.agent_id != self.whose_turn:
            raise NotAllowed(f"it is {self.whose_turn}'s turn in discussion {self.id}: nobody answers itself")
        until = now.uptime_s + opened.turn_timeout_s
        return [e.TurnReserved(command.attempt_id, command.agent_id, self.head, until)]

    def _reply(self, opened: e.DiscussionOpened, command: c.ReplyDiscussion) -> list[e.DiscussionEvent]:
        self._check_participant(opened, command.agent_id)
        attempt = self.attempts.get(command.attempt_id)
        if attempt is None:
            raise NotFound(f"No such attempt in discussion {self.id}: {command.attempt_id}")
        if attempt.reserved.agent_id != command.agent_id:
            raise NotAllowed(f"attempt {command.attempt_id} is {attempt.reserved.agent_id}'s, not {command.agent_id}'s")
        if attempt.reply_id:
            raise NotAllowed(f"attempt {command.attempt_id} has replied already: {attempt.reply_id}")
        if command.reply_to != self.head:
            raise NotAllowed(f"stale_head: the head of discussion {self.id} is {self.head}")
        message_id = message_id_of(self.id, self.messages + 1)
        events: list[e.DiscussionEvent] = [e.TurnReplied(command.attempt_id, message_id, command.type, command.payload)]
        if command.close:
            events.append(e.DiscussionEnded("closed"))
        elif len(self.attempts) >= opened.max_turns:
            events.append(e.DiscussionEnded("exhausted"))
        return events

    def _check_participant(self, opened: e.DiscussionOpened, agent_id: str) -> None:
        if agent_id not in (opened.asker, opened.peer):
            raise NotAllowed(f"{agent_id} does not take part in discussion {self.id}")
        if self.ended is not None:
            raise NotAllowed(f"Discussion {self.id} is {self.ended.status}")

    def _expire(self, opened: e.DiscussionOpened, now: Now) -> list[e.DiscussionEnded]:
        if self.ended is not None:
            return []
        if self.active is not None and now.uptime_s >= self.active.reserved.until_uptime_s:
            return [e.DiscussionEnded("deadman")]
        if now.uptime_s >= opened.opened_uptime_s + opened.timeout_s:
            return [e.DiscussionEnded("expired")]
        return []

    # --- evolve ------------------------------------------------------------------------------

    def evolve(self, event: e.DiscussionEvent) -> None:
        """Fold one event; total over all discussion events."""
        match event:
            case e.DiscussionOpened():
                self.opened = event
                self._said(message_id_of(self.id, 1), event.asker)
            case e.TurnReserved():
                self.attempts[event.attempt_id] = Attempt(event)
            case e.TurnReplied():
                attempt = self.attempts[event.attempt_id]
                attempt.reply_id = event.message_id
                self._said(event.message_id, attempt.reserved.agent_id)
            case e.DiscussionEnded():
                self.ended = event
            case _:
                assert_never(event)

    def _said(self, message_id: str, author: str) -> None:
        self.head, self.head_author = message_id, author
        self.messages += 1


def _between(field: str, value: float, bounds: tuple[float, float]) -> None:
    if field == "max_turns":
        checks.integer(field, value)
    if not bounds[0] <= value <= bounds[1]:
        raise InvalidArgument(f"'{field}' must be between {bounds[0]:g} and {bounds[1]:g}, got {value:g}")
