"""A random life: every command in any order, late, repeated or illegal, against the model of an agent."""

from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import Effect, Message, TicketKind
from tests.domain.agent_model import Paper, check_log
from tests.domain.agent_paying import Paying
from tests.domain.agent_rules import FLAGS, IDS, REFUSED, is_of_age, sensible
from tests.domain.given import agent_that_is, at, id_of, value

NAMES = st.sampled_from(["look", "write"])
EFFECTS: list[Effect] = ["pure", "idempotent", "effectful"]
# How far from the next step a command aims: mostly at it, at the one before, or out of place.
AIMS = st.sampled_from([0, 0, 0, 0, 0, 0, -1, -1, 1, -2])


class AgentMachine(Paying):
    """And what its run tells it."""

    @sensible(lambda model: model.works)
    @rule(interrupted=FLAGS)
    def begin(self, interrupted: bool) -> None:
        model = self.model
        expected: list[type] | None = []
        is_cut = model.has_begun and interrupted and not (model.asked or model.in_doubt or model.retry_at is not None)
        if not model.works or (model.retry_at is not None and self.now_s < model.retry_at):
            expected = REFUSED
        elif is_cut and model.cuts == model.spec.max_interruptions:
            expected = [e.AgentReturned if model.end else e.AgentFailed]
        else:
            first = e.AgentResumed if is_cut or model.retry_at is not None else e.AgentStarted
            expected = [first] if first is e.AgentResumed or not model.has_begun else []
            expected += [e.StepDoubted] if model.tape and model.tape[-1].state == "open" else []
        if expected is not None and model.call:
            expected = [e.CallLost, *expected]
        made = self.tell(c.BeginRun(interrupted), expected)
        if expected is REFUSED:
            return
        model.has_begun = True
        for event in made:
            self._follow_begin(event, is_cut)

    def _follow_begin(self, event: Any, is_cut: bool) -> None:
        match event:
            case e.AgentResumed():
                self.model.cuts += is_cut
                self.model.retry_at = None
                self.model.wait_over()
            case e.CallLost():
                self.model.end_call(event.counted.cost_nusd)
            case e.StepDoubted():
                self.model.write(self.at_step(-1), "doubted", event.name)
            case e.AgentReturned() | e.AgentFailed():
                self.model.stop(self.model.end or "failed")

    @sensible(lambda model: model.may_write(len(model.tape)))
    @rule(aim=AIMS, name=NAMES)
    def start_step(self, aim: int, name: str) -> None:
        index = self.at_step(aim)
        if self.tell(c.StartStep(index, name), [e.StepStarted] if self.model.may_write(index) else REFUSED):
            self.model.write(index, "open", name)

    @sensible(lambda model: model.works)
    @rule(aim=AIMS, name=NAMES, effect=st.sampled_from(EFFECTS))
    def complete_step(self, aim: int, name: str, effect: Effect) -> None:
        index = self.at_step(aim)
        expected = [e.StepCompleted] if self.model.may_end(index, name) else REFUSED
        if self.tell(c.CompleteStep(index, name, effect, value()), expected):
            self.model.write(index, "done", name)

    @sensible(lambda model: model.works)
    @rule(aim=AIMS, name=NAMES, effect=st.sampled_from(EFFECTS))
    def fail_step(self, aim: int, name: str, effect: Effect) -> None:
        index = self.at_step(aim)
        expected = [e.StepFailed] if self.model.may_end(index, name) else REFUSED
        if self.tell(c.FailStep(index, name, effect, "OSError", "gone"), expected):
            self.model.write(index, "undone", name)

    @sensible(lambda model: model.may_write(len(model.tape)))
    @rule(aim=AIMS, answers=st.sampled_from(IDS))
    def send(self, aim: int, answers: str) -> None:
        index = self.at_step(aim)
        expected = [e.MessageSent] if self.model.may_write(index) else REFUSED
        if self.tell(c.RecordSend(index, "send", f"sent-{index}", 1, answers), expected):
            self.model.write(index, "done", "send")
            self.model.acknowledged |= {answers} & set(self.model.inbox)

    @sensible(lambda model: model.may_write(len(model.tape)))
    @rule(
        aim=AIMS,
        types=st.sampled_from([(), (), ("question",), ("handoff", "alert")]),
        sender=st.sampled_from(["", "", id_of("risk")]),
        answer_to=st.sampled_from(["", "", "help-1"]),
        timeout_s=st.sampled_from([None, 0.5, 5.0]),
        acknowledge=FLAGS,
    )
    def take(
        self,
        aim: int,
        types: tuple[str, ...],
        sender: str,
        answer_to: str,
        timeout_s: float | None,
        acknowledge: bool,
    ) -> None:
        model, index = self.model, self.at_step(aim)
        command = c.TakeMessage(index, "receive", types, sender, answer_to)
        oldest = model.fitting(command)
        is_over = model.asked_until is not None and self.now_s >= model.asked_until
        expected: list[type] | None = [e.AgentSuspended]
        if not model.may_write(index):
            expected = REFUSED
        elif oldest:
            expected = [e.MessageSeen]
        elif command == model.asked:
            expected = [e.WaitTimedOut] if is_over else []
        told = c.TakeMessage(index, "receive", types, sender, answer_to, timeout_s, acknowledge)
        match self.tell(told, expected):
            case [e.MessageSeen(message_id=id)]:
                assert oldest
                assert id == oldest.id
                model.seen.add(id)
                model.acknowledged |= {id} if acknowledge else set()
                model.write(index, "done", "receive")
            case [e.WaitTimedOut()]:
                model.write(index, "done", "receive")
            case [e.AgentSuspended()]:
                model.wait_over()
                model.asked, model.has_begun = command, True
                model.asked_until = None if timeout_s is None else self.now_s + timeout_s

    @sensible(lambda model: model.may_write(len(model.tape)))
    @rule(help_id=st.sampled_from(["help-1", "help-2"]), aim=AIMS, is_step=FLAGS, is_approval=FLAGS)
    def request_help(self, help_id: str, aim: int, is_step: bool, is_approval: bool) -> None:
        model, index = self.model, self.at_step(aim) if is_step else -1
        expected: list[type] | None = [e.HelpRequested]
        if help_id in model.tickets:
            expected = []
        elif not model.works or (index >= 0 and not model.may_write(index)):
            expected = REFUSED
        kind: TicketKind = "approval" if is_approval else "help"
        if self.tell(c.RequestHelp(help_id, "stuck", index=index, kind=kind), expected):
            model.tickets[help_id] = Paper(kind, self.wall_s)
            if index >= 0:
                model.write(index, "done", f"request_{kind} {help_id}")

    @sensible(lambda model: model.works)
    @rule(again=st.integers(0, 2))
    def report_progress(self, again: int) -> None:
        """The next report, or one of the last two once more."""
        model, ordinal = self.model, max(0, self.model.reports - again)
        expected: list[type] = [e.ProgressReported] if ordinal == model.reports else []
        model.reports += len(self.tell(c.ReportProgress("half", 0.5, ordinal), expected if model.works else REFUSED))

    @precondition(is_of_age)
    @rule(aim=AIMS, is_outside=FLAGS, is_wrong=FLAGS, returned=FLAGS)
    def submit(self, aim: int, is_outside: bool, is_wrong: bool, returned: bool) -> None:
        model, index = self.model, -1 if is_outside else self.at_step(aim)
        expected: list[type] | None = [e.AgentCompleted]
        is_the_brains = index < 0 and model.spec.brain
        if model.end or is_the_brains or not model.may_write(len(model.tape) if index < 0 else index):
            expected = REFUSED
        elif is_wrong:
            expected = [e.AgentResultRejected]
            expected += [e.AgentFailed] if model.rejections == model.spec.max_rejections else []
        command = c.SubmitResult(index, value(), ("$: wrong",) if is_wrong else (), returned)
        if made := self.tell(command, expected):
            model.write(made[0].index, "undone" if is_wrong else "done", "submit_result")
            if not is_wrong:
                model.has_begun = True
                if returned:
                    model.stop("complete")
                model.end = "complete"
            model.rejections += is_wrong
            if len(made) == 2:
                model.stop("failed")

    @sensible(lambda model: model.works and model.tape[-1:] != [] and model.tape[-1].state == "doubted")
    @rule(aim=AIMS)
    def suspend_in_doubt(self, aim: int) -> None:
        model, index = self.model, self.at_step(aim)
        is_last = model.works and bool(model.tape) and index == len(model.tape) - 1
        expected: list[type] | None = [] if model.in_doubt else [e.AgentSuspended]
        if not is_last or model.tape[-1].state != "doubted" or model.call:
            expected = REFUSED
        if self.tell(c.SuspendInDoubt(index), expected):
            model.wait_over()
            model.in_doubt = model.has_begun = True

    @precondition(is_of_age)
    @rule(retryable=st.sampled_from([True, True, True, False]), jitter=st.floats(0, 1))
    def fail_run(self, retryable: bool, jitter: float) -> None:
        model = self.model
        expected: list[type] = [e.AgentReturned if model.end else e.AgentFailed]
        if not model.works:
            expected = []
        elif retryable and model.failures + 1 < model.spec.max_attempts:
            expected = [e.CallLost, e.AgentAttemptFailed] if model.call else [e.AgentAttemptFailed]
        match self.tell(c.FailRun("it broke", retryable, jitter), expected):
            case [*lost, e.AgentAttemptFailed(retry_uptime_s=due)]:
                for call in lost:
                    model.end_call(call.counted.cost_nusd)
                assert self.now_s < due <= self.now_s + 300.0
                model.fail_attempt(due)
            case [_]:
                model.stop(model.end or "failed")

    @sensible(lambda model: model.end == "complete" and model.works)
    @rule()
    def finish_run(self) -> None:
        model = self.model
        if self.tell(c.FinishRun(), [e.AgentReturned] if model.end and model.works else []):
            model.stop(model.end)

    # --- what takes several commands in a row, and would be rare by chance -----------------------

    @precondition(lambda machine: machine.model.may_write(len(machine.model.tape)))
    @rule(name=NAMES, is_left_to_a_person=FLAGS)
    def die_inside_a_step(self, name: str, is_left_to_a_person: bool) -> None:
        self.start_step(0, name)
        self.begin(True)
        if is_left_to_a_person:
            self.suspend_in_doubt(-1)

    @precondition(lambda machine: machine.model.may_write(len(machine.model.tape)))
    @rule(patience_s=st.sampled_from([0.5, 5.0]), seconds=st.sampled_from([0.4, 5.0]), answered=FLAGS, is_alarm=FLAGS)
    def wait_for_an_answer(self, patience_s: float, seconds: float, answered: bool, is_alarm: bool) -> None:
        self.take(0, (), "", "help-1", patience_s, False)
        self.now_s += seconds
        if answered:
            late = Message(f"message-late-{len(self.story.events)}", "operator", "result", "here", "help-1")
            self.deliver(late)
        if is_alarm:
            self.expire_wait()
        elif self.model.asked:
            self.take(0, (), "", "help-1", patience_s, False)

    @precondition(lambda machine: machine.model.may_write(len(machine.model.tape)))
    @rule(failed=st.integers(0, 2), is_wrong=FLAGS, delay_s=st.sampled_from([0.4, 600.0]))
    def lose_an_attempt(self, failed: int, is_wrong: bool, delay_s: float) -> None:
        for _ in range(failed):
            self.fail_step(0, "look", "pure")
        if is_wrong and self.model.rejections < self.model.spec.max_rejections:
            self.submit(0, False, True, False)
        self.fail_run(True, 0.0)
        self.now_s += delay_s
        self.begin(True)

    @precondition(lambda machine: machine.model.works)
    @rule(times=st.integers(2, 3))
    def be_cut_off_again_and_again(self, times: int) -> None:
        for _ in range(times):
            self.begin(True)

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def the_agent_is_what_the_model_says(self) -> None:
        agent, model = self.story.state, self.model
        states = {"started": "open", "completed": "done", "failed": "undone", "rejected": "undone", "abandoned": "done"}
        tape = [(states.get(step.state, step.state), step.name) for step in agent.steps]
        assert tape == model.tape
        assert list(agent.unread) == [message.id for message in model.unread]
        assert (agent.can_run, agent.has_ended, agent.is_reachable) == (model.works, bool(model.end), model.hears)
        assert agent.status in model.statuses()
        assert agent.is_due(at(self.now_s)) == model.is_due(self.now_s)
        assert agent.stillness == model.is_still()
        assert (agent.calls, agent.spent.cost_nusd, agent.open_call is not None) == (
            model.calls,
            model.spent,
            model.call is not None,
        )
        assert (agent.pause.kind if agent.pause else "") == model.pause
        assert [id for id, _ in agent.open_tickets] == model.open_tickets
        is_kept = model.works or (not model.spec.brain and model.hears)
        assert [id for id, _ in agent.unanswered()] == ([] if is_kept else model.open_questions)

    @invariant()
    def an_end_is_final(self) -> None:
        status = self.story.state.status
        if self.statuses and self.statuses[-1] in ("complete", "failed", "timed_out", "cancelled"):
            assert status == self.statuses[-1]
        self.statuses.append(status)

    @invariant()
    def the_log_keeps_its_laws(self) -> None:
        check_log(self.story.events, self.model.spec)


def test_an_agent_keeps_to_its_model_whatever_it_is_told() -> None:
    length = settings(
        max_examples=150,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(AgentMachine, settings=length)


def test_the_result_of_an_agent_with_a_brain_is_not_given_from_outside() -> None:
    words = "is driven by its brain 'plan', which gives its result"
    agent_that_is("backing off").refuses(c.SubmitResult(-1, value()), NotAllowed, words)
