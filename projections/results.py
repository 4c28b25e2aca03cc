"""How has each agent ended, and with what?"""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.values import fleet_id_of, stamp_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Results"]

_INSERT = "INSERT INTO results (agent_id, fleet_id, name, status, output, error, ended_ms) VALUES (?,?,?,?,?,?,?)"


class Results:
    """One row for each agent that has ended. `output` is the msgpack of a `values.Stored`."""

    name = "results"
    version = 1
    tables: Sequence[str] = ("results",)
    schema: Sequence[str] = (
        """CREATE TABLE results (
            agent_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,
            output BLOB, error TEXT NOT NULL, ended_ms INTEGER NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX results_by_fleet ON results (fleet_id)",
    )

    def __init__(self) -> None:
        self._encoder = msgspec.msgpack.Encoder()
        self.handlers: Mapping[type, Handler] = {
            e.AgentCompleted: self._completed,
            e.AgentFailed: lambda r, rows: self._insert(r, rows, "failed", "\n".join(r.event.reasons)),
            e.AgentCancelled: lambda r, rows: self._insert(r, rows, "cancelled", r.event.reason),
            e.AgentTimedOut: lambda r, rows: self._insert(r, rows, "timed_out", r.event.reason),
        }

    def _completed(self, recorded: Recorded, rows: Rows) -> None:
        self._insert(recorded, rows, "complete", "", self._encoder.encode(recorded.event.output))

    def _insert(self, recorded: Recorded, rows: Rows, status: str, error: str, output: bytes | None = None) -> None:
        agent_id = recorded.stream_id
        name = agent_id.removeprefix(f"agent-{stamp_of(agent_id)}-")
        rows.add(_INSERT, agent_id, fleet_id_of(agent_id), name, status, output, error, recorded.at_ms)
