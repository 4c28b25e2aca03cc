"""The port: what the journal, the actors and the projector need of a log, and the events that go through it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec
from eventsourcing.persistence import Notification, StoredEvent

if TYPE_CHECKING:
    from fleetlog.runtime.store.subscription import LogSubscription

__all__ = ["EventStore", "NewEvent", "Notification", "StoredEvent", "StoredRow"]


class StoredRow(msgspec.Struct, frozen=True, gc=False):
    """An event as it was read: as good as the library's `Notification` or `StoredEvent`, at a third of the cost."""

    id: int
    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event to append: what the library calls a `StoredEvent`, and as good as one to its recorders."""

    originator_id: str
    originator_version: int
    topic: str
    state: bytes


class EventStore(Protocol):
    """What the journal, the actors and the projector need of a log. Any thread may call."""

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Append all or none, durably; the positions. Raises `VersionConflict` or `StoreFault`."""

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """A stream's events behind version `after`."""

    def head(self) -> int:
        """The position of the last event; 0 for an empty log."""

    def subscribe(self, after: int = 0) -> "LogSubscription":
        """The events behind a position, as they are committed."""

    def close(self) -> None:
        """Give back connections; later calls raise `StoreFault`."""
