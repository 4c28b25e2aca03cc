"""What a failed call on a database is to fleetlog's callers."""

import sqlite3

from eventsourcing.persistence import InterfaceError, OperationalError, PersistenceError

from fleetlog.domain.errors import StoreFault, StoreUnavailable

__all__ = ["TROUBLE", "fault_of"]

TROUBLE = (PersistenceError, sqlite3.Error, OSError)
"""What the recorders raise when they cannot do what they are asked."""


def fault_of(error: Exception, said: str) -> StoreFault:
    """The error to raise: one that is everybody's (disk full, locked, no connection), or this call's alone."""
    for_everybody = isinstance(error, OperationalError | InterfaceError | OSError)
    return (StoreUnavailable if for_everybody else StoreFault)(f"{said}: {error}")
