"""What do two agents discuss, and how far are they? The events of each discussion, as they are: it is small."""

from collections.abc import Mapping, Sequence

import msgspec

from fleetlog.domain import events as e
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Discussions"]


class Discussions:
    """One row a discussion, one an event of it."""

    name = "discussions"
    version = 1
    tables: Sequence[str] = ("discussions", "discussion_events")
    schema: Sequence[str] = (
        "CREATE TABLE discussions (discussion_id TEXT PRIMARY KEY, fleet_id TEXT NOT NULL, ended INTEGER NOT NULL)",
        """CREATE TABLE discussion_events (
            position INTEGER PRIMARY KEY, discussion_id TEXT NOT NULL, at_ms INTEGER NOT NULL, event BLOB NOT NULL
        )""",
        "CREATE INDEX discussion_events_by_id ON discussion_events (discussion_id)",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.DiscussionOpened: self._opened,
            e.TurnReserved: self._kept,
            e.TurnReplied: self._kept,
            e.DiscussionEnded: self._ended,
        }

    def _opened(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("INSERT INTO discussions VALUES (?,?,0)", recorded.stream_id, recorded.event.fleet_id)
        self._kept(recorded, rows)

    def _ended(self, recorded: Recorded, rows: Rows) -> None:
        rows.add("UPDATE discussions SET ended=1 WHERE discussion_id=?", recorded.stream_id)
        self._kept(recorded, rows)

    @staticmethod
    def _kept(recorded: Recorded, rows: Rows) -> None:
        rows.add(
            "INSERT INTO discussion_events VALUES (?,?,?,?)",
            recorded.position,
            recorded.stream_id,
            recorded.at_ms,
            msgspec.msgpack.encode(recorded.event),
        )
