"""What a listing shows, what it leaves out, and that it says so."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.tools.desk import Desk


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x" * len(path))


def git(root: Path, *arguments: str) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(root)}
    subprocess.run(["git", *arguments], cwd=root, env=environment, check=True, capture_output=True)


def paths(text: str) -> list[str]:
    return [line.split("  ")[0] for line in text.split("\n") if not line.startswith("[")]


def test_a_folder_is_listed_sorted_with_sizes(desk: Desk) -> None:
    make(desk.root, "b.txt", "a/x.txt", "a/y/z.txt", "c")
    assert desk.text("list_files") == "a/\nb.txt  5\nc  1"
    assert desk.text("list_files", path="a") == "a/x.txt  7\na/y/"
    assert desk.text("list_files", recursive=True) == "a/x.txt  7\na/y/z.txt  9\nb.txt  5\nc  1"


def test_a_glob_goes_through_all_folders(desk: Desk) -> None:
    make(desk.root, "a.py", "src/b.py", "src/deep/c.py", "src/d.txt")
    assert paths(desk.text("list_files", glob="*.py")) == ["a.py", "src/b.py", "src/deep/c.py"]
    assert paths(desk.text("list_files", glob="src/*.py")) == ["src/b.py"]
    assert paths(desk.text("list_files", path="src/deep", glob="*.py")) == ["src/deep/c.py"]
    assert desk.text("list_files", glob="*.rs") == "[Nothing found.]"


def test_what_is_left_out_is_counted(desk: Desk) -> None:
    make(desk.root, *(f"{number:03}.txt" for number in range(30)))
    output = desk.call("list_files", limit=10)
    assert output.text.endswith("009.txt  7\n[20 more left out; narrow `path` or `glob`, or raise `limit`.]")
    assert desk.whole(output).count(b"\n") == 29


def test_a_listing_too_long_for_the_output_is_kept_whole(desk: Desk) -> None:
    desk.allow(max_output_chars=100)
    make(desk.root, *(f"{number:03}.txt" for number in range(30)))
    output = desk.call("list_files")
    assert output.text.endswith("[Cut here: 21 more lines. The whole is kept as an artifact.]")
    assert desk.whole(output).startswith(b"000.txt  7\n001.txt  7\n")


def test_caches_and_environments_are_passed_over_unless_wanted(desk: Desk) -> None:
    make(desk.root, "a.py", ".git/config", "node_modules/x.js", "mine/pyvenv.cfg", "mine/lib.py", "p/__pycache__/a.pyc")
    text = desk.text("list_files", recursive=True)
    assert paths(text) == ["a.py"]
    assert "[Passed over as ignored: 4 (.git, __pycache__, mine, node_modules).]" in text
    assert "node_modules/x.js" in desk.text("list_files", recursive=True, include_ignored=True)
    assert paths(desk.text("list_files", path="node_modules")) == ["node_modules/x.js"]


def test_what_git_ignores_is_passed_over(desk: Desk) -> None:
    git(desk.root, "init", "-q")
    make(desk.root, "kept.py", "secret.log", "build/out.bin", "sub/secret.log", "sub/kept.py")
    (desk.root / ".gitignore").write_text("*.log\n/build/\n")
    assert paths(desk.text("list_files", recursive=True)) == [".gitignore", "kept.py", "sub/kept.py"]


def test_git_runs_nothing_that_the_workspace_names(desk: Desk, tmp_path: Path) -> None:
    git(desk.root, "init", "-q")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    git(desk.root, "config", "core.fsmonitor", str(trap))
    git(desk.root, "config", "core.worktree", "/etc")
    make(desk.root, "a.py")
    assert paths(desk.text("list_files")) == ["a.py"]
    assert not (tmp_path / "sprung").exists()


def test_a_workspace_that_an_outer_repository_ignores_is_listed(desk: Desk) -> None:
    git(desk.root.parent, "init", "-q")
    (desk.root.parent / ".gitignore").write_text("workspace/\n")
    make(desk.root, "a.py")
    assert paths(desk.text("list_files")) == ["a.py"]


def test_links_and_special_files_are_named_for_what_they_are(desk: Desk) -> None:
    make(desk.root, "a.txt")
    (desk.root / "in").symlink_to("a.txt")
    (desk.root / "out").symlink_to("/etc")
    (desk.root / "loop").symlink_to(".")
    os.mkfifo(desk.root / "pipe")
    assert desk.text("list_files", recursive=True) == (
        "a.txt  5\nin  (symbolic link to a.txt)\nloop  (symbolic link to the workspace itself)\n"
        "out  (symbolic link that leads out of the workspace)\npipe  (not a regular file)"
    )


def test_the_runtimes_folder_is_not_listed(desk: Desk) -> None:
    make(desk.root, "a.txt", ".fleetlog/log.db", "kept/secret.txt")
    desk.allow(hidden=(".fleetlog", str(desk.root / "kept")))
    assert paths(desk.text("list_files", recursive=True, include_ignored=True)) == ["a.txt"]


def test_names_that_are_no_text_cannot_disturb_the_listing(desk: Desk) -> None:
    (desk.root / "new\nline").touch()
    Path(os.fsdecode(bytes(desk.root) + b"/\xff")).touch()
    assert desk.text("list_files") == "new\\x0aline  0\n\\xff  0"


@pytest.mark.parametrize(("path", "sentence"), [("none", "There is no"), ("file", "is not a folder")])
def test_what_is_no_folder_is_told(desk: Desk, path: str, sentence: str) -> None:
    make(desk.root, "file")
    assert sentence in desk.refusal("list_files", path=path)


def test_a_tree_that_is_very_deep_is_listed(desk: Desk) -> None:
    make(desk.root, "/".join(["d"] * 500) + "/a.txt")
    assert paths(desk.text("list_files", recursive=True))[0].endswith("/d/a.txt")
