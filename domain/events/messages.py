"""What an agent was told, has said, and asks of people."""

from fleetlog.domain.events.fact import Fact
from fleetlog.domain.values import HelpPolicy, Message, TicketKind

__all__ = [
    "HelpAnswered",
    "HelpCancelled",
    "HelpEscalated",
    "HelpExpired",
    "HelpReminded",
    "HelpRequested",
    "MessageAcknowledged",
    "MessageDelivered",
    "MessageSeen",
    "MessageSent",
    "ReceiptGiven",
]


class MessageDelivered(Fact, frozen=True, tag="message.delivered"):
    """The message is in this agent's inbox."""

    message: Message


class MessageSent(Fact, frozen=True, tag="message.sent"):
    """The agent's step `index` sent a message; every recipient had it before this was recorded.
    `to_operator` is the text, where the recipient is the operator, who has no inbox."""

    index: int
    name: str
    message_id: str
    recipients: int
    correlation_id: str = ""
    to_operator: str = ""


class MessageSeen(Fact, frozen=True, tag="message.seen"):
    """The agent's step `index` took the message from the inbox."""

    index: int
    name: str
    message_id: str
    acknowledged: bool = False


class MessageAcknowledged(Fact, frozen=True, tag="message.acknowledged"):
    message_id: str


class ReceiptGiven(Fact, frozen=True, tag="message.receipt_given"):
    """The agent says what it has done with a message it was sent."""

    message_id: str
    action: str
    note: str = ""


class HelpRequested(Fact, frozen=True, tag="help.requested"):
    """A person is asked: a ticket is open. `index` is the step that asked, or -1 when it came from outside. Of an
    approval, `subject` is the exact action as JSON. `requested_ms` is when its `policy` began, if it has one."""

    help_id: str
    blocker: str
    attempted: str = ""
    deadline_ms: int | None = None
    index: int = -1
    kind: TicketKind = "help"
    subject: str = ""
    policy: HelpPolicy | None = None
    requested_ms: int = 0


class HelpAnswered(Fact, frozen=True, tag="help.answered"):
    """`granted` is the decision about an approval."""

    help_id: str
    answer: str
    by: str
    granted: bool | None = None


class HelpReminded(Fact, frozen=True, tag="help.reminded"):
    """The ticket is still open after its `number`-th interval; of those that were missed only the last is said."""

    help_id: str
    number: int


class HelpEscalated(Fact, frozen=True, tag="help.escalated"):
    help_id: str
    to: str


class HelpExpired(Fact, frozen=True, tag="help.expired"):
    """Nobody answered in time: the ticket is closed."""

    help_id: str


class HelpCancelled(Fact, frozen=True, tag="help.cancelled"):
    """The ticket is closed without an answer: by a person, or with its agent."""

    help_id: str
    reason: str = ""
