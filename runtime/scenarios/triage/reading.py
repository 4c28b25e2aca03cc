"""Reads the log and the workspace. The files are strangers': sizes are bounded, and nothing is followed out of them."""

import os
from collections.abc import Iterable
from pathlib import Path

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.git import GitFailed, git_output
from fleetlog.runtime.scenarios.triage.facts import Failure, Ground, Log
from fleetlog.runtime.scenarios.triage.junit import read_junit
from fleetlog.runtime.scenarios.triage.nodes import file_of, own_path
from fleetlog.runtime.scenarios.triage.pytest_log import read_pytest_log

__all__ = ["commit_of", "look_at", "read_log", "source_of", "sources_of"]

MAX_LOG_BYTES = 64 * 1024 * 1024
MAX_FILES = 50_000
MAX_SOURCE_BYTES = 1_000_000
_NOT_SOURCE = {".git", ".venv", "venv", "node_modules", "__pycache__", ".fleetlog", ".tox", ".nox", "site-packages"}


def read_log(path: str, files: Iterable[str]) -> Log:
    """The failures in the log. Raises `InvalidArgument` when it cannot be read or tells of none."""
    content = _content(Path(path))
    known = frozenset(files)
    if content.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        log = read_junit(content, known)
    else:
        log = read_pytest_log(_decoded(content), known)
    if not log.failures:
        raise InvalidArgument(
            f"'LOG' tells of no failing test: {path} must be JUnit XML or what pytest printed, with its short summary "
            "or its tracebacks"
        )
    return log


def _content(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if size > MAX_LOG_BYTES:
            limit = MAX_LOG_BYTES // 2**20
            raise InvalidArgument(
                f"'LOG' must be at most {limit} MiB, {path} has {size // 2**20}: cut what is not tests"
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidArgument(f"'LOG' must be a file that can be read: {path}: {error.strerror}") from error


def _decoded(content: bytes) -> str:
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # PowerShell's redirection
    return content.decode("utf-16" if wide else "utf-8", errors="replace")


def look_at(workspace: str) -> Ground:
    """What the workspace is."""
    try:
        revision = git_output(workspace, "rev-parse", "--short=10", "HEAD").decode().strip()
        listed = git_output(workspace, "ls-files", "-z", "--cached", "--others", "--exclude-standard").decode(
            errors="replace"
        )
        commits = int(git_output(workspace, "rev-list", "--count", "--first-parent", "HEAD"))
        dirty = bool(git_output(workspace, "status", "--porcelain", "--untracked-files=no").strip())
    except GitFailed:
        return Ground(tuple(sorted(_python(_walked(Path(workspace))))))
    return Ground(tuple(sorted(_python(listed.split("\0")))[:MAX_FILES]), revision, commits, dirty)


def _python(paths: Iterable[str]) -> list[str]:
    return [path for path in paths if path.endswith(".py")]


def _walked(root: Path) -> list[str]:
    found: list[str] = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name not in _NOT_SOURCE)
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names]
        if len(found) > MAX_FILES:
            break
    return found[:MAX_FILES]


def commit_of(workspace: str, revision: str) -> str:
    """The commit that `--bisect` names. Raises `InvalidArgument` when there is none that leads to where we are."""
    try:
        commit = git_output(workspace, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        git_output(workspace, "merge-base", "--is-ancestor", commit.decode().strip(), "HEAD")
    except GitFailed as error:
        raise InvalidArgument(
            f"'--bisect' must be a commit before the one of the workspace, at which the tests passed: got {revision} "
            f"({error})"
        ) from error
    return commit.decode().strip()


def sources_of(workspace: str, ground: Ground, failures: Iterable[Failure]) -> dict[str, str]:
    """The texts of the files that the failures pass, as they are now."""
    files = frozenset(ground.files)
    paths: dict[str, None] = {}
    for failure in failures:
        paths[file_of(failure.test)] = None
        paths.update(dict.fromkeys(own_path(frame.path, files) for frame in failure.trace.frames))
    return {path: text for path in paths if path in files and (text := source_of(workspace, path))}


def source_of(workspace: str, path: str) -> str:
    """A file's text; empty when it cannot be read, or lies outside."""
    place = Path(workspace, path)
    try:
        inside = place.resolve().is_relative_to(Path(workspace).resolve())
        if inside and place.stat().st_size <= MAX_SOURCE_BYTES:
            return place.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return ""
