"""What waits for a person: requests for help, and steps in doubt."""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.values import HelpPolicy, fleet_id_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["HelpRequests"]

_INSERT = (
    "INSERT OR REPLACE INTO help_requests (help_id, agent_id, fleet_id, kind, blocker, attempted, subject, deadline_ms,"
    " policy, status, requested_ms) VALUES (?,?,?,?,?,?,?,?,?,'open',?)"
)
_ANSWER = "UPDATE help_requests SET status='answered', answer=?, granted=?, by=?, answered_ms=? WHERE help_id=?"
_CLOSE = "UPDATE help_requests SET status=?, reason=?, closed_ms=? WHERE help_id=?"
_NOTICE = "INSERT INTO ticket_notices (position, help_id, what) VALUES (?,?,?)"
_DOUBT = "INSERT OR REPLACE INTO doubts (agent_id, fleet_id, step, name, since_ms) VALUES (?,?,?,?,?)"
_END = "UPDATE help_requests SET status='cancelled', closed_ms=? WHERE agent_id=? AND status='open'"


class HelpRequests:
    """One row a ticket, and one for each thing of it that people are told; one a step in doubt that nobody has
    decided yet. `policy` is the ticket's `HelpPolicy` as JSON."""

    name = "help_requests"
    version = 2
    tables: Sequence[str] = ("help_requests", "ticket_notices", "doubts")
    schema: Sequence[str] = (
        """CREATE TABLE help_requests (
            help_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, fleet_id TEXT NOT NULL, kind TEXT NOT NULL,
            blocker TEXT NOT NULL, attempted TEXT NOT NULL, subject TEXT NOT NULL, deadline_ms INTEGER,
            policy TEXT NOT NULL, status TEXT NOT NULL, requested_ms INTEGER NOT NULL,
            reminders INTEGER NOT NULL DEFAULT 0, escalated_to TEXT NOT NULL DEFAULT '', escalated_ms INTEGER,
            answer TEXT, granted INTEGER, by TEXT, answered_ms INTEGER,
            reason TEXT NOT NULL DEFAULT '', closed_ms INTEGER
        ) WITHOUT ROWID""",
        """CREATE TABLE ticket_notices (
            position INTEGER PRIMARY KEY, help_id TEXT NOT NULL, what TEXT NOT NULL
        )""",
        "CREATE INDEX help_by_agent ON help_requests (agent_id)",
        """CREATE TABLE doubts (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, step INTEGER NOT NULL, name TEXT NOT NULL,
            since_ms INTEGER NOT NULL
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.HelpRequested: self._requested,
            e.HelpAnswered: self._answered,
            e.HelpReminded: self._reminded,
            e.HelpEscalated: self._escalated,
            e.HelpExpired: lambda r, rows: rows.add(_CLOSE, "expired", "", r.at_ms, r.event.help_id),
            e.HelpCancelled: lambda r, rows: rows.add(_CLOSE, "cancelled", r.event.reason, r.at_ms, r.event.help_id),
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
            event.kind,
            event.blocker,
            event.attempted,
            event.subject,
            event.deadline_ms,
            msgspec.json.encode(event.policy or HelpPolicy()).decode(),
            recorded.at_ms,
        )
        rows.add(_NOTICE, recorded.position, event.help_id, "opened")

    def _answered(self, recorded: Recorded, rows: Rows) -> None:
        event: e.HelpAnswered = recorded.event
        rows.add(_ANSWER, event.answer, event.granted, event.by, recorded.at_ms, event.help_id)

    def _reminded(self, recorded: Recorded, rows: Rows) -> None:
        event: e.HelpReminded = recorded.event
        rows.add("UPDATE help_requests SET reminders=? WHERE help_id=?", event.number, event.help_id)
        rows.add(_NOTICE, recorded.position, event.help_id, "reminded")

    def _escalated(self, recorded: Recorded, rows: Rows) -> None:
        event: e.HelpEscalated = recorded.event
        update = "UPDATE help_requests SET escalated_to=?, escalated_ms=? WHERE help_id=?"
        rows.add(update, event.to, recorded.at_ms, event.help_id)
        rows.add(_NOTICE, recorded.position, event.help_id, "escalated")

    def _suspended(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentSuspended = recorded.event
        if event.doubt:
            agent_id = recorded.stream_id
            rows.add(_DOUBT, agent_id, fleet_id_of(agent_id), event.index, event.name, recorded.at_ms)

    def _decided(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("DELETE FROM doubts WHERE agent_id=?", recorded.stream_id)

    def _ended(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(_END, recorded.at_ms, recorded.stream_id)
        self._decided(recorded, rows)
