"""kill -9 at random moments of the real job, thirty times over: the report is the undisturbed one's."""

import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import folded
from tests.crash.logs import check_log

KILLS = 30

CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.explore.spec import explore_spec

directory, workspace = Path(sys.argv[1]), sys.argv[2]
make = Context._make
made = (directory.parent / f"{directory.name}.made").open("a", buffering=1)

def noted(self, index, name, effect, call):
    made.write(f"{self.name} {index} {name}\\n")
    return make(self, index, name, effect, call)

Context._make = noted
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    fleet = runtime.spawn_fleet(explore_spec(workspace), idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=120)
    assert results.status == "complete", results
    report = next(result.output["report"] for result in results.results if result.name == "planner")
    (directory / "report.md").write_text(report)
print("done", flush=True)
"""


def make_workspace(path: Path) -> None:
    """A git repository of a few hundred files with a history and things to find."""
    chooser = random.Random(7)
    names = [f"pkg{number % 12}/module_{number}.py" for number in range(300)]
    for number, name in enumerate(names):
        file = path / "src" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        imports = [f"from src.{names[n][:-3].replace('/', '.')} import run" for n in {number // 2, number // 3}]
        branches = "\n".join(f"    if x > {n}:\n        x -= {n}" for n in range(1 + number % 17))
        file.write_text("\n".join(imports) + f"\n\n\ndef run(x):\n{branches}\n    return x\n")
    git(path, "init", "-q")
    for number in range(25):
        for name in chooser.sample(names, 6):
            with (path / "src" / name).open("a") as file_:
                file_.write(f"# change {number}\n")
        git(path, "add", "-A")
        git(path, "commit", "-q", "-m", f"{'fix' if number % 3 else 'change'} {number}", number=number)


def git(path: Path, *arguments: str, number: int = 0) -> None:
    when = f"2026-01-{number + 1:02d}T12:00:00Z"
    identity = {
        "GIT_AUTHOR_NAME": f"dev{number % 2}",
        "GIT_AUTHOR_EMAIL": "dev@example.org",
        "GIT_COMMITTER_NAME": "dev",
        "GIT_COMMITTER_EMAIL": "dev@example.org",
        "GIT_AUTHOR_DATE": when,
        "GIT_COMMITTER_DATE": when,
    }
    subprocess.run(["git", "-C", str(path), *arguments], check=True, env={**os.environ, **identity})


def start(directory: Path, workspace: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(CHILD), str(directory), str(workspace)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def run_to_the_end(directory: Path, workspace: Path) -> str:
    child = start(directory, workspace)
    output, _ = child.communicate(timeout=120)
    assert (child.returncode, output) == (0, "done\n")
    return (directory / "report.md").read_text()


def kill_at_a_random_moment(directory: Path, workspace: Path, delay_s: float) -> bool:
    """False when the job was quicker."""
    child = start(directory, workspace)
    try:
        child.wait(delay_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL


def recorded_steps(directory: Path) -> set[str]:
    """`agent index name` of every completed step in the log."""
    with open_store(directory / "log.db") as store:
        agents = [state for state in folded(store).values() if isinstance(state, Agent)]
    return {
        f"{agent.name} {index} {step.name}"
        for agent in agents
        for index, step in enumerate(agent.steps)
        if step.state == "completed"
    }


def made_steps(directory: Path) -> list[str]:
    return (directory.parent / f"{directory.name}.made").read_text().splitlines()


@pytest.mark.slow
def test_the_job_survives_being_killed_thirty_times(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    make_workspace(workspace)
    undisturbed = run_to_the_end(tmp_path / "undisturbed", workspace)
    assert "## " in undisturbed
    chooser = random.Random()
    kills, number = 0, 0
    while kills < KILLS:
        number += 1
        directory = tmp_path / f"killed-{number}"
        finished = False
        while not finished and kills < KILLS:
            recorded = recorded_steps(directory) if directory.exists() else set()
            made_before = len(made_steps(directory)) if recorded else 0
            killed = kill_at_a_random_moment(directory, workspace, chooser.uniform(0.0, 0.8))
            kills += killed
            finished = not killed
            made_now = made_steps(directory)[made_before:]
            assert recorded.isdisjoint(made_now), "a recorded step was made again"
        assert run_to_the_end(directory, workspace) == undisturbed
        check_log(directory)
