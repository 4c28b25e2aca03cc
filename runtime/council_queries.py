"""Questions about councils and receipts, answered from their views."""

import sqlite3
from collections.abc import Sequence

import msgspec

from fleetlog.domain.council import CouncilStatus, Tally, tally_of
from fleetlog.domain.errors import NotFound
from fleetlog.domain.events import CouncilOpened
from fleetlog.runtime.views import Reader

__all__ = ["CouncilQueries", "CouncilRow", "ReceiptRow", "VoteRow"]


class VoteRow(msgspec.Struct, frozen=True):
    """A vote as it was cast; of one voter the last counts. `timestamp` is an epoch millisecond."""

    agent_id: str
    approve: bool
    note: str
    timestamp: int


class CouncilRow(msgspec.Struct, frozen=True):
    """A council: the proposal, its votes in the order they were cast, and the tally."""

    message_id: str
    fleet_id: str
    proposer: str
    subject: str
    payload: str
    status: CouncilStatus
    reason: str
    opened_at: int
    ended_at: int | None
    deadline: int | None
    silence_policy: str
    votes: tuple[VoteRow, ...]
    tally: Tally


class ReceiptRow(msgspec.Struct, frozen=True):
    """What a recipient has said of a message. `timestamp` is an epoch millisecond."""

    message_id: str
    agent_id: str
    action: str
    note: str
    timestamp: int


class CouncilQueries:
    """Any thread."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._reader.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def council(self, council_id: str) -> CouncilRow:
        """One council; raises `NotFound`."""
        rows = self._rows("SELECT * FROM councils WHERE council_id=?", (council_id,))
        if not rows:
            raise NotFound(f"No such ratification: {council_id}")
        return self._council(rows[0])

    def open_ids(self) -> list[str]:
        """The councils that are open, oldest first."""
        rows = self._rows("SELECT council_id FROM councils WHERE status='open' ORDER BY opened_ms, council_id")
        return [row["council_id"] for row in rows]

    def ended_since(self, council_ids: Sequence[str]) -> list[CouncilRow]:
        """Those of these that are open no more."""
        found = (self.council(council_id) for council_id in council_ids)
        return [council for council in found if council.status != "open"]

    def _council(self, row: sqlite3.Row) -> CouncilRow:
        opened = msgspec.msgpack.decode(row["opened"], type=CouncilOpened)
        votes = tuple(
            VoteRow(vote["agent_id"], bool(vote["approve"]), vote["note"], vote["cast_ms"])
            for vote in self._rows("SELECT * FROM votes WHERE council_id=? ORDER BY position", (row["council_id"],))
        )
        silent = msgspec.msgpack.decode(row["silent"], type=tuple[str, ...])
        counted = {**{vote.agent_id: vote.approve for vote in votes}, **dict.fromkeys(silent, True)}
        return CouncilRow(
            message_id=row["council_id"],
            fleet_id=row["fleet_id"],
            proposer=opened.proposer,
            subject=opened.subject,
            payload=opened.payload,
            status=row["status"],
            reason=row["reason"],
            opened_at=row["opened_ms"],
            ended_at=row["ended_ms"],
            deadline=row["deadline_ms"],
            silence_policy=opened.silence_policy,
            votes=votes,
            tally=tally_of(opened, counted, row["status"]),
        )

    def fleet_of_message(self, message_id: str) -> str:
        """The fleet in which a message was delivered; empty when there is no such message."""
        rows = self._rows("SELECT fleet_id FROM inbox WHERE message_id=? LIMIT 1", (message_id,))
        return rows[0]["fleet_id"] if rows else ""

    def receipts(self, message_id: str) -> list[ReceiptRow]:
        """The receipts of a message, oldest first; raises `NotFound`."""
        rows = self._rows("SELECT * FROM receipts WHERE message_id=? ORDER BY position, agent_id", (message_id,))
        if not rows and not self.fleet_of_message(message_id):
            raise NotFound(f"No such message: {message_id}")
        return [
            ReceiptRow(row["message_id"], row["agent_id"], row["action"], row["note"], row["at_ms"]) for row in rows
        ]
