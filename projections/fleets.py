"""Which fleets are there, and how are they?"""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.values import Budget
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Fleets", "stored_budget"]

_INSERT = (
    "INSERT INTO fleets (fleet_id, name, goal, workspace, status, created_ms, timeout_s, max_concurrency,"
    " keep_open, agent_count, spawned_uptime_s, budget) VALUES (?,?,?,?,'running',?,?,?,?,?,?,?)"
)
_END = "UPDATE fleets SET status=?, ended_ms=?, reason=? WHERE fleet_id=?"
_PAUSE = "UPDATE fleets SET pause_kind=?, pause_reason=? WHERE fleet_id=?"
_LEFT = "UPDATE fleets SET unfinished=unfinished-1, failed=failed+? WHERE fleet_id=?"


class Fleets:
    """One row a fleet. `unfinished` is how many of its agents have not ended; `stuck` is who waited for whom when it
    was last found stuck; `budget` is JSON; a fleet with a `pause_kind` is paused."""

    name = "fleets"
    version = 3
    tables: Sequence[str] = ("fleets",)
    schema: Sequence[str] = (
        """CREATE TABLE fleets (
            fleet_id TEXT PRIMARY KEY, name TEXT NOT NULL, goal TEXT NOT NULL, workspace TEXT NOT NULL,
            status TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', created_ms INTEGER NOT NULL,
            ended_ms INTEGER, timeout_s REAL, max_concurrency INTEGER, keep_open INTEGER NOT NULL,
            closed INTEGER NOT NULL DEFAULT 0, archived INTEGER NOT NULL DEFAULT 0,
            agent_count INTEGER NOT NULL, unfinished INTEGER NOT NULL DEFAULT 0,
            failed INTEGER NOT NULL DEFAULT 0, spawned_uptime_s REAL NOT NULL,
            budget TEXT, pause_kind TEXT NOT NULL DEFAULT '', pause_reason TEXT NOT NULL DEFAULT '',
            stuck TEXT NOT NULL DEFAULT '', stuck_ms INTEGER
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.FleetSpawned: self._spawned,
            e.AgentAttached: self._attached,
            e.AgentEnded: self._agent_ended,
            e.FleetTimeoutSet: lambda r, rows: rows.add(
                "UPDATE fleets SET timeout_s=? WHERE fleet_id=?", r.event.timeout_s, r.stream_id
            ),
            e.FleetPaused: lambda r, rows: rows.add(_PAUSE, r.event.kind, r.event.reason, r.stream_id),
            e.FleetResumed: lambda r, rows: rows.add(_PAUSE, "", "", r.stream_id),
            e.FleetBudgetSet: lambda r, rows: rows.add(
                "UPDATE fleets SET budget=? WHERE fleet_id=?", stored_budget(r.event.budget), r.stream_id
            ),
            e.FleetStuck: lambda r, rows: rows.add(
                "UPDATE fleets SET stuck=?, stuck_ms=? WHERE fleet_id=?", r.event.reason, r.at_ms, r.stream_id
            ),
            e.FleetClosed: lambda r, rows: rows.add("UPDATE fleets SET closed=1 WHERE fleet_id=?", r.stream_id),
            e.FleetArchived: lambda r, rows: rows.add("UPDATE fleets SET archived=1 WHERE fleet_id=?", r.stream_id),
            e.FleetCompleted: lambda r, rows: rows.add(_END, "complete", r.at_ms, "", r.stream_id),
            e.FleetFailed: lambda r, rows: rows.add(_END, "failed", r.at_ms, r.event.reason, r.stream_id),
            e.FleetCancelled: lambda r, rows: rows.add(_END, "cancelled", r.at_ms, r.event.reason, r.stream_id),
            e.FleetTimedOut: lambda r, rows: rows.add(
                _END, "timed_out", r.at_ms, f"its {r.event.timeout_s:g} seconds are over", r.stream_id
            ),
        }

    def _spawned(self, recorded: Recorded, rows: Rows) -> None:
        event: e.FleetSpawned = recorded.event
        spec = event.spec
        rows.add(
            _INSERT,
            recorded.stream_id,
            spec.name,
            spec.goal,
            spec.workspace,
            recorded.at_ms,
            spec.timeout_s,
            spec.max_concurrency,
            spec.keep_open,
            len(event.members),
            event.uptime_s,
            stored_budget(spec.budget),
        )
        rows.add("UPDATE fleets SET unfinished=? WHERE fleet_id=?", len(event.members), recorded.stream_id)

    def _attached(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(
            "UPDATE fleets SET agent_count=agent_count+1, unfinished=unfinished+1 WHERE fleet_id=?",
            recorded.stream_id,
        )

    def _agent_ended(self, recorded: Recorded, rows: Rows) -> None:
        rows.add(_LEFT, recorded.event.status == "failed", recorded.stream_id)


def stored_budget(budget: Budget | None) -> str | None:
    """A budget as the rows have it: JSON."""
    return None if budget is None else msgspec.json.encode(budget).decode()
