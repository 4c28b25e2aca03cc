"""Forks, and how things were: what was recorded is not made again, and the past is what it was."""

from typing import Any

import pytest

from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.assembly import RuntimeConfig
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime


class Work:
    """A brain of three steps that waits before the last, and counts what it does."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, ctx: Context) -> Any:
        first = ctx.step("first", "pure", self._make, "first")
        ctx.step("second", "effectful", self._make, "second")
        ctx.receive(("handoff",))
        return [first, ctx.step("third", "pure", self._make, ctx.agent_id)]

    def _make(self, what: str) -> str:
        self.made.append(what)
        return what


SPEC = FleetSpec(agents=(AgentSpec(role="worker", name="worker", prompt="x", brain="work"),), name="original")


def test_a_fork_goes_on_from_what_is_recorded_and_makes_nothing_again(open_runtime: OpenRuntime) -> None:
    work = Work()
    runtime = open_runtime(brains={"work": work})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    forked = runtime.fork_fleet(fleet.fleet_id, idempotency_key="f")
    assert runtime.fork_fleet(fleet.fleet_id, idempotency_key="f").fleet_id == forked.fleet_id
    assert forked.forked_from == fleet.fleet_id
    assert forked.agent_ids[0].endswith("-worker")
    for one in (fleet, forked):
        runtime.send_message("operator", one.agent_ids[0], one.fleet_id, "handoff", "go on")
        results = runtime.collect_results(one.fleet_id, wait_s=20)
        assert results.results[0].output == ["first", one.agent_ids[0]]
    assert sorted(work.made) == sorted(["first", "second", *fleet.agent_ids, *forked.agent_ids])
    assert [entry.what for entry in runtime.timeline(forked.fleet_id)].count("fleet.forked") == 1
    assert runtime.verify_ledger().ok


def test_a_fork_of_an_earlier_moment_knows_nothing_of_what_came_later(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock, brains={"work": Work()})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    then = clock.now().wall_ms
    clock.advance(10)
    runtime.send_message("operator", fleet.agent_ids[0], fleet.fleet_id, "handoff", "go on")
    assert runtime.collect_results(fleet.fleet_id, wait_s=20).is_final
    with pytest.raises(NotAllowed, match="is complete by then; name a moment before its end"):
        runtime.fork_fleet(fleet.fleet_id)
    forked = runtime.fork_fleet(fleet.fleet_id, at_ms=then)
    wait_until(runtime, forked.fleet_id, lambda status: status.agents[0].status == "waiting")
    assert runtime.inbox(forked.agent_ids[0], all=True).messages == ()
    with pytest.raises(NotFound):
        runtime.fork_fleet(fleet.fleet_id, at_ms=1)
    with pytest.raises(NotFound):
        runtime.fork_fleet("fleet-261123-000000-aaaaaa")


def test_how_things_were_is_what_they_were(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    config = RuntimeConfig(linger_s=0, stuck_after_s=None)
    runtime = open_runtime(clock=clock, brains={"work": Work()}, config=config)
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
