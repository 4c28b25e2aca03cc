"""The rows of answers: what a query tells of a fleet, an agent, a message. Times are UTC epoch milliseconds."""

import sqlite3
from typing import Any

import msgspec

from fleetlog.domain.tickets import Ticket
from fleetlog.domain.values import Budget, HelpPolicy, Usage
from fleetlog.runtime.access.principal import Scope

__all__ = [
    "INBOX_COLUMNS",
    "AgentRow",
    "CallRow",
    "DoubtRow",
    "FleetRow",
    "HelpRow",
    "InboxMessage",
    "LeaseRow",
    "ResultRow",
    "TicketNotice",
    "TimelineEntry",
    "TokenRow",
    "help_row",
]


class FleetRow(msgspec.Struct, frozen=True):
    """A fleet. Times are UTC epoch milliseconds. `agents` counts its agents by status. `stuck` is who waited for whom
    when it was last found stuck, at `stuck_at`; `spent` is what their paid calls have used, `pause_reason` why it is
    paused, if it is. `closed`: nobody can be attached any more."""

    id: str
    name: str
    status: str
    goal: str
    workspace: str
    reason: str
    created_at: int
    completed_at: int | None
    timeout_s: float | None
    max_concurrency: int | None
    keep_open: bool
    archived: bool
    agent_count: int
    agents: dict[str, int]
    spent: Usage = Usage()
    budget: Budget | None = None
    pause_reason: str = ""
    stuck: str = ""
    stuck_at: int | None = None
    closed: bool = False

    @property
    def stays_open(self) -> bool:
        """It does not end with its last agent."""
        return self.keep_open and not self.closed


class LeaseRow(msgspec.Struct, frozen=True):
    """Who works an external agent's mailbox: `client` since then, `last_seen` at its last call (as far as this runtime
    knows), `alive` while that is no longer ago than `ttl_s`."""

    lease_id: str
    client: str
    ttl_s: float
    since: int
    last_seen: int | None
    alive: bool


class AgentRow(msgspec.Struct, frozen=True):
    """An agent. `retry_count` is how many of its attempts failed, `resumptions` how often a run that had
    been cut off went on."""

    id: str
    fleet_id: str
    name: str
    role: str
    prompt: str
    brain: str
    agent_file: str
    status: str
    error: str
    created_at: int
    started_at: int | None
    completed_at: int | None
    retry_count: int
    resumptions: int
    steps: int
    progress: str
    fraction: float | None
    waiting_for: str
    spent: Usage = Usage()
    budget: Budget | None = None
    pause_reason: str = ""
    lease: LeaseRow | None = None


class CallRow(msgspec.Struct, frozen=True):
    """A paid call: `open` (with the most it can use), `completed`, `released` (it cost nothing) or `lost` (cut off:
    counted with what is known, or with the most it can have used)."""

    agent_id: str
    name: str
    number: int
    step: int
    step_name: str
    state: str
    usage: Usage
    started_at: int
    ended_at: int | None


class TicketNotice(msgspec.Struct, frozen=True):
    """What people are told of a ticket: it was `opened`, they are `reminded`, or it was `escalated`. `position` is the
    event's place in the log; `ticket` is as it is now."""

    what: str
    position: int
    ticket: "HelpRow"


class InboxMessage(msgspec.Struct, frozen=True):
    """A message in an agent's inbox. `state` is queued, seen or acknowledged; `position` is its delivery's place in
    the log."""

    id: str
    fleet_id: str
    from_agent_id: str
    to_agent_id: str
    type: str
    payload: str
    correlation_id: str
    broadcast_size: int
    timestamp: int
    state: str
    position: int = 0


class ResultRow(msgspec.Struct, frozen=True):
    """How an agent has ended. `output` is what it submitted."""

    agent_id: str
    name: str
    role: str
    status: str
    output: Any
    error: str
    completed_at: int | None


class HelpRow(msgspec.Struct, frozen=True):
    """A ticket: what a person is asked. `kind` is help or approval, `status` open, answered, expired or cancelled.
    Of an approval, `blocker` is the action, `subject` the exact call as JSON, `attempted` the reason, `granted` the
    decision and `answer` its note. While it is open, `reminds_at`, `escalates_at` and `expires_at` are what is due."""

    help_id: str
    agent_id: str
    fleet_id: str
    blocker: str
    attempted: str
    deadline: int | None
    status: str
    requested_at: int
    answer: str | None
    by: str | None
    answered_at: int | None
    kind: str = "help"
    subject: str = ""
    granted: bool | None = None
    reminders: int = 0
    escalated_to: str = ""
    escalated_at: int | None = None
    reason: str = ""
    closed_at: int | None = None
    reminds_at: int | None = None
    escalates_at: int | None = None
    expires_at: int | None = None
    policy: HelpPolicy = HelpPolicy()


class DoubtRow(msgspec.Struct, frozen=True):
    """A step of which it is not known whether it was done, waiting for a person's decision."""

    agent_id: str
    fleet_id: str
    step: int
    name: str
    since: int


class TimelineEntry(msgspec.Struct, frozen=True):
    """One event in one line. `what` is its stored name."""

    position: int
    fleet_id: str
    agent_id: str
    at: int
    what: str
    by: str
    summary: str


class TokenRow(msgspec.Struct, frozen=True):
    """A token. `forgeries` counts the calls its bearer was refused as somebody else, as far as they were recorded;
    `digest` is the SHA-256 of its secret."""

    token_id: str
    scope: Scope
    agent_id: str
    label: str
    issued_at: int
    expires_at: int | None
    revoked_at: int | None
    forgeries: int
    digest: str


def help_row(row: sqlite3.Row) -> HelpRow:
    """A ticket as the view holds it, with what is due."""
    policy = msgspec.json.decode(row["policy"], type=HelpPolicy)
    is_escalated = row["escalated_ms"] is not None
    ticket = Ticket(row["kind"], row["status"], row["requested_ms"], policy, row["reminders"], is_escalated)
    return HelpRow(
        help_id=row["help_id"],
        agent_id=row["agent_id"],
        fleet_id=row["fleet_id"],
        blocker=row["blocker"],
        attempted=row["attempted"],
        deadline=row["deadline_ms"],
        status=row["status"],
        requested_at=row["requested_ms"],
        answer=row["answer"],
        by=row["by"],
        answered_at=row["answered_ms"],
        kind=row["kind"],
        subject=row["subject"],
        granted=None if row["granted"] is None else bool(row["granted"]),
        reminders=row["reminders"],
        escalated_to=row["escalated_to"],
        escalated_at=row["escalated_ms"],
        reason=row["reason"],
        closed_at=row["closed_ms"],
        reminds_at=ticket.reminds_ms if ticket.is_open else None,
        escalates_at=ticket.escalates_ms if ticket.is_open else None,
        expires_at=ticket.expires_ms if ticket.is_open else None,
        policy=policy,
    )


INBOX_COLUMNS = "message_id,sender,type,payload,correlation_id,broadcast_size,sent_ms,state,position"
"""Of the view `inbox`, in the order of `InboxMessage`'s fields, without the two that an agent's messages share."""
