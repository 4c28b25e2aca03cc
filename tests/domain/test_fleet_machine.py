"""A random fleet: from a random graph, attached to, ended in any order, against the model of a fleet."""

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
from fleetlog.domain.errors import Refused
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import AgentSpec, AgentStatus, FleetSpec, Waiting
from tests.domain.fleet_model import FleetModel, Plan
from tests.domain.given import FLEET, Story, id_of, role

REFUSED = None
ENDS: list[AgentStatus] = ["complete", "complete", "complete", "failed", "timed_out", "cancelled"]
OVER = {"complete": e.FleetCompleted, "failed": e.FleetFailed}
GROUPS = ["a", "b", "c", "d", "e"]


def spec_of(plan: Plan) -> AgentSpec:
    return role(plan.name, *plan.needs, each=None if plan.items is None else tuple(range(plan.items)))


@st.composite
def plans(draw: st.DrawFn) -> list[Plan]:
    """Up to five agents or groups in any order, each needing some of those before it in the alphabet."""
    names = GROUPS[: draw(st.integers(1, len(GROUPS)))]
    found = []
    for index, name in enumerate(names):
        needs = draw(st.lists(st.sampled_from(names[:index]), max_size=2)) if index else []
        found.append(Plan(name, tuple(needs), draw(st.sampled_from([None, None, 3, 3, 1, 0]))))
    return draw(st.permutations(found))


def spoiled(spec: FleetSpec, how: str) -> FleetSpec:
    """The spec with a mistake in it."""
    agents: dict[str, tuple[AgentSpec, ...]] = {
        "circle": (*spec.agents, role("x", "y"), role("y", "x")),
        "itself": (*spec.agents, role("x", "x")),
        "stranger": (*spec.agents, role("x", "nobody")),
        "a member of a group": (*spec.agents, role("x", each=(1, 2)), role("y", "x-1")),
        "twice": (*spec.agents, spec.agents[0]),
        "name of an item": (*spec.agents, role("x", each=(1, 2)), role("x-2")),
        "nobody": (),
        "empty groups only": (role("x", each=()),),
    }
    numbers: dict[str, dict[str, Any]] = {
        "no concurrency": {"max_concurrency": 0},
        "no time": {"timeout_s": 0.0},
        "endless time": {"timeout_s": float("inf")},
    }
    fields = numbers[how] if how in numbers else {"agents": agents[how]}
    given = {"agents": spec.agents, "keep_open": spec.keep_open, **fields}
    return FleetSpec(**given)


MISTAKES = [
    *("circle", "itself", "stranger", "a member of a group", "twice", "name of an item", "nobody"),
    *("empty groups only", "no concurrency", "no time", "endless time"),
]


class FleetMachine(RuleBasedStateMachine):
    """`tell` compares what came of a command with what the model says must."""

    @initialize(
        given=plans(),
        keep_open=st.booleans(),
        timeout_s=st.sampled_from([None, 5.0, 60.0]),
        max_concurrency=st.sampled_from([None, 1, 3]),
        mistake=st.sampled_from(MISTAKES),
        early=st.sampled_from([c.CancelFleet(), c.CloseFleet(), c.AttachAgent(role("x")), c.ArchiveFleet()]),
    )
    def spawn(
        self,
        given: list[Plan],
        keep_open: bool,
        timeout_s: float | None,
        max_concurrency: int | None,
        mistake: str,
        early: Any,
    ) -> None:
        self.story = Story(lambda: Fleet(FLEET), [])
        self.now_s = 100.0
        self.outcomes: list[str] = []
        self.attached = 0
        spec = FleetSpec(
            agents=tuple(map(spec_of, given)),
            keep_open=keep_open,
            timeout_s=timeout_s,
            max_concurrency=max_concurrency,
        )
        self.tell(early, REFUSED)
        self.tell(c.SpawnFleet(spoiled(spec, mistake)), REFUSED)
        assert not self.story.state.exists
        if not any(plan.members for plan in given):
            given = [*given, Plan("z")]
            spec = FleetSpec(agents=(*spec.agents, role("z")), keep_open=keep_open, timeout_s=timeout_s)
        total = sum(len(plan.members) for plan in given)
        self.tell(c.SpawnFleet(spec, max_agents=total - 1), REFUSED)
        deadline_s = None if timeout_s is None else self.now_s + timeout_s
        self.model = FleetModel(given, keep_open, deadline_s)
        made = self.tell(c.SpawnFleet(spec, max_agents=total), [e.FleetSpawned, e.AgentsAdmitted])
        assert [member.name for member in made[0].members] == self.model.members
        assert made[1].names == tuple(self.model.started)
        assert self.story.state.spec.max_concurrency == spec.max_concurrency
        self.spec = spec

    def tell(self, command: Any, expected: list[type] | None) -> list[Any]:
        before = len(self.story.events)
        try:
            made = self.story.when(command, self.now_s)
        except Refused:
            assert expected is REFUSED, f"{command} was refused, the model expected {expected}"
            assert len(self.story.events) == before
            return []
        assert [type(event) for event in made] == expected, command
        return made

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0, 60.0]))
    def time_goes_on(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def spawn_again(self) -> None:
        self.tell(c.SpawnFleet(self.spec), REFUSED)

    @rule(statuses=st.lists(st.sampled_from(ENDS), min_size=1, max_size=6))
    def agents_end(self, statuses: list[AgentStatus]) -> None:
        """Those that have run longest."""
        running = [name for name in self.model.started if name not in self.model.ended]
        for name, status in zip(running, statuses, strict=False):
            self.end(name, status, True)

    @rule(data=st.data(), status=st.sampled_from(ENDS), returned=st.booleans())
    def any_agent_ends(self, data: st.DataObject, status: AgentStatus, returned: bool) -> None:
        """Mostly one that has started and not ended; but also a second time, before its turn, or a stranger."""
        model = self.model
        running = [name for name in model.started if name not in model.ended]
        name = data.draw(st.sampled_from([*running, *running, *model.members[:3], *model.doomed, "nobody", "c"]))
        self.end(name, status, returned)

    def end(self, name: str, status: AgentStatus, returned: bool) -> None:
        model = self.model
        if name not in model.needs or name in model.ended:
            self.tell(c.RecordAgentEnd(name, status, returned), [] if name in model.needs else REFUSED)
            return
        model.ended[name] = status
        model.returned |= {name} if returned else set()
        starting = model.start_who_may()
        expected: list[type] = [e.AgentEnded, *([e.AgentsAdmitted] if starting else [])]
        if model.end_if_over():
            expected.append(OVER[model.outcome])
        made = self.tell(c.RecordAgentEnd(name, status, returned), expected)
        assert not starting or made[1].names == tuple(starting)

    @precondition(lambda self: self.model.doomed)
    @rule()
    def doomed_are_told(self) -> None:
        """As the fleet's actor does: who can never start is cancelled, and whoever needs it is doomed in turn."""
        for name in self.model.doomed:
            self.model.ended[name] = "cancelled"
            over = [OVER[self.model.outcome]] if self.model.end_if_over() else []
            self.model.returned.add(name)
            self.tell(c.RecordAgentEnd(name, "cancelled"), [e.AgentEnded, *over])

    @rule(data=st.data(), needs_all=st.booleans())
    def attach(self, data: st.DataObject, needs_all: bool) -> None:
        model = self.model
        known = list(model.groups)
        needs = tuple(known if needs_all else data.draw(st.lists(st.sampled_from(known), max_size=2)))
        plan = Plan(f"late{self.attached}", needs)
        if model.outcome or model.is_closed:
            self.tell(c.AttachAgent(spec_of(plan)), REFUSED)
            return
        self.attached += 1
        model.join(plan)
        starting = model.start_who_may()
        made = self.tell(c.AttachAgent(spec_of(plan)), [e.AgentAttached, *([e.AgentsAdmitted] if starting else [])])
        assert not starting or made[1].names == (plan.name,) == tuple(starting)

    @rule(data=st.data())
    def attach_wrongly(self, data: st.DataObject) -> None:
        groups, members = list(self.model.groups), self.model.members
        wrong = [
            *(role(name) for name in (*groups, *members, "Late", "")),
            role("new", "nobody"),
            role("new", "new"),
            role("new", each=(1,)),
            *(role("new", name) for name in members if name not in groups),
        ]
        self.tell(c.AttachAgent(data.draw(st.sampled_from(wrong))), REFUSED)
        self.tell(c.AttachAgent(role("new"), max_agents=len(members)), REFUSED)

    @rule(timeout_s=st.sampled_from([0.5, 30.0, 1000.0, 0.0, -1.0, float("nan")]))
    def set_timeout(self, timeout_s: float) -> None:
        may = timeout_s > 0 and not self.model.outcome
        if self.tell(c.SetFleetTimeout(timeout_s), [e.FleetTimeoutSet] if may else REFUSED):
            self.model.deadline_s = 100.0 + timeout_s

    @rule()
    def expire(self) -> None:
        model = self.model
        is_late = not model.outcome and model.deadline_s is not None and self.now_s >= model.deadline_s
        if self.tell(c.ExpireFleet(), [e.FleetTimedOut] if is_late else []):
            model.outcome = "timed_out"

    @rule(data=st.data(), is_whole=st.booleans())
    def declare_stuck(self, data: st.DataObject, is_whole: bool) -> None:
        """As it really is, or with somebody left out, or somebody who has ended."""
        model = self.model
        waiting = [name for name in model.may_move if name not in model.ended]
        idle = [name for name in model.may_move if name in model.ended]
        if not is_whole:
            names = model.members
            waiting = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names)))
            idle = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=len(names)))
        waits = tuple(Waiting(name, 0, "receive") for name in waiting)
        may = model.is_stuck(set(waiting), set(idle))
        is_known = self.story.state.stuck is not None and self.story.state.stuck.waiting == waits
        expected: list[type] | None = REFUSED if not may else [] if is_known else [e.FleetStuck]
        self.tell(c.DeclareStuck(waits, tuple(idle)), expected)

    @rule()
    def close(self) -> None:
        model, expected = self.model, list[type]()
        if not model.outcome and not model.is_closed:
            model.is_closed = True
            expected = [e.FleetClosed, *([OVER[model.outcome]] if model.end_if_over() else [])]
        self.tell(c.CloseFleet("no more"), expected)

    @precondition(lambda self: len(self.outcomes) > 15)
    @rule()
    def cancel(self) -> None:
        if self.tell(c.CancelFleet("enough"), REFUSED if self.model.outcome else [e.FleetCancelled]):
            self.model.outcome = "cancelled"

    @rule()
    def archive(self) -> None:
        model = self.model
        expected: list[type] | None = [] if model.is_archived else [e.FleetArchived]
        self.tell(c.ArchiveFleet(), expected if model.outcome else REFUSED)
        model.is_archived |= bool(model.outcome)

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def the_fleet_is_what_the_model_says(self) -> None:
        fleet, model = self.story.state, self.model
        assert (fleet.status, fleet.has_ended) == (model.status, bool(model.outcome))
        assert (fleet.closed, fleet.archived) == (model.is_closed, model.is_archived)
        assert list(fleet.members) == model.members
        assert [member.agent_id for member in fleet.members.values()] == [id_of(name) for name in model.members]
        assert fleet.ended == model.ended
        assert fleet.admitted == set(model.started)
        assert fleet.deadline_uptime_s == model.deadline_s
        assert [member.name for member in fleet.unfinished] == [n for n in model.members if n not in model.ended]
        awake = set(model.started) - model.returned
        assert [member.name for member in fleet.awake] == [name for name in model.members if name in awake]
        assert [member.name for member, _ in fleet.doomed] == model.doomed

    @invariant()
    def nobody_starts_before_those_it_needs_have_completed(self) -> None:
        completed: set[str] = set()
        for event in self.story.events:
            if isinstance(event, e.AgentEnded) and event.status == "complete":
                completed.add(event.name)
            elif isinstance(event, e.AgentsAdmitted):
                for name in event.names:
                    needed = {member for group in self.model.needs[name] for member in self.model.groups[group]}
                    assert needed <= completed

    @invariant()
    def everything_happens_once(self) -> None:
        events = self.story.events
        started = [name for event in events if isinstance(event, e.AgentsAdmitted) for name in event.names]
        ended = [event.name for event in events if isinstance(event, e.AgentEnded)]
        for names in (started, ended):
            assert len(names) == len(set(names))
        overs = (e.FleetCompleted, e.FleetFailed, e.FleetCancelled, e.FleetTimedOut)
        for once in (overs, e.FleetClosed, e.FleetArchived, e.FleetSpawned):
            assert sum(isinstance(event, once) for event in events) <= 1

    @invariant()
    def an_end_is_final(self) -> None:
        status = self.story.state.status
        assert self.outcomes[-1:] in ([], ["running"], [status])
        self.outcomes.append(status)

    @invariant()
    def a_fleet_that_runs_has_somebody_to_wait_for(self) -> None:
        """Somebody who runs, somebody who is doomed and must be told, or an open door."""
        fleet = self.story.state
        if fleet.status == "running":
            running = [name for name in fleet.admitted if name not in fleet.ended]
            assert running or fleet.doomed or (self.model.is_open and not self.model.is_closed)


def test_a_fleet_keeps_to_its_model_whatever_it_is_told() -> None:
    length = settings(
        max_examples=200,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(FleetMachine, settings=length)
