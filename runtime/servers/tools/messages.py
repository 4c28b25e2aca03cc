"""Tools about messages: send, read, acknowledge, alert."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fleetlog.domain.values import OPERATOR, MessageType, Severity
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.calls import Begun
from fleetlog.runtime.replies import SendReply
from fleetlog.runtime.rows import InboxMessage
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Key, Moment, Reading, Text, Tool, moment_ms

__all__ = ["message_tools"]


class OneMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message to send."""

    from_agent_id: Text
    to_agent_id: Annotated[Text, Meta(description="An agent's id, or * for every other agent of the fleet.")]
    fleet_id: Text
    type: MessageType
    payload: Annotated[str, Meta(description="Text, up to 64 KiB.")]
    correlation_id: Annotated[str, Meta(description="The id of the message this one answers.")] = ""


class SendMessage(OneMessage, frozen=True, kw_only=True):
    idempotency_key: Key = None


class SendMessages(Changing, frozen=True, kw_only=True):
    messages: Annotated[tuple[OneMessage, ...], Meta(min_length=1)]


class GetInbox(Reading, frozen=True, kw_only=True):
    agent_id: Text
    since: Annotated[Moment | None, Meta(description="Only messages from this time on.")] = None
    wait_ms: Annotated[int, Meta(ge=0, description="Wait so long for a first message.")] = 0


class AckMessage(Changing, frozen=True, kw_only=True):
    agent_id: Text
    message_id: Text


class Alert(Changing, frozen=True, kw_only=True):
    fleet_id: Text
    severity: Severity
    text: Text
    skills: Annotated[tuple[str, ...], Meta(description="Only to agents with one of these skills.")] = ()


class SubscribeInbox(Reading, frozen=True, kw_only=True):
    agent_id: Text


class SubscribeEvents(Reading, frozen=True, kw_only=True):
    fleet_id: Annotated[str, Meta(min_length=1)] | None = None


def message_tools(stream_url: str) -> tuple[Tool, ...]:
    """The tools; event streams are found under the url."""

    def subscribe_inbox(door: Door, given: SubscribeInbox) -> object:
        door.inbox(given.agent_id)
        url = f"{stream_url}/v1/agents/{given.agent_id}/inbox/events"
        return {"agent_id": given.agent_id, "stream_url": url, "instructions": _HOW}

    def subscribe_events(door: Door, given: SubscribeEvents) -> object:
        if given.fleet_id is None:
            return {"stream_url": f"{stream_url}/v1/events", "instructions": _HOW}
        fleet = door.fleet_status(given.fleet_id)
        url = f"{stream_url}/v1/fleets/{given.fleet_id}/events"
        return {"fleet_id": given.fleet_id, "stream_url": url, "position": fleet.position, "instructions": _HOW}

    return (
        *_TOOLS,
        Tool(
            "subscribe_inbox", "Where to follow an agent's inbox as it fills.", SubscribeInbox, subscribe_inbox, _READS
        ),
        Tool("subscribe_events", "Where to follow events as they happen.", SubscribeEvents, subscribe_events, _READS),
    )


_READS = Hints(reads=True, repeats=True)
_HOW = (
    "Server-sent events: GET the url with the header Authorization: Bearer TOKEN. Each event's id is a position of the "
    "log: send the last one as Last-Event-ID to go on behind it."
)


def _send(door: Door, given: SendMessage) -> object:
    reply = door.send_message(
        given.from_agent_id,
        given.to_agent_id,
        given.fleet_id,
        given.type,
        given.payload,
        correlation_id=given.correlation_id,
        idempotency_key=given.idempotency_key,
    )
    return _sent(reply)


def _begin_send(door: Door, given: SendMessage) -> Begun[SendReply] | None:
    return door.begin_send_message(
        given.from_agent_id,
        given.to_agent_id,
        given.fleet_id,
        given.type,
        given.payload,
        correlation_id=given.correlation_id,
        idempotency_key=given.idempotency_key,
    )


def _sent(reply: SendReply) -> dict[str, Any]:
    return {"message_id": reply.message_id, "recipients": reply.recipients}


def _send_many(door: Door, given: SendMessages) -> object:
    messages = tuple(
        Outgoing(one.from_agent_id, one.to_agent_id, one.fleet_id, one.type, one.payload, one.correlation_id)
        for one in given.messages
    )
    sent = door.send_messages(messages, idempotency_key=given.idempotency_key)
    return {"results": [_sent(reply) for reply in sent.results]}


def _inbox(door: Door, given: GetInbox) -> object:
    found = door.inbox(given.agent_id, since=moment_ms("get_inbox", "since", given.since))
    return {"messages": [_message(message) for message in found.messages]}


class ShownMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """A message, as `get_inbox` shows it. `recipients` is how many a broadcast had."""

    id: str
    fleet_id: str
    from_agent_id: str
    to_agent_id: str
    type: str
    payload: str
    correlation_id: str
    timestamp: int
    acknowledged: bool
    seen: bool
    recipients: int = 0


def _message(message: InboxMessage) -> ShownMessage:
    return ShownMessage(
        message.id,
        message.fleet_id,
        message.from_agent_id,
        message.to_agent_id,
        message.type,
        message.payload,
        message.correlation_id,
        message.timestamp,
        message.state == "acknowledged",
        message.state != "queued",
        message.broadcast_size,
    )


def _alert(door: Door, given: Alert) -> object:
    reply = door.alert(
        given.fleet_id,
        given.severity,
        given.text,
        skills=given.skills,
        from_agent_id=door.principal.agent_id or OPERATOR,
        idempotency_key=given.idempotency_key,
    )
    return _sent(reply)


_TOOLS = (
    Tool(
        "send_message",
        "Send a message to an agent of the fleet, or to all others (*). It is delivered once, and kept.",
        SendMessage,
        _send,
        acting="from_agent_id",
        begin=_begin_send,
        shape=_sent,
    ),
    Tool(
        "send_messages",
        "Send up to 1,000 messages in one commit: all of them, or none if one is invalid.",
        SendMessages,
        _send_many,
    ),
    Tool(
        "get_inbox",
        "Read the messages an agent has not acknowledged, oldest first.",
        GetInbox,
        _inbox,
        _READS,
        acting="agent_id",
        is_final=lambda answer: bool(answer["messages"]),
    ),
    Tool(
        "ack_message",
        "Take a message out of an agent's inbox.",
        AckMessage,
        lambda door, given: {
            "ok": door.ack(given.agent_id, given.message_id, idempotency_key=given.idempotency_key).ok
        },
        Hints(repeats=True),
        acting="agent_id",
    ),
    Tool("alert", "Alert a fleet's agents, or those whose skills match.", Alert, _alert),
)
