"""What a brain can do through its context, and what a crash, a cancel or a change of its code does to it."""

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain import errors
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import FleetStatus, Results, SpawnReply
from fleetlog.runtime.testing import wait_until

OpenRuntime = Callable[..., Runtime]


def spec(brain: str, **options: Any) -> AgentSpec:
    return AgentSpec(role=brain, prompt="do it", brain=brain, **options)


def spawn(runtime: Runtime, *agents: AgentSpec, **options: Any) -> SpawnReply:
    return runtime.spawn_fleet(FleetSpec(agents=agents, **options))


def results(runtime: Runtime, fleet: SpawnReply, wait_s: float = 20) -> Results:
    return runtime.collect_results(fleet.fleet_id, wait_s=wait_s)


def is_waiting(name: str) -> Callable[[FleetStatus], bool]:
    return lambda status: any(a.name == name and a.status == "waiting" for a in status.agents)


def test_what_a_brain_returns_is_its_result(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: {"n": 1, "who": ctx.name}})
    found = results(runtime, spawn(runtime, spec("a")))
    assert found.status == "complete"
    assert found.results[0].output == {"n": 1, "who": "a"}


def test_a_step_gives_the_same_builtins_live_and_replayed(open_runtime: OpenRuntime) -> None:
    seen: list[Any] = []

    def brain(ctx: Context) -> None:
        seen.append(ctx.step("make", "pure", lambda: {"t": (1, 2), "s": "x"}))
        ctx.receive(("alert",))

    runtime = open_runtime(brains={"a": brain})
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    runtime.close()
    runtime = open_runtime(brains={"a": brain})
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "go")
    results(runtime, fleet)
    assert seen == [{"t": [1, 2], "s": "x"}] * 2


def test_a_step_that_cannot_be_stored_fails_as_a_step(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> str:
        with pytest.raises(errors.StepFailed, match="TypeError"):
            ctx.step("make", "pure", object)
        return "went on"

    runtime = open_runtime(brains={"a": brain})
    assert results(runtime, spawn(runtime, spec("a"))).results[0].output == "went on"


def test_large_values_go_through_artifacts(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.step("big", "pure", lambda: "x" * 1_000_000)})
    found = results(runtime, spawn(runtime, spec("a")))
    assert len(found.results[0].output) == 1_000_000


def test_steps_do_not_nest_and_belong_to_their_thread(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> list[str]:
        said: list[str] = []

        def inner() -> None:
            ctx.step("inner", "pure", int)

        try:
            ctx.step("outer", "pure", inner)
        except errors.StepFailed as error:
            said.append(error.error)

        def elsewhere() -> None:
            try:
                ctx.progress("from elsewhere")
            except errors.NotAllowed as error:
                said.append(str(error))

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
        return said

    runtime = open_runtime(brains={"a": brain})
    nested, elsewhere = results(runtime, spawn(runtime, spec("a"))).results[0].output
    assert "steps do not nest" in nested
    assert "belongs to the thread" in elsewhere


def test_a_changed_function_fails_with_an_error_that_names_both_steps(open_runtime: OpenRuntime) -> None:
    def before(ctx: Context) -> None:
        ctx.step("scan", "pure", int)
        ctx.receive()

    def after(ctx: Context) -> None:
        ctx.step("survey", "pure", int)

    runtime = open_runtime(brains={"a": before})
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    runtime.close()
    runtime = open_runtime(brains={"a": after})
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "go")
    found = results(runtime, fleet).results[0]
    assert found.status == "failed"
    assert "recorded as 'scan' (pure)" in found.error
    assert "now asks for 'survey' (pure)" in found.error


def test_a_function_that_stops_short_of_its_record_fails_too(open_runtime: OpenRuntime) -> None:
    def before(ctx: Context) -> None:
        ctx.submit_result(1)
        ctx.step("after", "pure", int)
        ctx.receive()

    runtime = open_runtime(brains={"a": before, "b": lambda ctx: ctx.receive(("alert",))})
    fleet = spawn(runtime, spec("a"), spec("b"))
    wait_until(runtime, fleet.fleet_id, lambda s: s.agents[0].waiting_for != "" and s.agents[1].waiting_for != "")
    runtime.close()
    runtime = open_runtime(brains={"a": lambda ctx: ctx.submit_result(1), "b": lambda ctx: None})
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "go")
    entries = runtime.timeline(fleet.fleet_id, limit=1000)
    while not any(entry.what == "agent.returned" for entry in entries):
        entries = runtime.timeline(fleet.fleet_id, after=entries[-1].position, wait_s=10)
        assert entries
    said = next(entry.summary for entry in entries if entry.what == "agent.returned")
    assert "recorded as 'after' (pure)" in said


def test_an_interrupted_effectful_step_is_in_doubt_and_not_made_again(open_runtime: OpenRuntime) -> None:
    calls: list[str] = []
    entered = threading.Event()

    def hang() -> None:
        calls.append("made")
        entered.set()
        while True:
            sum(range(1000))

    def brain(ctx: Context) -> str:
        try:
            ctx.step("pay", "effectful", hang)
        except errors.StepInDoubt as doubt:
            return f"doubt about {doubt.step}"
        return "paid"

    runtime = open_runtime(brains={"a": brain})
    fleet = spawn(runtime, spec("a"))
    assert entered.wait(10)
    runtime.close()
    runtime = open_runtime(brains={"a": brain})
    assert results(runtime, fleet).results[0].output == "doubt about pay"
    assert calls == ["made"]


@pytest.mark.parametrize(("outcome", "value", "expected", "times"), [("done", 7, 7, 1), ("retry", None, "again", 2)])
def test_a_doubt_the_brain_does_not_handle_waits_for_a_person(
    open_runtime: OpenRuntime, outcome: str, value: Any, expected: Any, times: int
) -> None:
    calls: list[str] = []
    entered = threading.Event()

    def pay() -> str:
        calls.append("made")
        entered.set()
        while len(calls) == 1:
            sum(range(1000))
        return "again"

    def brain(ctx: Context) -> Any:
        return ctx.step("pay", "effectful", pay)

    runtime = open_runtime(brains={"a": brain})
    fleet = spawn(runtime, spec("a"))
    assert entered.wait(10)
    runtime.close()
    runtime = open_runtime(brains={"a": brain})
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    (doubt,) = runtime.doubts()
    assert (doubt.name, doubt.step) == ("pay", 0)
    runtime.resolve_doubt(doubt.agent_id, outcome, value)
    assert results(runtime, fleet).results[0].output == expected
    assert len(calls) == times
    assert runtime.doubts() == ()


def test_a_failing_brain_is_tried_again_with_backoff_and_then_fails_with_its_reasons(
    open_runtime: OpenRuntime, clock: ManualClock
) -> None:
    calls: list[int] = []

    def brain(ctx: Context) -> None:
        ctx.step("first", "pure", lambda: calls.append(1))
        raise ValueError(f"broken {len(calls)}")

    runtime = open_runtime(brains={"a": brain}, clock=clock)
    fleet = spawn(runtime, spec("a", max_attempts=3))
    for attempt in (1, 2):
        wait_until(runtime, fleet.fleet_id, lambda s, n=attempt: s.agents[0].retry_count == n)  # type: ignore[misc]
        clock.advance(2.0**attempt)
    found = results(runtime, fleet)
    assert found.status == "failed"
    assert found.results[0].error.count("ValueError") == 3
    assert "test_brains.py" in found.results[0].error
    assert len(calls) == 1, "a recorded step was made again by a new attempt"


@pytest.mark.parametrize("raised", [SystemExit("enough"), KeyboardInterrupt("enough"), MemoryError("enough")])
def test_whatever_a_brain_raises_is_its_attempts_failure(open_runtime: OpenRuntime, raised: BaseException) -> None:
    def brain(ctx: Context) -> None:
        raise raised

    runtime = open_runtime(brains={"a": brain})
    fleet = runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a", max_attempts=1),)))
    results = runtime.collect_results(fleet.fleet_id, wait_s=20)
    assert results.status == "failed"
    assert f"{type(raised).__name__}: enough (at {__file__}:" in results.results[0].error


def test_a_brain_whose_module_cannot_be_imported_is_refused(
    open_runtime: OpenRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "half_written.py").write_text("def brain(ctx:\n")
    (tmp_path / "explodes.py").write_text("raise RuntimeError('on import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    runtime = open_runtime()
    for name, said in (("half_written:brain", "SyntaxError"), ("explodes:brain", "RuntimeError: on import")):
        agent = AgentSpec(role="a", prompt="x", brain=name)
        with pytest.raises(errors.InvalidArgument, match=f"cannot be imported: {said}"):
            runtime.spawn_fleet(FleetSpec(agents=(agent,)))


def test_a_failed_agent_does_not_take_its_fleet_with_it(open_runtime: OpenRuntime) -> None:
    def broken(ctx: Context) -> None:
        raise RuntimeError("no")

    runtime = open_runtime(brains={"good": lambda ctx: 1, "bad": broken})
    found = results(runtime, spawn(runtime, spec("good"), spec("bad", max_attempts=1)))
    assert found.status == "complete"
    assert (found.delivered, found.lost) == (1, 1)


def test_a_failed_step_is_made_again_only_with_the_next_attempt(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    outcomes = [OSError("busy"), None]

    def flaky() -> str:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return "ok"

    runtime = open_runtime(brains={"a": lambda ctx: ctx.step("fetch", "pure", flaky)}, clock=clock)
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, lambda s: s.agents[0].retry_count == 1)
    clock.advance(5)
    assert results(runtime, fleet).results[0].output == "ok"


def test_a_wait_ends_without_a_message_when_its_time_is_over(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive(timeout_s=60) is None}, clock=clock)
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    clock.advance(59)
    assert runtime.fleet_status(fleet.fleet_id).agents[0].status == "waiting"
    clock.advance(2)
    assert results(runtime, fleet).results[0].output is True


def test_a_waiting_agent_holds_no_thread(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()}, config=RuntimeConfig(workers=2))
    fleet = spawn(runtime, spec("a", each=tuple(range(20))))
    wait_until(runtime, fleet.fleet_id, lambda s: all(a.status == "waiting" for a in s.agents))
    runtime.send_message("operator", "*", fleet.fleet_id, "alert", "go")
    assert results(runtime, fleet).delivered == 20


def test_an_ended_peer_is_no_longer_asked(open_runtime: OpenRuntime) -> None:
    def asker(ctx: Context) -> str:
        ctx.receive(("alert",))
        with pytest.raises(errors.StepFailed, match="answers no more questions"):
            ctx.ask("peer", "are you there?")
        return "asked"

    runtime = open_runtime(brains={"asker": asker, "peer": lambda ctx: "done"})
    fleet = spawn(runtime, spec("asker"), spec("peer"))
    wait_until(runtime, fleet.fleet_id, lambda s: s.agents[1].status == "complete")
    runtime.send_message("operator", "asker", fleet.fleet_id, "alert", "go")
    found = results(runtime, fleet)
    assert found.results[0].output == "asked", found


def test_a_question_left_unanswered_is_declined_when_its_peer_ends(open_runtime: OpenRuntime) -> None:
    def asker(ctx: Context) -> str:
        try:
            ctx.ask("peer", "well?")
        except errors.NoAnswer as error:
            return str(error)
        return "answered"

    def peer(ctx: Context) -> str:
        ctx.receive(("question",))
        return "I do not answer"

    runtime = open_runtime(brains={"asker": asker, "peer": peer})
    found = results(runtime, spawn(runtime, spec("asker"), spec("peer")))
    assert "did not answer" in found.results[0].output


def test_a_completed_agent_is_woken_by_a_question(open_runtime: OpenRuntime) -> None:
    def oracle(ctx: Context) -> None:
        ctx.submit_result("ready")
        for question in ctx.questions():
            ctx.reply(question, question.payload * 2)

    def asker(ctx: Context) -> str:
        return ctx.ask("oracle", "ab").payload

    runtime = open_runtime(brains={"oracle": oracle, "asker": asker})
    found = results(runtime, spawn(runtime, spec("oracle"), spec("asker", depends_on=("oracle",))))
    assert [result.output for result in found.results] == ["ready", "abab"]


def test_dependents_get_the_results_they_waited_for(open_runtime: OpenRuntime) -> None:
    brains = {"part": lambda ctx: ctx.item * 10, "sum": lambda ctx: sum(ctx.results["part"])}
    runtime = open_runtime(brains=brains)
    found = results(runtime, spawn(runtime, spec("part", each=(1, 2, 3)), spec("sum", depends_on=("part",))))
    assert found.results[-1].output == 60


def test_an_agent_whose_dependency_failed_is_cancelled_with_the_reason(open_runtime: OpenRuntime) -> None:
    def broken(ctx: Context) -> None:
        raise RuntimeError("no")

    runtime = open_runtime(brains={"bad": broken, "after": lambda ctx: 1, "last": lambda ctx: 2})
    fleet = spawn(
        runtime,
        spec("bad", max_attempts=1),
        spec("after", depends_on=("bad",)),
        spec("last", depends_on=("after",)),
    )
    found = results(runtime, fleet)
    assert found.status == "failed"
    assert [result.status for result in found.results] == ["failed", "cancelled", "cancelled"]
    assert "depends on bad" in found.results[1].error


def test_no_more_brains_of_a_fleet_run_at_once_than_it_allows(open_runtime: OpenRuntime) -> None:
    running, most = set[str](), [0]
    lock = threading.Lock()

    def brain(ctx: Context) -> None:
        def work() -> None:
            with lock:
                running.add(ctx.name)
                most[0] = max(most[0], len(running))
            sum(range(20_000))
            with lock:
                running.discard(ctx.name)

        ctx.step("work", "pure", work)

    runtime = open_runtime(brains={"a": brain})
    found = results(runtime, spawn(runtime, spec("a", each=tuple(range(30))), max_concurrency=3))
    assert found.delivered == 30
    assert 1 <= most[0] <= 3


SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def test_a_result_that_does_not_fit_goes_back_with_the_reason(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> None:
        output: Any = {"n": "one"}
        while True:
            try:
                ctx.submit_result(output)
                return
            except errors.ResultRejected as rejected:
                output = {"n": 1, "why": rejected.reasons[0]}

    runtime = open_runtime(brains={"a": brain})
    found = results(runtime, spawn(runtime, spec("a", result_schema=SCHEMA)))
    assert found.results[0].output == {"n": 1, "why": "$.n: 'one' is not of type 'integer'"}


def test_a_result_that_never_fits_fails_the_agent(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> None:
        while True:
            try:
                ctx.submit_result({})
                return
            except errors.ResultRejected:
                continue

    runtime = open_runtime(brains={"a": brain})
    found = results(runtime, spawn(runtime, spec("a", result_schema=SCHEMA, max_rejections=2))).results[0]
    assert found.status == "failed"
    assert "rejected 3 times" in found.error
    assert "'n' is a required property" in found.error


def test_a_kept_open_fleet_takes_agents_until_it_is_closed(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.name})
    fleet = spawn(runtime, spec("a"), keep_open=True)
    assert results(runtime, fleet).status == "running"
    runtime.attach_agent(fleet.fleet_id, spec("a", name="later"))
    wait_until(runtime, fleet.fleet_id, lambda s: s.fleet.agents.get("complete") == 2)
    runtime.close_fleet(fleet.fleet_id)
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "complete"
    with pytest.raises(errors.NotAllowed, match="is complete, not running"):
        runtime.attach_agent(fleet.fleet_id, spec("a", name="too-late"))


def test_a_person_is_asked_and_the_answer_reaches_the_brain(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.request_help("which database?", "looked around")})
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    (request,) = runtime.help_requests(fleet.fleet_id, "open").requests
    assert (request.blocker, request.attempted) == ("which database?", "looked around")
    runtime.answer_help(request.help_id, "the old one", by="ann")
    assert results(runtime, fleet).results[0].output == "the old one"
    with pytest.raises(errors.NotAllowed, match="answered already"):
        runtime.answer_help(request.help_id, "no, the new one")


def test_cancelling_stops_an_endless_loop_and_the_child_processes(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    script = f"import os,time; open({str(pid_file)!r},'w').write(str(os.getpid())); time.sleep(600)"
    entered = threading.Event()

    def child(ctx: Context) -> None:
        ctx.run_command("sleep", [sys.executable, "-c", script])

    def loop(ctx: Context) -> None:
        entered.set()
        while True:
            sum(range(1000))

    runtime = open_runtime(brains={"child": child, "loop": loop})
    fleet = spawn(runtime, spec("child"), spec("loop"))
    assert entered.wait(10)
    deadline = time.monotonic() + 10
    while not (pid_file.exists() and pid_file.read_text()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    runtime.cancel_fleet(fleet.fleet_id, "enough")
    found = results(runtime, fleet)
    assert found.status == "cancelled"
    assert [result.status for result in found.results] == ["cancelled", "cancelled"]
    pid = int(pid_file.read_text())
    deadline = time.monotonic() + 10
    while is_running(pid) or runtime._parts.engine.workers.executing():
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]


def test_a_command_step_gives_its_exit_code_and_output(open_runtime: OpenRuntime) -> None:
    def brain(ctx: Context) -> Any:
        ran = ctx.run_command("say", [sys.executable, "-c", "print('hi'); raise SystemExit(3)"])
        slow = ctx.run_command("slow", [sys.executable, "-c", "import time; time.sleep(60)"], timeout_s=0.2)
        return [ran.exit_code, ran.output, slow.timed_out]

    runtime = open_runtime(brains={"a": brain})
    assert results(runtime, spawn(runtime, spec("a"))).results[0].output == [3, "hi\n", True]


def test_an_agent_that_is_cancelled_leaves_its_fleet_running(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive(), "b": lambda ctx: ctx.receive()})
    fleet = spawn(runtime, spec("a"), spec("b"))
    wait_until(runtime, fleet.fleet_id, lambda s: all(a.status == "waiting" for a in s.agents))
    runtime.cancel_agent(fleet.agent_ids[0], "not needed")
    with pytest.raises(errors.NotAllowed, match="is cancelled"):
        runtime.send_message("operator", fleet.agent_ids[0], fleet.fleet_id, "alert", "hm")
    runtime.send_message("operator", "b", fleet.fleet_id, "alert", "go")
    found = results(runtime, fleet)
    assert [result.status for result in found.results] == ["cancelled", "complete"]


def test_a_fleet_times_out_in_uptime_also_over_a_restart(open_runtime: OpenRuntime) -> None:
    first, second = ManualClock(), ManualClock()
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()}, clock=first)
    fleet = spawn(runtime, spec("a"), timeout_s=100)
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    first.advance(60)
    runtime.close()
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()}, clock=second)
    assert second.now().uptime_s == pytest.approx(60, abs=0.01)
    second.advance(30)
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "running"
    runtime.set_fleet_timeout(fleet.fleet_id, 200)
    second.advance(15)
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "running"
    second.advance(100)
    found = results(runtime, fleet)
    assert found.status == "timed_out"
    assert found.results[0].status == "timed_out"


def test_idle_actors_leave_the_memory_and_a_message_brings_them_back(open_runtime: OpenRuntime) -> None:
    config = RuntimeConfig(idle_after_s=0.05)
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive().payload}, config=config)
    fleet = spawn(runtime, spec("a"), keep_open=True)
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    deadline = time.monotonic() + 10
    while len(runtime._parts.engine.residents):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "wake up")
    assert results(runtime, fleet).results[0].output == "wake up"


def test_a_crash_looping_agent_ends_as_failed_with_its_reasons(open_runtime: OpenRuntime) -> None:
    entered = threading.Event()

    def brain(ctx: Context) -> None:
        entered.set()
        while True:
            sum(range(1000))

    for _ in range(3):
        runtime = open_runtime(brains={"a": brain})
        fleets = runtime.list_fleets().fleets
        if not fleets:
            spawn(runtime, spec("a", max_interruptions=2))
        assert entered.wait(10)
        entered.clear()
        runtime.close()
    runtime = open_runtime(brains={"a": brain})
    fleet_id = runtime.list_fleets().fleets[0].id
    found = runtime.collect_results(fleet_id, wait_s=10)
    assert found.status == "failed"
    assert "interrupted 3 times in a row" in found.results[0].error


def test_an_unknown_brain_after_a_restart_waits_until_it_is_known(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive()})
    fleet = spawn(runtime, spec("a"))
    wait_until(runtime, fleet.fleet_id, is_waiting("a"))
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "go")
    runtime.collect_results(fleet.fleet_id, wait_s=10)
    runtime.close()
    runtime = open_runtime()
    assert runtime.collect_results(fleet.fleet_id).status == "complete"
