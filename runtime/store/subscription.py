"""The log as it grows: its events behind a position, in commit order."""

import threading
from collections.abc import Sequence
from typing import Any

from eventsourcing.persistence import ApplicationRecorder, StoredEvent, Subscription

from fleetlog.runtime.store.failures import TROUBLE, fault_of
from fleetlog.runtime.store.port import Notification

__all__ = ["Listeners", "LogSubscription"]

PULL_EVERY_S = 0.25


class LogSubscription(Subscription[ApplicationRecorder]):
    """The log's events from a position on, in commit order; an iterator and, for readers in bulk,
    `next_batch`. Woken by our own commits; pulls by itself too, for other processes' commits."""

    def __init__(self, recorder: ApplicationRecorder, gt: int | None = None, topics: Sequence[str] = ()):
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self.position = gt or 0
        self._woken = threading.Event()
        self._buffer: list[Notification] = []

    def wake(self) -> None:
        """There may be something new. Any thread."""
        self._woken.set()

    def stop(self) -> None:
        """End the iteration, also one that waits in another thread."""
        super().stop()
        self._woken.set()

    def seek(self, position: int) -> None:
        """Go on behind `position`. Only from the thread that reads."""
        self.position, self._buffer = position, []

    def next_batch(self, limit: int, timeout_s: float) -> Sequence[Notification]:
        """At most `limit` events behind the last one; empty after `timeout_s` without any, or when
        stopped. Does not wait while there are events."""
        self._woken.clear()
        batch = self._pull(limit)
        if not batch and not self._has_been_stopped and self._woken.wait(timeout_s):
            batch = self._pull(limit)
        return batch

    def _pull(self, limit: int) -> Sequence[Notification]:
        try:
            batch = self._recorder.select_notifications(
                self.position, limit, topics=self._topics, inclusive_of_start=False
            )
        except TROUBLE as error:
            raise fault_of(error, f"the log cannot be read behind position {self.position}") from error
        if batch:
            self.position = batch[-1].id
        return batch

    def __next__(self) -> Notification:
        while not self._buffer:
            if self._has_been_stopped:
                raise StopIteration
            self._buffer = list(reversed(self.next_batch(500, PULL_EVERY_S)))
        return self._buffer.pop()


class Listeners:
    """Mixed into a recorder: gives it `subscribe`, woken by the recorder's own inserts."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._subscriptions: set[LogSubscription] = set()
        self._subscriptions_lock = threading.Lock()

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        positions: Sequence[int] | None = super().insert_events(stored_events, **kwargs)  # type: ignore[misc]
        with self._subscriptions_lock:
            for subscription in self._subscriptions:
                subscription.wake()
        return positions

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> LogSubscription:
        subscription = LogSubscription(self, gt, topics)  # type: ignore[arg-type]
        with self._subscriptions_lock:
            self._subscriptions = {s for s in self._subscriptions if not s._has_been_stopped} | {subscription}
        return subscription
