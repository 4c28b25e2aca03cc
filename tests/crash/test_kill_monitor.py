"""kill -9 of the monitor at random moments while it heals: no action is made twice, and what is healed is known."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from tests.crash.logs import check_log
from tests.scenarios.monitor.places import Served

KILLS = 14
LONGEST_S = 120

CHILD = """
import sys
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.monitor.loading import load_plan
from fleetlog.runtime.scenarios.monitor.spec import Watching, monitor_spec

directory, file, folder = sys.argv[1:]
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    spec = monitor_spec(Watching(file, folder, once="yes"), load_plan(file))
    fleet = runtime.spawn_fleet(spec, idempotency_key="the job")
    while True:
        results = runtime.collect_results(fleet.fleet_id, wait_s=0.1)
        if results.status == "complete":
            print(next(one.output["report"] for one in results.results if one.name == "incident-commander"))
            break
        if requests := runtime.list_help(fleet.fleet_id, "open").requests:
            print("ASKED", requests[0].blocker, requests[0].attempted)
            break
"""
ACTION = """
import sys, time
time.sleep(0.2)
open("done.txt", "a").write("done;")
time.sleep(0.1)
"""


class Place(Struct):
    """A page that is broken until the action was made."""

    folder: Path
    directory: Path

    @property
    def times_done(self) -> int:
        done = self.folder / "done.txt"
        return done.read_text().count("done;") if done.exists() else 0

    def start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", CHILD, *map(str, (self.directory, self.folder / "runbooks.toml", self.folder))]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        return child

    def run(self) -> str:
        child = self.start()
        said, _ = child.communicate(timeout=LONGEST_S)
        assert child.returncode == 0
        return said

    def is_killed_after(self, delay_s: float) -> bool:
        """False when the job was quicker."""
        child = self.start()
        try:
            child.wait(delay_s)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
        child.communicate()
        return child.returncode == -signal.SIGKILL


def broken(folder: Path, served: Served) -> Place:
    folder.mkdir()
    (folder / "act.py").write_text(ACTION)
    text = served.runbooks([sys.executable, "act.py"]).replace("settle_s = 0.2", "settle_s = 3")
    (folder / "runbooks.toml").write_text(text)
    return Place(folder, folder / "log")


@pytest.mark.slow
def test_a_monitor_that_is_killed_while_it_heals_never_repeats_an_action(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now: list[Place] = []
    served = Served(lambda number: 200 if now[-1].times_done else 503)
    try:
        now.append(broken(tmp_path / "undisturbed", served))
        undisturbed = now[-1].run()
        assert "1 healed" in undisturbed
        kills, healed, asked = 0, 0, 0
        while kills < KILLS:
            place = broken(tmp_path / f"killed-{healed + asked}", served)
            now.append(place)
            for _ in range(3):
                kills += place.is_killed_after(random.uniform(0.0, 2.0))
            said = place.run()
            check_log(place.directory)
            assert place.times_done <= 1, "an action was made twice"
            if said.startswith("ASKED"):
                assert place.times_done == 0
                assert "interrupted" in said
                asked += 1
            else:
                assert without_actions(said) == without_actions(undisturbed)
                assert place.times_done == 1
                healed += 1
    finally:
        served.close()
    with capsys.disabled():
        print(f"\n{kills} kills: {healed} incidents healed, {asked} handed to a person, none acted on twice")  # noqa: T201


def without_actions(report: str) -> list[str]:
    """What was done may have been interrupted."""
    return [line for line in report.splitlines() if not line.startswith("- Done:")]
