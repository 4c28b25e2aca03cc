"""Forks: what was recorded is neither made nor paid for again, and the fork has the time that was left."""

import threading
from typing import Any

import msgspec
import pytest

from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime import forks
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


def test_a_fork_is_restarted_without_making_anything_again(open_runtime: OpenRuntime) -> None:
    work = Work()
    runtime = open_runtime(brains={"work": work})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    forked = runtime.fork_fleet(fleet.fleet_id, name="another way")
    wait_until(runtime, forked.fleet_id, lambda status: status.agents[0].status == "waiting")
    runtime.close()
    again = open_runtime(brains={"work": work})
    assert [fleet.name for fleet in again.list_fleets().fleets] == ["another way", "original"]
    again.send_message("operator", forked.agent_ids[0], forked.fleet_id, "handoff", "go on")
    assert again.collect_results(forked.fleet_id, wait_s=20).status == "complete"
    assert work.made == ["first", "second", forked.agent_ids[0]]
    assert again.fleet_status(fleet.fleet_id).agents[0].status == "waiting"


def test_a_fork_has_as_much_time_as_was_left(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock, brains={"work": Work()})
    fleet = runtime.spawn_fleet(msgspec.structs.replace(SPEC, timeout_s=60.0))
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    clock.advance(20)
    then = clock.now().wall_ms
    clock.advance(100)
    wait_until(runtime, fleet.fleet_id, lambda status: status.fleet.status == "timed_out")
    first = runtime.fork_fleet(fleet.fleet_id, at_ms=then)
    clock.advance(30)
    second = runtime.fork_fleet(first.fleet_id)
    clock.advance(9)
    for one in (first, second):
        assert runtime.fleet_status(one.fleet_id).fleet.status == "running"
    clock.advance(2)
    for one in (first, second):
        wait_until(runtime, one.fleet_id, lambda status: status.fleet.status == "timed_out")


class Busy:
    """A brain that is inside a step, until it may end it."""

    def __init__(self) -> None:
        self.inside, self.go_on = threading.Semaphore(0), threading.Event()
        self.made = 0

    def call(self) -> tuple[str, Usage]:
        self.made += 1
        self.inside.release()
        assert self.go_on.wait(20)
        return "said", Usage(calls=1, cost_nusd=4)


BOUND = Usage(calls=1, cost_nusd=10)


def test_a_step_that_was_under_way_is_in_doubt_in_the_fork_alone(open_runtime: OpenRuntime) -> None:
    busy = Busy()
    runtime = open_runtime(brains={"work": lambda ctx: ctx.step("pay", "effectful", lambda: busy.call()[0])})
    fleet = runtime.spawn_fleet(SPEC)
    assert busy.inside.acquire(timeout=20)
    forked = runtime.fork_fleet(fleet.fleet_id)
    wait_until(runtime, forked.fleet_id, lambda status: status.agents[0].status == "waiting")
    assert [doubt.agent_id for doubt in runtime.doubts()] == list(forked.agent_ids)
    busy.go_on.set()
    assert runtime.collect_results(fleet.fleet_id, wait_s=20).results[0].output == "said"
    runtime.resolve_doubt(forked.agent_ids[0], "done", "seen")
    assert runtime.collect_results(forked.fleet_id, wait_s=20).results[0].output == "seen"
    assert busy.made == 1


def test_what_was_paid_is_not_paid_again_and_an_open_call_counts_with_its_bound(open_runtime: OpenRuntime) -> None:
    busy, held = Busy(), Busy()
    busy.go_on.set()
    calls = {"first": busy.call, "second": held.call}
    runtime = open_runtime(brains={"work": lambda ctx: [ctx.paid_step(name, BOUND, calls[name]) for name in calls]})
    fleet = runtime.spawn_fleet(msgspec.structs.replace(SPEC, budget=Budget(cost_nusd=100)))
    assert held.inside.acquire(timeout=20)
    forked = runtime.fork_fleet(fleet.fleet_id)
    held.go_on.set()
    for one, spent_nusd in ((fleet, 8), (forked, 4 + 10 + 4)):
        assert runtime.collect_results(one.fleet_id, wait_s=20).results[0].output == ["said", "said"]
        wait_until(runtime, one.fleet_id, lambda status: runtime.spend(status.fleet.id).reserved == Usage())
        assert runtime.spend(one.fleet_id).spent.cost_nusd == spent_nusd
    assert (busy.made, held.made) == (1, 2)


def test_a_ticket_is_answered_for_each_fleet_by_itself(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"work": lambda ctx: ctx.request_help("which door?")})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    forked = runtime.fork_fleet(fleet.fleet_id)
    answers = dict[str, str]()
    fleet_ids = forked.fleet_id, fleet.fleet_id
    for fleet_id in fleet_ids:
        (ticket,) = runtime.list_help(fleet_id, "open").requests
        runtime.answer_help(ticket.help_id, f"for {fleet_id}")
        answers[ticket.help_id] = str(runtime.collect_results(fleet_id, wait_s=20).results[0].output)
    assert [fleet_id in answer for fleet_id, answer in zip(fleet_ids, answers.values(), strict=True)] == [True, True]


def test_a_message_of_the_fork_is_another_message(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"work": Work()})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    sent = runtime.send_message("operator", fleet.agent_ids[0], fleet.fleet_id, "question", "well?")
    forked = runtime.fork_fleet(fleet.fleet_id)
    (copy,) = runtime.inbox(forked.agent_ids[0], all=True).messages
    assert (copy.payload, copy.from_agent_id) == ("well?", "operator")
    assert copy.id != sent.message_id
    runtime.ack(forked.agent_ids[0], copy.id)
    assert [one.id for one in runtime.inbox(fleet.agent_ids[0]).messages] == [sent.message_id]


def test_a_clock_that_was_set_back_leaves_no_hole(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock, brains={"work": Work()})
    clock.set_wall(clock.now().wall_ms + 500_000)
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    clock.set_wall(clock.now().wall_ms - 400_000)
    now_forked = runtime.fork_fleet(fleet.fleet_id)
    runtime.pause_fleet(fleet.fleet_id)
    then_forked = runtime.fork_fleet(fleet.fleet_id, at_ms=clock.now().wall_ms)
    wait_until(runtime, now_forked.fleet_id, lambda status: status.agents[0].status == "waiting")
    assert runtime.fleet_status(then_forked.fleet_id).fleet.status == "paused"
    assert runtime.fleet_status(fleet.fleet_id, at_ms=clock.now().wall_ms).fleet.status == "paused"
    assert runtime.verify_ledger().ok


def test_a_record_that_is_too_long_is_refused_and_records_nothing(
    open_runtime: OpenRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = open_runtime(brains={"work": Work()})
    fleet = runtime.spawn_fleet(SPEC)
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    monkeypatch.setattr(forks, "MAX_FORK_EVENTS", 3)
    with pytest.raises(NotAllowed, match="has recorded more than 3 events by then: too many to fork"):
        runtime.fork_fleet(fleet.fleet_id)
    assert len(runtime.list_fleets().fleets) == 1
