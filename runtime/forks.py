"""Forks: a new fleet that begins with what another one has recorded, up to a moment, and goes on from there.

Its rule: nothing that was recorded is made, or paid for, again. The streams are copied with the fleet's stamp replaced
wherever it stands (a stamp has always the same length, so ids inside stored values are replaced too), in one commit.
What was in flight at that moment is for the fork what it would be after a crash: a step in doubt, a call that counts
with its bound. Its spending includes what its history has cost. Large values keep the ids they were stored with.
"""

import functools
from typing import Any

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed
from fleetlog.domain.values import FLEET_ENDED, stamp_of
from fleetlog.runtime import arguments, codec
from fleetlog.runtime.aggregate_host import Recover, first_part
from fleetlog.runtime.calls import Call
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.engine import CallKey
from fleetlog.runtime.journal import Part, Receipt, Unit
from fleetlog.runtime.past import queries_at
from fleetlog.runtime.replies import ForkReply
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import NewEvent

__all__ = ["MAX_FORK_EVENTS", "Forks"]

MAX_FORK_EVENTS = 100_000


class _Copied(msgspec.Struct, frozen=True):
    """A stream of the fork."""

    part: Part
    size: int


class Forks(Changes):
    """The part of `Runtime` that forks fleets. Any thread."""

    def fork_fleet(self, fleet_id: str, *, at_ms: int | None = None, idempotency_key: str | None = None) -> ForkReply:
        """A new fleet whose agents have done what those of the old one had done up to an epoch millisecond (up to now,
        if none is given), and go on from there. The old fleet is not touched. A fleet that had ended by then, or
        whose record is longer than 100,000 events, is refused."""
        arguments.fleet_id(fleet_id)
        if at_ms is not None:
            checks.integer("at_ms", at_ms)
        self._check_open()
        made: list[str] = []
        start = functools.partial(self._start_fork, fleet_id, at_ms, made)
        call = Call("fork_fleet", (fleet_id, at_ms), ForkReply, start, _reply)
        reply, _ = self._calls.once(call, idempotency_key)
        for forked in made:
            self._parts.engine.residents.post(forked, Recover())
        return reply

    def _start_fork(self, fleet_id: str, at_ms: int | None, made: list[str], key: CallKey | None) -> Reply[Receipt]:
        engine = self._parts.engine
        now_ms = engine.clock.now().wall_ms
        moment = now_ms if at_ms is None else at_ms
        on_its_way: Reply[Receipt] = Reply()
        engine.journal.put(Unit([], on_its_way))  # what was decided by now is stored before the streams are read
        on_its_way.result()
        agent_ids = self._members_at(fleet_id, moment)
        forked_id = f"fleet-{arguments.new_stamp()}"
        copied = [self._copy(stream_id, fleet_id, forked_id, moment) for stream_id in (fleet_id, *agent_ids)]
        if sum(one.size for one in copied) > MAX_FORK_EVENTS:
            raise NotAllowed(
                f"Fleet {fleet_id} has recorded more than {MAX_FORK_EVENTS} events by then: too many to fork"
            )
        outcome = ForkReply(forked_id, tuple(one.part.stream_id for one in copied[1:]), fleet_id, moment)
        parts = [one.part for one in copied]
        if key is not None:
            recorded = e.CallRecorded(key.operation, key.arguments_digest, key.seal(outcome))
            parts.append(first_part(key.stream_id, recorded, (now_ms, self._by, "")))
        future: Reply[Receipt] = Reply()
        engine.journal.put(Unit(parts, future, outcome))
        made.append(forked_id)
        return future

    def _members_at(self, fleet_id: str, at_ms: int) -> list[str]:
        """The agents the fleet had then; refuses a moment before its beginning or after its end."""
        engine = self._parts.engine
        with queries_at(engine.store, engine.artifacts, at_ms, fleet_id) as past:
            fleet = past.fleet(fleet_id)
            if fleet.status in FLEET_ENDED:
                raise NotAllowed(f"Fleet {fleet_id} is {fleet.status} by then; name a moment before its end")
            return [agent.id for agent in past.agents(fleet_id)]

    def _copy(self, stream_id: str, old: str, new: str, at_ms: int) -> _Copied:
        stamps = stamp_of(old).encode(), stamp_of(new).encode()
        copy_id = stream_id.replace(stamp_of(old), stamp_of(new))
        chain, events = codec.GENESIS, list[NewEvent]()
        bodies = (codec.decode(one.topic, one.state).body for one in self._parts.engine.store.read(stream_id))
        copies = [_restamped(body, *stamps) for body in bodies if body.at_ms <= at_ms]
        if stream_id == old:
            forked = e.FleetForked(old, at_ms)
            copies.append(codec.Body(self._parts.engine.clock.now().wall_ms, self._by, "", forked))
        for version, body in enumerate(copies, 1):
            origin = (body.at_ms, body.by, body.cause)
            topic, state, chain = codec.encode(body.event, copy_id, version, chain, origin)
            events.append(NewEvent(copy_id, version, topic, state))
        return _Copied(Part(copy_id, 0, tuple(events)), len(events))


def _restamped(body: codec.Body, old: bytes, new: bytes) -> codec.Body:
    if len(old) != len(new):
        raise InvalidArgument("a fleet whose id has another form cannot be forked")
    return msgspec.msgpack.decode(msgspec.msgpack.encode(body).replace(old, new), type=codec.Body)


def _reply(outcome: Any) -> ForkReply:
    assert isinstance(outcome, ForkReply)
    return outcome
