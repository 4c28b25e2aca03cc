"""Discussions of the facade: two agents answer each other, bounded in turns and time."""

import secrets
from typing import Any, Literal

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import stamp_of
from fleetlog.runtime import arguments, mail
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.discussion_actor import TurnOutcome, envelope
from fleetlog.runtime.discussion_queries import DiscussionRow
from fleetlog.runtime.replies import DiscussionReply

__all__ = ["Discussions"]


class Discussions(Changes):
    """The part of `Runtime` in which two agents talk in turns. Any thread. The rules: `fleetlog.domain.discussion`."""

    def ask_peer(
        self,
        from_agent_id: str,
        to_agent_id: str,
        fleet_id: str,
        payload: str,
        *,
        max_turns: int,
        timeout_s: float,
        turn_timeout_s: float,
        wake_peer: bool,
        idempotency_key: str | None = None,
    ) -> DiscussionReply:
        """Begin a discussion: `payload`, JSON text, goes to the peer as a question. With `wake_peer` its first turn is
        reserved at once, and the peer is sent the attempt it answers with. At most `max_turns` (2 to 32) turns, each
        of `turn_timeout_s` (1 to 300), in `timeout_s` (1 to 900) altogether."""
        agents = mail.roster(self._parts.engine, arguments.fleet_id(fleet_id), fresh=True)
        discussion_id = f"discussion-{stamp_of(fleet_id)}-{secrets.token_hex(4)}"
        command = c.OpenDiscussion(
            fleet_id,
            agents.agent_id(checks.identifier("from_agent_id", from_agent_id)),
            agents.recipients(from_agent_id, checks.identifier("to_agent_id", to_agent_id))[0],
            _json(discussion_id, payload),
            max_turns,
            checks.seconds("timeout_s", timeout_s),
            checks.seconds("turn_timeout_s", turn_timeout_s),
            _attempt_id(discussion_id) if checks.flag("wake_peer", wake_peer) else "",
        )
        given = msgspec.structs.replace(command, attempt_id=str(wake_peer))
        return self._discuss("ask_peer", discussion_id, command, given, idempotency_key)

    def wake_agent(
        self,
        agent_id: str,
        discussion_id: str,
        expected_head_message_id: str,
        *,
        idempotency_key: str | None = None,
    ) -> DiscussionReply:
        """Reserve the next turn for this agent, and tell it so. Refused as `turn_already_active` while a turn waits
        for its reply, as `stale_head` when something else was said last."""
        found = _discussion_id(discussion_id)
        command = c.ReserveTurn(_attempt_id(found), arguments.agent_id(agent_id), expected_head_message_id)
        given = (found, agent_id, expected_head_message_id)
        return self._discuss("wake_agent", found, command, given, idempotency_key)

    def reply_discussion(
        self,
        agent_id: str,
        discussion_id: str,
        attempt_id: str,
        reply_to_message_id: str,
        type: Literal["question", "result"],
        payload: str,
        *,
        close: bool = False,
        idempotency_key: str | None = None,
    ) -> DiscussionReply:
        """The one reply of an attempt, JSON text. It goes to the other's inbox and wakes nobody; `close` ends the
        discussion with it."""
        found = _discussion_id(discussion_id)
        checks.choice("type", type, ("question", "result"))
        command = c.ReplyDiscussion(
            arguments.agent_id(agent_id),
            checks.identifier("attempt_id", attempt_id),
            checks.identifier("reply_to_message_id", reply_to_message_id),
            type,
            _json(found, payload),
            checks.flag("close", close),
        )
        return self._discuss("reply_discussion", found, command, (found, command), idempotency_key)

    def discussion(self, discussion_id: str, *, include_receipts: bool = True) -> DiscussionRow:
        """A discussion with all that was said; raises `NotFound`."""
        self._catch_up()
        return self._parts.discussions.discussion(_discussion_id(discussion_id), with_receipts=include_receipts)

    def _discuss(
        self,
        operation: str,
        discussion_id: str,
        command: c.DiscussionCommand,
        given: object,
        idempotency_key: str | None,
    ) -> DiscussionReply:
        def seal(outcome: Any) -> DiscussionReply:
            assert isinstance(outcome, TurnOutcome)
            said = outcome.reply_id or outcome.head
            return DiscussionReply(discussion_id, said, outcome.status, outcome.attempt_id)

        return self._change(operation, discussion_id, command, given, DiscussionReply, seal, idempotency_key)


def _discussion_id(discussion_id: str) -> str:
    if not checks.identifier("discussion_id", discussion_id).startswith("discussion-"):
        raise NotFound(f"No such discussion: {discussion_id}")
    return discussion_id


def _attempt_id(discussion_id: str) -> str:
    return f"{discussion_id}-turn-{secrets.token_hex(4)}"


def _json(discussion_id: str, payload: str) -> str:
    """Payloads of discussions are JSON, and fit into a message with their envelope."""
    checks.payload(payload)
    try:
        msgspec.json.decode(payload.encode())
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidArgument(f"'payload' must be JSON text: {error}") from error
    checks.payload(envelope(discussion_id, payload))
    return payload
