"""The event store: the eventsourcing library's recorders behind a port of four verbs.

Its rule: what it appends is contiguous. The recorders refuse a version that is taken but accept a
gap; `append` refuses both. All of an append is one transaction, on the disk before it returns.
"""

from pathlib import Path

from eventsourcing.popo import POPOApplicationRecorder

from fleetlog.runtime.store.port import EventStore, NewEvent, Notification, StoredEvent
from fleetlog.runtime.store.recorder_store import RecorderStore
from fleetlog.runtime.store.sqlite import TUNING, open_sqlite
from fleetlog.runtime.store.subscription import Listeners, LogSubscription

__all__ = [
    "TUNING",
    "EventStore",
    "LogSubscription",
    "NewEvent",
    "Notification",
    "RecorderStore",
    "StoredEvent",
    "open_store",
]


class _MemoryRecorder(Listeners, POPOApplicationRecorder):
    pass


def open_store(path: Path | None) -> RecorderStore:
    """The log in an SQLite file (made if it is not there), or in memory for `None`."""
    return RecorderStore(_MemoryRecorder()) if path is None else open_sqlite(path)
