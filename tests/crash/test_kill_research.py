"""kill -9 at random moments of a research in a large corpus, a dozen times over: the report is the undisturbed one's,
in the result and in the workspace; no step that is recorded is made again, and no message is sent twice.
"""

import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleetlog.runtime.scenarios.research.reading import REPORT_MARK
from tests.crash.logs import check_log
from tests.crash.test_kill import made_steps, recorded_steps
from tests.scenarios.research.places import make_big_corpus

KILLS, FILES = 12, 400

CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_spec

directory, workspace, question = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
make = Context._make
made = (directory.parent / f"{directory.name}.made").open("a", buffering=1)

def noted(self, index, name, effect, call):
    made.write(f"{self.name} {index} {name}\\n")
    return make(self, index, name, effect, call)

Context._make = noted
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    spec = research_spec(ResearchOrder(question, workspace, report_file="report.md"))
    fleet = runtime.spawn_fleet(spec, idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=200)
    assert results.status == "complete", results
    report = next(result.output["report"] for result in results.results if result.name == "synthesizer")
    (directory / "report.md").write_text(report)
print("done", flush=True)
"""


def start(directory: Path, workspace: Path, question: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", CHILD, str(directory), str(workspace), question]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def run_to_the_end(directory: Path, workspace: Path, question: str) -> str:
    child = start(directory, workspace, question)
    output, _ = child.communicate(timeout=200)
    assert (child.returncode, output) == (0, "done\n")
    report = (directory / "report.md").read_text()
    assert (workspace / "report.md").read_text() == report
    return report


def is_killed(directory: Path, workspace: Path, question: str, delay_s: float) -> bool:
    """False when the job was quicker."""
    child = start(directory, workspace, question)
    try:
        child.wait(delay_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    child.communicate()
    return child.returncode == -signal.SIGKILL


def check_growing(workspace: Path) -> None:
    """What stands in the workspace is a whole report, or there is none yet."""
    report = workspace / "report.md"
    if report.exists():
        text = report.read_text()
        assert REPORT_MARK in text
        assert text.rstrip().endswith("`fleetlog timeline`.")


@pytest.mark.slow
def test_a_research_survives_being_killed_a_dozen_times(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    question = make_big_corpus(corpus, 11, FILES).question
    calm = shutil.copytree(corpus, tmp_path / "calm")
    undisturbed = run_to_the_end(tmp_path / "undisturbed", calm, question)
    assert "contradict each other" in undisturbed
    chooser = random.Random()
    kills, number = 0, 0
    while kills < KILLS:
        number += 1
        directory, workspace = tmp_path / f"killed-{number}", shutil.copytree(corpus, tmp_path / f"place-{number}")
        finished = False
        while not finished and kills < KILLS:
            recorded = recorded_steps(directory) if directory.exists() else set()
            made_before = len(made_steps(directory)) if recorded else 0
            killed = is_killed(directory, workspace, question, chooser.uniform(0.0, 2.5))
            kills += killed
            finished = not killed
            assert recorded.isdisjoint(made_steps(directory)[made_before:]), "a recorded step was made again"
            check_growing(workspace)
        assert run_to_the_end(directory, workspace, question) == undisturbed
        check_log(directory)
