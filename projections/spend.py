"""What has each paid call used, and what is set aside for those to come?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.domain.values import Usage, agent_name_of, fleet_id_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["USAGE_COLUMNS", "Spend"]

USAGE_COLUMNS = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "calls",
    "cost_nusd",
)
"""The fields of `values.Usage`, in their order."""

_COLUMNS = ", ".join(USAGE_COLUMNS)
_DECLARED = ", ".join(f"{column} INTEGER NOT NULL" for column in USAGE_COLUMNS)
_IS_OPEN = "WHERE agent_id=? AND state='open'"
_START = (
    "INSERT INTO paid_calls (agent_id, number, fleet_id, name, step, step_name, state, started_ms,"
    f" {_COLUMNS}) VALUES (?,?,?,?,?,?,'open',?,?,?,?,?,?,?,?)"
)
_START_UNRECORDED = (
    "INSERT INTO paid_calls (agent_id, number, fleet_id, name, step, step_name, state, started_ms,"
    f" {_COLUMNS}) SELECT ?, (SELECT coalesce(max(number), 0)+1 FROM paid_calls WHERE agent_id=?),"
    " ?,?,?,?,'open',?,0,0,0,0,0,0,0 WHERE NOT EXISTS (SELECT 1 FROM paid_calls " + _IS_OPEN + ")"
)
_END = f"UPDATE paid_calls SET state=?, ended_ms=?, {', '.join(f'{c}=?' for c in USAGE_COLUMNS)} {_IS_OPEN}"
_LOSE = f"UPDATE paid_calls SET state='lost', ended_ms=? {_IS_OPEN}"


class Spend:
    """One row a paid call: `open` with its bound, `completed`, `released` (it cost nothing) or `lost` (cut off, counted
    as far as is known); and one row for each amount that a fleet has set aside."""

    name = "spend"
    version = 1
    tables: Sequence[str] = ("paid_calls", "reservations")
    schema: Sequence[str] = (
        f"""CREATE TABLE paid_calls (
            agent_id TEXT NOT NULL, number INTEGER NOT NULL, fleet_id TEXT NOT NULL, name TEXT NOT NULL,
            step INTEGER NOT NULL, step_name TEXT NOT NULL, state TEXT NOT NULL, started_ms INTEGER NOT NULL,
            ended_ms INTEGER, {_DECLARED}, PRIMARY KEY (agent_id, number)
        ) WITHOUT ROWID""",
        "CREATE INDEX paid_calls_by_fleet ON paid_calls (fleet_id)",
        f"""CREATE TABLE reservations (
            fleet_id TEXT NOT NULL, name TEXT NOT NULL, number INTEGER NOT NULL, {_DECLARED},
            PRIMARY KEY (fleet_id, name, number)
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.CallStarted: self._started,
            e.StepCompleted: self._completed,
            e.CallReleased: lambda r, rows: self._end(r, rows, "released", Usage()),
            e.CallLost: lambda r, rows: self._end(r, rows, "lost", r.event.counted),
            **dict.fromkeys(
                (e.AgentReturned, e.AgentFailed, e.AgentCancelled, e.AgentTimedOut),
                lambda r, rows: rows.add(_LOSE, r.at_ms, r.stream_id),
            ),
            e.SpendReserved: self._reserved,
            e.SpendSettled: lambda r, rows: rows.add(
                "DELETE FROM reservations WHERE fleet_id=? AND name=? AND number<=?",
                r.stream_id,
                r.event.name,
                r.event.number,
            ),
            e.SpendReleased: lambda r, rows: rows.add(
                "DELETE FROM reservations WHERE fleet_id=? AND name=? AND number>?",
                r.stream_id,
                r.event.name,
                r.event.number,
            ),
        }

    def _started(self, recorded: Recorded, rows: Rows) -> None:
        event: e.CallStarted = recorded.event
        agent_id = recorded.stream_id
        fleet_id, name = fleet_id_of(agent_id), agent_name_of(agent_id)
        place = (agent_id, event.number, fleet_id, name, event.index, event.name, recorded.at_ms)
        rows.add(_START, *place, *_columns(event.bound))

    def _completed(self, recorded: Recorded, rows: Rows) -> None:
        """Logs from before calls were started by an event of their own have only this one."""
        event: e.StepCompleted = recorded.event
        if event.usage is None:
            return
        agent_id = recorded.stream_id
        place = (fleet_id_of(agent_id), agent_name_of(agent_id), event.index, event.name, recorded.at_ms)
        rows.add(_START_UNRECORDED, agent_id, agent_id, *place, agent_id)
        self._end(recorded, rows, "completed", event.usage)

    @staticmethod
    def _end(recorded: Recorded, rows: Rows, state: str, usage: Usage) -> None:
        rows.add(_END, state, recorded.at_ms, *_columns(usage), recorded.stream_id)

    @staticmethod
    def _reserved(recorded: Recorded, rows: Rows) -> None:
        event: e.SpendReserved = recorded.event
        rows.add(
            f"INSERT OR REPLACE INTO reservations (fleet_id, name, number, {_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)",
            recorded.stream_id,
            event.name,
            event.number,
            *_columns(event.bound),
        )


def _columns(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.calls,
        usage.cost_nusd,
    )
