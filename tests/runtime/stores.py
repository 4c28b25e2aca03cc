"""Stores with moods."""

import threading
from collections.abc import Sequence

from fleetlog.domain.errors import StoreUnavailable
from fleetlog.runtime.store import EventStore, LogSubscription, NewEvent, StoredEvent


class SlowStore:
    """A store whose appends wait while it is `held`."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.may_append, self.is_waited_for = threading.Event(), threading.Event()
        self.may_append.set()

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        if not self.may_append.is_set():
            self.is_waited_for.set()
            assert self.may_append.wait(10)
        return self._store.append(events)

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        return self._store.read(stream_id, after)

    def head(self) -> int:
        return self._store.head()

    def subscribe(self, after: int = 0) -> LogSubscription:
        return self._store.subscribe(after)

    def close(self) -> None:
        self._store.close()


class ForgetfulStore(SlowStore):
    """A store that cannot read a kind of stream the first time it is asked."""

    def __init__(self, store: EventStore, kind: str) -> None:
        super().__init__(store)
        self.kind, self.has_failed = kind, threading.Event()

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        if stream_id.startswith(self.kind) and not self.has_failed.is_set():
            self.has_failed.set()
            raise StoreUnavailable("it is away")
        return super().read(stream_id, after)
