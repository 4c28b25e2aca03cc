"""What is voted on, and how do the votes stand?"""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Councils"]

_END = "UPDATE councils SET status=?, reason=?, silent=?, ended_ms=? WHERE council_id=?"


class Councils:
    """One row a council (`opened` is its first event), one a vote: those that were changed later are kept."""

    name = "councils"
    version = 1
    tables: Sequence[str] = ("councils", "votes")
    schema: Sequence[str] = (
        """CREATE TABLE councils (
            council_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, status TEXT NOT NULL, reason TEXT NOT NULL,
            opened BLOB NOT NULL, silent BLOB NOT NULL, deadline_ms INTEGER, opened_ms INTEGER NOT NULL,
            ended_ms INTEGER
        )""",
        """CREATE TABLE votes (
            position INTEGER PRIMARY KEY, council_id TEXT NOT NULL, agent_id TEXT NOT NULL,
            approve INTEGER NOT NULL, note TEXT NOT NULL, cast_ms INTEGER NOT NULL
        )""",
        "CREATE INDEX votes_by_council ON votes (council_id)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.CouncilOpened: self._opened,
            e.VoteCast: self._vote,
            e.CouncilRatified: lambda r, rows: self._end(r, rows, "ratified", "", r.event.silent),
            e.CouncilRejected: lambda r, rows: self._end(r, rows, "rejected", r.event.reason, ()),
            e.CouncilExpired: lambda r, rows: self._end(r, rows, "expired", r.event.reason, ()),
        }

    @staticmethod
    def _opened(recorded: Recorded, rows: Rows) -> None:
        event: e.CouncilOpened = recorded.event
        rows.add(
            "INSERT INTO councils (council_id, fleet_id, status, reason, opened, silent, deadline_ms, opened_ms)"
            " VALUES (?,?,'open','',?,?,?,?)",
            recorded.stream_id,
            event.fleet_id,
            msgspec.msgpack.encode(event),
            msgspec.msgpack.encode(()),
            event.deadline_ms,
            recorded.at_ms,
        )

    @staticmethod
    def _vote(recorded: Recorded, rows: Rows) -> None:
        event: e.VoteCast = recorded.event
        rows.add(
            "INSERT INTO votes (position, council_id, agent_id, approve, note, cast_ms) VALUES (?,?,?,?,?,?)",
            recorded.position,
            recorded.stream_id,
            event.agent_id,
            event.approve,
            event.note,
            recorded.at_ms,
        )

    @staticmethod
    def _end(recorded: Recorded, rows: Rows, status: str, reason: str, silent: tuple[str, ...]) -> None:
        rows.add(_END, status, reason, msgspec.msgpack.encode(silent), recorded.at_ms, recorded.stream_id)
