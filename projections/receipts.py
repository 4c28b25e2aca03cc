"""What did the recipients of a message say they have done with it?"""

from collections.abc import Mapping, Sequence

from fleetlog.domain import events as e
from fleetlog.projections.projection import Handler, Recorded, Rows

__all__ = ["Receipts"]

_INSERT = "INSERT OR IGNORE INTO receipts (message_id, agent_id, action, note, at_ms, position) VALUES (?,?,?,?,?,?)"


class Receipts:
    """One row for each message, recipient and action; acknowledging is the action `ack`."""

    name = "receipts"
    version = 1
    tables: Sequence[str] = ("receipts",)
    schema: Sequence[str] = (
        """CREATE TABLE receipts (
            message_id TEXT NOT NULL, agent_id TEXT NOT NULL, action TEXT NOT NULL, note TEXT NOT NULL,
            at_ms INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (message_id, agent_id, action)
        ) WITHOUT ROWID""",
    )

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {
            e.ReceiptGiven: lambda r, rows: self._add(r, rows, r.event.message_id, r.event.action, r.event.note),
            e.MessageAcknowledged: lambda r, rows: self._add(r, rows, r.event.message_id, "ack"),
            e.MessageSeen: self._seen,
            e.MessageSent: self._sent,
        }

    @staticmethod
    def _add(recorded: Recorded, rows: Rows, message_id: str, action: str, note: str = "") -> None:
        rows.add(_INSERT, message_id, recorded.stream_id, action, note, recorded.at_ms, recorded.position)

    def _seen(self, recorded: Recorded, rows: Rows) -> None:
        if recorded.event.acknowledged:
            self._add(recorded, rows, recorded.event.message_id, "ack")

    def _sent(self, recorded: Recorded, rows: Rows) -> None:
        """Answering a message acknowledges it."""
        if recorded.event.correlation_id:
            self._add(recorded, rows, recorded.event.correlation_id, "ack")
