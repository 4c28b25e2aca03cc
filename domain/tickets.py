"""A ticket: what an agent asks a person, open for days if need be. Its deadlines are wall time, not uptime: a
person's days go on while the machine is off.
"""

from itertools import accumulate

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.values import HelpPolicy, TicketKind, TicketStatus

__all__ = ["Approval", "Ticket"]


class Approval(msgspec.Struct, frozen=True):
    """What came of a request for approval. `expired`: nobody decided (it expired, or was cancelled), so it is neither
    granted nor denied. `note` is what the person said, or why nobody decided."""

    granted: bool
    note: str = ""
    expired: bool = False


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """One ticket. `reminders` is the number of the last reminder; one without a policy waits for ever."""

    kind: TicketKind = "help"
    status: TicketStatus = "open"
    requested_ms: int = 0
    policy: HelpPolicy = HelpPolicy()
    reminders: int = 0
    is_escalated: bool = False

    @property
    def is_open(self) -> bool:
        """Only an answer, an expiry or a cancel closes it."""
        return self.status == "open"

    @property
    def reminds_ms(self) -> int | None:
        """When its next reminder is due, UTC epoch milliseconds."""
        every = self.policy.remind_after_s
        if every is None:
            return None
        if isinstance(every, tuple):
            after = list(accumulate(every))
            return self._after(after[self.reminders]) if self.reminders < len(after) else None
        return self._after(every * (self.reminders + 1))

    @property
    def escalates_ms(self) -> int | None:
        """When it is due to be escalated."""
        return None if self.is_escalated else self._after(self.policy.escalate_after_s)

    @property
    def expires_ms(self) -> int | None:
        """When it expires."""
        return self._after(self.policy.expire_after_s)

    @property
    def due_ms(self) -> int | None:
        """When the next of these is due; None for a ticket that just waits, or is closed."""
        if not self.is_open:
            return None
        due = (self.reminds_ms, self.escalates_ms, self.expires_ms)
        return min((moment for moment in due if moment is not None), default=None)

    def overdue(self, help_id: str, now_ms: int) -> list[e.HelpReminded | e.HelpEscalated | e.HelpExpired]:
        """What has become due: an expiry alone, or one reminder (however many were missed) and an escalation."""
        if not self.is_open:
            return []
        if self.expires_ms is not None and now_ms >= self.expires_ms:
            return [e.HelpExpired(help_id)]
        found: list[e.HelpReminded | e.HelpEscalated | e.HelpExpired] = []
        if self.reminds_ms is not None and now_ms >= self.reminds_ms:
            found.append(e.HelpReminded(help_id, self._reminders_by(now_ms)))
        if self.escalates_ms is not None and now_ms >= self.escalates_ms:
            found.append(e.HelpEscalated(help_id, self.policy.escalate_to))
        return found

    def _reminders_by(self, now_ms: int) -> int:
        """The number of the last one that is due; above the last one that was recorded, also where seconds round."""
        elapsed_s = (now_ms - self.requested_ms) / 1000
        every = self.policy.remind_after_s
        if isinstance(every, tuple):
            return max(self.reminders + 1, sum(after <= elapsed_s for after in accumulate(every)))
        return max(self.reminders + 1, int(elapsed_s / every) if every else 0)

    def _after(self, seconds: float | None) -> int | None:
        return None if seconds is None else self.requested_ms + round(seconds * 1000)
