"""What an agent's paid calls, its budget and its pauses may bring, at random: a part of `test_agent_machine`."""

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.values import Budget, PauseKind, Usage
from tests.domain.agent_model import Call
from tests.domain.agent_rules import FLAGS, REFUSED, Outside, is_of_age, sensible
from tests.domain.given import value

KINDS: list[PauseKind] = ["operator", "budget", "provider"]
COSTS = st.sampled_from([0, 5, 10])


def cost(nusd: int) -> Usage:
    return Usage(calls=1, cost_nusd=nusd)


class Paying(Outside):
    """Aims are as those of the other steps; `late` is how far a number is behind."""

    @sensible(lambda model: model.may_write(len(model.tape)))
    @rule(aim=st.sampled_from([0, 0, 0, -1, 1]), late=st.sampled_from([0, 0, 0, 1]), bound=COSTS)
    def start_call(self, aim: int, late: int, bound: int) -> None:
        model, index = self.model, self.at_step(aim)
        expected: list[type] | None = [e.CallStarted]
        if not model.may_write(index) or late:
            expected = REFUSED
        elif model.pause:
            expected = []
        elif not model.admits(bound, model.limit):
            expected = [e.AgentPaused]
        match self.tell(c.StartCall(index, "ask", model.calls + 1 - late, cost(bound)), expected):
            case [e.CallStarted()]:
                model.call = Call(index, "ask", bound)
                model.wait_over()
            case [e.AgentPaused(kind=kind)]:
                assert kind == "budget"
                model.pause, model.lacks = kind, bound

    @sensible(lambda model: model.call is not None)
    @rule(aim=st.sampled_from([0, 0, -1]), name=st.sampled_from(["ask", "ask", "look"]), used=COSTS)
    def complete_call(self, aim: int, name: str, used: int) -> None:
        model, index = self.model, self.at_step(aim)
        fits = model.call is not None and (index, name) == (model.call.index, model.call.name)
        command = c.CompleteStep(index, name, "pure", value(), cost(used))
        if self.tell(command, [e.StepCompleted] if fits else REFUSED):
            model.end_call(used)
            model.write(index, "done", name)

    @sensible(lambda model: model.call is not None)
    @rule(late=st.sampled_from([0, 0, 0, 1]), is_released=FLAGS, known=st.sampled_from([None, 5]))
    def fail_call(self, late: int, is_released: bool, known: int | None) -> None:
        model, number = self.model, self.model.calls + 1 - late
        command = c.ReleaseCall(number) if is_released else c.LoseCall(number, None if known is None else cost(known))
        expected: list[type] | None = [e.CallReleased if is_released else e.CallLost]
        if made := self.tell(command, REFUSED if model.call is None or late else expected):
            assert model.call
            counted = model.call.bound if known is None else known
            assert is_released or made[0].counted.cost_nusd == counted
            model.end_call(0 if is_released else counted)

    @precondition(is_of_age)
    @sensible(lambda model: model.works)
    @rule(kind=st.sampled_from(KINDS))
    def pause_agent(self, kind: PauseKind) -> None:
        model = self.model
        expected: list[type] | None = [] if model.pause in ("operator", kind) else [e.AgentPaused]
        if self.tell(c.PauseAgent("why", kind), expected if model.works else REFUSED):
            model.pause, model.lacks = kind, 0

    @sensible(lambda model: model.pause != "")
    @rule()
    def resume_agent(self) -> None:
        model = self.model
        lacks = model.pause == "budget" and not model.admits(model.lacks, model.limit)
        expected: list[type] | None = [e.AgentUnpaused]
        if not model.pause:
            expected = []
        elif lacks or not model.works:
            expected = REFUSED
        if self.tell(c.ResumeAgent(), expected):
            model.pause = ""

    @rule(limit=st.sampled_from([None, 0, 25, 60]))
    def set_budget(self, limit: int | None) -> None:
        """A budget without any limit is not the same as none, but admits as much."""
        model, budget = self.model, Budget(cost_nusd=limit)
        expected: list[type] = [] if budget == self.story.state.budget else [e.AgentBudgetSet]
        expected += [e.AgentUnpaused] if model.pause == "budget" and model.admits(model.lacks, limit) else []
        made = self.tell(c.SetBudget(budget), expected if model.works else REFUSED)
        for event in made:
            match event:
                case e.AgentBudgetSet():
                    model.limit = limit
                case e.AgentUnpaused():
                    model.pause = ""
