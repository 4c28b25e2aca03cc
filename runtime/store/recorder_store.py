"""An event store on one of the library's recorders. Its rule: what it appends is contiguous."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from eventsourcing.persistence import ApplicationRecorder, IntegrityError

from fleetlog.domain.errors import StoreFault, StoreUnavailable, VersionConflict
from fleetlog.runtime.store.failures import TROUBLE, fault_of
from fleetlog.runtime.store.port import NewEvent, StoredEvent
from fleetlog.runtime.store.subscription import LogSubscription

__all__ = ["RecorderStore"]

_KNOWN_TAILS = 100_000


def _nothing() -> None:
    pass


class RecorderStore:
    """An `EventStore` on one of the library's application recorders."""

    def __init__(
        self,
        recorder: ApplicationRecorder,
        committed: Callable[[], None] = _nothing,
        close: Callable[[], None] = _nothing,
    ) -> None:
        """`committed` is called after each append, `close` once."""
        self._recorder, self._committed, self._close = recorder, committed, close
        self._tails: dict[str, int] = {}
        self._closed = False

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """See `EventStore`. One thread at a time (the journal's)."""
        self._check_open()
        if not events:
            return []
        tails = self._next_tails(events)
        try:
            positions = self._recorder.insert_events(events)  # type: ignore[arg-type]  # NewEvent has what StoredEvent has
        except IntegrityError as error:
            self._forget(events)
            raise VersionConflict(self._conflict_text(events)) from error
        except TROUBLE as error:
            self._forget(events)
            raise fault_of(error, "the event store could not append") from error
        except StoreFault:
            self._forget(events)
            raise
        if len(self._tails) > _KNOWN_TAILS:
            self._tails.clear()
        self._tails.update(tails)
        assert positions is not None
        self._committed()
        return positions

    def _next_tails(self, events: Sequence[NewEvent]) -> dict[str, int]:
        tails: dict[str, int] = {}
        for event in events:
            stream_id, version = event.originator_id, event.originator_version
            tail = tails.get(stream_id)
            if tail is None:
                tail = self._tails.get(stream_id)
                if tail is None:
                    tail = version - 1 if version == 1 else self._stored_tail(stream_id)
            if version != tail + 1:
                self._tails.pop(stream_id, None)
                raise VersionConflict(f"{stream_id} is at version {tail}; version {version} does not follow")
            tails[stream_id] = version
        return tails

    def _stored_tail(self, stream_id: str) -> int:
        last = self._select(stream_id, desc=True, limit=1)
        return last[0].originator_version if last else 0

    def _forget(self, events: Sequence[NewEvent]) -> None:
        for event in events:
            self._tails.pop(event.originator_id, None)

    @staticmethod
    def _conflict_text(events: Sequence[NewEvent]) -> str:
        streams = sorted({event.originator_id for event in events})
        named = ", ".join(streams[:3]) + (f" and {len(streams) - 3} more" if len(streams) > 3 else "")
        return f"another writer has appended to {named}"

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """See `EventStore`."""
        return self._select(stream_id, gt=after)

    def _select(self, stream_id: str, **bounds: Any) -> Sequence[StoredEvent]:
        self._check_open()
        try:
            return self._recorder.select_events(stream_id, **bounds)
        except TROUBLE as error:
            raise fault_of(error, f"the event store could not read {stream_id}") from error

    def head(self) -> int:
        """See `EventStore`."""
        self._check_open()
        try:
            return self._recorder.max_notification_id() or 0
        except TROUBLE as error:
            raise fault_of(error, "the event store could not be read") from error

    def subscribe(self, after: int = 0) -> LogSubscription:
        """See `EventStore`."""
        subscription = self._recorder.subscribe(after)
        assert isinstance(subscription, LogSubscription)
        return subscription

    def close(self) -> None:
        """See `EventStore`."""
        if not self._closed:
            self._closed = True
            self._close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailable("the event store is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
