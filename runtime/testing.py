"""For tests of programs that use the runtime, ours included: a store that dies, and the state behind a log.

A `ManualClock` for timeouts and retries is in `clock.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import StoreUnavailable
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.template import Template
from fleetlog.runtime import codec
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.store import EventStore, LogSubscription, NewEvent, StoredEvent

__all__ = ["DyingStore", "folded", "state_of", "wait_until"]


class DyingStore:
    """A store as a process sees it that dies with its `appends`-th append (of those that are `counted`, or of all):
    that one is written, or not (`written`), but never answered, and nothing can be read or written any more."""

    def __init__(
        self,
        store: EventStore,
        appends: int,
        *,
        written: bool,
        counted: Callable[[Sequence[NewEvent]], bool] = lambda _: True,
    ) -> None:
        self._store, self._left, self._written, self._counted = store, appends, written, counted
        self.appends = 0
        self.is_dead = False

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """See `EventStore`."""
        self._check()
        self.appends += 1
        is_counted = self._counted(events)
        self._left -= is_counted
        if is_counted and self._left == 0:
            if self._written:
                self._store.append(events)
            self.is_dead = True
        self._check()
        return self._store.append(events)

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """See `EventStore`."""
        self._check()
        return self._store.read(stream_id, after)

    def head(self) -> int:
        """See `EventStore`."""
        return self._store.head()

    def subscribe(self, after: int = 0) -> LogSubscription:
        """See `EventStore`."""
        return self._store.subscribe(after)

    def close(self) -> None:
        """See `EventStore`."""
        self._store.close()

    def _check(self) -> None:
        if self.is_dead:
            raise StoreUnavailable("the store has died")


def folded(store: EventStore) -> dict[str, Agent | Fleet | Template]:
    """Every fleet, agent and template of a log, folded from its first event."""
    kinds: dict[str, type[Agent | Fleet | Template]] = {"agent": Agent, "fleet": Fleet, "template": Template}
    states: dict[str, Agent | Fleet | Template] = {}
    with store.subscribe() as log:
        while batch := log.next_batch(5_000, 0):
            for stored in batch:
                stream_id = str(stored.originator_id)
                kind = kinds.get(stream_id.partition("-")[0])
                if kind is None:
                    continue
                if stream_id not in states:
                    states[stream_id] = kind(stream_id)
                states[stream_id].evolve(codec.decode(stored.topic, stored.state).body.event)  # type: ignore[arg-type]
    return states


def state_of(aggregate: Agent | Fleet | Template) -> dict[str, Any]:
    """An aggregate's whole state, for comparisons."""
    slots = [slot for kind in type(aggregate).__mro__ for slot in getattr(kind, "__slots__", ())]
    return {slot: getattr(aggregate, slot) for slot in slots}


def wait_until(runtime: Runtime, fleet_id: str, found: Callable[[FleetStatus], bool]) -> FleetStatus:
    """The fleet's status, once `found` says so: looked at after every event, never after a time. Raises
    `AssertionError` with the status when ten seconds pass without an event."""
    while True:
        status = runtime.fleet_status(fleet_id)
        if found(status):
            return status
        if not runtime.timeline(fleet_id, after=status.position, wait_s=10):
            raise AssertionError(f"it never came: {runtime.fleet_status(fleet_id)}")
