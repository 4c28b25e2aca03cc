"""Workspaces in a bad state: nothing stops the three agents, and everything left out is said plainly."""

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetlog.runtime.scenarios.explore.history import read_history
from fleetlog.runtime.scenarios.explore.listing import list_files
from fleetlog.runtime.scenarios.explore.reading import read_file
from tests.scenarios.explore.places import BRANCHY, Repository, report_of, write


def unseen(report: str) -> str:
    """The report's section on what was not seen."""
    return report.partition("## What was not seen")[2].partition("\n## ")[0]


# --- no workspace, or nothing in it ----------------------------------------------------------------


def test_a_path_that_is_not_there_is_said_not_to_be(tmp_path: Path) -> None:
    report = report_of(tmp_path / "nowhere")
    assert "**Nothing could be read**: the workspace is not a folder that exists." in report
    assert read_history(str(tmp_path / "nowhere")).said == "there is no such folder"


def test_a_path_that_is_a_file_is_said_to_be_no_folder(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"file": "x"}) / "file")
    assert "**Nothing could be read**: the workspace is not a folder that exists." in report


def test_an_empty_folder_is_said_to_be_empty(tmp_path: Path) -> None:
    report = report_of(tmp_path)
    assert "**The workspace has no files to look at.** There is nothing to map, to rank or to plan." in report
    assert "No step is called for by what was found." in report


def test_a_workspace_of_binary_files_only_is_said_to_hold_them(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"a.bin": b"\0\1\2", "b.py": b"\0import os\n"}))
    assert "binary: `a.bin`; `b.py`" in unseen(report)
    assert "2 files, none of them code" in report


def test_a_repository_that_ignores_the_workspace_does_not_hide_it(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "outer")
    repository.commit("start", {".gitignore": "inner/\n"})
    write(repository.root, {"inner/a.py": "x = 1\n"})
    assert list_files(str(repository.root / "inner")).files == ("a.py",)


# --- files that cannot be read ---------------------------------------------------------------------


@pytest.mark.parametrize("in_git", [False, True])
def test_what_is_no_plain_file_is_left_out_and_named(tmp_path: Path, in_git: bool) -> None:
    root = tmp_path / "repo"
    if in_git:
        Repository(root)
    write(root, {"a.py": BRANCHY, "sub/b.py": "x = 1\n", "node_modules/c.js": "x\n"})
    (root / "broken.py").symlink_to("nowhere.py")
    (root / "sub/loop").symlink_to("..")
    (root / "outside.py").symlink_to("/etc/passwd")
    os.mkfifo(root / "pipe.py")
    listing = list_files(str(root))
    assert listing.files == ("a.py", "sub/b.py")
    assert listing.examples["symbolic link, not followed"][:2] == ("broken.py", "outside.py")
    assert listing.left_out["symbolic link, not followed"] == 3
    said = unseen(report_of(root))
    assert "symbolic link, not followed: `broken.py`; `outside.py`; `sub/loop" in said
    assert "node_modules" in said
    if not in_git:
        assert "not a regular file: `pipe.py`" in said


def test_a_file_that_vanishes_or_changes_its_kind_after_the_listing_is_a_fact(tmp_path: Path) -> None:
    (tmp_path / "link.py").symlink_to(write(tmp_path, {"a.py": "x = 1\n"}) / "a.py")
    (tmp_path / "folder.py").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    troubles = {name: read_file(str(tmp_path), f"{name}.py").trouble for name in ("gone", "link", "folder", "pipe")}
    assert troubles == {"gone": "gone", "link": "unreadable", "folder": "unreadable", "pipe": "unreadable"}


def test_a_file_deleted_but_still_in_the_index_is_said_to_be(tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repo")
    repository.commit("start", {"a.py": "x = 1\n", "b.py": "x = 1\n"})
    (repository.root / "b.py").unlink()
    assert "listed by git, not on disk: `b.py`" in unseen(report_of(repository.root))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_said_to_be_unreadable(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\n", "b.py": "x = 1\n"})
    (tmp_path / "a.py").chmod(0)
    assert "unreadable: `a.py: Permission denied`" in unseen(report_of(tmp_path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"def f(:\n", "does not parse: `a.py:1: "),
        (b"x = 1\n\xff\xfe = 2\n", "does not parse: `a.py"),
        (b"# coding: nonsense\nx = 1\n", "does not parse: `a.py"),
        (b"x = '" + b"a" * 9_000 + b"'\n\0\n", "does not parse: `a.py"),
        (b"(" * 100_000, "does not parse: `a.py"),
        (b"x = " + b"-" * 100_000 + b"1\n", "does not parse: `a.py"),
        (b"x = 1\n" * 200_000, "too large: `a.py: 1.2 MB`"),
    ],
)
def test_a_file_that_cannot_be_understood_is_said_to_be(tmp_path: Path, content: bytes, said: str) -> None:
    report = report_of(write(tmp_path, {"a.py": content, "b.py": BRANCHY}))
    assert said in unseen(report)
    assert "`b.py:1`" in report


def test_a_file_in_latin_1_that_says_so_is_read(tmp_path: Path) -> None:
    facts = read_file(str(write(tmp_path, {"a.py": b"# coding: latin-1\ndef f():\n    return '\xe4'\n"})), "a.py")
    assert (facts.functions, facts.trouble) == (1, "not UTF-8")


def test_a_file_that_does_not_parse_is_the_first_step_of_the_plan(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"a.py": "def f(:\n"}))
    assert "### 1. Decide about the files that do not parse (S)" in report


# --- names and depth -------------------------------------------------------------------------------


STRANGE = ["a b.py", "q\"'.py", "a|b.py", "<b>x<b>.py", "a[b](c).py", "#x.py", "$(touch x).py", "-rf.py", "ä.py"]


@pytest.mark.parametrize("in_git", [False, True])
def test_strange_names_are_kept_or_left_out_and_never_act(tmp_path: Path, in_git: bool) -> None:
    root = tmp_path / "repo"
    bad = ["line\nend.py", "bell\a.py", "esc\x1b[31m.py", "tick`.py", "rtl\u202e.py"]
    write(root, dict.fromkeys([*STRANGE, *bad], BRANCHY))
    (root / os.fsdecode(b"\xff.py")).write_text("x = 1\n")
    if in_git:
        Repository(root).commit("start")
    assert list_files(str(root)).files == tuple(sorted(STRANGE))
    report = report_of(root)
    said = unseen(report)
    assert r"name has control characters: `bell\x07.py`; `esc\x1b[31m.py`; `line\nend.py`; `rtl\u202e.py`" in said
    assert "name has a backtick, which no report can quote: `tick'.py`" in said
    assert r"name is not UTF-8: `\udcff.py`" in said
    assert all(letter.isprintable() for line in report.split("\n") for letter in line)
    assert all(line.count("`") % 2 == 0 for line in report.split("\n"))
    assert "<b>" not in "".join(report.split("`")[::2])
    lines = [line.replace("\\|", "") for line in report.split("\n")]
    rows = [(line, below) for line, below in itertools.pairwise(lines) if line[:1] == below[:1] == "|"]
    assert len(rows) > len(STRANGE)
    assert all(line.count("|") == below.count("|") for line, below in rows)


def test_the_workspaces_own_name_cannot_act(tmp_path: Path) -> None:
    root = tmp_path / "a`b\n# <b>c"
    report = report_of(write(root, {"a.py": "x = 1\n"}))
    assert report.startswith("# Before the refactoring: ab")
    assert "\n# " not in report
    assert "<b>" not in report


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder 1,500 folders deep: deeper than Python may call itself, and than `shutil.rmtree` can remove."""
    root = tmp_path / "deep"
    root.mkdir()
    folder = os.open(root, os.O_RDONLY)
    for _ in range(1_500):
        os.mkdir("d", dir_fd=folder)
        below = os.open("d", os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = below
    with open(os.open("a.py", os.O_WRONLY | os.O_CREAT, dir_fd=folder), "w") as file:
        file.write(BRANCHY)
    os.close(folder)
    yield root
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_a_tree_deeper_than_python_may_recurse_is_walked(deep: Path) -> None:
    path = "d/" * 1_500 + "a.py"
    assert list_files(str(deep)).files == (path,)
    assert path in report_of(deep)
