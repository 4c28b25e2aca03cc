"""Budgets, with agents in parallel: a fake provider counts what is charged, at the moment it charges."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from fleetlog.domain.budget import budget
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.paid_step import Uncharged
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

CENT = 10_000_000
BOUND = Usage(input_tokens=100, output_tokens=100, calls=1, cost_nusd=10 * CENT)


class Till:
    """The provider: each call charges four cents, of the ten it may."""

    def __init__(self, cost_nusd: int = 4 * CENT) -> None:
        self._lock = threading.Lock()
        self.cost_nusd, self.charged_nusd, self.calls = cost_nusd, 0, 0

    def charge(self) -> tuple[str, Usage]:
        with self._lock:
            self.charged_nusd += self.cost_nusd
            self.calls += 1
        return "said", Usage(input_tokens=50, output_tokens=10, calls=1, cost_nusd=self.cost_nusd)

    def spender(self, calls: int) -> Callable[[Context], Any]:
        """A brain that makes so many calls, one after the other."""

        def brain(ctx: Context) -> int:
            return sum(len(ctx.paid_step(f"call {number}", BOUND, self.charge)) for number in range(calls))

        return brain


def fleet_of(agents: int, cents: int | None, **agent: Any) -> FleetSpec:
    spec = AgentSpec(role="spender", prompt="spend", brain="spender", each=tuple(range(agents)), **agent)
    return FleetSpec(agents=(spec,), budget=None if cents is None else Budget(cost_nusd=cents * CENT))


def spent_nusd(runtime: Runtime, fleet_id: str) -> int:
    return runtime.spend(fleet_id).spent.cost_nusd


def test_twenty_agents_in_parallel_never_spend_more_than_their_fleet_may(open_runtime: OpenRuntime) -> None:
    till = Till()
    runtime = open_runtime(brains={"spender": till.spender(3)})
    fleet_id = runtime.spawn_fleet(fleet_of(20, 100)).fleet_id
    status = wait_until(runtime, fleet_id, lambda status: status.fleet.status == "paused")
    assert "are spent and the next call may use up to $0.10, of $1.00" in status.fleet.pause_reason
    wait_until(runtime, fleet_id, lambda _: runtime.spend(fleet_id).reserved == Usage())
    assert 90 * CENT < till.charged_nusd == spent_nusd(runtime, fleet_id) <= 100 * CENT
    runtime.set_budget(fleet_id, Budget(cost_nusd=300 * CENT))
    results = runtime.collect_results(fleet_id, wait_s=30)
    assert (results.status, results.delivered) == ("complete", 20)
    assert till.charged_nusd == spent_nusd(runtime, fleet_id) == 60 * 4 * CENT


def test_a_budget_of_an_agent_pauses_it_alone_until_it_is_raised(open_runtime: OpenRuntime) -> None:
    till = Till()
    runtime = open_runtime(brains={"spender": till.spender(3)})
    poor = AgentSpec(role="poor", prompt="spend", brain="spender", budget=Budget(turns=2))
    rich = AgentSpec(role="rich", prompt="spend", brain="spender")
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=(poor, rich))).fleet_id
    status = wait_until(
        runtime, fleet_id, lambda s: sorted(agent.status for agent in s.agents) == ["complete", "paused"]
    )
    assert status.fleet.status == "running"
    assert status.agents[0].pause_reason == "2 turns are spent and the next call may use up to 1, of 2"
    with pytest.raises(NotAllowed, match="raise it, and the agent goes on"):
        runtime.resume_agent(status.agents[0].id)
    runtime.set_budget(status.agents[0].id, Budget(turns=3))
    assert runtime.collect_results(fleet_id, wait_s=30).status == "complete"
    assert runtime.spend(fleet_id).agents["poor"].calls == 3


def test_a_call_that_fails_counts_with_its_bound_and_one_that_was_turned_away_with_nothing(
    open_runtime: OpenRuntime,
) -> None:
    till, outcomes = Till(), iter([OSError("cut off"), Uncharged("busy")])

    def call() -> tuple[str, Usage]:
        for failure in outcomes:
            raise failure
        return till.charge()

    def brain(ctx: Context) -> Any:
        while True:
            try:
                return ctx.paid_step("ask", BOUND, call)
            except (OSError, Uncharged):
                continue

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100)).fleet_id
    assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "said"
    spend = runtime.spend(fleet_id)
    assert [call.state for call in spend.calls] == ["lost", "released", "completed"]
    assert spend.spent.cost_nusd == BOUND.cost_nusd + till.charged_nusd


def test_a_call_whose_value_cannot_be_kept_counts_with_what_it_has_used(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> Any:
        ctx.paid_step("ask", BOUND, lambda: (object(), Usage(calls=1, cost_nusd=CENT)))

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, None, max_attempts=1)).fleet_id
    assert runtime.collect_results(fleet_id, wait_s=30).status == "failed"
    assert [(call.state, call.usage.cost_nusd) for call in runtime.spend(fleet_id).calls] == [("lost", CENT)]


def test_a_paused_fleet_ends_the_step_it_is_in_and_begins_no_other_also_after_a_restart(
    open_runtime: OpenRuntime,
) -> None:
    called, go_on, after = threading.Event(), threading.Event(), list[str]()

    def call() -> tuple[str, Usage]:
        called.set()
        assert go_on.wait(10)
        return "said", Usage(calls=1, cost_nusd=CENT)

    def brain(ctx: Context) -> str:
        said: str = ctx.paid_step("ask", BOUND, call)
        ctx.step("after", "pure", after.append, said)
        return said

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100)).fleet_id
    assert called.wait(10)
    runtime.pause_fleet(fleet_id, "lunch")
    runtime.send_message("operator", "spender-1", fleet_id, "handoff", "still heard")
    go_on.set()
    status = wait_until(runtime, fleet_id, lambda status: status.agents[0].steps == 1)
    assert (status.fleet.status, status.fleet.pause_reason) == ("paused", "lunch")
    assert [fleet.id for fleet in runtime.list_fleets(status="paused").fleets] == [fleet_id]
    runtime.close()
    again = open_runtime(brains={"spender": brain})
    again.ack(f"{fleet_id.replace('fleet', 'agent', 1)}-spender-1", "message-none")
    assert again.fleet_status(fleet_id).fleet.status == "paused"
    again.set_fleet_timeout(fleet_id, 1000.0)
    assert again.fleet_status(fleet_id).agents[0].steps == 1
    assert after == []
    again.resume_fleet(fleet_id)
    assert again.collect_results(fleet_id, wait_s=30).status == "complete"
    assert after == ["said"]
    assert again.spend(fleet_id).spent == Usage(calls=1, cost_nusd=CENT)


def test_a_brain_can_pause_its_agent_until_a_person_has_it_go_on(open_runtime: OpenRuntime) -> None:
    keys: list[str] = []

    def brain(ctx: Context) -> str:
        if not keys:
            ctx.pause("the key is refused", "provider")
        return "done"

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, None)).fleet_id
    status = wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "paused")
    assert status.agents[0].pause_reason == "the key is refused"
    keys.append("a good one")
    runtime.resume_agent(status.agents[0].id)
    assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "done"


def test_an_agent_that_is_cancelled_in_a_paid_call_has_spent_its_bound(open_runtime: OpenRuntime) -> None:
    called, go_on = threading.Event(), threading.Event()

    def call() -> tuple[str, Usage]:
        called.set()
        go_on.wait(10)
        return "said", Usage(calls=1, cost_nusd=CENT)

    runtime = open_runtime(brains={"spender": lambda ctx: ctx.paid_step("ask", BOUND, call)})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100)).fleet_id
    assert called.wait(10)
    runtime.cancel_agent(runtime.list_agents(fleet_id).agents[0].id)
    go_on.set()
    wait_until(runtime, fleet_id, lambda _: runtime.spend(fleet_id).reserved == Usage())
    spend = runtime.spend(fleet_id)
    assert [(call.state, call.usage) for call in spend.calls] == [("lost", BOUND)]
    assert spend.spent == BOUND


def test_wall_time_counts_from_the_spawn_and_pauses_also_who_only_waits(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    runtime = open_runtime(brains={"spender": lambda ctx: ctx.receive().payload}, clock=clock)
    spec = AgentSpec(role="spender", prompt="wait", brain="spender")
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=(spec,), budget=Budget(wall_s=60.0))).fleet_id
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "waiting")
    clock.advance(61.0)
    status = wait_until(runtime, fleet_id, lambda status: status.fleet.status == "paused")
    assert status.fleet.pause_reason == "its 60 seconds of wall time are over"
    runtime.send_message("operator", "spender", fleet_id, "handoff", "here")
    runtime.set_budget(fleet_id, Budget(wall_s=1000.0))
    assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "here"


@pytest.mark.parametrize("usage", [Usage(cost_nusd=0.5), Usage(cost_nusd=-CENT), Usage(cost_nusd=2**70), None])  # type: ignore[arg-type]
def test_a_call_that_returns_no_usage_counts_with_its_bound_and_leaves_the_log_readable(
    open_runtime: OpenRuntime, usage: Any
) -> None:
    runtime = open_runtime(brains={"spender": lambda ctx: ctx.paid_step("ask", BOUND, lambda: ("said", usage))})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100, max_attempts=1)).fleet_id
    result = runtime.collect_results(fleet_id, wait_s=30).results[0]
    assert "'usage" in result.error
    assert [(call.state, call.usage) for call in runtime.spend(fleet_id).calls] == [("lost", BOUND)]


@pytest.mark.parametrize("bound", [Usage(cost_nusd=0.5), Usage(cost_nusd=-CENT), None])  # type: ignore[arg-type]
def test_a_bound_that_is_no_usage_is_refused_before_anything_is_set_aside(
    open_runtime: OpenRuntime, bound: Any
) -> None:
    till = Till()
    runtime = open_runtime(brains={"spender": lambda ctx: ctx.paid_step("ask", bound, till.charge)})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100, max_attempts=1)).fleet_id
    assert "'bound" in runtime.collect_results(fleet_id, wait_s=30).results[0].error
    assert (till.calls, runtime.spend(fleet_id).calls) == (0, ())


def test_a_usage_that_counts_no_turn_is_one_all_the_same(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> None:
        for number in range(3):
            ctx.paid_step(f"ask {number}", Usage(), lambda: ("said", Usage()))

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, None, budget=budget(turns=2))).fleet_id
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "paused")
    assert runtime.spend(fleet_id).spent == Usage(calls=2)


def test_a_failed_call_counts_with_what_its_exception_says_it_can_have_used(open_runtime: OpenRuntime) -> None:
    at_most = Usage(input_tokens=50, calls=1, cost_nusd=CENT)

    class CutOff(Exception):
        usage_bound = at_most

    def brain(ctx: Context) -> str:
        with pytest.raises(CutOff):
            ctx.paid_step("ask", BOUND, cut_off)
        return "done"

    def cut_off() -> tuple[str, Usage]:
        raise CutOff

    runtime = open_runtime(brains={"spender": brain})
    fleet_id = runtime.spawn_fleet(fleet_of(1, 100)).fleet_id
    assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "done"
    assert [(call.state, call.usage) for call in runtime.spend(fleet_id).calls] == [("lost", at_most)]
