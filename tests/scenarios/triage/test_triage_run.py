"""The fleet on shops whose failures have known reasons: what it finds, how right it is, and that it harms nothing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleetlog.runtime.host import Runtime
from tests.cli.conftest import Fleetlog, fleetlog
from tests.scenarios.triage.places import COMMAND, make_shop, score, triaged, wrong

__all__ = ["fleetlog"]

FLOOR = {"regression": 0.9, "real bug": 0.9, "flaky": 0.8, "infrastructure": 0.9}
"""Of precision and recall. Measured: 1.0 for each, once for each seed; chance may fail a test twelve times."""


def truth_of(shop: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((shop / "truth.json").read_text())
    return found


def git(shop: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=shop, check=True, capture_output=True, text=True).stdout


def everything_in(shop: Path) -> dict[str, bytes]:
    paths = [path for path in shop.rglob("*") if path.is_file()]
    return {str(path.relative_to(shop)): path.read_bytes() for path in paths}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 7, 11])
def test_47_failures_are_sorted_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str], seed: int) -> None:
    shop = tmp_path / "shop"
    truth = make_shop(shop, seed)
    before = everything_in(shop)
    output = triaged(tmp_path / "d", shop)
    found = score(output["tests"], truth["classes"])
    with capsys.disabled():
        sys.stdout.write(
            f"\nseed {seed}, precision/recall: "
            + ", ".join(f"{kind} {p:.2f}/{r:.2f}" for kind, (p, r) in found.items())
            + "\n"
        )
    assert output["failures"] == len(truth["classes"]) == 47
    mistakes = wrong(output["tests"], truth["classes"])
    for kind, (precision, recall) in found.items():
        assert min(precision, recall) >= FLOOR[kind], mistakes
    named = {test: commit[:10] for test, commit in truth["culprits"].items()}
    assert {test: commit for test, commit in output["culprits"].items() if test in named} == named
    assert everything_in(shop) == before


def test_a_small_build_is_sorted_without_a_mistake_and_its_commits_are_named(
    small_shop: Path, small_output: dict[str, Any]
) -> None:
    truth, output = truth_of(small_shop), small_output
    assert wrong(output["tests"], truth["classes"]) == {}
    assert score(output["tests"], truth["classes"])["regression"] == (1.0, 1.0)
    for test, commit in truth["culprits"].items():
        assert output["culprits"][test] == commit[:10]
        assert f'**Commit**: `{commit[:10]}` "Simplify' in output["report"]
    assert "2 commits broke 6 tests; 3 never passed." in output["report"]


def test_debuggers_are_attached_while_the_fleet_runs_and_who_they_are_changes_no_byte_of_the_report(
    small_shop: Path, small_output: dict[str, Any], tmp_path: Path
) -> None:
    before = everything_in(small_shop)
    output = triaged(tmp_path / "d", small_shop, debuggers=2)
    assert output["report"] == small_output["report"]
    assert str(small_shop.parent) not in output["report"]
    assert everything_in(small_shop) == before
    with Runtime.open(tmp_path / "d") as runtime:
        (fleet,) = runtime.list_fleets().fleets
        entries = runtime.timeline(fleet.id, limit=1_000)
        agents = [agent.name for agent in runtime.fleet_status(fleet.id).agents]
    assert agents == ["triager", "debugger-1", "debugger-2"]
    whats = [entry.what for entry in entries]
    assert whats.count("fleet.agent_attached") == 2
    assert "fleet.closed" in whats
    steps = [entry.summary for entry in entries if entry.what == "step.completed"]
    assert len([step for step in steps if "route_work" in step]) == 3


def test_a_refused_connection_that_a_commit_caused_is_a_regression(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    truth = make_shop(shop, 4, with_warehouse=True, is_small=True)
    test = "tests/test_warehouse.py::test_warehouse"
    output = triaged(tmp_path / "d", shop, good=truth["first"])
    assert wrong(output["tests"], truth["classes"]) == {}
    assert output["culprits"][test] == truth["culprits"][test][:10]
    by_signs = triaged(tmp_path / "e", shop, rerun=0)
    assert by_signs["tests"][test] == "infrastructure"
    assert "name a commit at which they passed with `--bisect`" in by_signs["report"]


def test_without_runs_signs_and_history_speak_and_say_that_they_guess(small_shop: Path, tmp_path: Path) -> None:
    output = triaged(tmp_path / "d", small_shop, rerun=0)
    truth = truth_of(small_shop)["classes"]
    assert output["tests"].keys() == truth.keys()
    assert score(output["tests"], truth)["regression"][1] == 1.0
    assert "Without runs both are guesses" in output["report"]
    assert output["culprits"] == {}


def test_what_is_not_committed_is_run_and_blamed(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "calc.py").write_text("def double(x):\n    return 2 * x\n")
    (shop / "test_calc.py").write_text("from calc import double\n\n\ndef test_double():\n    assert double(2) == 4\n")
    git(shop, "init", "-q", "-b", "main")
    for subject in ("begin", "go on"):
        git(shop, "add", "-A")
        git(shop, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", subject)
    (shop / "calc.py").write_text("def double(x):\n    return 3 * x\n")
    (shop / "log.txt").write_text("FAILED test_calc.py::test_double - assert 6 == 4\n1 failed in 0.01s\n")
    output = triaged(tmp_path / "d", shop, log=str(shop / "log.txt"))
    assert output["tests"] == {"test_calc.py::test_double": "regression"}
    assert "fails with the changes there that are not committed" in output["report"]


def test_a_runner_that_cannot_run_decides_nothing(small_shop: Path, tmp_path: Path) -> None:
    output = triaged(tmp_path / "d", small_shop, test_command="no-such-runner pytest {test}")
    assert set(output["tests"].values()) == {"undecided"}
    assert "could not be run here" in output["report"]


def test_a_workspace_without_history_is_triaged_as_far_as_that_goes(small_shop: Path, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    for name in ("shop", "tests", "report.xml"):
        subprocess.run(["cp", "-r", str(small_shop / name), str(shop / name)], check=True)
    output = triaged(tmp_path / "d", shop)
    assert set(output["tests"].values()) == {"real bug"}
    assert "no git repository" in output["report"]
    assert "by signs" in output["report"]


def test_the_command_reads_the_log_pytest_printed(fleetlog: Fleetlog, small_shop: Path) -> None:
    log = str(small_shop / "pytest.log")
    said = fleetlog("run", "triage", log, "--workspace", str(small_shop), "--test-command", COMMAND, "--out", "r.md")
    assert said.code == 0, said.err
    assert said.out == Path("r.md").read_text() + "\n"
    assert said.out.startswith(
        "# Test failure triage: `shop`\n\n**9 failing tests, 3 clusters**: 2 commits broke 6 tests"
    )
    assert "triager → debugger-1" in said.err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["nowhere.xml"], "'LOG' must be a file that can be read: {cwd}/nowhere.xml: No such file or directory"),
        (["green.log"], "'LOG' tells of no failing test: {cwd}/green.log must be JUnit XML or what pytest printed"),
        (["red.log", "--workspace", "nowhere"], "'--workspace' must be a folder"),
        (["red.log", "--test-command", "pytest -q"], "'--test-command' must be one line with {{test}}"),
        (["red.log", "--test-command", "pytest '{test}"], "'--test-command' must be a command line"),
        (["red.log", "--bisect", "v9"], "'--bisect' must be a commit before the one of the workspace"),
        (["red.log", "--rerun", "101"], "'--rerun' must be from 0 to 100, got 101"),
        (["red.log", "--debuggers", "0"], "'--debuggers' must be from 1 to 100, got 0"),
        (["doctype.xml"], "'LOG' has a document type declaration (<!DOCTYPE a>)"),
    ],
)
def test_bad_input_is_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, tmp_path: Path, arguments: list[str], error: str
) -> None:
    Path("green.log").write_text("===== 3 passed in 0.10s =====\n")
    Path("red.log").write_text("FAILED test_a.py::test_b - assert 1 == 2\n")
    Path("doctype.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><testsuite>&b;</testsuite>')
    said = fleetlog("run", "triage", *arguments)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith(f"fleetlog: {error.format(cwd=tmp_path)}"), said.err
    assert not Path(".fleetlog").exists()
