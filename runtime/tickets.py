"""What people are asked, and what they say: the tickets of the facade."""

import secrets

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.values import OPERATOR, stamp_of
from fleetlog.runtime import arguments
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.replies import HelpReply

__all__ = ["Tickets"]


class Tickets(Changes):
    """The part of `Runtime` that is between agents and people. Any thread."""

    def request_help(
        self,
        agent_id: str,
        blocker: str,
        *,
        attempted: str = "",
        deadline: int | None = None,
        idempotency_key: str | None = None,
    ) -> HelpReply:
        """Ask a person on behalf of an agent; the answer reaches it as a message. `deadline` is an epoch
        millisecond, for people to see."""
        checks.text("blocker", blocker, empty=False)
        checks.text("attempted", attempted)
        if deadline is not None:
            checks.integer("deadline", deadline)
        help_id = f"help-{stamp_of(arguments.agent_id(agent_id))}-{secrets.token_hex(4)}"
        command = c.RequestHelp(help_id, blocker, attempted, deadline)
        given = (agent_id, blocker, attempted, deadline)
        return self._change(
            "request_help",
            agent_id,
            command,
            given,
            HelpReply,
            lambda _: HelpReply(help_id),
            idempotency_key,
        )

    def answer_help(
        self, help_id: str, answer: str, *, by: str = OPERATOR, idempotency_key: str | None = None
    ) -> HelpReply:
        """Answer a request for help; the agent gets it in the same commit. Refused for a ticket that is closed, or
        asks for approval."""
        command = c.AnswerHelp(help_id, checks.payload(answer), checks.identifier("by", by))
        return self._change_ticket("answer_help", help_id, command, idempotency_key)

    def decide_approval(
        self, help_id: str, approve: bool, note: str = "", *, by: str = OPERATOR, idempotency_key: str | None = None
    ) -> HelpReply:
        """Decide about an action an agent asks approval of; it hears so in the same commit."""
        approve = checks.flag("approve", approve)
        checks.text("note", note, max_chars=10_000)
        command = c.DecideApproval(help_id, approve, note, checks.identifier("by", by))
        return self._change_ticket("decide_approval", help_id, command, idempotency_key)

    def cancel_help(self, help_id: str, reason: str = "", *, idempotency_key: str | None = None) -> HelpReply:
        """Close a ticket, of either kind, without an answer; its agent hears so and goes on."""
        command = c.CancelHelp(help_id, arguments.reason(reason))
        return self._change_ticket("cancel_help", help_id, command, idempotency_key)

    def _change_ticket(
        self, operation: str, help_id: str, command: c.AgentCommand, idempotency_key: str | None
    ) -> HelpReply:
        self._catch_up()
        agent_id = self._parts.queries.help_agent(help_id)
        return self._change(
            operation, agent_id, command, command, HelpReply, lambda _: HelpReply(help_id), idempotency_key
        )
