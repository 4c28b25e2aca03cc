"""Pauses at bad moments: back to back, in a fleet that nobody keeps in memory, before everyone waits."""

import threading
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.engine import Request
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime, leave_the_memory
from tests.runtime.stores import SlowStore

FORGETFUL = RuntimeConfig(idle_after_s=0.2, linger_s=0)


def fleet_of(*names: str, **more: Any) -> FleetSpec:
    return FleetSpec(agents=tuple(AgentSpec(role=n, prompt="x", name=n, brain=n) for n in names), **more)


def ask(runtime: Runtime, fleet_id: str, command: Any) -> Reply[Receipt]:
    """Tell the fleet's actor, without waiting for the commit."""
    reply: Reply[Receipt] = Reply()
    runtime._parts.engine.residents.post(fleet_id, Request(command, reply))
    return reply


def agent_actor(runtime: Runtime) -> AgentActor:
    return next(actor for actor in runtime._parts.engine.residents.all() if isinstance(actor, AgentActor))


def test_agents_that_rest_go_on_when_a_pause_is_over_before_it_was_stored(
    open_runtime: OpenRuntime, tmp_path: Path
) -> None:
    """The pause is decided and seen by the brain, then its end is decided, and only then both are committed."""
    in_step, go_on = threading.Event(), threading.Event()

    def brain(ctx: Context) -> str:
        ctx.step("first", "pure", str)
        in_step.set()
        assert go_on.wait(10)
        ctx.step("second", "pure", str)
        return "done"

    (tmp_path / "d").mkdir()
    store = SlowStore(open_store(tmp_path / "d" / "log.db"))
    runtime = open_runtime(brains={"a": brain}, store=store)
    fleet_id = runtime.spawn_fleet(fleet_of("a")).fleet_id
    assert in_step.wait(10)
    store.may_append.clear()
    paused = ask(runtime, fleet_id, c.PauseFleet("lunch"))
    assert store.is_waited_for.wait(10)
    actor, rested = agent_actor(runtime), threading.Event()
    go_on.set()
    while actor._run is not None:
        rested.wait(0.01)
    resumed = ask(runtime, fleet_id, c.ResumeFleet())
    while runtime._parts.engine.rosters[fleet_id].is_paused:
        rested.wait(0.01)
    store.may_append.set()
    assert paused.result(10).position < resumed.result(10).position
    assert runtime.collect_results(fleet_id, wait_s=10).results[0].output == "done"


def test_a_fleet_that_was_paused_is_still_found_stuck(open_runtime: OpenRuntime) -> None:
    go_on = threading.Event()

    def listens(ctx: Context) -> Any:
        ctx.step("wait", "pure", go_on.wait, 10)
        return ctx.receive().payload

    config = RuntimeConfig(linger_s=0, stuck_after_s=0.05)
    runtime = open_runtime(brains=dict.fromkeys("ab", listens), config=config)
    fleet_id = runtime.spawn_fleet(fleet_of("a", "b")).fleet_id
    runtime.pause_fleet(fleet_id)
    runtime.resume_fleet(fleet_id)
    go_on.set()
    wait_until(runtime, fleet_id, lambda status: bool(status.fleet.stuck))


@pytest.mark.parametrize("whose", ["fleet", "agent"])
def test_the_wall_time_of_who_has_left_the_memory_still_ends(
    open_runtime: OpenRuntime, clock: ManualClock, whose: str
) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()}, clock=clock, config=FORGETFUL)
    budget = Budget(wall_s=5_000.0)
    agent = AgentSpec(role="a", prompt="x", brain="a", budget=budget if whose == "agent" else None)
    spec = FleetSpec(agents=(agent,), budget=budget if whose == "fleet" else None, keep_open=True)
    fleet_id = runtime.spawn_fleet(spec).fleet_id
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "waiting")
    leave_the_memory(runtime, clock)
    clock.advance(5_000)
    status = wait_until(
        runtime, fleet_id, lambda status: bool(status.fleet.pause_reason or status.agents[0].pause_reason)
    )
    assert "paused" in (status.fleet.status, status.agents[0].status)


def test_an_agent_that_waits_for_money_is_not_interrupted_by_leaving_the_memory(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    """One call holds all the money; who waits for it is called again and again, from a new actor each time."""
    called, go_on = threading.Event(), threading.Event()

    def holds(ctx: Context) -> Any:
        def call() -> tuple[str, Usage]:
            called.set()
            assert go_on.wait(30)
            return "said", Usage(cost_nusd=1)

        return ctx.paid_step("ask", Usage(cost_nusd=10), call)

    def waits(ctx: Context) -> Any:
        assert called.wait(10)
        return ctx.paid_step("ask", Usage(cost_nusd=10), lambda: ("said", Usage(cost_nusd=1)))

    runtime = open_runtime(brains={"holds": holds, "waits": waits}, clock=clock, config=FORGETFUL)
    fleet_id = runtime.spawn_fleet(fleet_of("holds", "waits", budget=Budget(cost_nusd=15))).fleet_id
    for number in range(3):
        leave_the_memory(runtime, clock, but=2)
        runtime.send_message("operator", "waits", fleet_id, "handoff", f"note {number}")
    leave_the_memory(runtime, clock, but=2)
    go_on.set()
    assert runtime.collect_results(fleet_id, wait_s=30).delivered == 2
    assert "agent.resumed" not in [entry.what for entry in runtime.timeline(fleet_id, limit=1_000)]
