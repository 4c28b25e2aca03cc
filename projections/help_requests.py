"""What waits for a person: requests for help, and steps in doubt."""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.domain.values import fleet_id_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["HelpRequests"]

_INSERT = (
    "INSERT OR REPLACE INTO help_requests (help_id, agent_id, fleet_id, blocker, attempted, deadline_ms,"
    " status, requested_ms) VALUES (?,?,?,?,?,?,'open',?)"
)
_ANSWER = "UPDATE help_requests SET status='answered', answer=?, by=?, answered_ms=? WHERE help_id=?"
_DOUBT = "INSERT OR REPLACE INTO doubts (agent_id, fleet_id, step, name, since_ms) VALUES (?,?,?,?,?)"
_END = "UPDATE help_requests SET status='closed' WHERE agent_id=? AND status='open'"


class HelpRequests:
    """One row a request; one a step in doubt that nobody has decided yet."""

    name = "help_requests"
    version = 1
    tables: Sequence[str] = ("help_requests", "doubts")
    schema: Sequence[str] = (
        """CREATE TABLE help_requests (
            help_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, fleet_id TEXT NOT NULL,
            blocker TEXT NOT NULL, attempted TEXT NOT NULL, deadline_ms INTEGER, status TEXT NOT NULL,
            requested_ms INTEGER NOT NULL, answer TEXT, by TEXT, answered_ms INTEGER
        ) WITHOUT ROWID""",
        "CREATE INDEX help_by_agent ON help_requests (agent_id)",
        """CREATE TABLE doubts (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL,
            since_ms INTEGER NOT NULL
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.HelpRequested: self._requested,
            e.HelpAnswered: lambda r, rows: rows.add(_ANSWER, r.event.answer, r.event.by, r.at_ms, r.event.help_id),
            e.AgentSuspended: self._suspended,
            e.StepDoubtResolved: self._decided,
            e.AgentReturned: self._ended,
            e.AgentFailed: self._ended,
            e.AgentCancelled: self._ended,
            e.AgentTimedOut: self._ended,
        }

    def _requested(self, recorded: Recorded, rows: Rows) -> None:
        event: e.HelpRequested = recorded.event
        agent_id = recorded.stream_id
        rows.add(
            _INSERT,
            event.help_id,
            agent_id,
            fleet_id_of(agent_id),
            event.blocker,
            event.attempted,
            event.deadline_ms,
            recorded.at_ms,
        )

    def _suspended(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentSuspended = recorded.event
        if event.doubt:
            agent_id = recorded.stream_id
            rows.add(_DOUBT, agent_id, fleet_id_of(agent_id), event.index, event.name, recorded.at_ms)

    def _decided(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("DELETE FROM doubts WHERE agent_id=?", recorded.stream_id)

    def _ended(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(_END, recorded.stream_id)
        self._decided(recorded, rows)
