"""An actor that hosts one aggregate: rehydrate, decide, evolve, hand the events to the journal.

Its rules: nothing is answered before it is committed, refusals included (they may rest on events that are
still on their way); a failed append throws the state away, and the next message loads it from the log; what
follows from an event (`follow`) is derived from the state, not from the event, so that it also happens after
a restart. Everything here runs on a dispatcher thread, one message at a time, and never waits for a brain.
"""

import functools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from fleetlog.domain.errors import Fault, FleetlogError, LogCorrupt, Refused, RuntimeClosed, StoreFault
from fleetlog.domain.events import CallRecorded, Event
from fleetlog.domain.values import Now
from fleetlog.runtime import codec
from fleetlog.runtime.dispatcher import PooledActor
from fleetlog.runtime.engine import Engine, Request
from fleetlog.runtime.journal import AppendFailed, Committed, Part, Receipt, Unit
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import NewEvent

__all__ = ["Aggregate", "AggregateHost", "Passivate", "Recover"]

logger = logging.getLogger("fleetlog.actors")

RELOAD_BASE_S, RELOAD_MAX_S = 0.5, 30.0


class Aggregate(Protocol):
    """What a host needs of its state."""

    @property
    def exists(self) -> bool:
        """Has its first event been folded?"""

    def decide(self, command: Any, now: Now) -> Sequence[Event]:
        """Events, none, or `Refused`."""

    def evolve(self, event: Any) -> None:
        """Fold one event."""


State = TypeVar("State", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class Passivate:
    """Leave the memory, if you have been idle since this uptime."""

    idle_since_uptime_s: float


@dataclass(frozen=True, slots=True)
class Recover:
    """Load your state and do what follows from it."""


class AggregateHost(PooledActor, Generic[State]):
    """One aggregate, one mailbox."""

    def __init__(self, engine: Engine, stream_id: str) -> None:
        super().__init__(engine.dispatcher)
        self.engine, self.stream_id = engine, stream_id
        self._state: State | None = None
        self._version = 0
        self._chain = codec.GENESIS
        self._incarnation = 0
        self._discarded = False
        self._reloads = 0
        self._retiring = False
        self._active_uptime_s = 0.0

    def __str__(self) -> str:
        return self.stream_id

    # --- for subclasses ----------------------------------------------------------------------

    def make_state(self) -> State:
        """A fresh aggregate, before its first event."""
        raise NotImplementedError

    def outcome(self, state: State, command: Any, events: Sequence[Event]) -> Any:
        """What the reply carries, read from the evolved state."""

    def add_parts(self, parts: list[Part], state: State, command: Any, origin: tuple[int, str, str]) -> None:
        """Add other streams' first events that belong to the same commit."""

    def wants_commit(self, state: State, events: Sequence[Event]) -> bool:
        """Does anything follow from these events, so that `follow` is to be called after the commit?"""
        return True

    def evolved(self, state: State, events: Sequence[Event]) -> None:
        """The state has just been evolved, before the commit."""

    def follow(self) -> None:
        """Do what follows from the state: after commits, after a load. Everything it does is idempotent."""

    def committed(self, version: int) -> None:
        """The stream is stored up to `version`; the state may be ahead of it."""
        self.follow()

    def on_note(self, message: object) -> None:
        """A message that is not a command."""

    def may_retire(self) -> bool:
        """Nothing but the log needs this actor now."""
        return True

    # --- messages ----------------------------------------------------------------------------

    def on_receive(self, message: Any) -> None:
        """Dispatch one message."""
        if type(message) is Request:
            self._retiring = False
            self.handle(message)
        elif type(message) is Committed:
            if self._retiring and not message.version:  # an earlier commit has what follows from it, all the same
                self._retire()
            elif self._state is not None:
                self._reloads = 0
                self.committed(message.version)
        elif type(message) is AppendFailed:
            if message.incarnation == self._incarnation:
                self.discard(message.error)
        elif type(message) is Passivate:
            self._passivate(message)
        elif type(message) is Recover:
            self._recover()
        else:
            self._retiring = False
            self.on_note(message)

    def on_message_failure(self, message: object, error: Exception) -> None:
        """The state may be half evolved: load it again; the command's caller gets the error."""
        if isinstance(message, Request):
            message.refuse(error if isinstance(error, FleetlogError) else _internal(self, error))
        self.discard(_internal(self, error))

    def handle(self, request: Request) -> None:
        """Decide one command and put what it led to in the journal."""
        now = self.engine.clock.now()
        self._active_uptime_s = now.uptime_s
        state = self._state
        if state is None:
            state = self._load_for(request)
            if state is None:
                return
        try:
            events = state.decide(request.command, now)
        except Refused as error:
            self._refuse_in_order(request, error)
        else:
            self._commit(state, request, events, now)
        if not state.exists:
            self.forget_nothing()

    def _load_for(self, request: Request) -> State | None:
        """The state from the log, with what follows from it; None when it cannot be read: then refused."""
        try:
            state, _ = self.load()
        except StoreFault as error:
            request.refuse(error)
            self.discard(error)
            return None
        if state.exists:
            self.follow()
        return state

    def _commit(self, state: State, request: Request, events: Sequence[Event], now: Now) -> None:
        origin = (now.wall_ms, request.by, request.cause)
        stored = self.record(state, events, origin)
        part = Part(self.stream_id, self._incarnation, stored, self, bool(events) and self.wants_commit(state, events))
        outcome = self.outcome(state, request.command, events)
        parts = [part]
        self.add_parts(parts, state, request.command, origin)
        if request.key is not None and events:
            parts.append(_call_part(request, outcome, origin))
        self.submit(Unit(parts, request.reply, outcome))
        if events:
            self.evolved(state, events)

    def record(self, state: State, events: Sequence[Event], origin: tuple[int, str, str]) -> list[NewEvent]:
        """Evolve the state and encode the events behind its last version."""
        stored = []
        for event in events:
            state.evolve(event)
            topic, data, self._chain = codec.encode(event, self.stream_id, self._version + 1, self._chain, origin)
            self._version += 1
            stored.append(NewEvent(self.stream_id, self._version, topic, data))
        return stored

    def submit(self, unit: Unit) -> None:
        """Hand a unit to the journal."""
        self.engine.journal.put(unit)

    def _refuse_in_order(self, request: Request, error: Refused) -> None:
        """The refusal is answered behind the commits it may rest on; if those fail, with their error."""
        if request.reply is None:
            return
        barrier: Reply[Receipt] = Reply()
        barrier.add_done_callback(lambda done: request.refuse(_fault_of(done) or error))
        self.submit(Unit([Part(self.stream_id, self._incarnation, (), self)], barrier))

    # --- the state's life --------------------------------------------------------------------

    @property
    def state(self) -> State:
        """The state, loaded if need be."""
        return self._state if self._state is not None else self.load()[0]

    def load(self) -> tuple[State, bool]:
        """The state, and whether it was read from the log just now. Raises `StoreFault`."""
        if self._state is not None:
            return self._state, False
        if self._discarded:
            self._await_own_appends()
        state = self.make_state()
        version, chain = 0, codec.GENESIS
        for stored in self.engine.store.read(self.stream_id):
            if stored.originator_version != version + 1:
                raise LogCorrupt(f"{self.stream_id}: version {version + 1} is missing from the log")
            envelope = codec.decode(stored.topic, stored.state)
            state.evolve(envelope.body.event)
            version, chain = stored.originator_version, envelope.chain
        self._state, self._version, self._chain = state, version, chain
        self._incarnation = self.engine.next_incarnation()
        self._discarded = False
        return state, True

    def _await_own_appends(self) -> None:
        """Appends of the discarded state that are still on their way must be settled before the log is
        read. The journal never waits for an actor, so this cannot deadlock."""
        barrier: Reply[Receipt] = Reply()
        self.engine.journal.put(Unit([], barrier))
        try:
            barrier.result(30)
        except (RuntimeClosed, TimeoutError) as error:
            raise StoreFault(f"{self.stream_id}: the journal does not answer: {error}") from error

    def discard(self, error: Exception) -> None:
        """Throw the state away; load it again by ourselves a little later, if nobody asks before."""
        if not isinstance(error, RuntimeClosed):
            logger.warning("action=state_discarded actor=%s reason=%s", self, error)
        self._state, self._discarded = None, True
        self._reloads += 1
        delay = min(RELOAD_MAX_S, RELOAD_BASE_S * 2.0 ** (self._reloads - 1))
        due = self.engine.clock.now().uptime_s + delay
        recover = functools.partial(self.engine.residents.post, self.stream_id, Recover())
        self.engine.timers.arm(f"reload {self.stream_id}", due, recover)

    def _recover(self) -> None:
        try:
            state, fresh = self.load()
        except StoreFault as error:
            self.discard(error)
            return
        if not state.exists:
            self.forget_nothing()
        elif fresh:
            self.follow()

    def forget_nothing(self) -> None:
        """There is no such stream (yet): keep no empty state that a later first event would not reach."""
        self._state = None
        self._begin_retiring()

    def _passivate(self, message: Passivate) -> None:
        if self._active_uptime_s <= message.idle_since_uptime_s and self.may_retire():
            self._begin_retiring()

    def _begin_retiring(self) -> None:
        """Leave once everything put so far is committed and nothing has come since."""
        if self.may_retire():
            self._retiring = True
            self.submit(Unit([Part(self.stream_id, self._incarnation, (), self, tell_commit=True)]))

    def _retire(self) -> None:
        self._retiring = False
        if self.may_retire() and self.engine.residents.retire(self.stream_id, self):
            self.retired()
            self.actor_stopped.set()

    def retired(self) -> None:
        """The actor has left the residents."""


def _call_part(request: Request, outcome: Any, origin: tuple[int, str, str]) -> Part:
    key = request.key
    assert key is not None
    event = CallRecorded(key.operation, key.arguments_digest, key.seal(outcome))
    return first_part(key.stream_id, event, origin)


def first_part(stream_id: str, event: Event, origin: tuple[int, str, str]) -> Part:
    """A new stream's first event, as part of somebody's commit."""
    topic, data, _ = codec.encode(event, stream_id, 1, codec.GENESIS, origin)
    return Part(stream_id, 0, (NewEvent(stream_id, 1, topic, data),))


def _fault_of(done: Reply[Receipt]) -> FleetlogError | None:
    error = done.exception()
    return error if isinstance(error, FleetlogError) else None


def _internal(actor: object, error: Exception) -> Fault:
    return Fault(f"{actor} failed: {type(error).__name__}: {error}")
