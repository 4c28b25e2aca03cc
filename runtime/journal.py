"""The group commit: one thread, the only writer of events.

Its rule: a unit (all events of one decision) is committed whole or not at all, units of a stream in the
order they were put, and a failed unit takes with it only the later units of the same streams. Everything
that waits is committed by one `append`; replies are set after it. When a batch fails, its halves are tried,
so that the unit that cannot be appended fails alone.
"""

import logging
import queue
import threading
import time
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from fleetlog.domain.errors import (
    Fault,
    FleetlogError,
    Overloaded,
    RuntimeClosed,
    StoreFault,
    StoreUnavailable,
    VersionConflict,
)
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore, NewEvent

__all__ = ["AppendFailed", "Committed", "Journal", "Part", "Receipt", "Unit"]

logger = logging.getLogger("fleetlog.journal")

MAX_BATCH_EVENTS = 2_000
MAX_QUEUED_UNITS = 50_000


class Committer(Protocol):
    """An actor, as the journal sees it."""

    def post(self, message: object) -> None:
        """Put a message in the actor's mailbox without waiting."""


class Receipt(msgspec.Struct, frozen=True, gc=False):
    """What a caller gets after the commit: the position of its last event and the decision's outcome."""

    position: int
    outcome: Any = None


class Committed(msgspec.Struct, frozen=True, gc=False):
    """Told to an actor after a commit it asked to be told of: its stream is stored up to `version`
    (0 when the unit held no event of it)."""

    position: int
    version: int


class AppendFailed(msgspec.Struct, frozen=True, gc=False):
    """Told to an actor whose append failed: its state from this `incarnation` is not what is stored."""

    incarnation: int
    error: FleetlogError


class Part(msgspec.Struct, gc=False):
    """One stream's events of a unit. `incarnation` counts how often the actor loaded its state."""

    stream_id: str
    incarnation: int
    events: Sequence[NewEvent]
    actor: Committer | None = None
    tell_commit: bool = False


class Unit(msgspec.Struct, gc=False):
    """What is committed together, and who waits for it. A unit without events is a barrier: it is
    answered when everything put before it for its streams has been committed, and fails with it."""

    parts: list[Part]
    reply: Reply[Receipt] | None = None
    outcome: Any = None

    @property
    def size(self) -> int:
        """How many events it holds."""
        parts = self.parts
        return len(parts[0].events) if len(parts) == 1 else sum([len(part.events) for part in parts])


class Journal:
    """The writer thread and its queue."""

    def __init__(self, store: EventStore, name: str = "fleetlog") -> None:
        self._store = store
        self._queue: queue.SimpleQueue[Unit | None] = queue.SimpleQueue()
        self._failed: dict[str, int] = {}  # stream -> incarnation whose appends are refused
        self._closed = False
        self._position = store.head()
        self._thread = threading.Thread(target=self._work, name=f"{name}-journal", daemon=True)
        self._thread.start()

    @property
    def position(self) -> int:
        """The position of the last event committed here."""
        return self._position

    def put(self, unit: Unit) -> None:
        """Queue a unit. Never waits; actors call this on their own thread."""
        if self._closed:
            self._fail(unit, RuntimeClosed("the runtime is closed: nothing more is recorded"))
        else:
            self._queue.put(unit)

    @property
    def has_room(self) -> bool:
        """Is the queue not full?"""
        return self._queue.qsize() <= MAX_QUEUED_UNITS

    def wait_for_room(self, timeout_s: float = 30.0) -> None:
        """Wait while the queue is full; the facade calls it before a command enters."""
        if self.has_room:
            return
        deadline = time.monotonic() + timeout_s
        while self._queue.qsize() > MAX_QUEUED_UNITS and not self._closed:
            if time.monotonic() > deadline:
                raise Overloaded(
                    f"{self._queue.qsize()} commits are waiting (limit {MAX_QUEUED_UNITS}); try again later"
                )
            time.sleep(0.005)

    def close(self, timeout_s: float = 10.0) -> None:
        """Commit what is queued, then end the thread. What is put afterwards fails."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            self._commit_guarded(self._drain(first))
        while not self._queue.empty():
            if (late := self._queue.get()) is not None:
                self._fail(late, RuntimeClosed("the runtime is closed: nothing more is recorded"))

    def _drain(self, first: Unit) -> list[Unit]:
        batch, count = [first], first.size
        while count < MAX_BATCH_EVENTS and not self._queue.empty():
            unit = self._queue.get()
            if unit is None:
                self._queue.put(None)
                break
            batch.append(unit)
            count += unit.size
        return batch

    def _commit_guarded(self, batch: list[Unit]) -> None:
        try:
            self._commit(batch)
        except BaseException as error:  # the thread all streams depend on must not end
            logger.exception("action=commit_failed units=%d", len(batch))
            for unit in batch:
                self._fail(unit, StoreFault(f"the journal failed: {error!r}"))

    def _commit(self, batch: list[Unit]) -> None:
        if self._failed:
            batch = [unit for unit in batch if not self._refused(unit)]
        events = [event for unit in batch for part in unit.parts for event in part.events]
        try:
            positions = self._store.append(events) if events else []
        except Exception as error:  # noqa: BLE001 - a store may raise anything
            self._commit_halves(batch, _as_fault(error))
            return
        if positions:
            self._position = positions[-1]
        at = 0
        for unit in batch:
            at = self._answer(unit, positions, at)

    def _commit_halves(self, batch: list[Unit], error: FleetlogError) -> None:
        if len(batch) == 1 or isinstance(error, StoreUnavailable):
            for unit in batch:
                self._fail(unit, error)
            return
        middle = len(batch) // 2
        self._commit(batch[:middle])
        self._commit(batch[middle:])

    def _refused(self, unit: Unit) -> bool:
        """Fail a unit that stands on events which could not be appended."""
        for part in unit.parts:
            failed = self._failed.get(part.stream_id)
            if failed is None:
                continue
            if part.incarnation <= failed:
                error = VersionConflict(f"{part.stream_id}: an append before this one failed; try again")
                self._fail(unit, error)
                return True
            del self._failed[part.stream_id]
        return False

    def _answer(self, unit: Unit, positions: Sequence[int], at: int) -> int:
        size = unit.size
        at += size
        position = positions[at - 1] if size else self._position
        if unit.reply is not None:
            unit.reply.set_result(Receipt(position, unit.outcome))
        for part in unit.parts:
            if part.tell_commit and part.actor is not None:
                version = part.events[-1].originator_version if part.events else 0
                part.actor.post(Committed(position, version))
        return at

    def _fail(self, unit: Unit, error: FleetlogError) -> None:
        for part in unit.parts:
            if part.incarnation >= self._failed.get(part.stream_id, 0) and part.incarnation > 0:
                self._failed[part.stream_id] = part.incarnation
            if part.actor is not None:
                part.actor.post(AppendFailed(part.incarnation, error))
        if unit.reply is not None and not unit.reply.done():
            unit.reply.set_exception(error)


def _as_fault(error: Exception) -> FleetlogError:
    if isinstance(error, Fault):
        return error
    return StoreFault(f"the event store failed: {type(error).__name__}: {error}")
