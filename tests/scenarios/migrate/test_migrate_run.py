"""The whole fleet on a repository whose truth is known: what is migrated, and that killing it changes nothing."""

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.migrate.repository import check_repository
from fleetlog.runtime.scenarios.migrate.spec import BRANCH, MigrationOrder, migrate_by_claude_spec, migrate_spec
from tests.claude.conftest import MakeStage, Play, make_stage
from tests.cli.conftest import Fleetlog, fleetlog
from tests.fakes.messages_api.replies import reply, tool_use
from tests.scenarios.migrate.places import CASES, git, make_repository

__all__ = ["fleetlog", "make_stage"]

KILLS = 10
FEW = ("tests/__init__.py", "tests/test_plain.py", "tests/test_counted.py", "tests/test_loops.py")


@pytest.fixture(autouse=True)
def _few_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The repository's tests need none of those that are installed here, and loading them takes long."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def few(root: Path) -> Path:
    return make_repository(root, {path: CASES[path] for path in FEW})


def migrated(directory: Path, workspace: Path) -> dict[str, Any]:
    with Runtime.open(directory) as runtime:
        fleet = runtime.spawn_fleet(migrate_spec(MigrationOrder(str(workspace), sys.executable)))
        results = runtime.collect_results(fleet.fleet_id, wait_s=600)
        assert results.status == "complete", results
        found: dict[str, Any] = next(row.output for row in results.results if row.name == "migrator")
        return found


def changed(workspace: Path) -> set[str]:
    """The files that the branch changes."""
    return set(git(workspace, "diff", "--name-only", f"main..{BRANCH}").split())


@pytest.mark.slow
def test_what_should_be_migrated_is_and_nothing_else(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workspace = make_repository(tmp_path / "shop")
    before = {path: (workspace / path).read_text() for path in CASES}
    result = migrated(tmp_path / "d", workspace)
    wanted = {path for path, case in CASES.items() if case.fate == "migrated"}
    found = changed(workspace) - {"tests/test_examples_shop_cart.py"}
    precision, recall = len(wanted & found) / len(found), len(wanted & found) / len(wanted)
    with capsys.disabled():
        sys.stdout.write(f"\nmigrate: precision {precision:.2f}, recall {recall:.2f} of {len(wanted)} files\n")
    assert (precision, recall) == (1.0, 1.0)
    assert result["tests"] == sum(CASES[path].tests for path in wanted)
    assert result["new_tests"] == 1
    report = result["report"]
    left = [path for path, case in CASES.items() if case.fate in ("kept", "rolled back") and case.tests]
    assert [path for path in left if f"`{path}" not in report and path != "tests/test_modern.py"] == []
    assert "tests/test_flaky.py`: before the change it is flaky" in report
    assert {path: (workspace / path).read_text() for path in CASES} == before
    assert len(git(workspace, "worktree", "list").splitlines()) == 1
    assert not (workspace / ".git" / "fleetlog").exists()
    _passes_as_before(workspace, tmp_path)


def _passes_as_before(workspace: Path, tmp_path: Path) -> None:
    """The whole suite on the branch: what failed is what was meant to fail, and unittest is gone where it says so."""
    git(workspace, "worktree", "add", "-q", str(tmp_path / "look"), BRANCH)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", "--deselect=tests/test_flaky.py",
         "--ignore=tests/test_broken.py"],
        cwd=tmp_path / "look", capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 failed" in done.stdout, done.stdout
    assert "test_failing.py::TestFailing::test_wrong" in done.stdout
    assert "unittest" not in (tmp_path / "look" / "tests" / "test_plain.py").read_text()


CHILD = """
import sys
from pathlib import Path
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.migrate.spec import MigrationOrder, migrate_spec

directory, workspace = sys.argv[1:]
with Runtime.open(directory) as runtime:
    print("open", flush=True)
    fleet = runtime.spawn_fleet(migrate_spec(MigrationOrder(workspace, sys.executable)), idempotency_key="the job")
    results = runtime.collect_results(fleet.fleet_id, wait_s=300)
    assert results.status == "complete", results
    Path(directory, "report.md").write_text(next(r.output["report"] for r in results.results if r.name == "migrator"))
"""


@pytest.mark.slow
def test_killed_again_and_again_each_change_is_committed_once(tmp_path: Path) -> None:
    undisturbed = migrated(tmp_path / "undisturbed", few(tmp_path / "first"))["report"]
    workspace, directory = few(tmp_path / "second"), tmp_path / "d"
    chooser = random.Random(4)
    for _ in range(KILLS):
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(directory), str(workspace)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        try:
            child.wait(chooser.uniform(0.05, 3.0))
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        child.stdout.close()
        child.wait()
    subprocess.run([sys.executable, "-c", CHILD, str(directory), str(workspace)], check=True, timeout=300)
    assert (directory / "report.md").read_text() == undisturbed
    subjects = git(workspace, "log", "--format=%s", f"main..{BRANCH}").splitlines()
    assert sorted(subjects) == sorted(set(subjects))
    assert len(subjects) == len(FEW)  # each test file, and the new one
    assert len(git(workspace, "worktree", "list").splitlines()) == 1
    assert git(workspace, "status", "--porcelain") == ""


def test_the_command_migrates_and_says_what_it_did(fleetlog: Fleetlog, tmp_path: Path) -> None:
    workspace = make_repository(tmp_path / "shop", {path: CASES[path] for path in FEW[:2]})
    words = ("run", "migrate", "unittest-to-pytest", "--workspace", str(workspace), "--python", sys.executable)
    done = fleetlog(*words, "--limit", "1")
    assert done.code == 0
    assert "**Migrated**: 1 of 1 files, 2 tests" in done.out
    again = fleetlog(*words)
    assert (again.code, again.err) == (
        2,
        f"fleetlog: there is a branch {BRANCH} already: choose another with --branch, or delete it\n",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nose-to-pytest",), "unittest-to-pytest"),
        (("unittest-to-pytest", "--branch", "a..b"), "a name git accepts"),
        (("unittest-to-pytest", "--python", "/no/such/python"), "a Python that starts"),
        (("unittest-to-pytest", "--limit", "-1"), ">= 0"),
    ],
)
def test_a_wrong_order_is_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    workspace = make_repository(tmp_path / "shop", {})
    done = fleetlog("run", "migrate", *words, "--workspace", str(workspace))
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / ".fleetlog" / "log.db").exists()


def test_a_folder_without_a_commit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="must be a git repository with a commit"):
        check_repository(str(tmp_path), BRANCH)


def test_claude_agents_take_the_same_parts(make_stage: MakeStage, tmp_path: Path) -> None:
    report = "# From unittest to pytest\n\nDone."
    stage = make_stage(
        migrator=Play(reply(tool_use("submit_result", result={"report": report}))),
        test_writer=Play(reply(tool_use("submit_result", result="nothing to write"))),
        verifier=Play(reply(tool_use("submit_result", result="nothing was asked"))),
    )
    spec = migrate_by_claude_spec(MigrationOrder(str(few(tmp_path / "shop")), sys.executable))
    offline = migrate_spec(MigrationOrder("w", sys.executable))
    assert [agent.role for agent in spec.agents] == [agent.role for agent in offline.agents]
    scripted = tuple(
        replace(agent, prompt=f"[script:{agent.role.replace(' ', '-')}] {agent.prompt}") for agent in spec.agents
    )
    fleet = stage.runtime.spawn_fleet(replace(spec, agents=scripted))
    assert stage.outputs(fleet.fleet_id)["migrator"] == {"report": report}
