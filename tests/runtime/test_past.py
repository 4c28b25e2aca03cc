"""How things were: at any moment of the past, the answer is the one that was given then."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.assembly import RuntimeConfig
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

CONFIG = RuntimeConfig(linger_s=0, stuck_after_s=None)


def work(ctx: Context) -> Any:
    first = ctx.step("first", "pure", lambda: "first")
    return [first, ctx.receive(("handoff",)).payload]


SPEC = FleetSpec(agents=(AgentSpec(role="worker", name="worker", prompt="x", brain="work"),), name="original")


def test_how_things_were_is_what_they_were(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock, brains={"work": work}, config=CONFIG)
    first = runtime.spawn_fleet(SPEC)
    wait_until(runtime, first.fleet_id, lambda status: status.agents[0].status == "waiting")
    seen = []
    for change in (
        lambda: runtime.pause_fleet(first.fleet_id),
        lambda: runtime.resume_fleet(first.fleet_id),
        lambda: runtime.spawn_fleet(SPEC),
        lambda: runtime.cancel_fleet(first.fleet_id),
    ):
        status = wait_until(runtime, first.fleet_id, lambda status: status.agents[0].status in ("waiting", "paused"))
        statuses = [(one.id, one.status) for one in runtime.list_fleets().fleets]
        seen.append((clock.now().wall_ms, status.fleet, status.agents, statuses))
        clock.advance(5)
        change()
    runtime.collect_results(first.fleet_id, wait_s=20)
    for at_ms, fleet, agents, statuses in seen:
        past = runtime.fleet_status(first.fleet_id, at_ms=at_ms)
        assert (past.fleet, past.agents) == (fleet, agents)
        assert [(one.id, one.status) for one in runtime.list_fleets(at_ms=at_ms).fleets] == statuses
    with pytest.raises(NotFound):
        runtime.fleet_status(first.fleet_id, at_ms=1)
    assert runtime.list_fleets(at_ms=1).fleets == ()


def test_a_fork_was_not_there_before_it_was_made(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock, brains={"work": work}, config=CONFIG)
    fleet = runtime.spawn_fleet(SPEC)
    settled(runtime)
    then = clock.now().wall_ms
    clock.advance(5)
    forked = runtime.fork_fleet(fleet.fleet_id)
    settled(runtime)
    assert [one.id for one in runtime.list_fleets(at_ms=then).fleets] == [fleet.fleet_id]
    assert [one.id for one in runtime.list_fleets(at_ms=clock.now().wall_ms).fleets] == [
        one.id for one in runtime.list_fleets().fleets
    ]
    with pytest.raises(NotFound):
        runtime.fleet_status(forked.fleet_id, at_ms=then)


def settled(runtime: Runtime) -> None:
    """Wait until every agent waits, is held, or has ended, and a fleet has ended when and only when its agents have."""
    for fleet in runtime.list_fleets(archived=True).fleets:
        wait_until(runtime, fleet.id, is_settled)


def is_settled(status: FleetStatus) -> bool:
    if any(agent.status in ("pending", "running") for agent in status.agents):
        return False
    have_ended = {agent.completed_at is not None for agent in status.agents}
    return (status.fleet.completed_at is not None) == (have_ended == {True})


def shown(runtime: Runtime, at_ms: int | None = None) -> list[Any]:
    """What is to be seen of every fleet, but for the position at which it was asked."""
    fleets = runtime.list_fleets(archived=True, at_ms=at_ms).fleets
    return [(one, runtime.fleet_status(one.id, at_ms=at_ms).agents) for one in fleets]


CHANGES = ("spawn", "fork", "pause", "resume", "message", "end", "attach", "cancel", "budget")


def change(runtime: Runtime, what: str, which: int) -> None:
    """Make one change to one of the fleets that run; nothing where it does not fit."""
    running = [one for one in runtime.list_fleets().fleets if one.status in ("running", "paused")]
    if what == "spawn" or not running:
        runtime.spawn_fleet(SPEC)
        return
    fleet = running[which % len(running)]
    waiting = [agent.id for agent in runtime.list_agents(fleet.id).agents if agent.completed_at is None]
    match what:
        case "fork":
            runtime.fork_fleet(fleet.id)
        case "pause" if fleet.status == "running":
            runtime.pause_fleet(fleet.id)
        case "resume" if fleet.status == "paused":
            runtime.resume_fleet(fleet.id)
        case "message":
            runtime.send_message("operator", waiting[0], fleet.id, "alert", "look")
        case "end" if fleet.status == "running":
            runtime.send_message("operator", waiting[0], fleet.id, "handoff", "go on")
            wait_until(runtime, fleet.id, lambda s: any(a.id == waiting[0] and a.completed_at for a in s.agents))
        case "attach" if fleet.status == "running":
            name = f"late-{len(runtime.fleet_status(fleet.id).agents)}"
            runtime.attach_agent(fleet.id, AgentSpec(role="late", name=name, prompt="x", brain="work"))
        case "cancel":
            runtime.cancel_fleet(fleet.id)
        case "budget":
            runtime.set_fleet_timeout(fleet.id, 1000.0 + which)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(CHANGES), st.integers(0, 3)), min_size=1, max_size=7))
def test_the_past_of_any_life_is_what_was_seen_then(life: list[tuple[str, int]]) -> None:
    clock = ManualClock()
    with Runtime.open("memory:", brains={"work": work}, config=CONFIG, clock=clock) as runtime:
        seen = []
        for what, which in life:
            change(runtime, what, which)
            settled(runtime)
            seen.append((clock.now().wall_ms, shown(runtime)))
            clock.advance(5)
        for at_ms, then in seen:
            assert shown(runtime, at_ms) == then
