"""A random fleet that spends: agents ask, call, finish, are cut off; settlements are late; the process dies.

The machine plays the runtime: it carries commands between the aggregates, in order from each agent, and loses those
that are on their way when the process dies. Whatever it does, no budget is overshot, and no money is lost or counted
twice.
"""

from collections import deque
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import AgentSpec, Budget, Usage
from tests.domain.given import FLEET, Story, at, fleet_story, id_of, role, value

NAMES = ("a", "b", "c")
WHO = st.sampled_from(NAMES)


def cost(nusd: int) -> Usage:
    return Usage(output_tokens=nusd, calls=1, cost_nusd=nusd)


def agent_of(spec: AgentSpec) -> Story:
    born = e.AgentSpawned(FLEET, spec.name, spec)
    return Story(lambda: Agent(id_of(spec.name)), [born, e.AgentStarted(0.0)])


class MoneyMachine(RuleBasedStateMachine):
    """`runs` has for each live run the call that its fleet has set money aside for, if it has."""

    @initialize(budget=st.sampled_from([None, 0, 30, 100]), its_own=st.sampled_from([None, 40]))
    def spawn(self, budget: int | None, its_own: int | None) -> None:
        limit = None if budget is None else Budget(cost_nusd=budget)
        self.budget = budget
        own = None if its_own is None else Budget(cost_nusd=its_own)
        specs = [role(name, brain="spend", budget=own) for name in NAMES]
        self.fleet = fleet_story(*specs, budget=limit)
        self.agents = {spec.name: agent_of(spec) for spec in specs}
        self.runs: dict[str, c.ReserveSpend | None] = {}
        self.mail: dict[str, deque[c.SettleSpend]] = {name: deque() for name in NAMES}
        self.charged = dict.fromkeys(NAMES, 0)
        self.costs: dict[tuple[str, int], int] = {}

    # --- a run's way -----------------------------------------------------------------------------

    @rule(name=WHO)
    def begin(self, name: str) -> None:
        """As the actor does: no run before the books are closed."""
        if name not in self.runs and self.agents[name].state.is_due(at(0.0)):
            self.close_books(name)
            self.agents[name].when(c.BeginRun(interrupted=True))
            if self.agents[name].state.can_run:
                self.runs[name] = None

    @rule(name=WHO, bound=st.sampled_from([5, 20, 35]))
    def ask(self, name: str, bound: int) -> None:
        agent = self.agents[name].state
        if name not in self.runs or self.runs[name] is not None or agent.open_call or not agent.can_run:
            return
        while any(settlement.idle for settlement in self.mail[name]):  # told before the run was begun
            self.deliver(name)
        command = c.ReserveSpend(name, agent.calls + 1, cost(bound))
        self.fleet.when(command)
        if self.fleet.state.is_granted(command):
            self.runs[name] = command
        else:
            assert self.fleet.state.pause or self.fleet.state.purse.held.cost_nusd, "it waits for nobody"
            self.end_run(name)

    @rule(name=WHO)
    def start(self, name: str) -> None:
        granted, story = self.runs.get(name), self.agents[name]
        if granted is None or story.state.open_call or not story.state.can_run:
            return
        story.when(c.StartCall(len(story.state.steps), "ask", granted.number, granted.bound))
        if story.state.open_call is None:
            assert story.state.pause
            self.end_run(name)

    @rule(name=WHO, share=st.sampled_from([0.0, 0.5, 1.0]))
    def charge(self, name: str, share: float) -> None:
        """The provider takes its money; nobody knows yet."""
        call = self.agents[name].state.open_call
        if call is not None and (name, call.number) not in self.costs:
            self.costs[name, call.number] = int(call.bound.cost_nusd * share)
            self.charged[name] += self.costs[name, call.number]

    @rule(name=WHO)
    def complete(self, name: str) -> None:
        story = self.agents[name]
        call = story.state.open_call
        if name in self.runs and call is not None and story.state.can_run:
            used = cost(self.costs.get((name, call.number), 0))
            self.close(name, c.CompleteStep(call.index, call.name, "pure", value(), used))

    @rule(name=WHO, is_known=st.booleans())
    def fail(self, name: str, is_known: bool) -> None:
        call = self.agents[name].state.open_call
        if name not in self.runs or call is None:
            return
        used = self.costs.get((name, call.number), 0)
        if not used and is_known:
            self.close(name, c.ReleaseCall(call.number))
        else:
            self.close(name, c.LoseCall(call.number, cost(used) if is_known else None))

    def close(self, name: str, command: Any) -> None:
        self.agents[name].when(command)
        self.runs[name] = None
        self.settle(name)

    @rule(name=WHO)
    def end_run(self, name: str) -> None:
        if name in self.runs:
            del self.runs[name]
            self.close_books(name)

    @rule(name=WHO, bound=st.sampled_from([5, 20]), share=st.sampled_from([0.0, 0.5, 1.0]), end=st.integers(0, 4))
    def spend(self, name: str, bound: int, share: float, end: int) -> None:
        """What takes several rules in a row, and would be rare by chance."""
        self.begin(name)
        self.ask(name, bound)
        self.start(name)
        self.charge(name, share)
        if end == 1:
            self.fail(name, is_known=False)
        elif end == 2:
            self.end_run(name)
        elif end > 2:
            self.complete(name)

    # --- what the actors do ----------------------------------------------------------------------

    def settle(self, name: str, *, idle: bool = False) -> None:
        agent = self.agents[name].state
        self.mail[name].append(c.SettleSpend(name, agent.calls, agent.spent, idle))

    def close_books(self, name: str) -> None:
        call = self.agents[name].state.open_call
        if call is not None:
            self.agents[name].when(c.LoseCall(call.number))
        self.settle(name, idle=True)
        while len(self.mail[name]) > 3:
            self.deliver(name)

    @rule(name=WHO)
    def deliver(self, name: str) -> None:
        if self.mail[name]:
            self.fleet.when(self.mail[name].popleft())

    @rule(name=WHO)
    def repeat_a_settlement(self, name: str) -> None:
        self.settle(name)

    # --- from outside ----------------------------------------------------------------------------

    @rule()
    def die(self) -> None:
        """Mail and runs are gone; then the fleet asks for what it has set aside, and agents say what they know."""
        self.runs.clear()
        for name in NAMES:
            self.mail[name].clear()
        for name in self.fleet.state.purse.reserved:
            self.close_books(name)

    @precondition(lambda self: self.fleet.state.purse.spent.cost_nusd > 20)
    @rule(name=WHO)
    def cancel(self, name: str) -> None:
        if not self.agents[name].state.has_ended:
            self.agents[name].when(c.CancelAgent())
            self.settle(name)

    @rule(more=st.sampled_from([0, 10, 200]))
    def raise_budget(self, more: int) -> None:
        if self.budget is not None:
            self.budget += more
            self.fleet.when(c.SetBudget(Budget(cost_nusd=self.budget)))

    @rule(name=WHO)
    def raise_its_budget(self, name: str) -> None:
        agent = self.agents[name].state
        if agent.budget is not None and agent.can_run:
            self.agents[name].when(c.SetBudget(Budget(cost_nusd=agent.budget.cost_nusd + 30)))

    @rule(is_paused=st.booleans())
    def pause_or_resume(self, is_paused: bool) -> None:
        try:
            self.fleet.when(c.PauseFleet("lunch") if is_paused else c.ResumeFleet())
        except NotAllowed:
            assert self.fleet.state.pause.kind == "budget"

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def nobody_spends_more_than_he_may(self) -> None:
        counted = 0
        for name, story in self.agents.items():
            agent = story.state
            its_own = agent.spent.cost_nusd + (agent.open_call.bound.cost_nusd if agent.open_call else 0)
            assert self.charged[name] <= its_own
            assert agent.budget is None or its_own <= agent.budget.cost_nusd
            counted += its_own
        purse = self.fleet.state.purse
        assert counted <= purse.spent.cost_nusd + purse.held.cost_nusd
        assert self.budget is None or purse.spent.cost_nusd + purse.held.cost_nusd <= self.budget

    @invariant()
    def every_call_ends_once(self) -> None:
        for story in self.agents.values():
            started = [event.number for event in story.events if isinstance(event, e.CallStarted)]
            assert started == list(range(1, len(started) + 1))
            assert story.state.calls == len(started) - (story.state.open_call is not None)

    def teardown(self) -> None:
        """When all is quiet, the fleet knows to the last nano-dollar what its agents have spent."""
        if not hasattr(self, "runs"):
            return
        for name in NAMES:
            self.end_run(name)
            self.close_books(name)
            while self.mail[name]:
                self.deliver(name)
        purse = self.fleet.state.purse
        assert purse.reserved == {}
        assert purse.held == Usage()
        spent = Usage()
        for story in self.agents.values():
            spent = spent.plus(story.state.spent)
        assert purse.spent == spent


def test_no_money_is_lost_counted_twice_or_overspent_whatever_happens() -> None:
    length = settings(
        max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    run_state_machine_as_test(MoneyMachine, settings=length)
