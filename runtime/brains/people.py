"""What a brain asks people: help, and approval of an exact action. The asking half of a brain's context."""

from typing import Any

import msgspec

from fleetlog.domain import checks, errors
from fleetlog.domain import commands as c
from fleetlog.domain.agent import StepRecord
from fleetlog.domain.tickets import Approval
from fleetlog.domain.values import Message, TicketKind, stamp_of

__all__ = ["AsksPeople"]


class AsksPeople:
    """Opens tickets as recorded steps, and waits for what comes of them. `Context` has the steps."""

    _index: int

    @property
    def agent_id(self) -> str:
        raise NotImplementedError

    @property
    def name(self) -> str:
        raise NotImplementedError

    def _next(self, name: str, effect: str) -> tuple[int, StepRecord | None]:
        raise NotImplementedError

    def _recorded(self, command: c.RunCommand) -> StepRecord:
        raise NotImplementedError

    def _value(self, record: StepRecord, index: int) -> Any:
        raise NotImplementedError

    def _take(
        self,
        name: str,
        types: tuple[str, ...],
        sender_id: str,
        correlation_id: str,
        timeout_s: float | None,
        *,
        acknowledge: bool = False,
    ) -> Message | None:
        raise NotImplementedError

    def request_help(self, blocker: str, attempted: str = "", timeout_s: float | None = None) -> str | None:
        """Ask a person and wait durably, holding no thread, for days if need be; the answer's text. None when nobody
        answers: `timeout_s` seconds of uptime have passed (the ticket stays open), or the ticket has expired by the
        agent's `help_policy` or was cancelled."""
        help_id = self.open_ticket(blocker, attempted)
        answer = self._take(f"answer to {help_id}", (), "", help_id, timeout_s, acknowledge=True)
        return None if answer is None or answer.declined else answer.payload

    def request_approval(self, action: str, subject: Any, reason: str = "") -> Approval:
        """Ask a person whether to do exactly this, and wait durably for the decision, holding no thread. `subject`
        is what would be done (a tool's name and arguments): anything JSON can hold, up to 64 KiB."""
        help_id = self.open_approval(action, subject, reason)
        answer = self._take(f"decision about {help_id}", (), "", help_id, None, acknowledge=True)
        assert answer is not None  # there is no time-out
        if answer.declined:
            return Approval(granted=False, note=answer.payload, expired=True)
        return msgspec.json.decode(answer.payload, type=Approval)

    def open_ticket(self, blocker: str, attempted: str = "") -> str:
        """Ask a person without waiting; the ticket's id. What comes of it comes as a message that is correlated with
        it: the answer as its payload, or `declined` when it expired or was cancelled."""
        checks.text("blocker", blocker, empty=False)
        return self._open("help", blocker, attempted)

    def open_approval(self, action: str, subject: Any, reason: str = "") -> str:
        """As `request_approval`, without waiting; the ticket's id. The message that is correlated with it has an
        `Approval` as its payload, in JSON, or is `declined` when nobody decided."""
        checks.text("action", action, max_chars=200, empty=False)
        checks.text("reason", reason)
        return self._open("approval", action, reason, _as_json("subject", subject))

    def _open(self, kind: TicketKind, blocker: str, attempted: str, subject: str = "") -> str:
        index = self._index
        help_id = f"help-{stamp_of(self.agent_id)}-{self.name}-{index}"
        _, record = self._next(f"request_{kind} {help_id}", "idempotent")
        if record is None:
            command = c.RequestHelp(help_id, blocker, attempted, index=index, kind=kind, subject=subject)
            record = self._recorded(command)
        self._value(record, index)
        return help_id


def _as_json(field: str, value: Any) -> str:
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise errors.InvalidArgument(f"'{field}' cannot be shown as JSON: {error}") from error
    return checks.text(field, text, max_chars=checks.MAX_PAYLOAD_BYTES)
