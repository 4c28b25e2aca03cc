"""Forks: a new fleet that begins with what another one has recorded, up to a moment, and goes on from there.

Its rule: nothing that was recorded is made, or paid for, again. The streams are copied in one commit, with new ids
(see runtime/restamp.py). What was in flight at that moment is for the fork what it would be after a crash: a step in
doubt, a call that counts with its bound. Its spending includes what its history has cost; its deadlines have as much
time left as they had then. Large values keep the ids they were stored with.
"""

import functools
from typing import Any

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import FLEET_ENDED
from fleetlog.runtime import arguments, codec
from fleetlog.runtime.aggregate_host import Recover, first_part
from fleetlog.runtime.calls import Call
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.engine import CallKey
from fleetlog.runtime.journal import Part, Receipt, Unit
from fleetlog.runtime.past import position_at, stored_until
from fleetlog.runtime.replies import ForkReply
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.restamp import Restamp, uptime_at
from fleetlog.runtime.store import NewEvent

__all__ = ["MAX_FORK_EVENTS", "Forks"]

MAX_FORK_EVENTS = 100_000

_Streams = dict[str, list[codec.Body]]


class _Asked(msgspec.Struct, frozen=True):
    """What to fork, as it was when, and what to call it (as the old one is called, if empty)."""

    fleet_id: str
    at_ms: int | None
    name: str


class Forks(Changes):
    """The part of `Runtime` that forks fleets. Any thread."""

    def fork_fleet(
        self, fleet_id: str, *, at_ms: int | None = None, name: str = "", idempotency_key: str | None = None
    ) -> ForkReply:
        """A new fleet whose agents have done what those of the old one had done up to an epoch millisecond (up to now,
        if none is given), and go on from there. The old fleet is not touched. A fleet that had ended by then, or
        whose record is longer than 100,000 events, is refused."""
        arguments.fleet_id(fleet_id)
        if at_ms is not None:
            checks.integer("at_ms", at_ms)
        checks.text("name", name, max_chars=200)
        self._check_open()
        made: list[str] = []
        start = functools.partial(self._start_fork, _Asked(fleet_id, at_ms, name), made)
        call = Call("fork_fleet", (fleet_id, at_ms, name), ForkReply, start, _reply)
        reply, _ = self._calls.once(call, idempotency_key)
        for forked in made:
            self._parts.engine.residents.post(forked, Recover())
        return reply

    def _start_fork(self, asked: _Asked, made: list[str], key: CallKey | None) -> Reply[Receipt]:
        engine = self._parts.engine
        on_its_way: Reply[Receipt] = Reply()
        engine.journal.put(Unit([], on_its_way))  # what was decided by now is stored before the streams are read
        on_its_way.result()
        now = engine.clock.now()
        moment_ms = now.wall_ms if asked.at_ms is None else asked.at_ms
        streams = self._streams_at(asked)
        lag_s = 0.0 if asked.at_ms is None else now.uptime_s - uptime_at(streams.values(), moment_ms, now)
        forked_id = f"fleet-{arguments.new_stamp()}"
        restamp = Restamp(asked.fleet_id, forked_id, lag_s, asked.name)
        parts = [_part(restamp.stream_id(stream_id), 0, map(restamp, bodies)) for stream_id, bodies in streams.items()]
        outcome = ForkReply(forked_id, tuple(one.stream_id for one in parts[1:]), asked.fleet_id, moment_ms)
        forked = codec.Body(now.wall_ms, self._by, "", e.FleetForked(asked.fleet_id, moment_ms, now.uptime_s))
        parts.append(_part(forked_id, len(parts[0].events), [forked], _chain_of(parts[0])))
        if key is not None:
            recorded = e.CallRecorded(key.operation, key.arguments_digest, key.seal(outcome))
            parts.append(first_part(key.stream_id, recorded, (now.wall_ms, self._by, "")))
        future: Reply[Receipt] = Reply()
        engine.journal.put(Unit(parts, future, outcome))
        made.append(forked_id)
        return future

    def _streams_at(self, asked: _Asked) -> _Streams:
        """What the fleet and its agents had recorded then, the fleet's own first; refuses a moment before its
        beginning or after its end."""
        store, fleet_id = self._parts.engine.store, asked.fleet_id
        position = self._parts.engine.journal.position if asked.at_ms is None else position_at(store, asked.at_ms)
        streams, size = _Streams(), 0
        for batch in stored_until(store, position, fleet_id):
            copied = [one for one in batch if str(one.originator_id).startswith(("agent-", "fleet-"))]
            size += len(copied)
            if size > MAX_FORK_EVENTS:
                raise NotAllowed(
                    f"Fleet {fleet_id} has recorded more than {MAX_FORK_EVENTS} events by then: too many to fork"
                )
            for one in copied:
                streams.setdefault(str(one.originator_id), []).append(codec.decode(one.topic, one.state).body)
        _check_runs(fleet_id, streams)
        return streams


def _check_runs(fleet_id: str, streams: _Streams) -> None:
    if fleet_id not in streams:
        raise NotFound(f"Fleet {fleet_id} not found")
    fleet = Fleet(fleet_id)
    for body in streams[fleet_id]:
        fleet.evolve(body.event)  # type: ignore[arg-type]  # a fleet's stream holds its events alone
    if fleet.status in FLEET_ENDED:
        raise NotAllowed(f"Fleet {fleet_id} is {fleet.status} by then; name a moment before its end")


def _part(stream_id: str, version: int, bodies: Any, chain: bytes = codec.GENESIS) -> Part:
    """Events behind a version of a stream, their digests chained anew."""
    events = list[NewEvent]()
    for number, body in enumerate(bodies, version + 1):
        origin = (body.at_ms, body.by, body.cause)
        topic, state, chain = codec.encode(body.event, stream_id, number, chain, origin)
        events.append(NewEvent(stream_id, number, topic, state))
    return Part(stream_id, 0, tuple(events))


def _chain_of(part: Part) -> bytes:
    last = part.events[-1]
    return codec.decode(last.topic, last.state).chain


def _reply(outcome: Any) -> ForkReply:
    assert isinstance(outcome, ForkReply)
    return outcome
