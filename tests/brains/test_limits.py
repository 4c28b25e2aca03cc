"""Rate limits and passing faults, met by whole fleets: nobody fails, nobody hammers, nobody holds a thread."""

import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.gate import GateState
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import Results
from fleetlog.runtime.testing import wait_until
from tests.fakes.messages_api.faults import Break, Hang, Refuse, Slow
from tests.fakes.messages_api.replies import Reply, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL
from tests.fakes.messages_api.stats import Call
from tests.runtime.conftest import open_runtime as open_runtime

OTHER_MODEL = "claude-opus-5-5"
Opened = Callable[..., Runtime]


def _notes(request: ParsedRequest) -> Reply:
    """`[script:notes N]`: N turns with a note each, then its last words."""
    if request.turn < int(request.args or 0):
        return reply(tool_use("note", text=f"note {request.turn}"))
    return reply(text("done"))


@pytest.fixture
def api() -> Iterator[FakeMessagesApi]:
    with FakeMessagesApi({"notes": _notes}) as server:
        yield server
        assert server.violations == []


@pytest.fixture
def opened(api: FakeMessagesApi, open_runtime: Callable[..., Runtime]) -> Opened:
    """`opened(max_concurrency=4)`: a runtime for the fake server."""

    def make(brains: Any = None, workers: int = 16, **settings: Any) -> Runtime:
        claude = ClaudeSettings(api_key=api.api_key, base_url=api.url, **settings)
        return open_runtime(config=RuntimeConfig(claude=claude, workers=workers, linger_s=0), brains=brains)

    return make


def fleet_of(agents: int, turns: int = 0, **more: Any) -> FleetSpec:
    """So many agents, each with so many notes and one call more."""
    items = tuple(range(agents))
    spec = AgentSpec(role="worker", prompt=f"[script:notes {turns}]", brain="claude", each=items, **more)
    return FleetSpec(agents=(spec,))


def run(runtime: Runtime, spec: FleetSpec) -> Results:
    return ended(runtime, runtime.spawn_fleet(spec).fleet_id)


def ended(runtime: Runtime, fleet_id: str, wait_s: float = 60) -> Results:
    results = runtime.collect_results(fleet_id, wait_s=wait_s)
    assert results.is_final, results
    return results


def assert_all_delivered(runtime: Runtime, results: Results) -> None:
    """Each at its first attempt."""
    assert (results.lost, results.delivered) == (0, results.total), results.results[:3]
    agents = runtime.list_agents(results.fleet_id).agents
    assert {agent.retry_count for agent in agents} == {0}


def gate_of(runtime: Runtime, model: str = MODEL) -> GateState:
    return next(state for state in runtime._parts.claude.gates.states() if state.model == model)


def is_reached(condition: Callable[[], bool], timeout_s: float = 10.0) -> bool:
    """Looks again and again; true as soon as it holds."""
    deadline = time.monotonic() + timeout_s
    waiting = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        waiting.wait(0.005)
    return True


# --- a limit of the provider's -------------------------------------------------------------------


def test_two_hundred_agents_meet_a_limit_and_none_of_them_fails(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.limit(requests_per_minute=240, burst=50)
    fleet_id = runtime.spawn_fleet(fleet_of(200)).fleet_id
    api.wait(outcomes={"429": 16})
    limited = api.report()
    api.clear()
    lifted = time.monotonic()
    results = ended(runtime, fleet_id)
    assert_all_delivered(runtime, results)
    report = api.report()
    assert report.answered == report.distinct == 200
    assert limited.outcomes["429"] <= 64 - 50 + 12  # the burst that was on its way, and a probe for each reopening
    assert report.during_limit_late <= 2
    assert time.monotonic() - lifted < 15


def test_while_a_limit_lasts_a_model_gets_a_probe_at_a_time(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_concurrency=16)
    api.refuse(429, 0.2)
    fleet_id = runtime.spawn_fleet(fleet_of(200)).fleet_id
    report = api.wait(requests=16 + 5)
    calls = [call.at for call in api.calls()]
    probes = [call for call in calls if call > calls[0] + 0.15]
    gaps = [after - before for before, after in itertools.pairwise(probes)]
    assert len(calls) - len(probes) <= 16
    assert min(gaps, default=0) > 0.15
    assert report.max_concurrent <= 16
    assert runtime.fleet_status(fleet_id).fleet.agents.get("running") == 200
    api.clear()
    assert_all_delivered(runtime, ended(runtime, fleet_id))


@pytest.mark.parametrize("form", ["seconds", "ms", "date"])
def test_the_provider_is_not_called_before_the_time_it_gave(api: FakeMessagesApi, opened: Opened, form: Any) -> None:
    runtime = opened()
    api.refuse(429, 0.4, form, times=1)
    results = run(runtime, fleet_of(1))
    assert_all_delivered(runtime, results)
    first, second = api.calls()
    assert (first.outcome, second.outcome) == ("429", "answered")
    assert second.at - first.at >= (0.0 if form == "date" else 0.4)
    assert api.report().during_limit_late == 0


def test_an_overload_without_a_time_is_met_with_a_growing_one(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(529, times=2)
    assert_all_delivered(runtime, run(runtime, fleet_of(1)))
    first, second, third = api.calls()
    assert 0.5 <= second.at - first.at <= 1.5
    assert 1.0 <= third.at - second.at <= 2.6


def test_a_limit_in_the_middle_of_a_stream_closes_the_gate_too(
    api: FakeMessagesApi, opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = opened()
    api.rule(Break("error", 4, "rate_limit_error"), times=1)
    assert_all_delivered(runtime, run(runtime, fleet_of(1, turns=1)))
    assert [call.outcome for call in api.calls()] == ["broken", "answered", "answered"]
    assert [record.args for record in caplog.records if "gate_closed" in record.msg]


def test_a_limited_model_does_not_hold_up_another(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(429, 30, model=MODEL)
    limited = runtime.spawn_fleet(fleet_of(20)).fleet_id
    api.wait(outcomes={"429": 1})
    assert_all_delivered(runtime, run(runtime, fleet_of(20, 2, model=OTHER_MODEL)))
    assert gate_of(runtime).closed_until > 0
    assert gate_of(runtime, OTHER_MODEL).closed_until == 0
    assert runtime.collect_results(limited, wait_s=0).delivered == 0


def test_a_small_fleet_does_not_wait_behind_a_large_one(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_concurrency=4)
    api.pace(latency_s=0.02)
    large = runtime.spawn_fleet(fleet_of(150, 2)).fleet_id
    api.wait(answered=10)
    small = ended(runtime, runtime.spawn_fleet(fleet_of(2, 2)).fleet_id)
    assert_all_delivered(runtime, small)
    assert runtime.collect_results(large, wait_s=0).still_running > 75
    assert_all_delivered(runtime, ended(runtime, large))


def test_no_more_calls_run_at_once_than_the_settings_allow(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_concurrency=5)
    api.pace(latency_s=0.02)
    assert_all_delivered(runtime, run(runtime, fleet_of(60, 1)))
    assert api.report().max_concurrent == 5


# --- what passes ---------------------------------------------------------------------------------


def test_server_errors_are_passed_over(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(500, times=2)
    assert_all_delivered(runtime, run(runtime, fleet_of(1)))
    first, second, third = api.calls()
    assert [call.outcome for call in (first, second, third)] == ["500", "500", "answered"]
    assert 0.5 <= second.at - first.at <= 1.5
    assert 1.0 <= third.at - second.at <= 2.5


@pytest.mark.parametrize("fault", [Break("chunk"), Break("eof"), Break("reset"), Break("drop"), Hang("stream")])
def test_a_reply_that_never_came_whole_is_asked_for_again(api: FakeMessagesApi, opened: Opened, fault: Any) -> None:
    runtime = opened(idle_timeout_s=0.3)
    api.rule(fault, times=1, turn=1)
    assert_all_delivered(runtime, run(runtime, fleet_of(1, 1)))
    assert [call.turn for call in api.calls()] == [0, 1, 1]


def test_an_attempt_whose_calls_fail_too_often_fails_and_says_why(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_failures=1)
    api.refuse(503)
    (result,) = run(runtime, fleet_of(1, max_attempts=1)).results
    assert result.status == "failed"
    assert "the model call failed 2 times in a row: 503: refused on purpose with 503" in result.error
    assert api.report().requests == 2


def test_a_request_that_is_refused_fails_at_once_and_says_why(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(422)
    (result,) = run(runtime, fleet_of(1)).results
    assert result.status == "failed"
    assert "the provider refuses the call: 422" in result.error
    assert api.report().requests == 1


def test_a_key_that_is_refused_pauses_the_agent_which_goes_on_when_it_is_mended(
    api: FakeMessagesApi, opened: Opened
) -> None:
    runtime = opened()
    api.refuse(401)
    fleet_id = runtime.spawn_fleet(fleet_of(1)).fleet_id
    status = wait_until(runtime, fleet_id, lambda found: found.agents[0].status == "paused")
    assert "401" in status.agents[0].pause_reason
    assert api.report().requests == 1
    api.clear()
    runtime.resume_agent(status.agents[0].id)
    assert runtime.collect_results(fleet_id, wait_s=20).status == "complete"


# --- waiting holds nothing -----------------------------------------------------------------------


def _quick(ctx: Context) -> str:
    return "quick"


def test_who_waits_at_the_gate_holds_no_thread(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened({"quick": _quick}, workers=2)
    api.refuse(429, 60)
    limited = runtime.spawn_fleet(fleet_of(50)).fleet_id
    assert is_reached(lambda: bool(api.report().outcomes) and gate_of(runtime).waiting == 50)
    assert is_reached(lambda: runtime._parts.engine.workers.executing() == 0)
    plain = FleetSpec(agents=(AgentSpec(role="plain", prompt="x", brain="quick", each=tuple(range(20))),))
    assert_all_delivered(runtime, run(runtime, plain))
    assert runtime.collect_results(limited, wait_s=0).still_running == 50


def test_who_waits_for_an_answer_holds_no_place(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened({"quick": _quick}, workers=2)
    api.rule(Hang())
    calling = runtime.spawn_fleet(fleet_of(10)).fleet_id
    api.wait(hanging=10)
    plain = FleetSpec(agents=(AgentSpec(role="plain", prompt="x", brain="quick", each=tuple(range(20))),))
    assert_all_delivered(runtime, run(runtime, plain))
    api.clear()
    assert_all_delivered(runtime, ended(runtime, calling))


def test_who_is_cancelled_at_the_gate_ends_at_once_and_holds_nobody_up(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(429, 1.0)
    cancelled = runtime.spawn_fleet(fleet_of(50)).fleet_id
    assert is_reached(lambda: bool(api.report().outcomes) and gate_of(runtime).waiting == 50)
    runtime.cancel_fleet(cancelled)
    assert ended(runtime, cancelled, wait_s=5).lost == 50
    assert is_reached(lambda: gate_of(runtime).waiting == 0)
    api.clear()
    began = time.monotonic()
    assert_all_delivered(runtime, run(runtime, fleet_of(5)))
    assert time.monotonic() - began < 10  # a place given to one of those that are gone would be kept for 30 s


def test_who_is_paused_at_the_gate_holds_nobody_up_and_goes_on_when_resumed(
    api: FakeMessagesApi, opened: Opened
) -> None:
    runtime = opened()
    api.refuse(429, 1.0)
    paused = runtime.spawn_fleet(fleet_of(30)).fleet_id
    assert is_reached(lambda: bool(api.report().outcomes) and gate_of(runtime).waiting == 30)
    runtime.pause_fleet(paused)
    api.clear()
    began = time.monotonic()
    assert_all_delivered(runtime, run(runtime, fleet_of(5)))
    assert time.monotonic() - began < 10
    runtime.resume_fleet(paused)
    assert_all_delivered(runtime, ended(runtime, paused))


def test_who_is_cancelled_within_a_call_gives_it_up(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_concurrency=2)
    api.rule(Hang("stream"), times=2)
    hanging = runtime.spawn_fleet(fleet_of(2)).fleet_id
    api.wait(hanging=2)
    others = runtime.spawn_fleet(fleet_of(3)).fleet_id
    runtime.cancel_fleet(hanging)
    api.wait(outcomes={"abandoned": 2}, timeout_s=3)
    assert_all_delivered(runtime, ended(runtime, others))
    assert gate_of(runtime).in_flight == 0


def test_a_runtime_is_closed_at_once_while_agents_wait_and_call(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(max_concurrency=10)
    api.rule(Hang("headers"))
    runtime.spawn_fleet(fleet_of(30))
    api.wait(hanging=10)
    began = time.monotonic()
    runtime.close()
    assert time.monotonic() - began < 3
    api.wait(outcomes={"abandoned": 10})


def test_after_a_restart_the_limit_still_holds_and_then_all_go_on(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened()
    api.refuse(429, 3.0, times=100)
    fleet_id = runtime.spawn_fleet(fleet_of(30, 1)).fleet_id
    api.wait(outcomes={"429": 1})
    assert is_reached(lambda: gate_of(runtime).waiting == 30)
    limited_at = api.calls()[0].at
    runtime.close()
    api.clear()
    api.reset_stats()
    assert_all_delivered_again(opened(), fleet_id)
    calls: list[Call] = api.calls()
    assert min(call.at for call in calls) >= limited_at + 3.0
    assert api.report().answered == 60


def test_however_often_it_is_restarted_at_a_closed_gate_an_agent_waits_and_does_not_fail(
    api: FakeMessagesApi, opened: Opened
) -> None:
    runtime = opened()
    api.refuse(429, 600.0, times=100)
    fleet_id = runtime.spawn_fleet(fleet_of(1, 1, max_interruptions=2)).fleet_id

    def waits_after(runtime: Runtime, restarts: int) -> bool:
        parked = sum(entry.what == "agent.parked" for entry in runtime.timeline(fleet_id))
        return parked == restarts and any(gate.waiting == 1 for gate in runtime.gates())

    for restarts in range(6):
        assert is_reached(functools.partial(waits_after, runtime, restarts))
        runtime.close()
        runtime = opened()
    (agent,) = runtime.list_agents(fleet_id).agents
    assert (agent.status, agent.error) == ("running", "")


def assert_all_delivered_again(runtime: Runtime, fleet_id: str) -> None:
    results = ended(runtime, fleet_id)
    assert (results.delivered, results.lost) == (30, 0)


def test_slow_and_limited_and_broken_all_at_once_still_ends_well(api: FakeMessagesApi, opened: Opened) -> None:
    runtime = opened(idle_timeout_s=1.0)
    api.rule(Slow(latency_s=0.005))
    api.rule(Refuse(429, retry_after_s=0.1), every=40, times=4)
    api.rule(Break("chunk"), every=50, times=3)
    api.rule(Refuse(500), every=60, times=3)
    results = run(runtime, fleet_of(40, 3))
    assert_all_delivered(runtime, results)
    report = api.report()
    assert (report.answered, report.distinct) == (160, 160)


def test_the_directory_of_a_limited_runtime_names_no_key(api: FakeMessagesApi, opened: Opened, tmp_path: Path) -> None:
    runtime = opened()
    api.refuse(429, 0.1, times=1)
    assert_all_delivered(runtime, run(runtime, fleet_of(1)))
    runtime.close()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if api.api_key.encode() in path.read_bytes()]
