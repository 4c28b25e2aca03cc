"""Many messages in one commit."""

import functools
import secrets
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument, Refused
from fleetlog.domain.values import Message, MessageType
from fleetlog.runtime import arguments, mail
from fleetlog.runtime.calls import Call
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.engine import CallKey, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.mail import Broadcast
from fleetlog.runtime.replies import BatchReply, SendReply
from fleetlog.runtime.reply import Reply

__all__ = ["MAX_BATCH", "Batches", "Outgoing"]

MAX_BATCH = 1_000
MAX_BATCH_DELIVERIES = 20_000


class Outgoing(msgspec.Struct, frozen=True):
    """A message of a batch; the fields are those of `Runtime.send_message`."""

    from_agent_id: str
    to_agent_id: str
    fleet_id: str
    type: MessageType
    payload: str
    correlation_id: str = ""


class Batches(Changes):
    """The part of `Runtime` that sends many messages at once. Any thread."""

    def send_messages(self, messages: Sequence[Outgoing], *, idempotency_key: str | None = None) -> BatchReply:
        """Send up to 1,000 messages of one fleet in one commit, in their order: all of them, or none when one is
        refused. A `*` reaches every other agent."""
        checked = _checked(messages)
        self._check_open()
        call = Call("send_messages", checked, BatchReply, functools.partial(self._send_all, checked), _batch_reply)
        reply, _ = self._calls.once(call, idempotency_key)
        return reply

    def _send_all(self, messages: Sequence[Outgoing], key: CallKey | None) -> Reply[Receipt]:
        engine = self._parts.engine
        engine.journal.wait_for_room()
        stem = f"message-{secrets.token_hex(8)}-"
        reached = {f"{stem}{n}": self._recipients(n, one) for n, one in enumerate(messages, 1)}
        deliveries: dict[str, list[Message]] = defaultdict(list)
        for one, (message_id, recipients) in zip(messages, reached.items(), strict=True):
            size = len(recipients) if one.to_agent_id == "*" else 0
            message = Message(message_id, one.from_agent_id, one.type, one.payload, one.correlation_id, size)
            for recipient in recipients:
                deliveries[recipient].append(message)
        if sum(map(len, deliveries.values())) > MAX_BATCH_DELIVERIES:
            raise InvalidArgument(f"Batch too large: more than {MAX_BATCH_DELIVERIES} deliveries")
        future: Reply[Receipt] = Reply()
        request = Request(None, future, self._by, next(iter(reached)), key)
        outcome = functools.partial(_outcome, reached)
        engine.residents.send(messages[0].fleet_id, Broadcast(deliveries, outcome, request, is_whole=True))
        return future

    def _recipients(self, number: int, one: Outgoing) -> tuple[str, ...]:
        """Who the message reaches; a refusal names its place in the batch."""
        try:
            found = mail.recipients_of(self._parts.engine, one.fleet_id, one.from_agent_id, one.to_agent_id, ())
        except Refused as error:
            raise type(error)(f"messages[{number - 1}]: {error}") from error
        if not found:
            raise InvalidArgument(f"messages[{number - 1}]: fleet {one.fleet_id} has no other agent to send to")
        return found


def _checked(messages: Sequence[Outgoing]) -> tuple[Outgoing, ...]:
    checked = tuple(arguments.typed(one, Outgoing, f"messages[{n}]") for n, one in enumerate(messages))
    if not checked:
        raise InvalidArgument("'messages' must hold at least one message")
    if len(checked) > MAX_BATCH:
        raise InvalidArgument(f"Batch too large: {len(checked)} messages (limit {MAX_BATCH})")
    for number, one in enumerate(checked):
        try:
            arguments.fleet_id(one.fleet_id)
            checks.identifier("from_agent_id", one.from_agent_id)
            checks.identifier("to_agent_id", one.to_agent_id)
            mail.check_message(Message("", one.from_agent_id, one.type, one.payload, one.correlation_id))
        except Refused as error:
            raise type(error)(f"messages[{number}]: {error}") from error
    if len(fleets := {one.fleet_id for one in checked}) > 1:
        raise InvalidArgument(f"'messages' must be of one fleet: a batch is one commit of it; got {len(fleets)} fleets")
    return checked


def _outcome(sent: Mapping[str, tuple[str, ...]], _: Sequence[str]) -> BatchReply:
    replies = (SendReply(one, to, dict.fromkeys(to, "queued")) for one, to in sent.items())
    return BatchReply(tuple(replies))


def _batch_reply(outcome: Any) -> BatchReply:
    assert isinstance(outcome, BatchReply)
    return outcome
