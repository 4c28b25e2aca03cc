"""What an agent can be told from outside, at random: the first half of the machine in `test_agent_machine`."""

from collections.abc import Callable, Sequence
from typing import Any

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import Refused
from fleetlog.domain.values import Budget, HelpPolicy, Message
from tests.domain.agent_model import AgentModel
from tests.domain.given import Story, agent_that_is, id_of

REFUSED: list[type] | None = None
MESSAGES = [
    Message("message-1", id_of("risk"), "handoff", "take this"),
    Message("message-2", id_of("risk"), "question", "which one?"),
    Message("message-3", "operator", "question", "when?"),
    Message("message-4", id_of("risk"), "question", "who is there?", broadcast_size=3),
    Message("message-5", "operator", "alert", "watch out", "help-1"),
]
IDS = [*(message.id for message in MESSAGES), "help-1-answer", "nonsense", ""]
FLAGS = st.booleans()
# The tests' wall clock goes a millisecond for each second of uptime.
POLICIES = [
    None,
    HelpPolicy(expire_after_s=0.006),
    HelpPolicy(remind_after_s=0.002, escalate_after_s=0.004, escalate_to="ben", expire_after_s=0.6),
    HelpPolicy(remind_after_s=(0.001, 0.005), escalate_after_s=0.005, escalate_to="ben"),
]
_ENDS = (e.AgentReturned, e.AgentFailed, e.AgentCancelled, e.AgentTimedOut)


def sensible(is_sensible: Callable[[AgentModel], bool]) -> Callable[[Any], Any]:
    """Half of the lives are orderly: in these a command is told only when it makes sense."""
    return precondition(lambda machine: machine.is_messy or is_sensible(machine.model))


def is_of_age(machine: "Outside") -> bool:
    """So that not every life is a short one, most are not ended on purpose for their first commands."""
    return len(machine.statuses) > machine.young


class Outside(RuleBasedStateMachine):
    """`tell` compares what came of a command with what the model says must."""

    @initialize(
        brain=st.sampled_from(["plan", "plan", ""]),
        attempts=st.integers(1, 3),
        rejections=st.integers(0, 2),
        interruptions=st.integers(1, 2),
        young=st.sampled_from([0, 0, 10, 30]),
        is_messy=FLAGS,
        policy=st.sampled_from(POLICIES),
        budget=st.sampled_from([None, None, Budget(cost_nusd=25)]),
    )
    def spawn(
        self,
        brain: str,
        attempts: int,
        rejections: int,
        interruptions: int,
        young: int,
        is_messy: bool,
        policy: HelpPolicy | None,
        budget: Budget | None,
    ) -> None:
        self.story: Story = agent_that_is(
            "pending",
            brain=brain,
            max_attempts=attempts,
            max_rejections=rejections,
            max_interruptions=interruptions,
            help_policy=policy,
            budget=budget,
        )
        self.model = AgentModel(self.story.state.spec)
        self.now_s = 10.0
        self.statuses: list[str] = []
        self.young, self.is_messy = young, is_messy

    def tell(self, command: Any, expected: Sequence[type] | None) -> list[Any]:
        before = len(self.story.events)
        try:
            made = self.story.when(command, self.now_s)
        except Refused:
            assert expected is None, f"{command} was refused, the model expected {expected}"
            assert len(self.story.events) == before
            return []
        told = list(expected or ())
        is_end = bool(told) and (told[-1] in _ENDS or (told[-1] is e.AgentCompleted and made[-1].returned))
        closing = len(self.model.open_tickets) if is_end else 0
        told[-1:-1] = [e.HelpCancelled] * closing
        assert [type(event) for event in made] == told, command
        return [*made[: len(told) - 1 - closing], made[-1]] if is_end else made

    def at_step(self, aim: int) -> int:
        return len(self.model.tape) + aim

    # --- from outside --------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.1, 0.6, 1.0, 5.0, 600.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(message=st.sampled_from(MESSAGES))
    def deliver(self, message: Message) -> None:
        model = self.model
        expected: list[type] | None = [e.MessageDelivered]
        if message.id in model.inbox:
            expected = []
        elif not model.hears or (not model.works and message.type == "question" and not message.broadcast_size):
            expected = REFUSED
        if self.tell(c.DeliverMessage(message), expected):
            model.inbox[message.id] = message

    @rule(id=st.sampled_from(IDS))
    def acknowledge(self, id: str) -> None:
        is_new = id in self.model.inbox and id not in self.model.acknowledged
        if self.tell(c.AcknowledgeMessage(id), [e.MessageAcknowledged] if is_new else []):
            self.model.acknowledged.add(id)

    @property
    def wall_s(self) -> float:
        return int(self.now_s) / 1000

    @sensible(lambda model: bool(model.open_tickets))
    @rule(help_id=st.sampled_from(["help-1", "help-2"]), is_decision=FLAGS, granted=FLAGS)
    def answer_help(self, help_id: str, is_decision: bool, granted: bool) -> None:
        command = c.DecideApproval(help_id, granted, "", "ann") if is_decision else c.AnswerHelp(help_id, "yes", "ann")
        kind = "approval" if is_decision else "help"
        self.close_ticket(command, help_id, kind, e.HelpAnswered, "answered")

    @sensible(lambda model: bool(model.open_tickets))
    @rule(help_id=st.sampled_from(["help-1", "help-2"]))
    def cancel_help(self, help_id: str) -> None:
        self.close_ticket(c.CancelHelp(help_id), help_id, "", e.HelpCancelled, "cancelled")

    def close_ticket(self, command: Any, help_id: str, kind: str, event: type, closed: str) -> None:
        model = self.model
        paper = model.tickets.get(help_id)
        may = paper is not None and not paper.closed and kind in ("", paper.kind)
        if made := self.tell(command, [event, e.MessageDelivered] if may else REFUSED):
            assert paper is not None
            paper.closed = closed
            model.inbox |= {made[1].message.id: made[1].message}

    @sensible(lambda model: bool(model.open_tickets))
    @rule(seconds=st.sampled_from([0, 2, 6]))
    def age_tickets(self, seconds: int) -> None:
        self.now_s += seconds
        model = self.model
        due = [kind for id in model.tickets for kind in model.overdue(id, self.wall_s)]
        for event in self.tell(c.AgeTickets(), due):
            match event:
                case e.HelpReminded():
                    paper = model.tickets[event.help_id]
                    paper.told = model.reminders(round(self.wall_s - paper.opened_s, 6))
                    assert event.number == paper.told
                case e.HelpEscalated():
                    model.tickets[event.help_id].is_escalated = True
                case e.HelpExpired():
                    model.tickets[event.help_id].closed = "expired"
                case e.MessageDelivered():
                    assert event.message.declined
                    model.inbox[event.message.id] = event.message

    @sensible(lambda model: model.is_still() == "waiting")
    @rule(aim=st.sampled_from([0, 0, 0, -1, 1]))
    def abandon_wait(self, aim: int) -> None:
        model, index = self.model, self.at_step(aim)
        expected: list[type] = []
        if model.is_still() == "waiting" and aim == 0:
            expected = [e.MessageDelivered, e.WaitAbandoned] if model.abandoned < 3 else [e.AgentFailed]
        match self.tell(c.AbandonWait(index, "everyone waits"), expected):
            case [e.MessageDelivered(message=alert), e.WaitAbandoned()]:
                model.inbox[alert.id] = alert
                model.abandoned += 1
                model.write(index, "done", "receive")
            case [e.AgentFailed()]:
                model.stop("failed")

    @sensible(lambda model: model.in_doubt)
    @rule(outcome=st.sampled_from(["done", "retry"]))
    def resolve_doubt(self, outcome: str) -> None:
        index = self.at_step(-1)
        if self.tell(c.ResolveDoubt(outcome, "ann"), [e.StepDoubtResolved] if self.model.in_doubt else REFUSED):
            if outcome == "done":
                self.model.write(index, "done", self.model.tape[index].name)
            else:
                del self.model.tape[index:]
                self.model.wait_over()

    @sensible(lambda model: model.asked_until is not None)
    @rule()
    def expire_wait(self) -> None:
        model, index = self.model, self.at_step(0)
        is_over = model.asked_until is not None and self.now_s >= model.asked_until
        nothing_came = model.asked is not None and model.fitting(model.asked) is None
        if self.tell(c.ExpireWait(), [e.WaitTimedOut] if is_over and nothing_came else []):
            model.write(index, "done", "receive")

    @precondition(is_of_age)
    @sensible(lambda model: not model.end)
    @rule()
    def cancel(self) -> None:
        if self.tell(c.CancelAgent("enough"), REFUSED if self.model.end else [e.AgentCancelled]):
            self.model.stop("cancelled")

    @precondition(is_of_age)
    @sensible(lambda model: model.works)
    @rule(status=st.sampled_from(["cancelled", "timed_out"]))
    def stop(self, status: str) -> None:
        model = self.model
        expected: list[type] = [e.AgentTimedOut if status == "timed_out" else e.AgentCancelled]
        if model.end:
            expected = [e.AgentReturned] if model.works else []
        if self.tell(c.StopAgent(status, "its fleet ended"), expected):
            model.stop(model.end or status)
