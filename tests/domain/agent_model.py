"""What an agent should be like, said again in fewer words: a tape of steps, an inbox, a life. And the laws of its log.

Independent of the code it judges: it imports events and values, never the aggregate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.values import AgentSpec, Message

__all__ = ["AgentModel", "check_log"]


class Mark(NamedTuple):
    """A step on the tape; `state` is open, doubted, done or undone (failed, or a rejected result)."""

    state: str
    name: str


@dataclass
class Paper:
    """A ticket: opened at a moment of the wall clock, in seconds; `told` counts reminders."""

    kind: str
    opened_s: float
    closed: str = ""
    told: int = 0
    is_escalated: bool = False


@dataclass
class Call:
    """A paid call that is under way; it may cost up to `bound` nano-dollars."""

    index: int
    name: str
    bound: int


class AgentModel:
    """The machine tells it what was accepted; it says what must come of the next command."""

    def __init__(self, spec: AgentSpec) -> None:
        self.spec = spec
        self.tape: list[Mark] = []
        self.inbox: dict[str, Message] = {}
        self.seen: set[str] = set()
        self.acknowledged: set[str] = set()
        self.tickets: dict[str, Paper] = {}
        self.abandoned = 0
        self.end = ""
        self.works = True
        self.has_begun = False
        self.asked: c.TakeMessage | None = None
        self.asked_until: float | None = None
        self.in_doubt = False
        self.retry_at: float | None = None
        self.call: Call | None = None
        self.calls = self.spent = 0
        self.limit = spec.budget.cost_nusd if spec.budget else None
        self.pause = ""
        self.lacks = 0
        """The bound of the call that it was paused for."""
        self.failures = self.rejections = self.cuts = self.reports = 0

    # --- what holds ----------------------------------------------------------------------------

    @property
    def hears(self) -> bool:
        return self.end in ("", "complete")

    @property
    def unread(self) -> list[Message]:
        return [message for id, message in self.inbox.items() if id not in self.seen | self.acknowledged]

    @property
    def open_questions(self) -> list[str]:
        asked = (m for m in self.inbox.values() if m.type == "question" and not m.broadcast_size)
        return [message.id for message in asked if message.id not in self.acknowledged]

    def statuses(self) -> set[str]:
        """Which may be shown; a late step shows one that backs off running (`test_agent_machine`, last test)."""
        if self.end:
            return {self.end}
        if not self.has_begun:
            return {"pending"}
        if self.retry_at is not None:
            return {"waiting", "running"}
        return {"waiting"} if self.asked or self.in_doubt else {"running"}

    @property
    def open_tickets(self) -> list[str]:
        return [id for id, paper in self.tickets.items() if not paper.closed]

    def is_still(self) -> str:
        """Only a peer's message could move it; nothing that it asked for itself is on its way."""
        if self.end == "complete" and not self.works:
            return "idle"
        waits = self.works and self.asked is not None and self.asked_until is None and self.retry_at is None
        if (
            not waits
            or self.pause
            or self.open_tickets
            or not self.spec.brain
            or (self.asked and self.fitting(self.asked))
        ):
            return ""
        return "idle" if self.end else "waiting"

    def overdue(self, id: str, wall_s: float) -> list[type]:
        """What is to be recorded of a ticket now."""
        paper, policy = self.tickets[id], self.spec.help_policy
        if paper.closed or policy is None:
            return []
        age_s = round(wall_s - paper.opened_s, 6)
        if policy.expire_after_s is not None and age_s >= policy.expire_after_s:
            return [e.HelpExpired, *([e.MessageDelivered] if self.hears else [])]
        is_late = policy.escalate_after_s is not None and age_s >= policy.escalate_after_s
        told = [e.HelpReminded] if self.reminders(age_s) > paper.told else []
        return [*told, *([e.HelpEscalated] if is_late and not paper.is_escalated else [])]

    def reminders(self, age_s: float) -> int:
        every = self.spec.help_policy.remind_after_s if self.spec.help_policy else None
        if isinstance(every, tuple):
            return sum(age_s >= sum(every[: number + 1]) for number in range(len(every)))
        return 0 if every is None else int(round(age_s / every, 6))

    def is_due(self, now_s: float) -> bool:
        if not self.works or self.pause or (self.retry_at is None and self.in_doubt):
            return False
        if self.retry_at is not None:
            return now_s >= self.retry_at
        return self.asked is None or self.fitting(self.asked) is not None

    def fitting(self, take: c.TakeMessage) -> Message | None:
        """The oldest unread message that the agent asks for."""
        wanted: tuple[tuple[Any, Callable[[Message], bool]], ...] = (
            (take.types, lambda message: message.type in take.types),
            (take.sender, lambda message: message.sender == take.sender),
            (take.correlation_id, lambda message: message.correlation_id == take.correlation_id),
        )
        return next((m for m in self.unread if all(fits(m) for given, fits in wanted if given)), None)

    def may_write(self, index: int) -> bool:
        """A new step stands right behind the last one, which is not open."""
        is_inside = bool(self.tape) and self.tape[-1].state == "open"
        return self.works and index == len(self.tape) and not is_inside and not self.call

    def may_end(self, index: int, name: str) -> bool:
        """A step is written whole, or ends the one that was begun under its name."""
        begun = self.tape[-1:] in ([Mark("open", name)], [Mark("doubted", name)])
        return self.may_write(index) or (self.works and begun and index == len(self.tape) - 1 and not self.call)

    def admits(self, bound: int, limit: int | None) -> bool:
        return limit is None or self.spent + bound <= limit

    # --- what happens --------------------------------------------------------------------------

    def write(self, index: int, state: str, name: str) -> None:
        self.tape[index:] = [Mark(state, name)]
        self.cuts = 0
        self.wait_over()

    def wait_over(self) -> None:
        self.asked, self.asked_until, self.in_doubt = None, None, False

    def stop(self, end: str) -> None:
        """Its function does no more; `end` is what it ended as."""
        self.end, self.works, self.retry_at = end, False, None
        for id in self.open_tickets:
            self.tickets[id].closed = "cancelled"
        if self.call:
            self.end_call(self.call.bound)
        self.wait_over()

    def end_call(self, cost: int) -> None:
        self.calls, self.spent, self.call = self.calls + 1, self.spent + cost, None

    def fail_attempt(self, retry_at: float) -> None:
        """The steps that failed last are made again by the next attempt."""
        self.failures, self.retry_at, self.has_begun = self.failures + 1, retry_at, True
        self.wait_over()
        while self.tape and self.tape[-1].state == "undone":
            self.tape.pop()


_OF_THE_DEAD = (e.MessageDelivered, e.MessageAcknowledged)
_ENDS = (e.AgentFailed, e.AgentCancelled, e.AgentTimedOut)
_OF_CALLS = (e.CallStarted, e.CallReleased, e.CallLost)
_WHOLE: dict[Any, str] = {
    e.StepStarted: "open",
    e.StepCompleted: "done",
    e.StepFailed: "undone",
    e.MessageSent: "done",
    e.MessageSeen: "done",
    e.WaitTimedOut: "done",
    e.WaitAbandoned: "done",
    e.HelpRequested: "done",
    e.AgentCompleted: "done",
    e.AgentResultRejected: "undone",
}
_OVER_OPEN: dict[Any, str] = {e.StepCompleted: "done", e.StepFailed: "undone", e.StepDoubted: "doubted"}


def check_log(events: Sequence[Any], spec: AgentSpec) -> None:
    """The laws that hold of every agent's log, whatever it was told."""
    kinds = [type(event) for event in events]
    assert kinds[0] is e.AgentSpawned
    assert kinds.count(e.AgentSpawned) == 1
    assert kinds.count(e.AgentStarted) <= 1
    assert kinds.count(e.AgentCompleted) + sum(kinds.count(end) for end in _ENDS) <= 1, "it ended twice"
    assert kinds.count(e.AgentReturned) <= kinds.count(e.AgentCompleted)
    assert kinds.count(e.AgentResultRejected) <= spec.max_rejections + 1
    attempts = [event.attempt for event in events if isinstance(event, e.AgentAttemptFailed)]
    assert attempts == list(range(1, len(attempts) + 1))
    assert len(attempts) < spec.max_attempts
    _check_end(events)
    _check_tape(events)
    _check_messages(events)
    _check_tickets(events)
    _check_interruptions(events, spec)
    _check_calls(events)


def _check_end(events: Sequence[Any]) -> None:
    """Behind its last act stands nothing but what others did."""
    is_over = False
    for event in events:
        assert not is_over or isinstance(event, _OF_THE_DEAD), f"{event} after its end"
        is_over |= isinstance(event, (*_ENDS, e.AgentReturned)) or getattr(event, "returned", False)


def _check_calls(events: Sequence[Any]) -> None:
    """Each has the next number, and ends once: by what is recorded of it, or with its agent."""
    started, under_way = 0, False
    for event in events:
        if isinstance(event, e.CallStarted):
            assert (event.number, under_way) == (started + 1, False)
            started, under_way = started + 1, True
        elif isinstance(event, (e.CallReleased, e.CallLost)) or getattr(event, "usage", None) is not None:
            assert under_way, f"{event} ends no call"
            under_way = False
        else:
            under_way &= not isinstance(event, (*_ENDS, e.AgentReturned))


def _check_tape(events: Sequence[Any]) -> None:
    tape: list[str] = []
    for event in events:
        kind, index = type(event), getattr(event, "index", -1)
        if kind is e.AgentAttemptFailed:
            while tape and tape[-1] == "undone":
                tape.pop()
        elif kind is e.StepDoubtResolved:
            assert tape[index:] == ["doubted"]
            tape[index:] = ["done"] if event.outcome == "done" else []
        elif kind in _WHOLE and index == len(tape):
            assert tape[-1:] != ["open"], f"{event} inside an open step"
            tape.append(_WHOLE[kind])
        elif kind in _WHOLE or kind is e.StepDoubted:
            if kind is e.HelpRequested and index < 0:
                continue
            assert index == len(tape) - 1, f"{event} leaves a gap or goes back, the tape has {len(tape)}"
            assert tape[-1] in ("open", "doubted"), f"{event} is recorded over a step that is {tape[-1]}"
            tape[-1] = _OVER_OPEN[kind]


def _check_tickets(events: Sequence[Any]) -> None:
    """Each is opened once, closed once, and with its agent at the latest; a closed one is not told of any more."""
    open_ids: set[str] = set()
    closed: set[str] = set()
    is_over = False
    for event in events:
        match event:
            case e.HelpRequested(help_id=id):
                assert id not in open_ids | closed
                open_ids.add(id)
            case e.HelpAnswered(help_id=id) | e.HelpExpired(help_id=id) | e.HelpCancelled(help_id=id):
                assert id in open_ids
                open_ids.remove(id)
                closed.add(id)
            case e.HelpReminded(help_id=id) | e.HelpEscalated(help_id=id):
                assert id in open_ids
        is_over |= isinstance(event, (*_ENDS, e.AgentReturned)) or getattr(event, "returned", False)
        assert not (is_over and open_ids), f"{open_ids} outlived their agent"


def _check_messages(events: Sequence[Any]) -> None:
    delivered = [event.message.id for event in events if isinstance(event, e.MessageDelivered)]
    seen = [event.message_id for event in events if isinstance(event, e.MessageSeen)]
    acknowledged = [event.message_id for event in events if isinstance(event, e.MessageAcknowledged)]
    for ids in (delivered, seen, acknowledged):
        assert len(ids) == len(set(ids)), f"twice in {ids}"
    assert {*seen, *acknowledged} <= set(delivered)


def _check_interruptions(events: Sequence[Any], spec: AgentSpec) -> None:
    in_a_row = 0
    for event in events:
        if isinstance(event, e.AgentResumed):
            assert event.interruptions in (in_a_row, in_a_row + 1)
            in_a_row = event.interruptions
        elif getattr(event, "index", -1) >= 0 and not isinstance(event, (e.AgentSuspended, *_OF_CALLS)):
            in_a_row = 0 if not isinstance(event, e.StepDoubtResolved) or event.outcome == "done" else in_a_row
        assert in_a_row <= spec.max_interruptions
