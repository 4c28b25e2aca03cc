"""The way of a message from a sender to its recipients' streams; the same for people and for brains.

One recipient: its actor decides. Several: the fleet's actor gathers one event from each recipient's actor
into one commit, one broadcast of a fleet after the other, so that two of them can never wait for each other.
"""

import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.commands import DeliverMessage
from fleetlog.domain.errors import FleetlogError, Refused
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import MESSAGE_TYPES, OPERATOR, Message
from fleetlog.runtime.engine import CallKey, Engine, Request
from fleetlog.runtime.journal import Committer, Part, Receipt, Unit
from fleetlog.runtime.reply import Reply

__all__ = [
    "Broadcast",
    "Bundle",
    "Contribute",
    "GetRoster",
    "Sealed",
    "Sent",
    "check_message",
    "post_message",
    "recipients_of",
    "roster",
]

ROSTER_TIMEOUT_S = 30.0


class Sent(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a send: the message's id and who it was delivered to."""

    message_id: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GetRoster:
    """Asks a fleet's actor who is in the fleet."""

    reply: Reply[Roster]

    def refuse(self, error: FleetlogError) -> None:
        """Answer with an error."""
        if not self.reply.done():
            self.reply.set_exception(error)


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Asks a fleet's actor to deliver to several recipients in one commit.

    `deliveries` are the messages for each recipient; `outcome` makes the reply's outcome of those who were reached.
    `is_whole`: nobody gets anything when one recipient refuses.
    """

    deliveries: Mapping[str, Sequence[Message]]
    outcome: Callable[[Sequence[str]], Any]
    request: Request
    is_whole: bool = False

    def refuse(self, error: FleetlogError) -> None:
        """Answer with an error."""
        self.request.refuse(error)


@dataclass(frozen=True, slots=True)
class Contribute:
    """Asks a recipient's actor for its part of a bundle."""

    bundle: "Bundle"

    def refuse(self, error: FleetlogError) -> None:
        """There is no part to come."""
        self.bundle.abort(error)


@dataclass(frozen=True, slots=True)
class Sealed:
    """The bundle is in the journal's queue, or given up (`error`): contributors may go on."""

    bundle: "Bundle"
    error: FleetlogError | None = None


class Bundle:
    """The parts of one broadcast, as they come in from the recipients' actors."""

    def __init__(
        self,
        broadcast: Broadcast,
        seal: Callable[["Bundle"], Unit],
        put: Callable[[Unit], None],
        owner: Committer,
    ) -> None:
        self.broadcast, self.parts = broadcast, list[Part]()
        self.delivered: list[str] = []
        self._seal, self._put, self._owner = seal, put, owner
        self._missing = len(broadcast.deliveries)
        self._refusal: Refused | None = None
        self._error: FleetlogError | None = None
        self._lock = threading.Lock()  # guards all of it: contributors are on several threads

    def add(self, recipient: str, part: Part | None) -> None:
        """A recipient's events; no part when it has the message already."""
        with self._lock:
            self.delivered.append(recipient)
            if part is not None:
                self.parts.append(part)
        self._arrived()

    def skip(self, refusal: Refused) -> None:
        """A recipient refuses the message: the others get it."""
        with self._lock:
            self._refusal = refusal
        self._arrived()

    def abort(self, error: FleetlogError) -> None:
        """A recipient could not be asked: nobody gets it."""
        with self._lock:
            self._error = error
        self._arrived()

    def _arrived(self) -> None:
        with self._lock:
            self._missing -= 1
            complete = self._missing == 0
        if complete:
            self._finish()

    def _finish(self) -> None:
        error = self._error
        if error is None and (self.broadcast.is_whole or not self.delivered):
            error = self._refusal
        if error is None:
            self._put(self._seal(self))
        else:
            self.broadcast.refuse(error)
        for part in self.parts:
            if part.actor is not None:
                part.actor.post(Sealed(self, error))
        self._owner.post(Sealed(self, error))


def roster(engine: Engine, fleet_id: str, *, fresh: bool = False) -> Roster:
    """Who is in the fleet. Waits for its actor when it is not known here; raises `NotFound`."""
    known = None if fresh else engine.rosters.get(fleet_id)
    if known is not None:
        return known
    reply: Reply[Roster] = Reply()
    engine.residents.post(fleet_id, GetRoster(reply))
    return reply.result(ROSTER_TIMEOUT_S)


def check_message(message: Message) -> Message:
    """Refuses a message that cannot be stored or understood."""
    checks.choice("type", message.type, MESSAGE_TYPES)
    checks.payload(message.payload)
    if message.correlation_id:
        checks.identifier("correlation_id", message.correlation_id)
    return message


def post_message(
    engine: Engine,
    fleet_id: str,
    message: Message,
    to: str,
    *,
    by: str = OPERATOR,
    key: CallKey | None = None,
    skills: tuple[str, ...] = (),
) -> Reply[Receipt]:
    """Send a checked message; the future's outcome is a `Sent`, set after the commit. From outside the
    actors only: it may wait for a roster or for room in a mailbox."""
    recipients = recipients_of(engine, fleet_id, message.sender, to, skills)
    reply: Reply[Receipt] = Reply()
    if to == "*":
        broadcast_message = Message(
            message.id,
            message.sender,
            message.type,
            message.payload,
            message.correlation_id,
            len(recipients),
        )
        deliveries = dict.fromkeys(recipients, (broadcast_message,))
        request = Request(None, reply, by, message.id, key)
        if not recipients:
            raise Refused(f"Fleet {fleet_id} has no other agent to send to")
        outcome = functools.partial(_sent_to, message.id)
        engine.residents.send(fleet_id, Broadcast(deliveries, outcome, request))
    else:
        request = Request(DeliverMessage(message), reply, by, message.id, key)
        engine.residents.send(recipients[0], request)
    return reply


def _sent_to(message_id: str, reached: Sequence[str]) -> Sent:
    return Sent(message_id, tuple(reached))


def recipients_of(engine: Engine, fleet_id: str, sender: str, to: str, skills: tuple[str, ...]) -> tuple[str, ...]:
    """Who a message reaches, by the roster that is known, or else a fresh one; raises `Refused`."""
    try:
        return roster(engine, fleet_id).recipients(sender, to, skills)
    except Refused:
        return roster(engine, fleet_id, fresh=True).recipients(sender, to, skills)
