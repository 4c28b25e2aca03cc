"""Which agents are there, what are they doing, and what went wrong?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.projections.fleets import stored_budget
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Agents"]

_INSERT = (
    "INSERT INTO agents (agent_id, fleet_id, name, role, prompt, brain, agent_file, status, created_ms,"
    " position, budget) VALUES (?,?,?,?,?,?,?,'pending',?,?,?)"
)
_RUN_ON = "UPDATE agents SET status='running', waiting_for='' WHERE agent_id=? AND status='waiting'"
_STEP = (
    "UPDATE agents SET steps=?, waiting_for='', status=CASE status WHEN 'waiting' THEN 'running'"
    " ELSE status END WHERE agent_id=?"
)
_CALL = (
    "UPDATE agents SET waiting_for='', status=CASE status WHEN 'waiting' THEN 'running' ELSE status END"
    " WHERE agent_id=?"
)
_WAIT = (
    "UPDATE agents SET waiting_for=?, status=CASE status WHEN 'complete' THEN status ELSE 'waiting' END"
    " WHERE agent_id=?"
)
_PAUSE = "UPDATE agents SET pause_kind=?, pause_reason=? WHERE agent_id=?"
_END = "UPDATE agents SET status=?, ended_ms=?, error=?, waiting_for='' WHERE agent_id=?"


class Agents:
    """One row an agent. `budget` is JSON; an agent with a `pause_kind` is paused."""

    name = "agents"
    version = 2
    tables: Sequence[str] = ("agents",)
    schema: Sequence[str] = (
        """CREATE TABLE agents (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, name TEXT NOT NULL, role TEXT NOT NULL,
            prompt TEXT NOT NULL, brain TEXT NOT NULL, agent_file TEXT NOT NULL, status TEXT NOT NULL,
            error TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL, started_ms INTEGER,
            ended_ms INTEGER, attempts_failed INTEGER NOT NULL DEFAULT 0,
            resumptions INTEGER NOT NULL DEFAULT 0, steps INTEGER NOT NULL DEFAULT 0,
            progress TEXT NOT NULL DEFAULT '', fraction REAL, waiting_for TEXT NOT NULL DEFAULT '',
            position INTEGER NOT NULL, budget TEXT, pause_kind TEXT NOT NULL DEFAULT '',
            pause_reason TEXT NOT NULL DEFAULT ''
        ) WITHOUT ROWID""",
        "CREATE INDEX agents_by_fleet ON agents (fleet_id, status)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.AgentSpawned: self._spawned,
            e.AgentStarted: lambda r, rows: rows.add(
                "UPDATE agents SET status='running', started_ms=? WHERE agent_id=?", r.at_ms, r.stream_id
            ),
            e.AgentResumed: self._resumed,
            e.AgentSuspended: self._suspended,
            e.AgentAttemptFailed: self._attempt_failed,
            e.AgentCompleted: self._completed,
            e.AgentFailed: lambda r, rows: rows.add(_END, "failed", r.at_ms, "\n".join(r.event.reasons), r.stream_id),
            e.AgentCancelled: lambda r, rows: rows.add(_END, "cancelled", r.at_ms, r.event.reason, r.stream_id),
            e.AgentTimedOut: lambda r, rows: rows.add(_END, "timed_out", r.at_ms, r.event.reason, r.stream_id),
            e.AgentReturned: lambda r, rows: rows.add("UPDATE agents SET waiting_for='' WHERE agent_id=?", r.stream_id),
            e.ProgressReported: lambda r, rows: rows.add(
                "UPDATE agents SET progress=?, fraction=? WHERE agent_id=?",
                r.event.text,
                r.event.fraction,
                r.stream_id,
            ),
            e.StepDoubtResolved: lambda r, rows: rows.add(_RUN_ON, r.stream_id),
            e.HelpRequested: self._help_requested,
            e.CallStarted: lambda r, rows: rows.add(_CALL, r.stream_id),
            e.AgentPaused: lambda r, rows: rows.add(_PAUSE, r.event.kind, r.event.reason, r.stream_id),
            e.AgentUnpaused: lambda r, rows: rows.add(_PAUSE, "", "", r.stream_id),
            e.AgentBudgetSet: lambda r, rows: rows.add(
                "UPDATE agents SET budget=? WHERE agent_id=?", stored_budget(r.event.budget), r.stream_id
            ),
            **dict.fromkeys(
                (
                    e.StepStarted,
                    e.StepCompleted,
                    e.StepFailed,
                    e.StepDoubted,
                    e.WaitTimedOut,
                    e.WaitAbandoned,
                    e.MessageSent,
                    e.MessageSeen,
                    e.AgentResultRejected,
                ),
                self._stepped,
            ),
        }

    def _spawned(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentSpawned = recorded.event
        spec = event.spec
        rows.add(
            _INSERT,
            recorded.stream_id,
            event.fleet_id,
            event.name,
            spec.role,
            spec.prompt,
            spec.brain,
            spec.agent,
            recorded.at_ms,
            recorded.position,
            stored_budget(spec.budget),
        )

    def _stepped(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(_STEP, recorded.event.index + 1, recorded.stream_id)

    def _help_requested(self, recorded: Recorded, rows: Rows) -> None:
        if recorded.event.index >= 0:
            self._stepped(recorded, rows)

    def _resumed(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("UPDATE agents SET resumptions=resumptions+1 WHERE agent_id=?", recorded.stream_id)
        rows.add(_RUN_ON, recorded.stream_id)

    def _suspended(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentSuspended = recorded.event
        waiting_for = f"a decision about step '{event.name}'" if event.doubt else event.name
        rows.add(_WAIT, waiting_for, recorded.stream_id)

    def _attempt_failed(self, recorded: Recorded, rows: Rows) -> None:
        event: e.AgentAttemptFailed = recorded.event
        rows.add(
            "UPDATE agents SET attempts_failed=?, error=? WHERE agent_id=?",
            event.attempt,
            event.error,
            recorded.stream_id,
        )
        rows.add(_WAIT, "its next attempt", recorded.stream_id)

    def _completed(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("UPDATE agents SET steps=? WHERE agent_id=?", recorded.event.index + 1, recorded.stream_id)
        rows.add(_END, "complete", recorded.at_ms, "", recorded.stream_id)
