"""Tools between agents and people: tickets, approvals, steps in doubt."""

from typing import Annotated, Any

from msgspec import Meta

from fleetlog.domain.values import OPERATOR, TicketStatus
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Moment, Reading, Text, Tool, check_fleet, moment_ms

__all__ = ["people_tools"]


class RequestHelp(Changing, frozen=True, kw_only=True):
    agent_id: Text
    fleet_id: Text
    blocker: Annotated[Text, Meta(description="What it cannot do by itself.")]
    attempted: Annotated[str, Meta(description="What it has tried.")] = ""
    deadline: Annotated[Moment | None, Meta(description="By when an answer helps.")] = None


class ListTickets(Reading, frozen=True, kw_only=True):
    fleet_id: Annotated[str, Meta(min_length=1)] | None = None
    status: TicketStatus | None = None


class AnswerHelp(Changing, frozen=True, kw_only=True):
    help_id: Text
    answer: Text
    by: Text


class DecideApproval(Changing, frozen=True, kw_only=True):
    help_id: Text
    approve: bool
    note: str = ""
    by: Text = OPERATOR


class ListDoubts(Reading, frozen=True, kw_only=True):
    fleet_id: Annotated[str, Meta(min_length=1)] | None = None


class ResolveDoubt(Changing, frozen=True, kw_only=True):
    agent_id: Text
    outcome: Annotated[Text, Meta(description="done: it was done, with `value`; retry: it is to be made again.")]
    value: Any = None
    by: Text = OPERATOR


def people_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _request(door: Door, given: RequestHelp) -> object:
    check_fleet(given.agent_id, given.fleet_id)
    deadline = moment_ms("request_help", "deadline", given.deadline)
    reply = door.request_help(
        given.agent_id,
        given.blocker,
        attempted=given.attempted,
        deadline=deadline,
        idempotency_key=given.idempotency_key,
    )
    return {"help_id": reply.help_id}


def _tickets(door: Door, given: ListTickets, kind: str) -> object:
    found = door.list_help(given.fleet_id, given.status, kind=kind).requests
    return {"count": len(found), "requests": found}


def _answer(door: Door, given: AnswerHelp) -> object:
    door.answer_help(given.help_id, given.answer, by=given.by, idempotency_key=given.idempotency_key)
    return {"ok": True, "help_id": given.help_id}


def _decide(door: Door, given: DecideApproval) -> object:
    door.decide_approval(given.help_id, given.approve, given.note, by=given.by, idempotency_key=given.idempotency_key)
    return {"ok": True, "help_id": given.help_id, "approved": given.approve}


def _doubts(door: Door, given: ListDoubts) -> object:
    found = door.doubts(given.fleet_id)
    return {"count": len(found), "doubts": found}


def _resolve(door: Door, given: ResolveDoubt) -> object:
    door.resolve_doubt(given.agent_id, given.outcome, given.value, by=given.by, idempotency_key=given.idempotency_key)
    return {"ok": True, "agent_id": given.agent_id, "outcome": given.outcome}


_READS = Hints(reads=True, repeats=True)
_TOOLS = (
    Tool(
        "request_help",
        "Ask a person. A ticket stays open until it is answered, expires or is cancelled; the answer is a message.",
        RequestHelp,
        _request,
        acting="agent_id",
    ),
    Tool("list_help", "List tickets, oldest first.", ListTickets, lambda d, g: _tickets(d, g, "help"), _READS),
    Tool("answer_help", "Answer a ticket; the agent gets the answer as a message.", AnswerHelp, _answer),
    Tool(
        "list_approvals",
        "List the actions agents ask approval of.",
        ListTickets,
        lambda door, given: _tickets(door, given, "approval"),
        _READS,
    ),
    Tool("decide_approval", "Approve or deny an action an agent asks approval of.", DecideApproval, _decide),
    Tool("list_doubts", "List steps a crash left in doubt: done or not?", ListDoubts, _doubts, _READS),
    Tool("resolve_doubt", "Decide about the step in doubt an agent waits with.", ResolveDoubt, _resolve),
)
