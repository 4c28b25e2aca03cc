"""What an agent's tickets lead to: answered, reminded of, escalated, expired, cancelled, or closed with their agent.

Its rule: a ticket is closed once, and its agent hears of it in the same commit, as a message that answers it.
"""

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent_state import AgentState
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.tickets import Approval, Ticket
from fleetlog.domain.values import OPERATOR, HelpPolicy, Message, Now, TicketKind

__all__ = ["age", "answer", "cancel", "closing_tickets", "requested"]

_USE = {
    "help": "is a request for help: answer it (answer_help, fleetlog answer)",
    "approval": "is a request for approval: decide it (decide_approval, fleetlog approve)",
}


def requested(policy: HelpPolicy | None, command: c.RequestHelp, now: Now) -> e.HelpRequested:
    """The ticket's first event; its policy's time begins now."""
    return e.HelpRequested(
        command.help_id,
        command.blocker,
        command.attempted,
        command.deadline_ms,
        command.index,
        command.kind,
        command.subject,
        policy,
        now.wall_ms if policy else 0,
    )


def answer(agent: AgentState, command: c.AnswerHelp | c.DecideApproval) -> list[e.AgentEvent]:
    """A person's answer, or decision; refused when the ticket is closed or of the other kind."""
    if isinstance(command, c.DecideApproval):
        _open(agent, command.help_id, "approval")
        answered = e.HelpAnswered(command.help_id, command.note, command.by, command.approve)
        said = msgspec.json.encode(Approval(command.approve, command.note)).decode()
    else:
        _open(agent, command.help_id, "help")
        answered = e.HelpAnswered(command.help_id, command.answer, command.by)
        said = command.answer
    return [answered, *_told(agent, command.help_id, "answer", command.by, said)]


def cancel(agent: AgentState, command: c.CancelHelp) -> list[e.AgentEvent]:
    """Nobody will answer any more, and the agent hears so."""
    _open(agent, command.help_id)
    said = f"the request was cancelled: {command.reason}" if command.reason else "the request was cancelled"
    cancelled = e.HelpCancelled(command.help_id, command.reason)
    return [cancelled, *_told(agent, command.help_id, "cancelled", OPERATOR, said, declined=True)]


def age(agent: AgentState, now: Now) -> list[e.AgentEvent]:
    """What has become due by now, of every open ticket."""
    events: list[e.AgentEvent] = []
    for help_id, ticket in agent.tickets.items():
        for event in ticket.overdue(help_id, now.wall_ms):
            events.append(event)
            if isinstance(event, e.HelpExpired):
                after = f"{ticket.policy.expire_after_s:g} seconds"
                said = f"the request expired: nobody answered within {after}"
                events += _told(agent, help_id, "expired", OPERATOR, said, declined=True)
    return events


def closing_tickets(agent: AgentState, events: list[e.AgentEvent]) -> list[e.AgentEvent]:
    """The events, and before the agent's end the end of its open tickets: nobody would use an answer any more."""
    end = _end_of_work(events[-1]) if events else ""
    if not end:
        return events
    cancelled = [e.HelpCancelled(help_id, f"its agent {end}") for help_id, _ in agent.open_tickets]
    return [*events[:-1], *cancelled, events[-1]]


def _end_of_work(event: e.AgentEvent) -> str:
    match event:
        case e.AgentReturned() | e.AgentCompleted(returned=True):
            return "has ended"
        case e.AgentFailed():
            return "has failed"
        case e.AgentCancelled():
            return "was cancelled"
        case e.AgentTimedOut():
            return "timed out"
        case _:
            return ""


def _open(agent: AgentState, help_id: str, kind: TicketKind | None = None) -> Ticket:
    """The ticket, if it is open, of this kind, and somebody would use what comes of it."""
    ticket = agent.tickets.get(help_id)
    if ticket is None:
        raise NotFound(f"No such help request: {help_id}")
    if kind is not None and ticket.kind != kind:
        raise NotAllowed(f"{help_id} {_USE[ticket.kind]}")
    if not ticket.is_open:
        state = "has expired" if ticket.status == "expired" else f"has been {ticket.status} already"
        raise NotAllowed(f"Help request {help_id} {state}")
    if not agent.can_run:  # a log of an older version, which did not close tickets with their agent
        raise NotAllowed(f"Help request {help_id}: agent {agent.id} is {agent.status}, nobody would use the answer")
    return ticket


def _told(
    agent: AgentState, help_id: str, how: str, by: str, said: str, *, declined: bool = False
) -> list[e.AgentEvent]:
    message = Message(f"{help_id}-{how}", by, "result", said, correlation_id=help_id, declined=declined)
    return [e.MessageDelivered(message)] if agent.is_reachable else []
