"""Who works the mailboxes of external agents?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.domain.values import fleet_id_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Leases"]

_TAKE = "INSERT OR REPLACE INTO leases (agent_id, fleet_id, lease_id, client, ttl_s, since_ms) VALUES (?,?,?,?,?,?)"
_END = "DELETE FROM leases WHERE agent_id=? AND lease_id=?"


class Leases:
    """One row an agent that somebody holds. When they were heard of last is known to the runtime alone."""

    name = "leases"
    version = 1
    tables: Sequence[str] = ("leases",)
    schema: Sequence[str] = (
        """CREATE TABLE leases (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, lease_id TEXT NOT NULL, client TEXT NOT NULL,
            ttl_s REAL NOT NULL, since_ms INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX leases_by_fleet ON leases (fleet_id)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.LeaseTaken: self._taken,
            e.LeaseLost: lambda r, rows: rows.add(_END, r.stream_id, r.event.lease_id),
            e.LeaseReleased: lambda r, rows: rows.add(_END, r.stream_id, r.event.lease_id),
        }

    def _taken(self, recorded: Recorded, rows: Rows) -> None:
        event: e.LeaseTaken = recorded.event
        agent_id = recorded.stream_id
        rows.add(_TAKE, agent_id, fleet_id_of(agent_id), event.lease_id, event.client, event.ttl_s, event.since_ms)
