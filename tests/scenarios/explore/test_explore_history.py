"""What git remembers: churn, renames, merges, fixes; what is said where it remembers nothing; the hot-spot score."""

import os
import shutil
from pathlib import Path

import pytest

from fleetlog.runtime.scenarios.explore.history import FileHistory, History, Pair, read_history
from fleetlog.runtime.scenarios.explore.listing import list_files
from fleetlog.runtime.scenarios.explore.risks import COMPLEX, HOT_SPOT, UNTESTED, Evidence, rank
from fleetlog.runtime.scenarios.explore.tables import Figures
from tests.scenarios.explore.places import BRANCHY, Repository, report_of, write


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repo")


def history_of(repository: Repository) -> History:
    return read_history(str(repository.root))


# --- churn -----------------------------------------------------------------------------------------


def test_commits_lines_authors_and_fixes_are_counted_for_each_file(repository: Repository) -> None:
    repository.commit("start", {"a.py": "1\n2\n", "b.py": "1\n"})
    repository.commit("Fix the crash", {"a.py": "1\n3\n"}, author="Bob")
    repository.commit("fix typos", {"a.py": "1\n4\n"})
    found = history_of(repository)
    assert (found.said, found.commits, found.fixes, found.authors) == ("", 3, 1, 2)
    assert (found.first_date, found.last_date) == ("2023-11-15", "2023-11-17")
    assert found.files == {
        "a.py": FileHistory(3, 4, 2, 2, "Ann", 2, 1, 3, 2, 0),
        "b.py": FileHistory(1, 1, 0, 1, "Ann", 1, 0, 1, 2, 2),
    }


def test_a_renamed_file_keeps_its_past(repository: Repository) -> None:
    repository.commit("start", {"old name.py": "1\n2\n3\n4\n"})
    repository.commit("change", {"old name.py": "1\n2\n3\n5\n"})
    repository.git("mv", "old name.py", "middle.py")
    repository.commit("move")
    repository.git("mv", "middle.py", "new.py")
    repository.commit("move again", {"new.py": "1\n2\n3\n6\n"})
    found = history_of(repository).files
    assert list(found) == ["new.py"]
    assert found["new.py"].commits == 4


def test_a_deleted_file_has_no_history_and_no_pairs(repository: Repository) -> None:
    for number in range(4):
        repository.commit("change", {"a.py": f"{number}\n", "b.py": f"{number}\n"})
    assert history_of(repository).pairs == (Pair("a.py", "b.py", 4, 4, 4),)
    (repository.root / "b.py").unlink()
    repository.commit("drop b")
    assert list(history_of(repository).files) == ["a.py"]
    assert history_of(repository).pairs == ()


def test_merges_are_left_out(repository: Repository) -> None:
    repository.commit("start", {"a.py": "1\n", "b.py": "1\n"})
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("side", {"a.py": "2\n"})
    repository.git("checkout", "-q", "main")
    repository.commit("main", {"b.py": "2\n"})
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "side")
    found = history_of(repository)
    assert found.commits == 3
    assert (found.files["a.py"].commits, found.files["b.py"].commits) == (2, 2)


def test_a_sweeping_commit_makes_no_pairs(repository: Repository) -> None:
    for number in range(4):
        repository.commit("format all", {f"f{index}.py": f"{number}\n" for index in range(21)})
    assert history_of(repository).pairs == ()


def test_a_folder_inside_a_repository_has_the_history_of_the_folder(repository: Repository) -> None:
    repository.commit("start", {"sub/a.py": "1\n", "b.py": "1\n"})
    repository.commit("elsewhere", {"b.py": "2\n"})
    found = read_history(str(repository.root / "sub"))
    assert (found.commits, list(found.files)) == (1, ["a.py"])


def test_odd_names_authors_and_subjects_survive_the_history(repository: Repository) -> None:
    names = {"a b.py": "1\n", "q\"'.py": "1\n", "ä.py": "1\n", "-n.py": "1\n"}
    repository.commit("fix \x1f\x1e odd | `x` <b>", names, author="Zoë | <b>`")
    found = history_of(repository)
    assert set(found.files) == set(names)
    assert found.fixes == 1


# --- where there is none ---------------------------------------------------------------------------


def test_a_repository_without_commits_is_mapped_and_said_to_have_none(repository: Repository) -> None:
    write(repository.root, {"a.py": BRANCHY})
    assert history_of(repository).said == "the repository has no commit yet"
    report = report_of(repository.root)
    assert "- **History**: none (the repository has no commit yet), so the ranking rests on structure alone." in report
    assert "`a.py:1`" in report


def test_a_folder_without_git_is_mapped_and_said_to_be_none(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"a.py": BRANCHY}))
    assert "- history: not a git repository" in report
    assert "- ignore rules: the files were found by walking the folder, not from git" in report
    assert COMPLEX in report


def test_a_shallow_clone_is_said_to_be_one(repository: Repository, tmp_path: Path) -> None:
    for number in range(3):
        repository.commit("change", {"a.py": f"{number}\n"})
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.root}", str(tmp_path / "clone"))
    found = read_history(str(tmp_path / "clone"))
    assert (found.said, found.commits) == ("the clone is shallow: older commits are not here", 1)
    assert "the clone is shallow: older commits are not here" in report_of(tmp_path / "clone")


def test_a_folder_no_commit_touches_is_said_to_be_one(repository: Repository) -> None:
    repository.commit("start", {"a.py": "1\n"})
    write(repository.root, {"new/b.py": "1\n"})
    assert read_history(str(repository.root / "new")).said == "no commit touches this folder"


def test_a_damaged_repository_is_not_taken_for_one_with_a_short_past(repository: Repository) -> None:
    repository.commit("start", {"a.py": "1\n"})
    lost = repository.git("rev-parse", "HEAD").strip()
    repository.commit("change", {"a.py": "2\n"})
    (repository.root / ".git/objects" / lost[:2] / lost[2:]).unlink()
    assert history_of(repository) == History(said="git log failed on the way: the repository is damaged")


def test_without_git_the_folder_is_walked_and_that_is_said(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit("start", {"a.py": BRANCHY})
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert shutil.which("git") is None
    assert list_files(str(repository.root)).source == "walk"
    report = report_of(repository.root)
    assert "- history: git is not installed, or not on the PATH" in report
    assert "- ignore rules: the files were found by walking the folder, not from git" in report


def test_a_repository_cannot_make_the_explorer_run_its_programs(repository: Repository, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    program = write(tmp_path, {"program": f"#!/bin/sh\ntouch {marker}\ncat\n"}) / "program"
    program.chmod(0o755)
    repository.commit("start", {"a.py": "1\n", ".gitattributes": "*.py diff=evil filter=evil\n"})
    repository.commit("change", {"a.py": "2\n"})
    evil = ("core.fsmonitor", "diff.external", "diff.evil.textconv", "diff.evil.command", "filter.evil.clean")
    for key in evil:
        repository.git("config", key, str(program))
    os.utime(repository.root / "a.py", (1, 1))
    marker.unlink(missing_ok=True)
    assert list_files(str(repository.root)).files == (".gitattributes", "a.py")
    assert history_of(repository).commits == 2
    assert not marker.exists()


# --- scores ----------------------------------------------------------------------------------------


def figures(path: str, complexity: int, tests: int = 1) -> Figures:
    return Figures(path, "Python", 100, complexity, 5, 0, 0, 0, tests, 0)


def past(commits: int) -> FileHistory:
    return FileHistory(commits, 9, 9, 1, "Ann", commits, 0, 0, 100, 1)


def test_a_hot_spots_score_is_the_root_of_its_share_damped_where_there_is_little_to_take_apart() -> None:
    history = History(commits=100, files={"hot.py": past(40), "half.py": past(10), "small.py": past(40)})
    rows = (figures("hot.py", 100), figures("half.py", 100), figures("small.py", 25))
    scores = {risk.path: risk.score for risk in rank(Evidence(history, rows)) if risk.kind == HOT_SPOT}
    assert scores == {"hot.py": 100, "half.py": 50, "small.py": 25}


def test_what_changed_twice_or_is_simple_is_no_hot_spot() -> None:
    history = History(commits=100, files={"rare.py": past(2), "simple.py": past(90)})
    rows = (figures("rare.py", 100), figures("simple.py", 9))
    assert [risk for risk in rank(Evidence(history, rows)) if risk.kind == HOT_SPOT] == []


def test_without_history_complexity_alone_ranks_and_never_above_sixty() -> None:
    risks = rank(Evidence(History(said="none"), (figures("a.py", 400), figures("b.py", 100), figures("c.py", 29))))
    assert [(risk.kind, risk.path, risk.score) for risk in risks] == [(COMPLEX, "a.py", 60), (COMPLEX, "b.py", 30)]


def test_a_complex_file_without_a_test_is_a_risk_only_where_there_are_tests_at_all() -> None:
    history = History(commits=5, files={"a.py": past(2)})
    rows = (figures("a.py", 60, tests=0), figures("b.py", 60), figures("c.py", 19, tests=0))
    assert [(r.kind, r.path, r.score) for r in rank(Evidence(history, rows))] == [(UNTESTED, "a.py", 25 + 10 + 2)]
    assert rank(Evidence(history, rows, has_tests=False)) == ()
