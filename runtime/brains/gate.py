"""The gate in front of a model: one for each provider account and model, shared by every agent of the runtime.

Its rule: a rate limit is an answer to all. The first 429 or 529 closes the gate for everybody, for as long as the
provider said; then one call may try, and each one that succeeds lets one more in. Agents that wait hold no thread
(they are parked), and fleets take turns. How long a gate is closed is in the log, and holds after a restart.
"""

import hashlib
import logging
import random
import re
import threading
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from fleetlog.domain.events import GateClosed
from fleetlog.runtime import codec
from fleetlog.runtime.clock import Clock
from fleetlog.runtime.journal import Journal, Part, Receipt, Unit
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore, NewEvent
from fleetlog.runtime.timers import Timers

__all__ = ["Gate", "GateState", "Gates"]

logger = logging.getLogger("fleetlog.gates")

GRANT_S = 30.0
"""A place that was given to a waiting agent is given to the next one when it does not come for it."""
BACKOFF_BASE_S, BACKOFF_MAX_S = 1.0, 60.0
"""Without a `retry-after`: exponential, with equal jitter."""


class GateState(msgspec.Struct, frozen=True):
    """What a gate is like now. `closed_until` is an epoch millisecond, 0 when it is open."""

    model: str
    closed_until: int
    reason: str
    allowed: int
    in_flight: int
    waiting: int


class Gates:
    """The gates of one runtime. Any thread."""

    def __init__(self, store: EventStore, journal: Journal, clock: Clock, timers: Timers, limit: int) -> None:
        self._store, self._journal, self._clock, self._timers, self._limit = store, journal, clock, timers, limit
        self._gates: dict[str, Gate] = {}
        self._lock = threading.Lock()  # guards _gates

    def find(self, account: str, model: str) -> "Gate":
        """The gate of a model, as the log has left it. `account` is anything that names whose limits they are; only
        a digest of it is kept."""
        digest = hashlib.blake2b(account.encode(), digest_size=4).hexdigest()
        stream_id = f"gate-{digest}-{re.sub(r'[^A-Za-z0-9._-]', '-', model)[:100]}"
        with self._lock:
            gate = self._gates.get(stream_id)
            if gate is None:
                record = _Record(stream_id, self._store, self._journal)
                gate = self._gates[stream_id] = Gate(model, record, self._clock, self._timers, self._limit)
            return gate

    def forget(self, fleet_id: str, agent_id: str) -> None:
        """The agent has ended or is paused: it waits nowhere any more, and a place that it was given is another's."""
        with self._lock:
            gates = list(self._gates.values())
        for gate in gates:
            gate.forget(fleet_id, agent_id)

    def states(self) -> list[GateState]:
        """Every gate that was used since the start."""
        with self._lock:
            gates = list(self._gates.values())
        return [gate.state() for gate in gates]


class Gate:
    """One gate. Any thread."""

    def __init__(self, model: str, record: "_Record", clock: Clock, timers: Timers, limit: int) -> None:
        self._model, self._record, self._clock, self._timers, self._limit = model, record, clock, timers, limit
        self._lock = threading.Lock()  # guards all below
        self._allowed = limit
        self._in_flight: dict[str, int] = {}
        self._granted: dict[str, float] = {}
        self._waiting: OrderedDict[str, OrderedDict[str, Callable[[], None]]] = OrderedDict()
        self._limited_in_a_row = 0
        self._closings = 0
        last = record.last
        self._closed_until_ms, self._reason = (last.until_ms, last.reason) if last else (0, "")
        if self._is_closed():
            self._allowed = 1
            self._arm_reopening()

    def enter(self, fleet_id: str, agent_id: str, unpark: Callable[[], None]) -> bool:
        """Take a place. False: there is none; `unpark` is called when there is one for this agent."""
        with self._lock:
            self._drop_stale_grants()
            granted = self._granted.pop(agent_id, None) is not None
            if granted and not self._is_closed():
                self._in_flight[agent_id] = self._closings
                return True
            if not granted and self._has_room() and not self._waiting:
                self._in_flight[agent_id] = self._closings
                return True
            self._waiting.setdefault(fleet_id, OrderedDict())[agent_id] = unpark
            woken = self._grant()
        _call(woken)
        return False

    def leave(self, agent_id: str, *, succeeded: bool) -> None:
        """The call is over. What succeeded lets one more in; another failure than a limit changes nothing."""
        with self._lock:
            if self._in_flight.pop(agent_id, None) is None:
                return
            if succeeded and not self._is_closed():
                self._limited_in_a_row = 0
                self._allowed = min(self._limit, self._allowed + 1)
            woken = self._grant()
        _call(woken)

    def limited(self, agent_id: str, status: int, reason: str, retry_after_s: float | None) -> None:
        """The provider refused the call for its rate: close, for `retry_after_s` or a growing while."""
        with self._lock:
            began = self._in_flight.pop(agent_id, self._closings)
            if began == self._closings or retry_after_s is not None:
                self._close(status, reason, retry_after_s, is_news=began == self._closings)

    def forget(self, fleet_id: str, agent_id: str) -> None:
        """The agent will not come."""
        with self._lock:
            agents = self._waiting.get(fleet_id, OrderedDict())
            if agents.pop(agent_id, None) is not None and not agents:
                del self._waiting[fleet_id]
            woken = self._grant() if self._granted.pop(agent_id, None) is not None else []
        _call(woken)

    def state(self) -> GateState:
        """What it is like now."""
        with self._lock:
            until = self._closed_until_ms if self._is_closed() else 0
            waiting = sum(map(len, self._waiting.values()))
            in_flight = len(self._in_flight)
            return GateState(self._model, until, self._reason if until else "", self._allowed, in_flight, waiting)

    # --- `_lock` is held ---------------------------------------------------------------------

    def _close(self, status: int, reason: str, retry_after_s: float | None, *, is_news: bool) -> None:
        if is_news:
            self._closings += 1
            self._limited_in_a_row += 1
        if retry_after_s is None:
            full = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(self._limited_in_a_row - 1, 30))
            retry_after_s = full / 2 + full / 2 * random.random()
        until_ms = self._clock.now().wall_ms + int(retry_after_s * 1000) + 1
        self._allowed = 1
        if until_ms <= self._closed_until_ms:
            return
        logger.warning("action=gate_closed model=%s status=%d seconds=%.1f", self._model, status, retry_after_s)
        self._closed_until_ms, self._reason = until_ms, reason
        self._record.append(GateClosed(self._model, until_ms, status, reason[:500]), self._clock.now().wall_ms)
        self._arm_reopening()

    def _is_closed(self) -> bool:
        return self._clock.now().wall_ms < self._closed_until_ms

    def _has_room(self) -> bool:
        return not self._is_closed() and len(self._in_flight) + len(self._granted) < self._allowed

    def _drop_stale_grants(self) -> None:
        now = self._clock.now().uptime_s
        for agent_id in [agent_id for agent_id, until in self._granted.items() if until <= now]:
            del self._granted[agent_id]

    def _grant(self) -> list[Callable[[], None]]:
        """Give the places there are to who waits, fleet by fleet; what is to be called without the lock."""
        woken = []
        now = self._clock.now().uptime_s
        while self._waiting and self._has_room():
            fleet_id, agents = next(iter(self._waiting.items()))
            agent_id, unpark = agents.popitem(last=False)
            self._waiting.move_to_end(fleet_id)
            if not agents:
                del self._waiting[fleet_id]
            self._granted[agent_id] = now + GRANT_S
            woken.append(unpark)
        if woken and self._waiting:
            self._timers.arm(f"grants of {self._record.stream_id}", now + GRANT_S, self._look)
        return woken

    def _arm_reopening(self) -> None:
        now = self._clock.now()
        due = now.uptime_s + max(0.0, (self._closed_until_ms - now.wall_ms) / 1000)
        self._timers.arm(f"reopening of {self._record.stream_id}", due, self._look)

    def _look(self) -> None:
        """On the timers' thread, without the lock: open what is due."""
        with self._lock:
            if self._is_closed():  # the wall clock was set back, or runs a little behind
                self._arm_reopening()
                return
            self._drop_stale_grants()
            woken = self._grant()
        _call(woken)


class _Record:
    """A gate's stream: it is written by its gate alone."""

    def __init__(self, stream_id: str, store: EventStore, journal: Journal) -> None:
        self.stream_id, self._journal = stream_id, journal
        self._store = store
        self._read()

    def _read(self) -> None:
        self._version, self._chain = 0, codec.GENESIS
        self._is_behind = False
        self.last: GateClosed | None = None
        for stored in self._store.read(self.stream_id):
            envelope = codec.decode(stored.topic, stored.state)
            self._version, self._chain = stored.originator_version, envelope.chain
            if isinstance(envelope.body.event, GateClosed):
                self.last = envelope.body.event

    def append(self, event: GateClosed, wall_ms: int) -> None:
        """Have it written; nobody waits for it. After a failure the stream is read again before the next one."""
        if self._is_behind:
            self._read()
        origin = (wall_ms, self.stream_id, "")
        topic, data, self._chain = codec.encode(event, self.stream_id, self._version + 1, self._chain, origin)
        self._version += 1
        stored = NewEvent(self.stream_id, self._version, topic, data)
        reply: Reply[Receipt] = Reply()
        reply.add_done_callback(self._written)
        self._journal.put(Unit([Part(self.stream_id, 0, (stored,))], reply))

    def _written(self, done: Reply[Receipt]) -> None:
        error = done.exception()
        if error is not None:
            logger.warning("action=gate_not_recorded gate=%s error=%s", self.stream_id, error)
            self._is_behind = True


def _call(woken: list[Callable[[], None]]) -> None:
    for unpark in woken:
        unpark()
