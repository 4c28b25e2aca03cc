"""The user's repository, and work trees of it that nobody else uses. Runs git, nothing else.

Its rule: each function may be called again after it was cut off anywhere, and leaves what it would have left. The
user's checkout, index and branches are not touched; the work trees lie in the repository's `.git/fleetlog`.
"""

import os
import shutil
import subprocess
from pathlib import Path

from fleetlog.domain.errors import InvalidArgument

__all__ = [
    "branch_exists",
    "check_repository",
    "committed",
    "head_of",
    "is_dirty",
    "kept_tree",
    "read",
    "remove_trees",
    "rolled_back",
    "test_files",
    "write",
]

TRAILER = "Fleetlog-Step"
_IDENTITY = {"GIT_AUTHOR_NAME": "fleetlog", "GIT_AUTHOR_EMAIL": "fleetlog@localhost"}
_IDENTITY |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in _IDENTITY.items()}


class GitFailed(Exception):
    """git said no; the text is what it said."""


def _git(folder: str | Path, *words: str, given: str = "") -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *words],
        input=given,
        capture_output=True,
        text=True,
        env={**environment, **_IDENTITY},
        check=False,
    )
    if done.returncode:
        raise GitFailed(f"git {words[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def check_repository(folder: str, branch: str) -> None:
    """Raises `InvalidArgument` when nothing can be migrated here, or the branch is there already."""
    try:
        _git(folder, "rev-parse", "--verify", "HEAD")
    except FileNotFoundError as error:
        raise InvalidArgument("git is not installed: the migration works on branches and work trees") from error
    except GitFailed as error:
        raise InvalidArgument(f"'--workspace' must be a git repository with a commit: {folder} is none") from error
    try:
        _git(folder, "check-ref-format", "--branch", branch)
    except GitFailed as error:
        raise InvalidArgument(f"'--branch' must be a name git accepts, got {branch}") from error
    if branch_exists(folder, branch):
        raise InvalidArgument(f"there is a branch {branch} already: choose another with --branch, or delete it")


def branch_exists(folder: str, branch: str) -> bool:
    """Is there a branch of this name?"""
    try:
        _git(folder, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    except GitFailed:
        return False
    return True


def head_of(folder: str) -> str:
    """The commit the checkout is at."""
    return _git(folder, "rev-parse", "HEAD").strip()


def is_dirty(folder: str) -> bool:
    """Are there changes that no commit has? They are not seen."""
    return bool(_git(folder, "status", "--porcelain", "--untracked-files=no").strip())


def test_files(folder: str, commit: str) -> list[str]:
    """The Python files of a commit that say unittest and are named like tests, in order."""
    try:
        found = _git(folder, "grep", "-l", "-I", "-w", "unittest", commit, "--", "*.py")
    except GitFailed:
        return []
    paths = sorted(line.removeprefix(f"{commit}:") for line in found.splitlines())
    return [path for path in paths if _is_test(Path(path))]


def _is_test(path: Path) -> bool:
    return path.stem.startswith("test") or path.stem.endswith(("_test", "_tests")) or "tests" in path.parts[:-1]


def kept_tree(folder: str, name: str, commit: str, branch: str = "") -> str:
    """The path of a work tree of this name: made if it is not there, on the branch (begun at the commit) or on none."""
    common = Path(_git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    tree = common / "fleetlog" / name
    if (tree / ".git").is_file():
        return str(tree)
    shutil.rmtree(tree, ignore_errors=True)
    _git(folder, "worktree", "prune")
    if not branch:
        _git(folder, "worktree", "add", "--quiet", "--detach", str(tree), commit)
    elif branch_exists(folder, branch):
        _git(folder, "worktree", "add", "--quiet", "--force", str(tree), branch)
    else:
        _git(folder, "worktree", "add", "--quiet", "-b", branch, str(tree), commit)
    return str(tree)


def remove_trees(folder: str, names: list[str]) -> None:
    """Take the work trees away; the branch stays."""
    common = Path(_git(folder, "rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    for name in names:
        shutil.rmtree(common / "fleetlog" / name, ignore_errors=True)
    _git(folder, "worktree", "prune")
    if (common / "fleetlog").is_dir() and not any((common / "fleetlog").iterdir()):
        (common / "fleetlog").rmdir()


def read(tree: str, path: str) -> str:
    """A file's text; empty if it is not there. Raises `UnicodeDecodeError`."""
    file = Path(tree) / path
    return file.read_bytes().decode() if file.is_file() else ""


def write(tree: str, path: str, text: str) -> None:
    """Write a file, whole or not at all."""
    file = Path(tree) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(file.name + ".new")
    fresh.write_bytes(text.encode())
    if file.exists():
        shutil.copymode(file, fresh)
    fresh.replace(file)


def committed(tree: str, path: str, step: str, message: str) -> str:
    """Commit the file as it is now, as this step: the commit's id, the same however often it is called."""
    try:
        found = _git(tree, "log", "--format=%H", "--fixed-strings", f"--grep={TRAILER}: {step}", "-1").strip()
    except GitFailed:
        found = ""
    if found:
        return found
    _remove_stale_lock(tree)
    _git(tree, "add", "--", path)
    _git(tree, "commit", "--quiet", "--no-verify", "-F", "-", "--", path, given=f"{message}\n\n{TRAILER}: {step}\n")
    return head_of(tree)


def _remove_stale_lock(tree: str) -> None:
    """A git that was killed leaves its lock. The tree is ours alone: nobody holds it."""
    Path(_git(tree, "rev-parse", "--path-format=absolute", "--git-path", "index.lock").strip()).unlink(missing_ok=True)


def rolled_back(tree: str) -> None:
    """The work tree as its last commit has it."""
    _remove_stale_lock(tree)
    _git(tree, "reset", "--quiet", "--hard")
    _git(tree, "clean", "--quiet", "-fd")
