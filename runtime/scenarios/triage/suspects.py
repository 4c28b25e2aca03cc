"""What git knows of the lines and files that failures pass: commits, authors, and the line of commits to search."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from fleetlog.runtime.git import GitFailed, git_output
from fleetlog.runtime.scenarios.triage.facts import Frame, Suspect

__all__ = ["Clues", "clues", "commit_line", "suspect"]

MAX_COMMITS = 2_048
RECENT = 10
"""Without a commit that is known to be good, so many of the last ones count as recent."""
_UNCOMMITTED = "0" * 40


class Clues(Struct, frozen=True):
    """`recent` are suspects that are behind the last known good commit, or among the last ten; `older` the others."""

    recent: tuple[Suspect, ...] = ()
    older: tuple[Suspect, ...] = ()
    said: str = ""


def commit_line(workspace: str, good: str) -> list[str]:
    """The commits that led here, newest first, by first parents; down to `good`, if it is given."""
    span = [f"{good}..HEAD"] if good else ["HEAD"]
    limit = f"--max-count={MAX_COMMITS}"
    found = git_output(workspace, "rev-list", "--first-parent", limit, *span).decode().split()
    return [*found, good] if good else found


def suspect(workspace: str, commit: str, why: str) -> Suspect:
    """The commit as a suspect."""
    shown = git_output(workspace, "log", "-1", "--format=%h%x1f%an%x1f%s", "--abbrev=10", commit).decode(
        errors="replace"
    )
    name, author, subject = shown.strip("\n").split("\x1f", 2)
    return Suspect(name, author, subject, why)


def touched(workspace: str, commit: str) -> list[str]:
    """The files a commit changed."""
    listed = git_output(workspace, "show", "--first-parent", "--format=", "--name-only", "-z", commit)
    return [path for path in listed.decode(errors="replace").split("\0") if path.strip()]


def clues(workspace: str, frames: Sequence[Frame], files: Iterable[str], good: str) -> Clues:
    """Who changed the lines that failed, and the files, last. `files` are where no line is known."""
    try:
        recent = set(commit_line(workspace, good)[: -1 if good else RECENT])
        commits = _commits(workspace, frames, files)
        found = {commit: suspect(workspace, commit, why) for commit, why in commits.items()}
    except GitFailed as error:
        return Clues(said=str(error))
    return Clues(
        tuple(one for commit, one in found.items() if commit in recent)[:4],
        tuple(one for commit, one in found.items() if commit not in recent)[:4],
    )


def _commits(workspace: str, frames: Sequence[Frame], files: Iterable[str]) -> dict[str, str]:
    """Commit -> why, nearest to the failure first."""
    found: dict[str, str] = {}
    for frame in reversed(frames):
        commit = _blamed(workspace, frame)
        if commit:
            found.setdefault(commit, f"last changed `{frame.path}:{frame.line}`, which the failure passes")
    for path in dict.fromkeys([*(frame.path for frame in reversed(frames)), *files]):
        logged = git_output(workspace, "log", "--format=%H", "--max-count=2", "--", path).decode().split()
        for commit in logged:
            found.setdefault(commit, f"changed `{path}` lately")
    return found


def _blamed(workspace: str, frame: Frame) -> str:
    try:
        said = git_output(workspace, "blame", "--porcelain", f"-L{frame.line},{frame.line}", "--", frame.path).decode(
            errors="replace"
        )
    except GitFailed:  # the line or the file is not there: the log is of another revision
        return ""
    commit = said.partition(" ")[0]
    return "" if commit == _UNCOMMITTED else commit
