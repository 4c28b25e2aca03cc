"""Questions about discussions, answered from their view."""

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.discussion import Discussion, DiscussionStatus, message_id_of
from fleetlog.domain.errors import NotFound
from fleetlog.runtime.council_queries import CouncilQueries, ReceiptRow
from fleetlog.runtime.views import Reader

__all__ = ["AttemptRow", "DiscussionPolicy", "DiscussionQueries", "DiscussionRow", "SaidRow"]


class DiscussionPolicy(msgspec.Struct, frozen=True):
    """The bounds of a discussion, and between whom it is."""

    asker: str
    peer: str
    fleet_id: str
    max_turns: int
    timeout_s: float
    turn_timeout_s: float


class SaidRow(msgspec.Struct, frozen=True):
    """A message of a discussion. `payload` is the JSON text that was said; `timestamp` an epoch millisecond."""

    message_id: str
    from_agent_id: str
    to_agent_id: str
    type: str
    payload: str
    reply_to_message_id: str
    timestamp: int
    receipts: tuple[ReceiptRow, ...] = ()


class AttemptRow(msgspec.Struct, frozen=True):
    """A turn that was reserved: `active`, `replied`, or `lost` (its time was over, or the discussion's)."""

    attempt_id: str
    agent_id: str
    head_message_id: str
    status: str
    reserved_at: int
    reply_message_id: str
    replied_at: int | None


class DiscussionRow(msgspec.Struct, frozen=True):
    """A discussion. `invalid`, with findings, is one whose record does not fit together: it is not to be relied on."""

    discussion_id: str
    policy: DiscussionPolicy
    status: DiscussionStatus
    turns_used: int
    head_message_id: str
    transcript: tuple[SaidRow, ...]
    attempts: tuple[AttemptRow, ...]
    integrity_findings: tuple[str, ...]


class DiscussionQueries:
    """Any thread."""

    def __init__(self, reader: Reader, councils: CouncilQueries) -> None:
        self._reader, self._councils = reader, councils
        self._decoder = msgspec.msgpack.Decoder(e.DiscussionEvent)

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._reader.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def open_ids(self) -> list[str]:
        """The discussions that have not ended, oldest first."""
        rows = self._rows("SELECT discussion_id FROM discussions WHERE ended=0 ORDER BY discussion_id")
        return [row["discussion_id"] for row in rows]

    def discussion(self, discussion_id: str, *, with_receipts: bool = True) -> DiscussionRow:
        """One discussion; raises `NotFound`."""
        rows = self._rows(
            "SELECT at_ms, event FROM discussion_events WHERE discussion_id=? ORDER BY position", (discussion_id,)
        )
        if not rows:
            raise NotFound(f"No such discussion: {discussion_id}")
        folded = _Folded(discussion_id)
        for row in rows:
            folded.take(self._decoder.decode(row["event"]), row["at_ms"])
        shown = folded.row()
        if not with_receipts:
            return shown
        said = tuple(msgspec.structs.replace(one, receipts=self._receipts(one.message_id)) for one in shown.transcript)
        return msgspec.structs.replace(shown, transcript=said)

    def _receipts(self, message_id: str) -> tuple[ReceiptRow, ...]:
        try:
            return tuple(self._councils.receipts(message_id))
        except NotFound:  # it is on its way to the inbox
            return ()


class _Folded:
    """A discussion's events as rows."""

    def __init__(self, discussion_id: str) -> None:
        self.state = Discussion(discussion_id)
        self.said: list[SaidRow] = []
        self.attempts: dict[str, AttemptRow] = {}
        self.findings: list[str] = []

    def take(self, event: Any, at_ms: int) -> None:
        state = self.state
        match event:
            case e.DiscussionOpened():
                first = message_id_of(state.id, 1)
                self.said.append(SaidRow(first, event.asker, event.peer, "question", event.payload, "", at_ms))
            case e.TurnReserved():
                if event.agent_id != state.whose_turn or event.head_message_id != state.head or state.active:
                    self.findings.append(f"attempt {event.attempt_id} was reserved out of turn")
                self.attempts[event.attempt_id] = AttemptRow(
                    event.attempt_id, event.agent_id, event.head_message_id, "active", at_ms, "", None
                )
            case e.TurnReplied():
                self._replied(event, at_ms)
        if state.ended is not None:
            self.findings.append(f"{e.stored_name(type(event))} after its end")
        state.evolve(event)

    def _replied(self, event: e.TurnReplied, at_ms: int) -> None:
        attempt = self.attempts[event.attempt_id]
        if attempt.reply_message_id:
            self.findings.append(f"attempt {event.attempt_id} has replied twice")
        self.attempts[event.attempt_id] = msgspec.structs.replace(
            attempt, status="replied", reply_message_id=event.message_id, replied_at=at_ms
        )
        opened = self.state.opened
        assert opened is not None
        to = opened.asker if attempt.agent_id == opened.peer else opened.peer
        head = attempt.head_message_id
        self.said.append(SaidRow(event.message_id, attempt.agent_id, to, event.type, event.payload, head, at_ms))

    def row(self) -> DiscussionRow:
        opened = self.state.opened
        assert opened is not None
        policy = DiscussionPolicy(
            opened.asker, opened.peer, opened.fleet_id, opened.max_turns, opened.timeout_s, opened.turn_timeout_s
        )
        attempts = [
            msgspec.structs.replace(one, status="lost") if one.status == "active" and self.state.ended else one
            for one in self.attempts.values()
        ]
        return DiscussionRow(
            self.state.id,
            policy,
            "invalid" if self.findings else self.state.status,
            len(attempts),
            self.state.head,
            tuple(self.said),
            tuple(attempts),
            tuple(self.findings),
        )
