"""kill -9 at random moments of a triage, six to twelve times: the same report, no debugger and no step twice."""

import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.fleet import Fleet
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import folded
from tests.crash.logs import check_log
from tests.crash.test_kill import made_steps, recorded_steps
from tests.scenarios.triage.places import COMMAND

KILLS = 12

CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.triage.order import Order
from fleetlog.runtime.scenarios.triage.spec import triage_spec

directory, shop, command = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
make = Context._make
made = (directory.parent / f"{directory.name}.made").open("a", buffering=1)

def noted(self, index, name, effect, call):
    made.write(f"{self.name} {index} {name}\\n")
    return make(self, index, name, effect, call)

Context._make = noted
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    spec = triage_spec(shop, Order(f"{shop}/report.xml", test_command=command))
    fleet = runtime.spawn_fleet(spec, idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=300)
    assert results.status == "complete", results
    report = next(result.output["report"] for result in results.results if result.name == "triager")
    (directory / "report.md").write_text(report)
print("done", flush=True)
"""


def run(directory: Path, shop: Path, kill_after_s: float | None) -> bool:
    """True when the job came to its end."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(directory), str(shop), COMMAND], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    try:
        child.wait(kill_after_s)
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGKILL)
    output, _ = child.communicate()
    assert child.returncode in (0, -signal.SIGKILL), output
    return child.returncode == 0


@pytest.mark.slow
def test_the_triage_survives_being_killed_again_and_again(
    small_shop: Path, small_output: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    chooser, directory, kills = random.Random(), tmp_path / "killed", 0
    while kills < KILLS:
        recorded = recorded_steps(directory) if directory.exists() else set()
        made_before = len(made_steps(directory)) if recorded else 0
        finished = run(directory, small_shop, chooser.uniform(0.1, 2.0))
        assert recorded.isdisjoint(made_steps(directory)[made_before:]), "a recorded step was made again"
        if finished:
            break
        kills += 1
    assert kills >= KILLS // 2, "the job is too quick to be killed often"
    assert run(directory, small_shop, None)
    assert (directory / "report.md").read_text() == small_output["report"]
    assert [path.name for path in scratch.glob("fleetlog.*")] == []
    with open_store(directory / "log.db") as store:
        (fleet,) = [state for state in folded(store).values() if isinstance(state, Fleet)]
    assert sorted(fleet.members) == ["debugger-1", "debugger-2", "debugger-3", "triager"]
    check_log(directory)
