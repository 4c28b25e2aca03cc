"""What has an agent been told, and what has it done with it?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.domain.values import fleet_id_of
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Inbox"]

_INSERT = (
    "INSERT INTO inbox (agent_id, position, message_id, fleet_id, sender, type, payload, correlation_id,"
    " broadcast_size, sent_ms, state) VALUES (?,?,?,?,?,?,?,?,?,?,'queued')"
)
_SET = "UPDATE inbox SET state=? WHERE agent_id=? AND message_id=? AND state<>'acknowledged'"


class Inbox:
    """One row for each message and recipient; `state` is queued, seen or acknowledged."""

    name = "inbox"
    version = 3
    tables: Sequence[str] = ("inbox",)
    schema: Sequence[str] = (
        """CREATE TABLE inbox (
            position INTEGER PRIMARY KEY, agent_id TEXT NOT NULL, message_id TEXT NOT NULL,
            fleet_id TEXT NOT NULL, sender TEXT NOT NULL, type TEXT NOT NULL, payload TEXT NOT NULL,
            correlation_id TEXT NOT NULL, broadcast_size INTEGER NOT NULL, sent_ms INTEGER NOT NULL,
            state TEXT NOT NULL
        )""",
        "CREATE INDEX inbox_by_agent ON inbox (agent_id, message_id)",
        "CREATE INDEX inbox_by_message ON inbox (message_id)",
        "CREATE INDEX inbox_unread ON inbox (agent_id) WHERE state<>'acknowledged'",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.MessageDelivered: self._delivered,
            e.MessageSeen: self._seen,
            e.MessageAcknowledged: lambda r, rows: rows.add(_SET, "acknowledged", r.stream_id, r.event.message_id),
            e.MessageSent: self._sent,
        }

    def _delivered(self, recorded: Recorded, rows: Rows) -> None:
        position, stream_id, _, at_ms, _, event = recorded
        message = event.message
        rows.add(
            _INSERT,
            stream_id,
            position,
            message.id,
            fleet_id_of(stream_id),
            message.sender,
            message.type,
            message.payload,
            message.correlation_id,
            message.broadcast_size,
            at_ms,
        )

    def _seen(self, recorded: Recorded, rows: Rows) -> None:
        event: e.MessageSeen = recorded.event
        state = "acknowledged" if event.acknowledged else "seen"
        rows.add(_SET, state, recorded.stream_id, event.message_id)

    def _sent(self, recorded: Recorded, rows: Rows) -> None:
        if recorded.event.correlation_id:
            rows.add(_SET, "acknowledged", recorded.stream_id, recorded.event.correlation_id)
