"""Agents that are programs, with real programs: their task, their failures, their ends, what they leave behind."""

import json
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.command_spec import CommandSpec
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec
from fleetlog.runtime.brains.command.mesh import MeshGrant
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.rows import ResultRow
from fleetlog.runtime.testing import wait_until
from fleetlog.runtime.tools.children import is_readable
from tests.runtime.conftest import OpenRuntime

PROGRAM = Path(__file__).parents[1] / "fakes" / "programs" / "agent_program.py"
RESUME = {"output": "stream_json", "resume": ("--session={session}",)}


class Programs:
    """Specs of agents that run the fake program, and what its runs were given."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "runs.jsonl"
        self.log.touch()

    def agent(self, deed: str, *words: str, command: dict[str, Any] | None = None, **spec: Any) -> AgentSpec:
        more = dict(command or {})
        line = (sys.executable, str(PROGRAM), str(self.log), deed, *words)
        if "resume" in more:
            more["resume"] = (*line, *more["resume"])
        return AgentSpec(
            **{
                "role": "worker",
                "prompt": "count the sheep",
                "brain": "command",
                "command": CommandSpec(argv=line, **more),
                **spec,
            }
        )

    @property
    def runs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def pidfds(self) -> list[int]:
        """A descriptor of each process that has said its id: it is readable once that has ended."""
        found = []
        for pid in map(int, self.log.with_suffix(".pids").read_text().split()):
            try:
                found.append(os.pidfd_open(pid))
            except ProcessLookupError:
                continue
        return found

    def are_gone(self) -> bool:
        """Everything that has said its id has ended, or soon does."""
        fds = self.pidfds()
        try:
            return all(is_readable(fd, 10) for fd in fds)
        finally:
            for fd in fds:
                os.close(fd)


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def spawned(runtime: Runtime, *agents: AgentSpec, **spec: Any) -> str:
    return runtime.spawn_fleet(FleetSpec(agents=agents, **spec)).fleet_id


def result(runtime: Runtime, *agents: AgentSpec, **spec: Any) -> ResultRow:
    """How the first agent of a fleet of these has ended."""
    results = runtime.collect_results(spawned(runtime, *agents, **spec), wait_s=30)
    assert results.results, "it has not ended"
    return results.results[0]


def when_said(runtime: Runtime, fleet_id: str, found: Callable[[str, str], bool]) -> None:
    """Wait until the timeline has (what, summary)."""
    after = 0
    while True:
        entries = runtime.timeline(fleet_id, after=after, wait_s=20)
        assert entries, "it never came"
        after = entries[-1].position
        if any(found(entry.what, entry.summary) for entry in entries):
            return


def is_at_work(what: str, summary: str) -> bool:
    return what == "agent.progress_reported" and ("hanging" in summary or "deep in work" in summary)


# --- a task and its result -----------------------------------------------------------------------


def test_a_program_gets_its_briefing_and_its_output_is_the_result(
    open_runtime: OpenRuntime, programs: Programs, tmp_path: Path
) -> None:
    runtime = open_runtime(brains={"scout": lambda ctx: {"seen": "three wolves"}})
    scout = AgentSpec(role="scout", prompt="look", brain="scout")
    worker = programs.agent("say", "12 sheep", depends_on=("scout",), each=({"field": "north"},))
    fleet_id = spawned(runtime, worker, scout, goal="keep the flock", workspace=str(tmp_path))
    row = runtime.collect_results(fleet_id, wait_s=30).results[0]
    assert (row.status, row.output) == ("complete", "12 sheep")
    (run,) = programs.runs
    for words in ("worker", "keep the flock", "`scout`", "count the sheep", "three wolves", "north"):
        assert words in run["prompt"]
    assert "fleetlog" not in run["prompt"]
    assert run["cwd"] == str(tmp_path)
    assert (run["env"]["FLEETLOG_AGENT_ID"], run["env"]["FLEETLOG_FLEET_ID"]) == (row.agent_id, fleet_id)
    assert "FLEETLOG_TOKEN" not in run["env"]


def test_the_runtimes_secrets_are_not_in_a_programs_environment(
    open_runtime: OpenRuntime, programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "MY_TOKEN", "DATABASE_URL", "PLAIN_WORD"):
        monkeypatch.setenv(name, "hush-hush")
    assert result(open_runtime(), programs.agent("say", "x")).status == "complete"
    environment = programs.runs[0]["env"]
    assert "hush-hush" not in environment.values()
    assert environment["HOME"] == os.environ["HOME"]


def test_a_secret_that_is_given_by_name_reaches_the_program_and_nothing_that_is_kept(
    open_runtime: OpenRuntime, programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEEP_KEY", "s3cret-of-the-sheep")
    runtime = open_runtime()
    row = result(runtime, programs.agent("echo_env", "KEY", command={"env": {"KEY": "${SHEEP_KEY}"}}))
    assert programs.runs[0]["env"]["KEY"] == "s3cret-of-the-sheep"
    assert row.output == "${SHEEP_KEY}"
    runtime.close()
    kept = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"s3cret-of-the-sheep" in path.read_bytes()]


def test_placeholders_are_filled_in_once(open_runtime: OpenRuntime, programs: Programs) -> None:
    words = ("{model}", '{"a": {prompt}}', "{session}", "{other}")
    agent = programs.agent("say", *words, command={"stdin": "none"}, prompt="print {model}", model="m-1")
    assert result(open_runtime(), agent).output == "m-1"
    model, prompt, session, other = programs.runs[0]["argv"]
    assert (model, session, other) == ("m-1", "", "{other}")
    assert "print {model}" in prompt
    assert programs.runs[0]["prompt"] == ""


@pytest.mark.parametrize(
    ("kind", "printed", "output"),
    [
        ("json", '{"sheep": [1, 2]}', {"sheep": [1, 2]}),
        ("last_line_json", 'counting...\n{"half": 1}\n{"sheep": 3}', {"sheep": 3}),
        ("text", "  a line\nanother ", "a line\nanother"),
    ],
)
def test_output_is_read_as_the_spec_says(
    open_runtime: OpenRuntime, programs: Programs, kind: str, printed: str, output: Any
) -> None:
    assert result(open_runtime(), programs.agent("say", printed, command={"output": kind})).output == output


def test_an_agents_definition_is_the_beginning_of_its_prompt(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    assert result(runtime, programs.agent("say", "x", agent="code-reviewer")).status == "complete"
    assert "review" in programs.runs[0]["prompt"].partition("# Your fleet")[0].lower()
    with pytest.raises(NotFound):
        spawned(runtime, programs.agent("say", "x", agent="nobody-is-called-so"))


def test_a_result_that_does_not_fit_is_told_so_and_made_again(open_runtime: OpenRuntime, programs: Programs) -> None:
    schema = {"type": "object", "required": ["sheep"]}
    agent = programs.agent("answer_in_session", "0", '{"goats": 1}', command=RESUME, result_schema=schema)
    row = result(open_runtime(), agent)
    first, second, *_ = programs.runs
    assert json.dumps(schema) in first["prompt"]
    assert (second["session"], "'sheep' is a required property" in second["prompt"]) == ("session-1", True)
    assert (row.status, len(programs.runs)) == ("failed", 4)
    assert "rejected 4 times" in row.error


def test_json_in_a_fence_is_the_value_a_schema_asks_for(open_runtime: OpenRuntime, programs: Programs) -> None:
    said = 'Here it is:\n```json\n{"sheep": 4}\n```'
    row = result(open_runtime(), programs.agent("say", said, result_schema={"type": "object"}))
    assert row.output == {"sheep": 4}


# --- failures ------------------------------------------------------------------------------------


def test_a_program_that_fails_is_run_again_and_told_why(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    fleet_id = spawned(runtime, programs.agent("fail_at_first", "1"))
    row = runtime.collect_results(fleet_id, wait_s=30).results[0]
    assert row.output == "done after all"
    (failed,) = [entry for entry in runtime.timeline(fleet_id) if entry.what == "agent.attempt_failed"]
    said = "it ended with exit code 3; the end of its stderr: the disk is full of eels"
    assert failed.summary == f"attempt 1: {said}"
    first, second = programs.runs
    assert "What happened before" not in first["prompt"]
    assert f"An earlier run of you at this failed: {said}" in second["prompt"]
    assert "count the sheep" in second["prompt"]


def test_a_program_is_run_no_more_often_than_its_attempts(open_runtime: OpenRuntime, programs: Programs) -> None:
    row = result(open_runtime(), programs.agent("fail_at_first", "9", max_attempts=2))
    assert (row.status, len(programs.runs)) == ("failed", 2)
    assert "exit code 3; the end of its stderr: the disk is full of eels" in row.error


def test_a_failure_goes_on_with_its_session_and_then_afresh(open_runtime: OpenRuntime, programs: Programs) -> None:
    row = result(open_runtime(), programs.agent("fail_when_resumed", command=RESUME))
    assert row.output == "done"
    assert [run["session"] for run in programs.runs] == ["", "session-1", ""]
    assert "count the sheep" not in programs.runs[1]["prompt"]
    assert "No conversation found" in programs.runs[2]["prompt"]


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ({"argv": ("/no/such/program",)}, "/no/such/program cannot be started: No such file or directory"),
        ({"argv": (sys.executable, "-c", "0"), "env": {"A": "${NOT_SET_ANYWHERE}"}}, "needs ${NOT_SET_ANYWHERE}"),
        ({"argv": (sys.executable, "-c", "0", "{prompt}" * 2)}, "written to stdin instead of {prompt}"),
        ({"argv": (sys.executable, "-c", "0"), "output": "json"}, "its output is empty; it must be JSON"),
        ({"argv": (sys.executable, "-c", "print('x')"), "output": "json"}, "its output is no JSON"),
        ({"argv": (sys.executable, "-c", "0"), "output": "stream_json"}, "it ended without saying a result"),
        ({"argv": (sys.executable, "-c", "print(10**40)"), "output": "json"}, "its result cannot be stored"),
        (
            {"argv": (sys.executable, "-c", "import os; os.kill(os.getpid(), 11)")},
            "it was killed by signal 11",
        ),
    ],
)
def test_an_error_says_what_was_wrong(open_runtime: OpenRuntime, command: dict[str, Any], words: str) -> None:
    prompt = "x" * 120_000 if "{prompt}" in str(command) else "x"
    agent = AgentSpec(role="w", prompt=prompt, brain="command", max_attempts=1, command=CommandSpec(**command))
    row = result(open_runtime(), agent)
    assert row.status == "failed"
    assert words in row.error


def test_a_workspace_that_has_gone_is_said(open_runtime: OpenRuntime, programs: Programs, tmp_path: Path) -> None:
    row = result(open_runtime(), programs.agent("say", "x", max_attempts=1), workspace=str(tmp_path / "gone"))
    assert f"the workspace {tmp_path / 'gone'} is not there" in row.error


def test_bytes_that_are_no_text_are_tolerated(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    row = result(runtime, programs.agent("garbage"))
    assert row.status == "complete"
    assert "\ufffd" in row.output
    row = result(runtime, programs.agent("garbage", command={"output": "stream_json"}, max_attempts=1))
    assert "without saying a result" in row.error


def test_a_hundred_megabytes_of_output_are_read_and_not_held(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    agent = programs.agent("flood", "100", command={"max_output_bytes": 5_000_000})
    row = result(runtime, agent)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 60_000
    assert row.output.startswith("the beginning\n")
    assert row.output.endswith("\nthe end")
    assert 1_000_000 < len(row.output) < 1_100_000
    assert "bytes left out" in row.output
    outcome = _outcome(runtime, row.agent_id)
    assert outcome["printed_bytes"] == 100_000_022
    assert outcome["artifact"]["size_bytes"] == 5_000_000
    assert len(runtime.artifact(outcome["artifact"]["sha256"])) == 5_000_000


def _outcome(runtime: Runtime, agent_id: str, step: int = 0) -> Any:
    """What is recorded of an agent's step."""
    actor: Any = runtime._parts.engine.residents._actor(agent_id)
    return runtime._parts.engine.artifacts.load_value(actor.state.steps[step].value)


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "words"),
    [({"timeout_s": 1.0}, "it had not ended after 1 seconds"), ({"idle_timeout_s": 1.0}, "written nothing for 1 sec")],
)
def test_a_program_that_hangs_is_killed_with_everything_it_has_started(
    open_runtime: OpenRuntime, programs: Programs, limit: dict[str, Any], words: str
) -> None:
    row = result(open_runtime(), programs.agent("hang", command=limit, max_attempts=1))
    assert words in row.error
    assert programs.pidfds() == []


def test_what_a_program_leaves_behind_ends_with_it(open_runtime: OpenRuntime, programs: Programs) -> None:
    assert result(open_runtime(), programs.agent("leave_children")).output == "done"
    assert programs.pidfds() == []


def test_a_cancelled_agents_program_is_gone_soon(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    fleet_id = spawned(runtime, programs.agent("hang"))
    when_said(runtime, fleet_id, is_at_work)
    runtime.cancel_fleet(fleet_id)
    assert programs.are_gone()
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "cancelled")


def test_a_closed_runtimes_program_is_gone_when_close_returns(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    when_said(runtime, spawned(runtime, programs.agent("hang")), is_at_work)
    runtime.close()
    assert programs.are_gone()


def test_a_pause_stops_the_program_and_it_goes_on_with_its_session(
    open_runtime: OpenRuntime, programs: Programs
) -> None:
    runtime = open_runtime()
    fleet_id = spawned(runtime, programs.agent("work_in_session", command=RESUME))
    when_said(runtime, fleet_id, is_at_work)
    runtime.pause_fleet(fleet_id, "lunch")
    assert programs.are_gone()
    when_said(runtime, fleet_id, lambda what, summary: what == "step.completed")
    runtime.resume_fleet(fleet_id)
    row = runtime.collect_results(fleet_id, wait_s=30).results[0]
    assert row.output == "went on with session-1"
    assert "because the work was paused" in programs.runs[1]["prompt"]
    assert runtime.fleet_status(fleet_id).agents[0].retry_count == 0


# --- cut off -------------------------------------------------------------------------------------


def cut_off(runtime: Runtime, programs: Programs, agent: AgentSpec) -> str:
    """The fleet of this agent, whose runtime was closed in the middle of its run."""
    fleet_id = spawned(runtime, agent)
    when_said(runtime, fleet_id, is_at_work)
    runtime.close()
    assert programs.are_gone()
    return fleet_id


def test_a_run_that_was_cut_off_goes_on_with_its_session(open_runtime: OpenRuntime, programs: Programs) -> None:
    fleet_id = cut_off(open_runtime(), programs, programs.agent("work_in_session", command=RESUME))
    second = open_runtime()
    assert second.collect_results(fleet_id, wait_s=30).results[0].output == "went on with session-1"
    assert [run["session"] for run in programs.runs] == ["", "session-1"]
    assert "was cut off in the middle" in programs.runs[1]["prompt"]
    whats = [entry.what for entry in second.timeline(fleet_id)]
    assert whats.count("step.noted") == 2
    assert whats.count("step.doubted") == 1


@pytest.mark.parametrize("deed", ["hang", "work_in_session"])
def test_a_run_that_cannot_be_resumed_is_in_doubt_and_a_person_decides(
    open_runtime: OpenRuntime, programs: Programs, deed: str
) -> None:
    fleet_id = cut_off(open_runtime(), programs, programs.agent(deed))
    second = open_runtime()
    wait_until(second, fleet_id, lambda status: status.agents[0].status == "waiting")
    (doubt,) = second.doubts(fleet_id)
    assert doubt.name == "run 1"
    second.resolve_doubt(doubt.agent_id, "done", "someone has counted: 7")
    assert second.collect_results(fleet_id, wait_s=30).results[0].output == "someone has counted: 7"
    assert len(programs.runs) == 1


def test_a_person_may_have_it_run_again(open_runtime: OpenRuntime, programs: Programs) -> None:
    fleet_id = cut_off(open_runtime(), programs, programs.agent("hang"))
    second = open_runtime()
    wait_until(second, fleet_id, lambda status: status.agents[0].status == "waiting")
    second.resolve_doubt(second.doubts(fleet_id)[0].agent_id, "retry")
    wait_until(second, fleet_id, lambda _: len(programs.runs) == 2)
    second.cancel_fleet(fleet_id)
    assert programs.are_gone()


@pytest.mark.parametrize(("policy", "command"), [("tell", {}), ("retry", {}), ("retry", RESUME)])
def test_a_spec_may_have_it_run_again_by_itself(
    open_runtime: OpenRuntime, programs: Programs, policy: str, command: dict[str, Any]
) -> None:
    agent = programs.agent("work_in_session", command=command, on_doubt={"run": policy})
    fleet_id = cut_off(open_runtime(), programs, agent)
    second = open_runtime()
    wait_until(second, fleet_id, lambda _: len(programs.runs) == 2)
    assert programs.runs[1]["session"] == ""
    assert "was cut off in the middle" in programs.runs[1]["prompt"]
    assert "count the sheep" in programs.runs[1]["prompt"]
    second.cancel_fleet(fleet_id)
    assert programs.are_gone()


def test_a_spec_may_ask_a_person_though_the_session_is_known(open_runtime: OpenRuntime, programs: Programs) -> None:
    agent = programs.agent("work_in_session", command=RESUME, on_doubt={"*": "ask"})
    fleet_id = cut_off(open_runtime(), programs, agent)
    second = open_runtime()
    wait_until(second, fleet_id, lambda status: status.agents[0].status == "waiting")
    assert [doubt.name for doubt in second.doubts(fleet_id)] == ["run 1"]


# --- messages ------------------------------------------------------------------------------------


def asks_twice(ctx: Context) -> Any:
    return [ctx.ask("worker", "how many?").payload, ctx.ask("worker", "and goats?").payload]


@pytest.mark.parametrize("resumes", [True, False])
def test_a_question_has_the_program_run_again_and_its_output_is_the_answer(
    open_runtime: OpenRuntime, programs: Programs, resumes: bool
) -> None:
    runtime = open_runtime(brains={"asks": asks_twice})
    worker = programs.agent("answer_in_session", "0", command=RESUME if resumes else {"output": "stream_json"})
    fleet_id = spawned(runtime, worker, AgentSpec(role="asker", prompt="x", brain="asks"))
    asker = runtime.collect_results(fleet_id, wait_s=30).results[1]
    assert asker.output == ["answer 2 in session-1", "answer 3 in session-1"]
    task, question, _ = programs.runs
    assert "count the sheep" in task["prompt"]
    assert "`asker` asks you" in question["prompt"]
    assert "how many?" in question["prompt"]
    assert question["session"] == ("session-1" if resumes else "")
    assert ("You have given this result:\nanswer 1" in question["prompt"]) is not resumes
    assert ("count the sheep" in question["prompt"]) is not resumes


def test_questions_are_answered_after_a_restart_in_the_middle(open_runtime: OpenRuntime, programs: Programs) -> None:
    first = open_runtime(brains={"asks": asks_twice})
    worker = programs.agent("answer_in_session", "0", command=RESUME)
    fleet_id = spawned(first, worker, AgentSpec(role="asker", prompt="x", brain="asks"))
    wait_until(first, fleet_id, lambda _: len(programs.runs) >= 2)
    first.close()
    second = open_runtime(brains={"asks": asks_twice})
    answers = second.collect_results(fleet_id, wait_s=30).results[1].output
    assert [answer.partition(" in ")[2] for answer in answers] == ["session-1", "session-1"]


def test_a_handoff_has_the_program_run_again_and_is_acknowledged(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    fleet_id = spawned(runtime, programs.agent("count"), keep_open=True)
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "complete")
    agent_id = runtime.list_agents(fleet_id).agents[0].id
    runtime.send_message("operator", agent_id, fleet_id, "handoff", "feed them, too")
    wait_until(runtime, fleet_id, lambda _: not runtime.inbox(agent_id).messages)
    assert "hands this over to you" in programs.runs[1]["prompt"]


# --- the mesh ------------------------------------------------------------------------------------


class FakeMesh:
    """Servers that are not there: what they would have been asked for. `acts` is done for every run."""

    def __init__(self) -> None:
        self.granted: list[str] = []
        self.revoked: list[MeshGrant] = []
        self.acts: Callable[[str], None] = lambda agent_id: None

    def grant(self, agent_id: str) -> MeshGrant:
        self.granted.append(agent_id)
        self.acts(agent_id)
        environment = {"FLEETLOG_URL": "http://127.0.0.1:1", "FLEETLOG_TOKEN": "fl_secret-of-the-run"}
        config = {"mcpServers": {"fleetlog": {"command": "fleetlog", "args": ["mcp"], "env": environment}}}
        return MeshGrant(environment, json.dumps(config), f"token-{len(self.granted)}")

    def revoke(self, grant: MeshGrant) -> None:
        self.revoked.append(grant)


def test_a_run_gets_a_way_into_the_mesh_for_as_long_as_it_lasts(
    open_runtime: OpenRuntime, programs: Programs, tmp_path: Path
) -> None:
    mesh = FakeMesh()
    runtime = open_runtime(mesh=mesh)
    row = result(runtime, programs.agent("read_mcp", "{mcp_config}", command={"output": "json"}))
    assert mesh.granted == [row.agent_id]
    assert [grant.token_id for grant in mesh.revoked] == ["token-1"]
    assert row.output["mode"] == "0o600"
    assert row.output["content"]["mcpServers"]["fleetlog"]["args"] == ["mcp"]
    (run,) = programs.runs
    assert run["env"]["FLEETLOG_TOKEN"] == "fl_secret-of-the-run"
    assert f"Your agent id is `{row.agent_id}`" in run["prompt"]
    assert not Path(run["argv"][0]).exists()
    assert row.output["token"] == "${FLEETLOG_TOKEN}"
    runtime.close()
    kept = [path for path in (tmp_path / "d").rglob("*") if path.is_file()]
    assert not [path for path in kept if b"fl_secret-of-the-run" in path.read_bytes()]


def test_a_way_in_is_closed_also_after_a_failure(open_runtime: OpenRuntime, programs: Programs) -> None:
    mesh = FakeMesh()
    agent = AgentSpec(role="w", prompt="x", brain="command", max_attempts=1, command=CommandSpec(argv=("/no/such",)))
    assert result(open_runtime(mesh=mesh), agent).status == "failed"
    assert len(mesh.revoked) == len(mesh.granted) == 1


def test_a_question_the_program_has_answered_itself_is_not_answered_again(
    open_runtime: OpenRuntime, programs: Programs
) -> None:
    mesh = FakeMesh()
    runtime = open_runtime(brains={"asks": lambda ctx: ctx.ask("worker", "how many?").payload}, mesh=mesh)

    def answer(agent_id: str) -> None:
        """In the second run, as a program would by the mesh's tools."""
        for message in runtime.inbox(agent_id).messages if len(mesh.granted) == 2 else ():
            fleet_id, asker = message.fleet_id, message.from_agent_id
            runtime.send_message(agent_id, asker, fleet_id, "result", "by itself: 5", correlation_id=message.id)

    mesh.acts = answer
    worker = programs.agent("count")
    fleet_id = spawned(runtime, worker, AgentSpec(role="asker", prompt="x", brain="asks"), keep_open=True)
    wait_until(runtime, fleet_id, lambda status: status.agents[1].status == "complete")
    worker_id, asker_id = (agent.id for agent in runtime.list_agents(fleet_id).agents)
    assert runtime.collect_results(fleet_id, wait_s=30).results[1].output == "by itself: 5"
    wait_until(runtime, fleet_id, lambda _: not runtime.inbox(worker_id).messages)
    assert len(runtime.inbox(asker_id, all=True).messages) == 1
    assert len(programs.runs) == 2


def test_a_question_that_was_answered_while_the_program_ran_starts_no_run(
    open_runtime: OpenRuntime, programs: Programs
) -> None:
    runtime = open_runtime(brains={"asks": lambda ctx: ctx.ask("worker", "how many?").payload})
    worker = programs.agent("work_in_session", command=RESUME)
    fleet_id = spawned(runtime, worker, AgentSpec(role="asker", prompt="x", brain="asks"), keep_open=True)
    worker_id = runtime.list_agents(fleet_id).agents[0].id
    when_said(runtime, fleet_id, is_at_work)
    wait_until(runtime, fleet_id, lambda _: bool(runtime.inbox(worker_id).messages))
    (question,) = runtime.inbox(worker_id).messages
    runtime.send_message(
        worker_id, question.from_agent_id, fleet_id, "result", "by itself: 6", correlation_id=question.id
    )
    runtime.pause_fleet(fleet_id)
    when_said(runtime, fleet_id, lambda what, summary: (what, summary) == ("step.completed", "run 1"))
    runtime.resume_fleet(fleet_id)
    wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "complete")
    wait_until(runtime, fleet_id, lambda _: not runtime.inbox(worker_id).messages)
    assert runtime.collect_results(fleet_id, wait_s=30).results[1].output == "by itself: 6"
    assert len(programs.runs) == 2


# --- money ---------------------------------------------------------------------------------------


def test_what_a_run_says_it_has_used_is_counted(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime()
    fleet_id = spawned(runtime, programs.agent("answer_in_session", "0.25", command=RESUME))
    runtime.collect_results(fleet_id, wait_s=30)
    spent = runtime.spend(fleet_id).spent
    assert (spent.input_tokens, spent.output_tokens, spent.calls, spent.cost_nusd) == (10, 5, 2, 250_000_000)


def test_a_run_beyond_the_budget_pauses_until_the_budget_covers_it(
    open_runtime: OpenRuntime, programs: Programs
) -> None:
    runtime = open_runtime()
    agent = programs.agent("answer_in_session", "0.25", command=RESUME, budget=Budget(cost_nusd=100_000_000))
    fleet_id = spawned(runtime, agent)
    status = wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "paused")
    runtime.set_budget(status.agents[0].id, Budget(cost_nusd=300_000_000))
    assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "answer 1 in session-1"
    assert len(programs.runs) == 1


# --- places --------------------------------------------------------------------------------------


def test_programs_that_run_keep_no_place_of_other_brains(open_runtime: OpenRuntime, programs: Programs) -> None:
    runtime = open_runtime(brains={"quick": lambda ctx: "quick"}, config=RuntimeConfig(workers=1, linger_s=0))
    hanging = spawned(runtime, programs.agent("hang"))
    when_said(runtime, hanging, is_at_work)
    assert result(runtime, AgentSpec(role="quick", prompt="x", brain="quick")).output == "quick"
    runtime.cancel_fleet(hanging)
    assert programs.are_gone()


def test_a_host_that_has_no_program_for_the_brain_is_told(open_runtime: OpenRuntime) -> None:
    with pytest.raises(InvalidArgument, match=r"'agents\[0\]\.command' is required for the brain 'command'"):
        spawned(open_runtime(clock=ManualClock()), AgentSpec(role="w", prompt="x", brain="command"))
