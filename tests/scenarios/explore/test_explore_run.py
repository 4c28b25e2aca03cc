"""The three agents together: what they ask, that two runs agree to the byte, and how long 5,000 files take."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetlog.runtime.scenarios.explore.plan import merged, questions_about
from fleetlog.runtime.scenarios.explore.questions import CYCLE, DEPENDENTS, PARTS, ROUTE, TESTS, Question
from fleetlog.runtime.scenarios.explore.risks import COUPLING, HOT_SPOT, RING, Risk
from tests.scenarios.explore.places import BRANCHY, Repository, report_of, write
from tests.scenarios.explore.stage import Stage


def product(root: Path) -> Path:
    """A small product with a hot spot, a ring and a test for one of its files."""
    repository = Repository(root)
    files = {
        "app/__init__.py": "",
        "app/core.py": f"from app import util\n{BRANCHY}",
        "app/util.py": f"import app.core\n{BRANCHY}",
        "app/calm.py": "x = 1\n",
        "tests/test_util.py": "from app import util\n",
    }
    repository.commit("start", files)
    for number in range(6):
        repository.commit("Fix the core", {"app/core.py": f"{files['app/core.py']}# {number}\n"})
    return root


def run(root: Path) -> Stage:
    stage = Stage(str(root))
    stage.run()
    return stage


def test_the_planner_asks_about_the_files_the_risk_finder_flagged(tmp_path: Path) -> None:
    stage = run(product(tmp_path / "repo"))
    asked = [entry for entry in stage.log if entry == ("planner", "explorer", "question")]
    assert len(asked) >= 3
    assert stage.results["planner"]["questions"] == len(asked) - 1
    report = stage.results["planner"]["report"]
    assert "1. What depends on `app/core.py`?\n   1 module: `app/util.py:1`." in report
    assert "2. Which tests cover `app/core.py`?\n" in report
    assert "`app/calm.py`" not in report.partition("## What the planner asked")[2]


def test_every_flag_reaches_the_planner_and_is_told(tmp_path: Path) -> None:
    stage = run(product(tmp_path / "repo"))
    flags = stage.log.count(("risk-finder", "planner", "alert"))
    assert flags == stage.results["risk-finder"]["concerns"] == stage.results["planner"]["concerns"] > 0
    assert stage.log.count(("risk-finder", "planner", "handoff")) == 1


def test_a_file_no_test_touches_is_told_and_one_with_a_test_is_not(tmp_path: Path) -> None:
    report = run(product(tmp_path / "repo")).results["planner"]["report"]
    risks = report.partition("## Risks")[2].partition("\n## ")[0]
    untested = [line.split("`")[1] for line in risks.split("\n") if "**no test**" in line]
    assert [place.partition(":")[0] for place in untested] == ["app/core.py"]


def test_a_calm_workspace_raises_no_questions_and_that_is_said(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"a.py": "x = 1\n"}))
    assert "Nothing was asked: no concern was raised, so there was nothing to weigh." in report


def risk(kind: str, path: str, score: int, *others: str) -> Risk:
    return Risk(kind, path, 1, score, {"modules": 1 + len(others)}, "why", "do", others)


@pytest.mark.parametrize("kind", [HOT_SPOT, RING, COUPLING])
def test_a_single_concern_raises_at_least_two_questions_of_its_own(kind: str) -> None:
    asked = questions_about(merged([risk(kind, "a.py", 50, "a.py", "b.py")]))
    assert asked[:2] == [
        Question(DEPENDENTS, ("a.py",), "What depends on `a.py`?"),
        Question(TESTS, ("a.py",), "Which tests cover `a.py`?"),
    ]


def test_the_questions_follow_from_what_was_flagged() -> None:
    risks = [risk(HOT_SPOT, f"f{number}.py", 90 - number) for number in range(9)]
    asked = questions_about(merged([*risks, risk(RING, "r.py", 5, "r.py", "s.py")]))
    subjects = {kind: [q.subject[0] for q in asked if q.kind == kind] for kind in (DEPENDENTS, PARTS, ROUTE, CYCLE)}
    assert subjects == {
        DEPENDENTS: ["f0.py", "f1.py", "f2.py", "f3.py", "f4.py"],
        PARTS: ["f0.py", "f1.py"],
        ROUTE: ["f0.py", "f1.py"],
        CYCLE: ["r.py"],
    }


@pytest.mark.parametrize("make", [product, lambda root: write(root, {"b.py": BRANCHY, "a.js": "if (a) {}\n"})])
def test_two_runs_give_the_same_report_byte_for_byte(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    root = make(tmp_path / "repo")
    assert report_of(root).encode() == report_of(root).encode()


def test_the_same_commits_elsewhere_give_the_same_report(tmp_path: Path) -> None:
    """No absolute path, no date of the run and no order of the file system enters it."""
    one, other = product(tmp_path / "one/repo"), product(tmp_path / "other/repo")
    assert report_of(one) == report_of(other)


@pytest.mark.slow
def test_a_repository_of_5000_files_takes_less_than_a_minute(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "large")
    imports = [(number, number * 7 % 4_500) for number in range(4_500)]
    files = {f"pkg{n // 50}/m{n}.py": f"from pkg{other // 50} import m{other}\n{BRANCHY}" for n, other in imports}
    files |= {f"tests/test_m{number}.py": f"from pkg{number // 50} import m{number}\n" for number in range(500)}
    repository.commit("start", files)
    for number in range(20):
        changed = sorted(files)[number : number + 60]
        repository.commit("Fix it", {name: f"{files[name]}# {number}\n" for name in changed})
    started = time.monotonic()
    report = report_of(repository.root)
    took_s = time.monotonic() - started
    assert "**Size**: 5,000 files, 5,000 code files (4,500 product, 500 test)" in report
    assert took_s < 60.0, f"it took {took_s:.1f} s"
