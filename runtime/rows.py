"""The rows of answers: what a query tells of a fleet, an agent, a message. Times are UTC epoch milliseconds."""

from typing import Any

import msgspec

from fleetlog.domain.values import Budget, Usage

__all__ = ["AgentRow", "CallRow", "DoubtRow", "FleetRow", "HelpRow", "InboxMessage", "ResultRow", "TimelineEntry"]


class FleetRow(msgspec.Struct, frozen=True):
    """A fleet. Times are UTC epoch milliseconds. `agents` counts its agents by status; `spent` is what their paid calls
    have used, `pause_reason` why it is paused, if it is."""

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


class InboxMessage(msgspec.Struct, frozen=True):
    """A message in an agent's inbox. `state` is queued, seen or acknowledged."""

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
    """A request for a person. `status` is open, answered or closed (its agent has ended)."""

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
