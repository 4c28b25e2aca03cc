"""Feeds the projections from the log, in batches; one transaction holds a batch's rows and its position.

Queries that must see a commit `wait` for its position. A projection that raises is stopped and named in
the error of whoever waits; the others go on. Rows that are lost (a deleted file) are folded again.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fleetlog.domain.errors import RuntimeClosed, StoreFault
from fleetlog.projections.projection import Handler, Projection, Recorded, Rows
from fleetlog.runtime import codec
from fleetlog.runtime.store import EventStore, Notification
from fleetlog.runtime.views import ViewFile

__all__ = ["Projector", "recorded_of"]

logger = logging.getLogger("fleetlog.projector")

BATCH = 2_000
PULL_EVERY_S = 0.25
GATHER_S, QUIET_GATHER_S = 0.004, 0.02
"""So long the views may stay behind while somebody follows them, and while nobody does: those who wait for a commit
are answered first, and what has come meanwhile is folded together. Who asks for a position never waits for this."""
TROUBLE_PAUSE_S = 0.5


class Projector:
    """One thread. `position` is the log position up to which every working projection has come."""

    def __init__(
        self,
        store: EventStore,
        file: ViewFile,
        projections: Sequence[Projection],
        guests: Sequence[Projection] = (),
        name: str = "fleetlog",
    ) -> None:
        """`guests` are fed like the others, but only those who ask for them by name (`check`) hear that one failed."""
        self._file, self._projections = file, [*projections, *guests]
        self._needed = {projection.name for projection in projections}
        self._failed: dict[str, str] = {}
        self._trouble = ""
        self._advanced = threading.Condition()  # guards _position and wakes who waits for it
        self._position = min(file.positions.values(), default=0)
        self._subscription = store.subscribe(self._position)
        self._closed = False
        self._hurry = threading.Event()
        """Somebody waits for the views."""
        self._listeners: set[Callable[[], object]] = set()
        self._thread = threading.Thread(target=self._work, name=f"{name}-projector", daemon=True)
        self._thread.start()

    @property
    def position(self) -> int:
        """Up to where the views have come. Any thread."""
        return self._position

    def wait(self, position: int, timeout_s: float = 30.0) -> int:
        """Wait until the views have come to `position`; where they are. Raises `StoreFault`."""
        if not self._file.is_there:
            self._start_over()
        if self._position < position:
            self._hurry.set()
            with self._advanced:
                done = self._advanced.wait_for(lambda: self._position >= position or self._closed, timeout_s)
            if self._closed and self._position < position:
                raise RuntimeClosed("the runtime is closed")
            if not done:
                why = self._trouble or "they could not keep up"
                raise StoreFault(
                    f"the views are at {self._position}, not yet at {position}, after {timeout_s:g} s: {why}"
                )
        self._check(self._needed)
        return self._position

    def check(self, name: str) -> None:
        """Raise `StoreFault` if this projection has failed. Any thread."""
        self._check({name})

    def _check(self, names: set[str]) -> None:
        if failed := {name: why for name, why in self._failed.items() if name in names}:
            raise StoreFault("; ".join(f"projection {name} failed: {why}" for name, why in failed.items()))

    def wait_past(self, position: int, timeout_s: float) -> int:
        """Wait until the views have gone past `position`, at most so long; where they are."""
        with self.listening(lambda: None), self._advanced:
            self._advanced.wait_for(lambda: self._position > position or self._closed, timeout_s)
            return self._position

    @contextmanager
    def listening(self, listener: Callable[[], object]) -> Iterator[None]:
        """Within it, `listener` is called, on the projector's thread, whenever the views have moved on or end."""
        with self._advanced:
            self._listeners.add(listener)
        self._hurry.set()
        try:
            yield
        finally:
            with self._advanced:
                self._listeners.discard(listener)

    def _tell(self) -> None:
        """Those who wait look again; `_advanced` is held."""
        self._advanced.notify_all()
        for listener in self._listeners:
            listener()

    def close(self) -> None:
        """Stop after the batch at hand."""
        self._hurry.set()
        with self._advanced:
            self._closed = True
            self._tell()
        self._subscription.stop()
        self._thread.join(10)
        self._file.close()

    def _start_over(self) -> None:
        """The file is gone: nobody may read until it is made again."""
        with self._advanced:
            self._position = 0
        self._subscription.wake()

    # --- the projector's thread --------------------------------------------------------------

    def _work(self) -> None:
        while not self._closed:
            try:
                if not self._file.is_there:
                    self._rebuild()
                self._feed(self._subscription.next_batch(BATCH, PULL_EVERY_S))
                self._hurry.wait(GATHER_S if self._listeners else QUIET_GATHER_S)
                self._hurry.clear()
                self._trouble = ""
            except Exception as error:  # noqa: BLE001 - said, and tried again: the views must not stop
                self._pause(error)

    def _pause(self, error: Exception) -> None:
        if self._closed:
            return
        self._trouble = f"{type(error).__name__}: {error}"
        logger.warning("action=projector_paused error=%s", self._trouble)
        time.sleep(TROUBLE_PAUSE_S)
        self._subscription.seek(min(self._file.positions.values(), default=0))
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            self._rebuild()

    def _rebuild(self) -> None:
        logger.warning("action=views_rebuilt path=%s", self._file.path)
        with self._advanced:
            self._position = 0  # first: an empty file must not pass for a current one
        self._file.replace()
        self._subscription.seek(0)

    def _feed(self, batch: Sequence[Notification]) -> None:
        if not batch:
            return
        end = batch[-1].id
        recorded = [recorded_of(notification) for notification in batch]
        written = []
        for projection in self._projections:
            if projection.name not in self._failed:
                position = self._file.positions[projection.name]
                rows = self._fold(projection, recorded, position)
                if rows is not None:
                    written.append((projection, rows, max(position, end)))
        for name, error in self._file.write(written).items():
            self._failed[name] = f"{type(error).__name__}: {error} up to position {end}"
            logger.error("action=projection_failed name=%s error=%s", name, error)
        if self._file.is_there:  # else this was written into a deleted file, and is written again
            with self._advanced:
                self._position = end
                self._tell()

    def _fold(self, projection: Projection, batch: list[Recorded], after: int) -> Rows | None:
        rows = Rows()
        handlers = projection.handlers
        at = 0
        try:
            for recorded in batch:
                handler: Handler | None = handlers.get(type(recorded.event))
                if handler is not None and recorded.position > after:
                    at = recorded.position
                    handler(recorded, rows)
        except Exception as error:  # one projection's bug must not stop the others
            self._failed[projection.name] = f"{type(error).__name__}: {error} at position {at}"
            logger.exception("action=projection_failed name=%s position=%d", projection.name, at)
            return None
        return rows


def recorded_of(notification: Notification) -> Recorded:
    """A stored event, as projections take it."""
    body = codec.decode(notification.topic, notification.state).body
    return Recorded(
        notification.id,
        str(notification.originator_id),
        notification.originator_version,
        body.at_ms,
        body.by,
        body.event,
    )
