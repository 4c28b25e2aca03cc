"""Outside MCP servers, real ones: over stdio and HTTP, good and bad."""

import contextlib
import json
import logging
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import McpServerFault, RuntimeClosed
from fleetlog.domain.values import McpServerSpec
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.brains.run import RunStopped
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.tools.mcp_servers import McpServers
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput
from tests.fakes.mcp_server.tools import PNG

ROOT = Path(__file__).parents[2]
ENV = {"PYTHONPATH": str(ROOT)}
OVER_STDIO = (sys.executable, "-m", "tests.fakes.mcp_server.over_stdio")
BY_HAND = (sys.executable, str(ROOT / "tests/fakes/mcp_server/by_hand.py"))
SOON_S = 15


class OneRun:
    """A run as tools see it; `stop` tells it to end."""

    def __init__(self) -> None:
        self.artifacts = ArtifactStore(None)
        self._stopped = threading.Event()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def check(self) -> None:
        if self.is_stopped:
            raise RunStopped("cancelled")

    def add_process_group(self, group: int) -> None:
        raise AssertionError("a server belongs to no run")

    def remove_process_group(self, group: int) -> None:
        raise AssertionError("a server belongs to no run")

    def stop(self) -> float:
        """Stop it; the moment."""
        self._stopped.set()
        return time.monotonic()


def by_hand(way: str = "good", **fields: Any) -> McpServerSpec:
    return McpServerSpec(name="hand", command=(*BY_HAND, way), **fields)


def children() -> set[int]:
    pids: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the thread has just ended
            pids.update(map(int, (task / "children").read_text().split()))
    return pids


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("fleetlog-mcp")]


@pytest.fixture
def run() -> OneRun:
    return OneRun()


@pytest.fixture
def environ() -> dict[str, str]:
    """The runtime's environment; tests add to it."""
    return dict(os.environ)


@pytest.fixture
def servers(environ: dict[str, str]) -> Iterator[McpServers]:
    """Closed after the test; no thread and no child is left then."""
    before, threads = children(), loops()
    servers = McpServers(environ)
    yield servers
    servers.close(5)
    assert loops() == threads
    assert children() <= before


@pytest.fixture(scope="module")
def fake() -> Iterator[dict[str, Tool]]:
    """The tools of the fake server over stdio, which starts slowly: once for all tests that do not end it."""
    servers = McpServers()
    yield by_name(servers, McpServerSpec(name="fake", command=OVER_STDIO, env=ENV))
    servers.close(5)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def by_name(servers: McpServers, spec: McpServerSpec, owner: str = "fleet-a") -> dict[str, Tool]:
    return {tool.name: tool for tool in servers.tools(owner, spec)}


def said(tool: Tool, run: OneRun, **arguments: Any) -> str:
    output = tool.call(run, arguments)
    assert not output.is_error
    return output.text


def wait_for_end(*pids: int) -> None:
    """Until these processes have ended, whoever's children they are."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            fd = os.pidfd_open(pid)
            try:
                assert select.select([fd], [], [], SOON_S)[0], f"process {pid} goes on"
            finally:
                os.close(fd)


def processes_of(tools: dict[str, Tool], run: OneRun) -> list[int]:
    pids: list[int] = json.loads(said(tools["hand__processes"], run))
    return pids


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    """A pipe for the tool `hang`: reading it blocks until the call has begun, and again until it was cancelled."""
    path = tmp_path / "notes"
    os.mkfifo(path)
    return path


# --- good calls ----------------------------------------------------------------------------------


def test_the_tools_of_all_pages_are_given(fake: dict[str, Tool]) -> None:
    assert "fake__either" in fake, "the last page"
    assert fake["fake__echo"].input_schema == {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "additionalProperties": False,
    }
    assert fake["fake__echo"].description == "Says it again.\n\nFrom the outside MCP server fake."


def test_text_and_structured_content_are_the_output(fake: dict[str, Tool], run: OneRun) -> None:
    assert said(fake["fake__echo"], run, text="Grüße") == "Grüße"
    assert json.loads(said(fake["fake__add"], run, a=2, b=3)) == {"sum": 5}
    assert said(fake["fake__nothing"], run) == "(the tool gave no output)"


def test_what_is_no_text_is_kept_as_artifacts_and_named(fake: dict[str, Tool], run: OneRun) -> None:
    image, audio, notes, text, blob, link = said(fake["fake__media"], run).split("\n")
    assert image.startswith(f"[image image/png, {len(PNG)} bytes, artifact ")
    assert run.artifacts.get(image[-65:-1]) == PNG
    assert audio.startswith("[audio audio/flac, 40 bytes, artifact ")
    assert notes.startswith("[resource file:///notes.txt text/plain, 10 bytes, artifact ")
    assert text == "some notes"
    assert blob.startswith(f"[resource file:///b.bin, {len(PNG)} bytes, artifact ")
    assert link == "[link to resource file:///more.txt, mimeType text/plain]"


def test_a_long_output_is_cut_and_whole_in_an_artifact(fake: dict[str, Tool], run: OneRun) -> None:
    output = fake["fake__long"].call(run, {"chars": 2_000_000})
    assert len(output.text) < 50_000
    assert output.text.startswith("000000000\n000000001\n")
    assert output.text.endswith("000199999\n")
    assert f"1952500 characters left out; all 2000000 are in artifact {output.whole_sha256}" in output.text
    whole = run.artifacts.get(output.whole_sha256).decode()
    assert whole.splitlines() == [f"{number:09}" for number in range(200_000)]


def test_a_failed_call_is_an_output_that_says_so(fake: dict[str, Tool], run: OneRun) -> None:
    assert fake["fake__fail"].call(run, {}) == ToolOutput("it went wrong", is_error=True)
    with pytest.raises(ToolError, match="The call of refuse of MCP server fake was refused: no such thing"):
        fake["fake__refuse"].call(run, {})


def test_a_result_that_does_not_fit_the_servers_own_schema_is_given(fake: dict[str, Tool], run: OneRun) -> None:
    assert said(fake["fake__bad_output"], run) == "fine"


def test_calls_run_at_the_same_time(
    fake: dict[str, Tool], run: OneRun, pool: ThreadPoolExecutor, tmp_path: Path
) -> None:
    path = str(tmp_path / "file")
    waiting = pool.submit(said, fake["fake__wait_for"], run, path=path)
    assert said(fake["fake__count"], run, path=path) == "1"
    assert waiting.result(SOON_S) == "wait_for"


# --- names, schemas, effects ---------------------------------------------------------------------


def test_calls_are_effectful_unless_the_spec_says_otherwise(servers: McpServers) -> None:
    tools = by_name(servers, by_hand())
    assert {tool.effect for tool in tools.values()} == {"effectful"}
    assert "hand" in tools["hand__read"].verify
    declared = by_name(servers, by_hand(effects={"echo": "pure", "die": "effectful", "*": "idempotent"}))
    effects = {name: declared[f"hand__{name}"].effect for name in ("echo", "die", "read")}
    assert effects == {"echo": "pure", "die": "effectful", "read": "idempotent"}
    assert declared["hand__echo"].verify == ""


def test_a_servers_word_that_a_tool_only_reads_is_told_and_not_believed(servers: McpServers) -> None:
    tool = by_name(servers, by_hand())["hand__read"]
    assert tool.effect == "effectful"
    assert tool.description == "The tool read.\n\nFrom the outside MCP server hand, which says that it only reads."


def test_only_the_tools_asked_for_are_given(servers: McpServers, caplog: pytest.LogCaptureFixture) -> None:
    assert list(by_name(servers, by_hand(tools=("die", "echo", "fly")))) == ["hand__echo", "hand__die"]
    assert "tool='fly' reason=the server has no such tool" in caplog.text
    with pytest.raises(McpServerFault, match=r"it has no tools that can be used; it lists: count, .*asks for: fly"):
        servers.tools("fleet-a", by_hand(tools=("fly",)))


def test_names_and_schemas_are_made_safe(fake: dict[str, Tool], run: OneRun) -> None:
    assert said(fake["fake__files_read_all"], run) == "files.read/all"
    assert "oneOf" not in fake["fake__either"].input_schema
    assert not {"fake__bad_schema", "fake__far_schema"} & set(fake)


def test_tools_are_looked_through_once_in_a_life_of_their_server(
    servers: McpServers, run: OneRun, caplog: pytest.LogCaptureFixture
) -> None:
    spec = by_hand(tools=("echo", "die", "fly"))
    for _ in range(3):
        assert list(by_name(servers, spec)) == ["hand__echo", "hand__die"]
    assert caplog.text.count("the server has no such tool") == 1
    with pytest.raises(ToolError, match="broke off"):
        by_name(servers, spec)["hand__die"].call(run, {})
    assert list(by_name(servers, spec)) == ["hand__echo", "hand__die"]
    assert caplog.text.count("the server has no such tool") == 2


def test_one_odd_tool_or_content_does_not_cost_the_others(
    servers: McpServers, run: OneRun, caplog: pytest.LogCaptureFixture
) -> None:
    tools = by_name(servers, by_hand("odd"))
    assert list(tools) == ["hand__echo", "hand__untyped"]
    assert tools["hand__untyped"].input_schema == {"type": "object"}
    for name in ("string_schema", "no_schema", "(without a name)"):
        assert f'tool="{name}"' in caplog.text
    assert "tool='echo' reason=the server lists it twice" in caplog.text
    hologram, image, text = said(tools["hand__echo"], run).split("\n")
    assert json.loads(hologram) == {"type": "hologram", "depth": 3}
    assert image == "[image image/png: 3 characters which are not base64]"
    assert text == "plain \ufffd text"


def test_a_list_without_end_is_cut(servers: McpServers, caplog: pytest.LogCaptureFixture) -> None:
    assert len(by_name(servers, by_hand("endless"))) == 7
    assert "action=mcp_tools_cut server=hand" in caplog.text


# --- servers that do not start -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (McpServerSpec(name="x", command=("no-such-program",)), "MCP server x: it cannot be started: the program no-s"),
        (McpServerSpec(name="x", command=("/etc/passwd",)), "MCP server x: it cannot be started: the program /etc/pa"),
        (by_hand("empty"), "MCP server hand: it has no tools that can be used$"),
        (by_hand("dies"), "MCP server hand: .*ended with exit code 2; its last words: no config, token None"),
        (by_hand("silent", timeout_s=1.0), "hand: it was not ready within 1 seconds; its last words: thinking"),
        (by_hand("deaf", timeout_s=1.0), "hand: it was not ready within 1 seconds; its last words: .*noise noise"),
        (McpServerSpec(name="x", command=("sh", "-c", "kill -9 $$")), "MCP server x: .*it was killed by signal 9"),
        (McpServerSpec(name="x", command=("true",)), "x: .*ended with exit code 0, saying nothing on stderr"),
        (McpServerSpec(name="x", url="http://127.0.0.1:9/mcp"), "MCP server x: it cannot be reached: "),
        (McpServerSpec(name="x", url="http://nowhere.invalid/mcp"), "MCP server x: it cannot be reached: "),
    ],
    ids=lambda value: str(value)[-30:] if isinstance(value, str) else "",
)
def test_what_keeps_a_server_from_starting_is_said(servers: McpServers, spec: McpServerSpec, words: str) -> None:
    with pytest.raises(McpServerFault, match=f"(?s){words}"):
        servers.tools("fleet-a", spec)


def test_a_server_that_did_not_start_is_started_again_when_asked_again(servers: McpServers, tmp_path: Path) -> None:
    script = f'test -e "{tmp_path}/x" && exec "$@"'
    spec = McpServerSpec(name="hand", command=("sh", "-c", script, "sh", *BY_HAND, "good"))
    with pytest.raises(McpServerFault, match="ended with exit code 1"):
        servers.tools("fleet-a", spec)
    (tmp_path / "x").touch()
    assert "hand__echo" in by_name(servers, spec)


def test_waiting_for_a_server_ends_when_the_run_is_stopped(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor
) -> None:
    checked, others = threading.Event(), children()

    def check() -> None:
        run.check()
        if children() - others:
            checked.set()

    waiting = pool.submit(servers.tools, "fleet-a", by_hand("silent"), check)
    assert checked.wait(SOON_S)
    stopped = run.stop()
    with pytest.raises(RunStopped):
        waiting.result(SOON_S)
    assert time.monotonic() - stopped < 1
    before = children()
    with pytest.raises(RunStopped):
        servers.tools("fleet-b", by_hand("silent"), run.check)
    assert children() == before, "a run that was stopped starts nothing"


# --- servers that end, hang or say too much -------------------------------------------------------


@pytest.mark.parametrize(
    ("effect", "words"),
    [("effectful", "it may or may not have been done"), ("idempotent", "so you can call it again")],
)
def test_a_call_during_which_the_server_died_is_not_repeated_and_the_next_one_starts_it_again(
    servers: McpServers, run: OneRun, effect: Any, words: str
) -> None:
    tools = by_name(servers, by_hand(effects={"*": effect}))
    first, _ = processes_of(tools, run)
    with pytest.raises(ToolError, match=r"(?s)exit code 3; its last words: .*I cannot go on") as caught:
        tools["hand__die"].call(run, {})
    assert words in str(caught.value)
    again, _ = processes_of(tools, run)
    assert again != first


def test_a_server_that_was_killed_between_calls_is_started_again(
    servers: McpServers, run: OneRun, tmp_path: Path
) -> None:
    tools = by_name(servers, by_hand())
    path = str(tmp_path / "calls")
    for expected in ("1", "2", "3"):
        pid, child = processes_of(tools, run)
        os.killpg(pid, signal.SIGKILL)
        wait_for_end(pid, child)
        assert until_restarted(tools["hand__count"], run, path) == expected


def until_restarted(tool: Tool, run: OneRun, path: str) -> str:
    """The call's answer. A call just after the death may come before the death is known: then it was not done, for
    the server was dead, but nobody can say so."""
    try:
        return said(tool, run, path=path)
    except ToolError as error:
        if "may or may not have been done" not in str(error):
            raise
        return said(tool, run, path=path)


def test_a_call_ends_within_a_second_when_its_run_is_stopped(
    fake: dict[str, Tool], run: OneRun, pool: ThreadPoolExecutor, hanging: Path
) -> None:
    call = pool.submit(fake["fake__hang"].call, run, {"notes": str(hanging)})
    assert hanging.read_text() == "begun"
    stopped = run.stop()
    with pytest.raises(RunStopped):
        call.result(SOON_S)
    assert time.monotonic() - stopped < 1
    assert hanging.read_text() == "cancelled", "the server was told"
    assert said(fake["fake__echo"], OneRun(), text="still here") == "still here"


def test_a_call_that_takes_too_long_ends_and_its_effect_is_unknown(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor, hanging: Path
) -> None:
    tools = by_name(servers, by_hand(timeout_s=2.0))
    call = pool.submit(tools["hand__hang"].call, run, {"notes": str(hanging)})
    assert hanging.read_text() == "begun"
    with pytest.raises(ToolError, match=r"hang of MCP server hand gave no answer within 2 seconds; it may or may not"):
        call.result(SOON_S)
    assert said(tools["hand__echo"], run, text="still here") == "still here"


@pytest.mark.parametrize("way", ["large", "large-id-last"])
def test_an_answer_of_a_hundred_megabytes_costs_that_call_alone(servers: McpServers, run: OneRun, way: str) -> None:
    tool = by_name(servers, by_hand(way))["hand__echo"]
    with pytest.raises(ToolError, match=r"the call was made, but its answer of 1000000\d\d bytes is too large"):
        tool.call(run, {})


def test_a_large_answer_that_names_no_call_ends_the_server(servers: McpServers, run: OneRun) -> None:
    tool = by_name(servers, by_hand("large-id-nowhere"))["hand__echo"]
    with pytest.raises(ToolError, match=r"a message of 1000000\d\d bytes, which is too large.*may or may not"):
        tool.call(run, {})


def test_an_answer_that_is_no_result_is_said(servers: McpServers, run: OneRun) -> None:
    with pytest.raises(
        ToolError,
        match=r"answered what is no result \(content: Input should be a valid list\); it may or may not have been done",
    ):
        by_name(servers, by_hand("no-result"))["hand__echo"].call(run, {})


# --- whose server it is --------------------------------------------------------------------------


def test_nothing_is_started_before_a_server_is_used(servers: McpServers) -> None:
    threads, running = set(threading.enumerate()), children()
    servers.release("fleet-a")
    assert (set(threading.enumerate()), children()) == (threads, running)
    by_name(servers, by_hand())
    assert len(children()) == len(running) + 1


def test_agents_of_a_fleet_share_a_server_and_fleets_do_not(servers: McpServers, run: OneRun) -> None:
    mine, ours, yours = (by_name(servers, by_hand(), owner) for owner in ("fleet-a", "fleet-a", "fleet-b"))
    (first, _), (second, _), (third, _) = (processes_of(tools, run) for tools in (mine, ours, yours))
    assert first == second != third
    servers.release("fleet-a")
    wait_for_end(first)
    assert said(yours["hand__echo"], run, text="here") == "here"
    with pytest.raises(ToolError, match=r"hand was stopped, because its fleet has ended\. The call was not made"):
        mine["hand__echo"].call(run, {"text": "x"})
    assert processes_of(by_name(servers, by_hand(), "fleet-a"), run)[0] not in (first, third)


def test_two_fleets_call_at_once(servers: McpServers, pool: ThreadPoolExecutor) -> None:
    def talk(owner: str) -> list[str]:
        tools = by_name(servers, by_hand(), owner)
        return [said(tools["hand__echo"], OneRun(), text=f"{owner} {number}") for number in range(50)]

    for owner, heard in [(owner, pool.submit(talk, owner)) for owner in ("fleet-a", "fleet-b")]:
        assert heard.result(60) == [f"{owner} {number}" for number in range(50)]


def test_releasing_who_has_nothing_does_nothing(servers: McpServers) -> None:
    servers.release("fleet-a")
    by_name(servers, by_hand())
    servers.release("fleet-b")
    assert "hand__echo" in by_name(servers, by_hand())


# --- the end -------------------------------------------------------------------------------------


def test_closing_ends_calls_and_servers_that_do_not_want_to_within_its_time(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor, hanging: Path
) -> None:
    tools = by_name(servers, by_hand("stubborn"))
    pids = processes_of(tools, run)
    call = pool.submit(tools["hand__hang"].call, run, {"notes": str(hanging)})
    starting = pool.submit(servers.tools, "fleet-b", by_hand("deaf"))
    assert hanging.read_text() == "begun"
    begun = time.monotonic()
    servers.close(2.0)
    assert time.monotonic() - begun < 2.5
    wait_for_end(*pids)
    with pytest.raises((ToolError, RuntimeClosed)):
        call.result(SOON_S)
    with pytest.raises((McpServerFault, RuntimeClosed)):
        starting.result(SOON_S)


def test_a_closed_one_starts_and_calls_nothing(servers: McpServers, run: OneRun) -> None:
    tool = by_name(servers, by_hand())["hand__echo"]
    servers.close(3)
    servers.close(3)
    servers.release("fleet-a")
    with pytest.raises(RuntimeClosed):
        servers.tools("fleet-a", by_hand())
    with pytest.raises(RuntimeClosed):
        tool.call(run, {"text": "x"})


def test_a_runtime_ends_its_servers_when_it_is_closed(tmp_path: Path, run: OneRun) -> None:
    with Runtime.open(tmp_path) as runtime:
        pids = processes_of(by_name(runtime._parts.claude.servers, by_hand()), run)
    wait_for_end(*pids)


OWNER = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from tests.tools.test_mcp_servers import OneRun, by_hand, by_name, processes_of
from fleetlog.runtime.tools.mcp_servers import McpServers
servers = McpServers()
print(json.dumps(processes_of(by_name(servers, by_hand("stubborn")), OneRun())), flush=True)
time.sleep(1000)
"""


def test_the_servers_of_a_runtime_that_was_killed_end_with_all_they_started() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(ROOT)], stdout=subprocess.PIPE, text=True, env={**os.environ, **ENV}
    ) as owner:
        assert owner.stdout is not None
        pids = json.loads(owner.stdout.readline())
        assert len(pids) == 2
        owner.kill()
    wait_for_end(*pids)


# --- secrets -------------------------------------------------------------------------------------


def test_a_server_is_told_little_of_the_environment_and_its_variables(
    servers: McpServers, environ: dict[str, str], run: OneRun
) -> None:
    environ |= {"API_KEY": "sk-secret-of-the-runtime", "PORT": "80", "HOME": "/home/x"}
    spec = by_hand(env={"MY_TOKEN": "Bearer ${API_KEY}", "MY_PORT": "${PORT}${PORT}", "PLAIN": "$PORT"})
    output = said(by_name(servers, spec)["hand__environment"], run)
    known = json.loads(output)
    assert "API_KEY" not in known
    assert (known["MY_PORT"], known["PLAIN"], known["HOME"]) == ("8080", "$PORT", "/home/x")
    assert known["MY_TOKEN"] == "Bearer ${API_KEY}", "what an agent is shown is recorded: without the secret"
    assert set(known) <= {"MY_TOKEN", "MY_PORT", "PLAIN", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME"} | {
        *("PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER")
    }


def test_a_secret_in_a_servers_last_words_is_not_shown(servers: McpServers, environ: dict[str, str]) -> None:
    environ["API_KEY"] = "sk-secret-of-the-runtime"
    with pytest.raises(McpServerFault, match=r"no config, token \$\{API_KEY\}"):
        servers.tools("fleet-a", by_hand("dies", env={"TOKEN": "${API_KEY}"}))


def test_a_variable_that_is_not_set_is_named(servers: McpServers) -> None:
    words = r"MCP server hand: its 'env' needs \$\{NOT_SET\}, which is not set in the runtime's environment; set it"
    with pytest.raises(McpServerFault, match=words):
        servers.tools("fleet-a", by_hand(env={"X": "a ${NOT_SET}"}))
    with pytest.raises(McpServerFault, match=r"MCP server x: its 'headers' needs \$\{NOT_SET\}"):
        servers.tools("fleet-a", McpServerSpec(name="x", url="http://127.0.0.1:9", headers={"X": "${NOT_SET}"}))


# --- HTTP ----------------------------------------------------------------------------------------


class HttpServer:
    """The fake server over HTTP, in a process of its own."""

    def __init__(self, port: int = 0) -> None:
        command = [sys.executable, "-m", "tests.fakes.mcp_server.over_http", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **ENV})
        assert self.process.stdout is not None
        with self.process.stdout:
            self.port = int(self.process.stdout.readline())

    def spec(self, path: str = "/mcp/", **fields: Any) -> McpServerSpec:
        return McpServerSpec(name="fake", url=f"http://127.0.0.1:{self.port}{path}", **fields)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def over_http() -> Iterator[Callable[..., HttpServer]]:
    started: list[HttpServer] = []

    def start(port: int = 0) -> HttpServer:
        started.append(HttpServer(port))
        return started[-1]

    yield start
    for server in started:
        server.kill()


StartHttp = Callable[..., HttpServer]


@pytest.fixture(scope="module")
def at_url() -> Iterator[HttpServer]:
    """A server for all tests that do not end it."""
    server = HttpServer()
    yield server
    server.kill()


def test_a_server_at_a_url_is_called(servers: McpServers, run: OneRun, at_url: HttpServer) -> None:
    tools = by_name(servers, at_url.spec())
    assert "fake__either" in tools
    assert said(tools["fake__echo"], run, text="Grüße") == "Grüße"
    assert tools["fake__fail"].call(run, {}).is_error
    output = tools["fake__long"].call(run, {"chars": 3_000_000})
    assert len(run.artifacts.get(output.whole_sha256)) == 3_000_000
    with pytest.raises(ToolError, match="was refused: no such thing"):
        tools["fake__refuse"].call(run, {})


def test_headers_are_sent_with_what_the_environment_holds(
    servers: McpServers, environ: dict[str, str], run: OneRun, at_url: HttpServer
) -> None:
    environ |= {"KEY": "open sesame", "BAD": "open\nsesame"}
    headers = {"Authorization": "Bearer ${KEY}"}
    assert said(by_name(servers, at_url.spec("/guarded/", headers=headers))["fake__echo"], run, text="in") == "in"
    with pytest.raises(McpServerFault, match="fake: it answered HTTP 401 Unauthorized; is a header of its spec wrong"):
        servers.tools("fleet-a", at_url.spec("/guarded/"))
    with pytest.raises(McpServerFault, match=r"fake: \$\{BAD\} holds a line break") as caught:
        servers.tools("fleet-a", at_url.spec("/guarded/", headers={"Authorization": "${BAD}"}))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/broken", "it answered HTTP 500 Internal Server Error"),
        ("/nowhere", "it answered HTTP 404 Not Found"),
        ("/page", "Unexpected content type: text/html"),
        ("/elsewhere", "Redirect to http://127.0.0.1:9/mcp not followed"),
        ("/silent", "it was not ready within 1 seconds"),
        ("/compressed", "the server compressed its answer though it was asked not to"),
        ("/endless", "the answer is larger than 16777216 bytes"),
    ],
)
def test_what_is_no_server_at_a_url_is_said(servers: McpServers, at_url: HttpServer, path: str, words: str) -> None:
    with pytest.raises(McpServerFault, match=f"MCP server fake: .*{words}"):
        servers.tools("fleet-a", at_url.spec(path, timeout_s=1.0 if path == "/silent" else 10.0))


def test_a_call_over_http_ends_within_a_second_when_its_run_is_stopped(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor, hanging: Path, at_url: HttpServer
) -> None:
    tools = by_name(servers, at_url.spec())
    call = pool.submit(tools["fake__hang"].call, run, {"notes": str(hanging)})
    assert hanging.read_text() == "begun"
    stopped = run.stop()
    with pytest.raises(RunStopped):
        call.result(SOON_S)
    assert time.monotonic() - stopped < 1
    assert hanging.read_text() == "cancelled", "the server was told"


def test_a_call_during_which_the_server_at_a_url_died_is_not_repeated(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor, hanging: Path, over_http: StartHttp
) -> None:
    server = over_http()
    tools = by_name(servers, server.spec())
    call = pool.submit(tools["fake__hang"].call, run, {"notes": str(hanging)})
    assert hanging.read_text() == "begun"
    server.kill()
    with pytest.raises(ToolError, match=r"hang of MCP server fake broke off .*it may or may not have been done"):
        call.result(SOON_S)


def test_a_server_at_a_url_that_was_started_again_is_called_again(
    servers: McpServers, run: OneRun, over_http: StartHttp, tmp_path: Path
) -> None:
    server = over_http()
    tools = by_name(servers, server.spec())
    path = str(tmp_path / "calls")
    assert said(tools["fake__count"], run, path=path) == "1"
    server.kill()
    with pytest.raises(ToolError, match=r"it cannot be reached: .*The call was not made"):
        tools["fake__count"].call(run, {"path": path})
    over_http(server.port)
    assert said(tools["fake__count"], run, path=path) == "2"


def test_closing_waits_for_no_server_at_a_url(
    servers: McpServers, run: OneRun, pool: ThreadPoolExecutor, hanging: Path, over_http: StartHttp
) -> None:
    server = over_http()
    tools = by_name(servers, server.spec())
    call: Future[ToolOutput] = pool.submit(tools["fake__hang"].call, run, {"notes": str(hanging)})
    assert hanging.read_text() == "begun"
    server.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    servers.close(2.0)
    assert time.monotonic() - begun < 2.5
    with pytest.raises((ToolError, RuntimeClosed)):
        call.result(SOON_S)


# --- the import ----------------------------------------------------------------------------------


def test_mcp_is_loaded_only_for_an_agent_with_such_a_server() -> None:
    code = (
        "import sys, fleetlog.runtime.host, fleetlog.runtime.tools.mcp_servers as m; m.McpServers().close(1);"
        "print([name for name in ('mcp', 'httpx2', 'pydantic', 'jsonschema') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_without_the_extra_it_is_said_what_to_install() -> None:
    code = (
        "import sys; sys.modules['mcp'] = None\n"
        "from fleetlog.domain.values import McpServerSpec\n"
        "from fleetlog.runtime.tools.mcp_servers import McpServers\n"
        "McpServers().tools('fleet-a', McpServerSpec(name='x', command=('true',)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "McpServerFault: MCP servers need the package 'mcp': install fleetlog with its extra" in done.stderr


@pytest.fixture(autouse=True)
def _warnings_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
