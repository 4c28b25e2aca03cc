"""A fleet of programs that talk back over MCP: they ask, answer, give results, crash, hang, and write too much."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.command_spec import CommandSpec
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.client import Client
from fleetlog.runtime.replies import Results
from fleetlog.runtime.servers.address import DaemonAddress
from tests.servers.house import wait_for

pytestmark = pytest.mark.slow

PROGRAM = (sys.executable, str(Path(__file__).with_name("mesh_program.py")), "{mcp_config}")


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    """A client of a daemon of its own."""
    directory = tmp_path / "d"
    serve = [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--dir", str(directory), "--port", "0"]
    with (tmp_path / "serve.log").open("wb") as log:
        daemon = subprocess.Popen(serve, stderr=log)
    wait_for(lambda: DaemonAddress.read(directory) is not None, "the daemon does not listen")
    with Client.of(directory) as client:
        yield client
        assert client.verify_ledger().ok
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
    assert "Traceback" not in (tmp_path / "serve.log").read_text()


def program(role: str, deed: str, **more: Any) -> AgentSpec:
    limits = {"timeout_s": more.pop("timeout_s", 90.0)}
    command = CommandSpec(argv=PROGRAM, output="text", **limits)
    prompt = f"DEED:{deed} do it"
    return AgentSpec(role=role, name=role, prompt=prompt, brain="command", command=command, max_attempts=1, **more)


def ended(client: Client, *agents: AgentSpec) -> dict[str, Any]:
    """Each agent's result, by its name."""
    fleet = client.spawn_fleet(FleetSpec(agents=agents))
    results: Results = client.collect_results(fleet.fleet_id, wait_s=150)
    assert results.is_final, results
    return {result.name: result for result in results.results}


def test_programs_ask_and_answer_each_other_as_themselves(client: Client) -> None:
    results = ended(client, program("asker", "ask"), program("answerer", "answer"))
    assert results["asker"].output == "answer: 42; forged: True"
    assert results["answerer"].output == "answered"
    forged = [entry.summary for entry in client.timeline(limit=1_000) if entry.what == "token.forgery_refused"]
    assert len(forged) == 1
    assert forged[0].startswith("send_message as agent-")
    assert [token.revoked_at is not None for token in client.list_tokens().tokens] == [True, True]


def test_what_a_program_writes_is_its_result(client: Client) -> None:
    said = str(ended(client, program("giver", "result"))["giver"].output)
    assert said.startswith("what it writes is its result: Agent agent-")
    assert said.endswith("is driven by its brain 'command', which gives its result")


def test_programs_that_misbehave_harm_nobody_else(client: Client) -> None:
    results = ended(
        client,
        program("crasher", "crash"),
        program("hanger", "hang", timeout_s=3.0),
        program("babbler", "garbage"),
        program("flooder", "flood"),
        program("giver", "result"),
    )
    assert results["crasher"].status == "failed"
    assert "SIGABRT" in results["crasher"].error or "signal 6" in results["crasher"].error
    assert results["hanger"].status == "failed"
    assert "3" in results["hanger"].error
    assert results["babbler"].status == "complete"
    assert results["giver"].status == "complete"
    assert results["flooder"].status in ("complete", "failed")
    assert client.health().status == "ok"
