"""kill -9 of a runtime whose agents are programs: these are gone with it, and their work is not lost."""

import json
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fleetlog.runtime.host import Runtime
from fleetlog.runtime.testing import wait_until
from tests.brains.test_command import PROGRAM, Programs
from tests.crash.logs import check_log

CHILD = """
import sys, json
from pathlib import Path
from fleetlog.domain.command_spec import CommandSpec
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime

directory, command = sys.argv[1], json.loads(sys.argv[2])
with Runtime.open(directory) as runtime:
    spec = AgentSpec(role="worker", prompt="count", brain="command", command=CommandSpec(**command))
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=(spec,))).fleet_id
    after = 0
    while True:
        entries = runtime.timeline(fleet_id, after=after, wait_s=20)
        after = entries[-1].position
        said = [entry.summary for entry in entries if entry.what == "agent.progress_reported"]
        if any("hanging" in text or "deep in work" in text for text in said):
            break
    print(fleet_id, flush=True)
    runtime.collect_results(fleet_id, wait_s=120)
"""


def killed_at_work(directory: Path, command: dict[str, object]) -> str:
    """The fleet of a runtime that was killed while its agent's program was at work."""
    line = [sys.executable, "-c", textwrap.dedent(CHILD), str(directory), json.dumps(command)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        fleet_id = child.stdout.readline().strip()
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    assert fleet_id.startswith("fleet-")
    return fleet_id


def command_of(programs: Programs, deed: str, *, resumes: bool) -> dict[str, object]:
    argv = [sys.executable, str(PROGRAM), str(programs.log), deed]
    resume = {"resume": [*argv, "--session={session}"], "output": "stream_json"} if resumes else {}
    return {"argv": argv, **resume}


@pytest.mark.slow
def test_programs_die_with_the_runtime_and_go_on_with_their_session(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    fleet_id = killed_at_work(tmp_path / "d", command_of(programs, "work_in_session", resumes=True))
    assert programs.are_gone()
    with Runtime.open(tmp_path / "d") as runtime:
        assert runtime.collect_results(fleet_id, wait_s=30).results[0].output == "went on with session-1"
    assert [run["session"] for run in programs.runs] == ["", "session-1"]
    assert not list((tmp_path / "d").glob("runs/*"))
    check_log(tmp_path / "d")


@pytest.mark.slow
def test_programs_that_cannot_be_resumed_die_with_the_runtime_and_are_in_doubt(tmp_path: Path) -> None:
    programs = Programs(tmp_path)
    fleet_id = killed_at_work(tmp_path / "d", command_of(programs, "hang", resumes=False))
    assert programs.are_gone()
    with Runtime.open(tmp_path / "d") as runtime:
        wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "waiting")
        assert [doubt.name for doubt in runtime.doubts(fleet_id)] == ["run 1"]
    assert len(programs.runs) == 1
    check_log(tmp_path / "d")
