"""What the actors of one runtime share, in one place; and the actors that are in memory now.

Nothing here is global: two engines in one process do not know of each other.
"""

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from fleetlog.domain.errors import FleetlogError, RuntimeClosed
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import OPERATOR
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.brains.function import Brains
from fleetlog.runtime.clock import Clock
from fleetlog.runtime.dispatcher import Dispatcher, PooledActor
from fleetlog.runtime.journal import Journal, Receipt
from fleetlog.runtime.recruiting import Recruiting
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.routing.queries import RouteMatch
from fleetlog.runtime.store import EventStore
from fleetlog.runtime.timers import Timers
from fleetlog.runtime.workers import Workers

__all__ = ["CallKey", "Engine", "Request", "Residents"]


class CallKey(msgspec.Struct, frozen=True):
    """A caller's idempotency key: recorded in the stream of its own, with what the call did."""

    stream_id: str
    operation: str
    arguments_digest: str
    seal: Callable[[Any], bytes]
    """Turns the decision's outcome into the result to give again to a repeated call."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """A command on its way to an actor. `run_id` is not 0 when it comes from a brain's run."""

    command: Any
    reply: Reply[Receipt] | None = None
    by: str = OPERATOR
    cause: str = ""
    key: CallKey | None = None
    run_id: int = 0

    def refuse(self, error: FleetlogError) -> None:
        """Answer with an error, if anybody waits for an answer."""
        if self.reply is not None and not self.reply.done():
            self.reply.set_exception(error)


class Residents:
    """The actors in memory: made at their first message, gone when they have been idle."""

    def __init__(self, make: Callable[[str], PooledActor]) -> None:
        self._make = make
        self._actors: dict[str, PooledActor] = {}
        self._lock = threading.Lock()  # no message may slip between an actor's last look and its removal
        self._closed = False
        self.last_actors: list[PooledActor] = []
        """Who was here when it was closed."""

    def post(self, stream_id: str, message: object) -> None:
        """To the stream's actor, without waiting. Any thread."""
        with self._lock:
            if not self._closed:
                self._actor(stream_id).post(message)
                return
        refuse = getattr(message, "refuse", None)
        if refuse is not None:
            refuse(RuntimeClosed("the runtime is closed"))

    def send(self, stream_id: str, message: object) -> None:
        """To the stream's actor, from outside: waits while its mailbox is full (`Overloaded`)."""
        actor = self._actors.get(stream_id)
        if actor is not None and not self.has_room(stream_id):
            actor.mailbox.wait_for_room()
        self.post(stream_id, message)

    def has_room(self, stream_id: str) -> bool:
        """Would `send` not wait?"""
        actor = self._actors.get(stream_id)
        return actor is None or len(actor.actor_inbox) < actor.mailbox_capacity  # type: ignore[arg-type]

    def _actor(self, stream_id: str) -> PooledActor:
        actor = self._actors.get(stream_id)
        if actor is None:
            actor = self._actors[stream_id] = self._make(stream_id)
            actor._start_actor_loop()
        return actor

    def retire(self, stream_id: str, actor: PooledActor) -> bool:
        """The actor leaves, unless it has mail. Called on the actor's own turn."""
        with self._lock:
            if self._actors.get(stream_id) is not actor or not actor.mailbox.close(only_if_empty=True):
                return False
            del self._actors[stream_id]
            return True

    def all(self) -> list[PooledActor]:
        """The actors that are in memory now."""
        with self._lock:
            return list(self._actors.values())

    def __len__(self) -> int:
        return len(self._actors)

    def close(self) -> None:
        """Take no more messages, and refuse those that wait."""
        with self._lock:
            self._closed = True
            self.last_actors = list(self._actors.values())
            self._actors.clear()
        for actor in self.last_actors:
            actor.actor_stopped.set()
            actor._tear_down()


@dataclass
class Engine:
    """The services an actor may use."""

    store: EventStore
    journal: Journal
    dispatcher: Dispatcher
    clock: Clock
    timers: Timers
    workers: Workers
    artifacts: ArtifactStore
    brains: Brains
    results: Callable[[str, tuple[str, ...]], dict[str, Any]]
    """(fleet id, names) -> the outputs of those agents (each name of an `each` group: a list)."""
    recruiting: Recruiting
    route: Callable[[str, str, int], list[RouteMatch]]
    """(fleet id, description, how many) -> the fleet's agents that fit this work, best first."""
    fleet_ended: Callable[[str], None]
    """Told, perhaps more than once, that nothing of a fleet runs any more."""
    agent_stopped: Callable[[str, str], None]
    """(fleet id, agent id): told, perhaps more than once, that the agent has no run and gets none for now: it has
    ended, or it is paused."""
    jitter: Callable[[], float]
    idle_after_s: float = 300.0
    linger_s: float = 0.3
    stuck_after_s: float | None = 5.0
    rosters: dict[str, Roster] = field(default_factory=dict)
    rested: set[str] = field(default_factory=set)
    """Agents that left the memory between two runs: none of theirs was cut off."""
    residents: Residents = field(init=False)
    _incarnations: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _run_ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def next_incarnation(self) -> int:
        """A number above all before it, for a state that is loaded anew."""
        return next(self._incarnations)

    def next_run_id(self) -> int:
        """A number above all before it, for a run of a brain."""
        return next(self._run_ids)
