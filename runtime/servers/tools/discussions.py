"""Tools of discussions: two agents answer each other, bounded in turns and time."""

from typing import Annotated, Literal

from msgspec import Meta

from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Reading, Text, Tool

__all__ = ["discussion_tools"]


class AskPeer(Changing, frozen=True, kw_only=True):
    from_agent_id: Text
    to_agent_id: Text
    fleet_id: Text
    payload: Annotated[Text, Meta(description="What is put to it: JSON text, 64 KiB with its envelope.")]
    max_turns: Annotated[int, Meta(ge=2, le=32)]
    timeout_ms: Annotated[int, Meta(ge=1_000, le=900_000)]
    turn_timeout_ms: Annotated[int, Meta(ge=1_000, le=300_000, description="Not above timeout_ms.")]
    wake_peer: Annotated[bool, Meta(description="Reserve the peer's first turn at once.")]


class WakeAgent(Changing, frozen=True, kw_only=True):
    agent_id: Text
    discussion_id: Text
    expected_head_message_id: Annotated[Text, Meta(description="The message that was said last, as far as you know.")]


class ReplyDiscussion(Changing, frozen=True, kw_only=True):
    agent_id: Text
    discussion_id: Text
    attempt_id: Text
    reply_to_message_id: Text
    type: Literal["question", "result"]
    payload: Annotated[Text, Meta(description="JSON text.")]
    close: Annotated[bool, Meta(description="End the discussion with this reply.")] = False


class GetDiscussion(Reading, frozen=True, kw_only=True):
    discussion_id: Text
    include_receipts: bool = True


def discussion_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _ask(door: Door, given: AskPeer) -> object:
    reply = door.ask_peer(
        given.from_agent_id,
        given.to_agent_id,
        given.fleet_id,
        given.payload,
        max_turns=given.max_turns,
        timeout_s=given.timeout_ms / 1000,
        turn_timeout_s=given.turn_timeout_ms / 1000,
        wake_peer=given.wake_peer,
        idempotency_key=given.idempotency_key,
    )
    return {**_stands(reply.discussion_id, reply.message_id, reply.status), "attempt_id": reply.attempt_id or None}


def _wake(door: Door, given: WakeAgent) -> object:
    reply = door.wake_agent(
        given.agent_id,
        given.discussion_id,
        given.expected_head_message_id,
        idempotency_key=given.idempotency_key,
    )
    return {**_stands(reply.discussion_id, reply.message_id, reply.status), "attempt_id": reply.attempt_id}


def _reply(door: Door, given: ReplyDiscussion) -> object:
    reply = door.reply_discussion(
        given.agent_id,
        given.discussion_id,
        given.attempt_id,
        given.reply_to_message_id,
        given.type,
        given.payload,
        close=given.close,
        idempotency_key=given.idempotency_key,
    )
    return {**_stands(reply.discussion_id, reply.message_id, reply.status), "attempt_id": reply.attempt_id}


def _stands(discussion_id: str, message_id: str, status: str) -> dict[str, object]:
    return {"discussion_id": discussion_id, "message_id": message_id, "status": status}


_TOOLS = (
    Tool(
        "ask_peer",
        "Begin a bounded discussion with another agent: its question goes to the peer's inbox.",
        AskPeer,
        _ask,
        acting="from_agent_id",
    ),
    Tool(
        "wake_agent", "Reserve the next turn of a discussion for an agent. A turn is paid for then.", WakeAgent, _wake
    ),
    Tool(
        "reply_discussion",
        "Make the one reply of an attempt. It wakes nobody.",
        ReplyDiscussion,
        _reply,
        acting="agent_id",
    ),
    Tool(
        "get_discussion",
        "Read a discussion: its bounds, all that was said, the turns.",
        GetDiscussion,
        lambda door, given: door.discussion(given.discussion_id, include_receipts=given.include_receipts),
        Hints(reads=True, repeats=True),
    ),
)
