"""A wait that can never end is found, and one that can is left alone."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from fleetlog.domain.errors import NoAnswer
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import FleetStatus
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime, leave_the_memory

QUICK = RuntimeConfig(linger_s=0, stuck_after_s=0.05)


def told(wait: Callable[[Context], Any]) -> Callable[[Context], Any]:
    """A brain that waits, and gives what it was told instead of a message."""

    def brain(ctx: Context) -> Any:
        try:
            return wait(ctx)
        except NoAnswer as error:
            return f"stuck: {error}"

    return brain


def listen(ctx: Context) -> Any:
    return ctx.receive().payload


def ask(peer: str) -> Callable[[Context], Any]:
    def brain(ctx: Context) -> Any:
        return ctx.ask(peer, "well?").payload

    return brain


def helper(ctx: Context) -> None:
    ctx.submit_result("ready")
    for question in ctx.questions():
        ctx.reply(question, "yes")


def fleet_of(*names: str, **more: Any) -> FleetSpec:
    return FleetSpec(agents=tuple(AgentSpec(role=n, prompt="x", name=n, brain=n) for n in names), **more)


def whats(runtime: Runtime, fleet_id: str) -> list[str]:
    return [entry.what for entry in runtime.timeline(fleet_id, limit=10_000)]


def all_wait(status: FleetStatus) -> bool:
    return all(agent.status == "waiting" for agent in status.agents)


def test_two_agents_that_wait_for_each_others_answer_are_told(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": told(ask("b")), "b": told(ask("a"))}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a", "b")).fleet_id
    results = runtime.collect_results(fleet_id, wait_s=20)
    circle = "everyone waits and nothing is in flight: a waits for an answer from b, b waits for an answer from a"
    assert [result.output for result in results.results] == [f"stuck: {circle}"] * 2
    fleet = runtime.fleet_status(fleet_id).fleet
    assert (fleet.stuck, fleet.stuck_at is not None) == (circle, True)
    assert whats(runtime, fleet_id).count("fleet.stuck") == 1
    alerts = [message for message in runtime.inbox(f"agent-{fleet_id[6:]}-a").messages if message.type == "alert"]
    assert len(alerts) == 1
    assert circle in alerts[0].payload


def test_three_agents_that_all_listen_are_told(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains=dict.fromkeys("abc", told(listen)), config=QUICK)
    results = runtime.collect_results(runtime.spawn_fleet(fleet_of(*"abc")).fleet_id, wait_s=20)
    assert results.delivered == 3
    assert all("a waits for a message from anybody" in result.output for result in results.results)


def test_one_that_waits_beside_a_helper_that_only_answers_is_stuck(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": told(listen), "helper": helper}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a", "helper")).fleet_id
    results = runtime.collect_results(fleet_id, wait_s=20)
    assert results.results[0].output.startswith("stuck: ")
    assert whats(runtime, fleet_id).count("step.wait_abandoned") == 1


def test_one_that_asks_a_helper_is_not_stuck(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": told(ask("helper")), "helper": helper}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a", "helper")).fleet_id
    assert runtime.collect_results(fleet_id, wait_s=20).results[0].output == "yes"
    assert "fleet.stuck" not in whats(runtime, fleet_id)


@pytest.mark.parametrize("end", ["returns", "raises", "goes on and returns"])
def test_the_last_that_works_ends_and_leaves_one_that_waits_for_it(open_runtime: OpenRuntime, end: str) -> None:
    def last(ctx: Context) -> Any:
        if end == "raises":
            raise ValueError("broken")
        if end == "returns":
            return "done"
        ctx.submit_result("done")
        ctx.step("more", "pure", lambda: 1)
        return None

    runtime = open_runtime(brains={"a": told(lambda ctx: ctx.receive(sender="b")), "b": last}, config=QUICK)
    agents = [AgentSpec(role=name, prompt="x", brain=name, max_attempts=1) for name in "ab"]
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=tuple(agents))).fleet_id
    assert "a waits for a message from b" in runtime.collect_results(fleet_id, wait_s=20).results[0].output


def test_agents_that_depend_on_one_that_waits_for_ever_do_not_hide_it(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": told(listen), "b": lambda ctx: "b"}, config=QUICK)
    agents = (AgentSpec(role="a", prompt="x", brain="a"), AgentSpec(role="b", prompt="x", brain="b", depends_on=("a",)))
    results = runtime.collect_results(runtime.spawn_fleet(FleetSpec(agents=agents)).fleet_id, wait_s=20)
    assert results.results[0].output.startswith("stuck: ")
    assert results.results[1].output == "b"


def test_a_brain_that_waits_again_and_again_fails_with_the_reason(open_runtime: OpenRuntime) -> None:
    def stubborn(ctx: Context) -> Any:
        while True:
            try:
                ctx.receive(("handoff",))
            except NoAnswer:
                continue

    runtime = open_runtime(brains={"a": stubborn}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a")).fleet_id
    results = runtime.collect_results(fleet_id, wait_s=20)
    assert (results.status, results.results[0].status) == ("failed", "failed")
    assert "it waited 4 times for what can never come: everyone waits" in results.results[0].error
    assert whats(runtime, fleet_id).count("step.wait_abandoned") == 3


def test_an_open_fleet_that_is_closed_is_looked_at_from_then_on(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": told(listen)}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a", keep_open=True)).fleet_id
    wait_until(runtime, fleet_id, all_wait)
    runtime.close_fleet(fleet_id)
    assert runtime.collect_results(fleet_id, wait_s=20).results[0].output.startswith("stuck: ")


def test_a_fleet_that_got_stuck_before_a_restart_is_found_after_it(open_runtime: OpenRuntime) -> None:
    brains = {"a": told(ask("b")), "b": told(ask("a"))}
    first = open_runtime(brains=brains, clock=ManualClock())  # its time stands still
    fleet_id = first.spawn_fleet(fleet_of("a", "b")).fleet_id
    wait_until(first, fleet_id, all_wait)
    first.close()
    second = open_runtime(brains=brains, config=QUICK)
    results = second.collect_results(fleet_id, wait_s=20)
    assert all(result.output.startswith("stuck: ") for result in results.results)


def test_the_agents_of_a_stuck_fleet_are_found_also_when_they_have_left_the_memory(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    config = RuntimeConfig(linger_s=0, idle_after_s=0.2, stuck_after_s=60)
    runtime = open_runtime(brains={"a": told(ask("b")), "b": told(ask("a"))}, config=config, clock=clock)
    fleet_id = runtime.spawn_fleet(fleet_of("a", "b")).fleet_id
    wait_until(runtime, fleet_id, all_wait)
    leave_the_memory(runtime, clock, but=1)  # their fleet remembers what they said
    while runtime.collect_results(fleet_id, wait_s=0.05).delivered < 2:
        clock.advance(20)
    assert whats(runtime, fleet_id).count("fleet.stuck") == 1


# --- no alarm ------------------------------------------------------------------------------------

SPECS: dict[str, tuple[FleetSpec, dict[str, Any]]] = {
    "it is kept open": (fleet_of("a", keep_open=True), {"a": listen}),
    "a mailbox may send": (
        FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"), AgentSpec(role="clerk", prompt="x"))),
        {"a": listen},
    ),
    "a wait has a deadline": (fleet_of("a", "b"), {"a": listen, "b": lambda ctx: ctx.receive(timeout_s=50_000)}),
    "a person is asked": (fleet_of("a", "b"), {"a": listen, "b": lambda ctx: ctx.request_help("which?")}),
    "a person is waited for": (fleet_of("a", "b"), {"a": listen, "b": lambda ctx: ctx.receive(sender="operator")}),
    "the operator was asked": (fleet_of("a", "b"), {"a": listen, "b": ask("operator")}),
    "an attempt is due": (fleet_of("a", "b"), {"a": listen, "b": lambda ctx: 1 / 0}),
}


@pytest.mark.parametrize("why", SPECS)
def test_there_is_no_alarm_when(open_runtime: OpenRuntime, why: str) -> None:
    clock = ManualClock()
    spec, brains = SPECS[why]
    runtime = open_runtime(brains=brains, config=QUICK, clock=clock)
    fleet_id = runtime.spawn_fleet(spec).fleet_id
    wait_until(runtime, fleet_id, lambda s: all(a.status in ("waiting", "complete") for a in s.agents if a.brain))
    agents = runtime.list_agents(fleet_id).agents
    for _ in range(30):  # six times the quiet time, and every mailbox is passed often enough for all rounds of a check
        clock.advance(0.01)
        for agent in agents:
            runtime.ack(agent.id, "message-nobody-sent")
    assert "fleet.stuck" not in whats(runtime, fleet_id)


def test_runs_that_queue_for_a_place_are_in_flight(open_runtime: OpenRuntime) -> None:
    def worker(ctx: Context) -> Any:
        ctx.step("think", "pure", sum, range(100_000))
        ctx.send("a", "handoff", ctx.name)
        return "sent"

    def gather(ctx: Context) -> Any:
        return sorted(ctx.receive(("handoff",)).payload for _ in range(12))

    names = [f"w{number}" for number in range(12)]
    runtime = open_runtime(brains={"a": gather, **dict.fromkeys(names, worker)}, config=QUICK)
    fleet_id = runtime.spawn_fleet(fleet_of("a", *names, max_concurrency=1)).fleet_id
    results = runtime.collect_results(fleet_id, wait_s=30)
    assert results.results[0].output == sorted(names)
    assert "fleet.stuck" not in whats(runtime, fleet_id)


@pytest.mark.parametrize("seed", range(3))
def test_random_chatter_raises_no_false_alarm(open_runtime: OpenRuntime, seed: int) -> None:
    """Tokens go round at random; each agent waits in between, and the last one ends it for all. Alarms are as nervous
    as can be: there is no quiet time at all."""
    names = [f"n{number}" for number in range(6)]
    hops = 60

    def node(ctx: Context) -> int:
        handled = 0
        while True:
            message = ctx.receive()
            if message.payload == "over":
                return handled
            handled += 1
            left = int(message.payload)
            if left == 0:
                ctx.send("*", "alert", "over")
                return handled
            others = [name for name in names if name != ctx.name]
            ctx.send(random.Random(seed * 1000 + left).choice(others), "handoff", str(left - 1))

    config = RuntimeConfig(linger_s=0.0 if seed else 0.01, stuck_after_s=0.0, workers=3)
    runtime = open_runtime(brains=dict.fromkeys(names, node), config=config)
    agents = tuple(AgentSpec(role=name, prompt="x", name=name, brain=name) for name in names)
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=agents, keep_open=True)).fleet_id
    runtime.send_message("operator", f"agent-{fleet_id[6:]}-n0", fleet_id, "handoff", str(hops))
    runtime.close_fleet(fleet_id)
    results = runtime.collect_results(fleet_id, wait_s=60)
    assert results.delivered == len(names)
    assert sum(result.output for result in results.results) == hops + 1
    assert "fleet.stuck" not in whats(runtime, fleet_id)
