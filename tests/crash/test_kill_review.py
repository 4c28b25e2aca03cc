"""kill -9 at random moments of a review, a dozen times over: the report is the undisturbed one's, no step that is
recorded is made again, and in no council does a vote count twice."""

import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from fleetlog.domain import events as e
from tests.crash.logs import check_log, facts_of
from tests.crash.test_kill import made_steps, recorded_steps
from tests.scenarios.review.places import make_spec

KILLS = 12

CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.review.spec import review_spec

directory, workspace = Path(sys.argv[1]), sys.argv[2]
make = Context._make
made = (directory.parent / f"{directory.name}.made").open("a", buffering=1)

def noted(self, index, name, effect, call):
    made.write(f"{self.name} {index} {name}\\n")
    return make(self, index, name, effect, call)

Context._make = noted
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    fleet = runtime.spawn_fleet(review_spec(workspace, "spec.md"), idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=120)
    assert results.status == "complete", results
    report = next(result.output["report"] for result in results.results if result.name == "moderator")
    (directory / "report.md").write_text(report)
print("done", flush=True)
"""


def start(directory: Path, workspace: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(directory), str(workspace)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def run_to_the_end(directory: Path, workspace: Path) -> str:
    child = start(directory, workspace)
    output, _ = child.communicate(timeout=120)
    assert (child.returncode, output) == (0, "done\n")
    return (directory / "report.md").read_text()


def is_killed(directory: Path, workspace: Path, delay_s: float) -> bool:
    """False when the job was quicker."""
    child = start(directory, workspace)
    try:
        child.wait(delay_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL


def votes(directory: Path) -> Counter[tuple[str, str]]:
    """(council, voter) -> how often a vote is recorded."""
    return Counter(
        (stream_id, fact.agent_id) for stream_id, _, fact in facts_of(directory) if isinstance(fact, e.VoteCast)
    )


@pytest.mark.slow
def test_a_review_survives_being_killed_a_dozen_times(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    make_spec(workspace, 11)
    undisturbed = run_to_the_end(tmp_path / "undisturbed", workspace)
    assert "## Disputed" in undisturbed
    councils = len({council for council, _ in votes(tmp_path / "undisturbed")})
    assert councils >= 1
    chooser = random.Random()
    kills, number = 0, 0
    while kills < KILLS:
        number += 1
        directory = tmp_path / f"killed-{number}"
        finished = False
        while not finished and kills < KILLS:
            recorded = recorded_steps(directory) if directory.exists() else set()
            made_before = len(made_steps(directory)) if recorded else 0
            killed = is_killed(directory, workspace, chooser.uniform(0.0, 0.5))
            kills += killed
            finished = not killed
            assert recorded.isdisjoint(made_steps(directory)[made_before:]), "a recorded step was made again"
        assert run_to_the_end(directory, workspace) == undisturbed
        check_log(directory)
        assert len({council for council, _ in votes(directory)}) == councils, "a council was opened twice"
        assert set(votes(directory).values()) == {1}, "a vote was counted twice"
