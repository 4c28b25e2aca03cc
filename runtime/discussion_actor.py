"""The actor of one discussion: it brings each message and each turn to whom it is for, and keeps the times."""

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.discussion import Discussion, message_id_of
from fleetlog.domain.values import OPERATOR, Message
from fleetlog.runtime.aggregate_host import AggregateHost
from fleetlog.runtime.engine import Request

__all__ = ["DiscussionActor", "TurnOutcome", "envelope"]


class TurnOutcome(msgspec.Struct, frozen=True):
    """Where a discussion stands after a command."""

    status: str
    head: str
    attempt_id: str
    reply_id: str
    until_uptime_s: float


class DiscussionActor(AggregateHost[Discussion]):
    """One discussion."""

    def __init__(self, engine: Any, stream_id: str) -> None:
        super().__init__(engine, stream_id)
        self._payloads: dict[str, e.TurnReplied] = {}

    def make_state(self) -> Discussion:
        """See `AggregateHost`."""
        self._payloads = {}
        return _Remembering(self.stream_id, self._payloads)

    def outcome(self, state: Discussion, command: Any, events: Sequence[Any]) -> TurnOutcome:
        """Where it stands now."""
        attempt_id = getattr(command, "attempt_id", "")
        attempt = state.attempts.get(attempt_id)
        until = attempt.reserved.until_uptime_s if attempt else 0.0
        return TurnOutcome(state.status, state.head, attempt_id, attempt.reply_id if attempt else "", until)

    def follow(self) -> None:
        """Deliver the messages and turns; wait for what is due. Whoever knows a message drops it."""
        discussion = self.state
        opened = discussion.opened
        assert opened is not None
        self._deliver(opened.peer, self._first(opened))
        for attempt in discussion.attempts.values():
            reserved = attempt.reserved
            self._deliver(reserved.agent_id, self._turn(reserved))
            if attempt.reply_id:
                other = opened.asker if reserved.agent_id == opened.peer else opened.peer
                self._deliver(other, self._reply(reserved, self._payloads[attempt.reply_id]))
        if discussion.ended is not None:
            self._tell_the_end(opened, discussion.ended)
        self._wait(discussion)

    def _first(self, opened: e.DiscussionOpened) -> Message:
        message_id = message_id_of(self.stream_id, 1)
        return Message(message_id, opened.asker, "question", envelope(self.stream_id, opened.payload), "", 1)

    def _turn(self, reserved: e.TurnReserved) -> Message:
        text = "Your turn: answer with reply_discussion, once."
        turn = {
            "discussion_id": self.stream_id,
            "attempt_id": reserved.attempt_id,
            "reply_to_message_id": reserved.head_message_id,
            "text": text,
        }
        payload = msgspec.json.encode(turn).decode()
        return Message(reserved.attempt_id, OPERATOR, "handoff", payload, reserved.head_message_id)

    def _reply(self, reserved: e.TurnReserved, replied: e.TurnReplied) -> Message:
        text = envelope(self.stream_id, replied.payload)
        return Message(replied.message_id, reserved.agent_id, replied.type, text, reserved.head_message_id, 1)

    def _tell_the_end(self, opened: e.DiscussionOpened, ended: e.DiscussionEnded) -> None:
        said = {"discussion_id": self.stream_id, "status": ended.status, "text": f"the discussion is {ended.status}"}
        text = msgspec.json.encode(said).decode()
        message = Message(f"{self.stream_id}-ended", OPERATOR, "result", text, message_id_of(self.stream_id, 1), 2)
        for agent_id in (opened.asker, opened.peer):
            self._deliver(agent_id, message)

    def _deliver(self, agent_id: str, message: Message) -> None:
        deliver = Request(c.DeliverMessage(message), by=self.stream_id, cause=self.stream_id)
        self.engine.residents.post(agent_id, deliver)

    def _wait(self, discussion: Discussion) -> None:
        due = discussion.due_uptime_s
        if due is None:
            self.engine.timers.disarm(self._timer_key)
            return
        expire = Request(c.ExpireDiscussion(), by=self.stream_id)
        post = functools.partial(self.engine.residents.post, self.stream_id, expire)
        self.engine.timers.arm(self._timer_key, due, post)

    @property
    def _timer_key(self) -> str:
        return f"discussion {self.stream_id}"


class _Remembering(Discussion):
    """Keeps what was replied, which decisions do not need, and deliveries do."""

    __slots__ = ("_payloads",)

    def __init__(self, discussion_id: str, payloads: dict[str, e.TurnReplied]) -> None:
        super().__init__(discussion_id)
        self._payloads = payloads

    def evolve(self, event: e.DiscussionEvent) -> None:
        """See `Discussion`."""
        super().evolve(event)
        if isinstance(event, e.TurnReplied):
            self._payloads[event.message_id] = event


def envelope(discussion_id: str, payload: str) -> str:
    """A message of a discussion: JSON that names it, around the JSON that was said."""
    return msgspec.json.encode({"discussion_id": discussion_id, "payload": msgspec.Raw(payload.encode())}).decode()
