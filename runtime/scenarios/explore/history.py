"""What git remembers of the workspace: churn, authors, fixes, files that change together. One `git log`, read once.

The window is the last 2,000 commits or 24 months before HEAD, whichever reaches further back, but at most 5,000
commits. Merges are left out. Times count back from HEAD's commit, never from today.
"""

import os
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.runtime.git import GitFailed, git_output, git_stream
from fleetlog.runtime.scenarios.explore.languages import is_code, language_of
from fleetlog.runtime.scenarios.explore.listing import printable, unquotable

MIN_COMMITS, MAX_COMMITS, WINDOW_DAYS = 2_000, 5_000, 730
RECENT_DAYS = 90
SWEEPING = 20
"""A commit of more files than this says nothing about which files belong together."""
KEPT_PAIRS = 200
_DAY_S = 86_400

_FIX = re.compile(r"\b(?:fix(?:e[sd]|ing)?|bug(?:s|fix(?:es)?)?|defect|hotfix|regression|crash(?:es)?|revert)\b", re.I)
_NO_FIX = re.compile(r"\b(?:typos?|spelling|lint(?:er|ing)?|format(?:ting)?|docs?|whitespace|mypy|flake8|ruff)\b", re.I)
_FORMAT = "--format=tformat:%x1e%ct%x1f%aN%x1f%aE%x1f%s"


class FileHistory(Struct, frozen=True, array_like=True):
    """Commits in the window that touched the file; days count back from HEAD's commit."""

    commits: int
    added: int
    deleted: int
    authors: int
    main_author: str
    main_commits: int
    fixes: int
    recent: int
    first_days: int
    last_days: int


class Pair(Struct, frozen=True, array_like=True):
    """Two code files and in how many commits they changed together, and each of them at all."""

    one: str
    other: str
    together: int
    one_commits: int
    other_commits: int


class History(Struct, frozen=True):
    """`said` is empty, or says plainly why there is no history or why it is not whole."""

    said: str = ""
    commits: int = 0
    fixes: int = 0
    authors: int = 0
    first_date: str = ""
    last_date: str = ""
    files: dict[str, FileHistory] = {}
    pairs: tuple[Pair, ...] = ()


class _Commit(Struct):
    time_s: int
    author: str
    email: str
    subject: str
    files: list[tuple[str, int, int]]


class _Tally:
    def __init__(self, commit: _Commit) -> None:
        self.times = (commit.time_s, commit.time_s)
        self.commits = self.added = self.deleted = self.fixes = self.recent = 0
        self.authors: Counter[str] = Counter()


def read_history(workspace: str) -> History:
    """Raises nothing: where there is no history, `said` says why."""
    try:
        facts = (
            git_output(workspace, "rev-parse", "--is-shallow-repository", "--show-cdup", "HEAD").decode().split("\n")
        )
        with git_stream(
            workspace, "log", "-z", "--no-merges", "--numstat", "-M", "-l400", "--no-ext-diff", "--no-textconv",
            "--relative", f"--max-count={MAX_COMMITS}", _FORMAT, "HEAD", "--", ".",
        ) as output:  # fmt: skip
            history = _Reader(workspace).read(_commits(output))
    except GitFailed as failed:
        said = str(failed)
        return History(said="the repository has no commit yet" if "HEAD" in said else said)
    if not history.commits:
        return History(said="no commit touches this folder")
    shallow = facts[0].strip() == "true"
    return replace(history, said="the clone is shallow: older commits are not here") if shallow else history


def _tokens(output: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := output.read(65_536):
        *whole, rest = (rest + block).split(b"\0")
        yield from whole
    if rest:
        yield rest


def _commits(output: IO[bytes]) -> Iterator[_Commit]:
    commit: _Commit | None = None
    tokens = _tokens(output)
    for token in tokens:
        line = token.lstrip(b"\n")
        if line.startswith(b"\x1e"):
            if commit:
                yield commit
            commit = _header(line)
        elif commit and line:
            _change(commit, line, tokens)
    if commit:
        yield commit


def _header(line: bytes) -> _Commit:
    time_s, author, email, subject = line[1:].decode("utf-8", "replace").split("\x1f", 3)
    return _Commit(int(time_s), author, email.lower(), subject, [])


def _change(commit: _Commit, line: bytes, tokens: Iterator[bytes]) -> None:
    """`added TAB deleted TAB path`; for a rename the path is empty and the old and the new path follow."""
    added, _, rest = line.partition(b"\t")
    deleted, _, path = rest.partition(b"\t")
    old = b""
    if not path:
        old, path = next(tokens, b""), next(tokens, b"")
    name = printable(os.fsdecode(path))
    before = printable(os.fsdecode(old))
    commit.files.append((f"{before}\0{name}" if old else name, _number(added), _number(deleted)))


def _number(text: bytes) -> int:
    return int(text) if text.isdigit() else 0


class _Reader:
    """Goes from HEAD back in time; a rename met on the way gives the older name's commits to the newer one."""

    def __init__(self, workspace: str) -> None:
        self._workspace = workspace
        self._now_called: dict[str, str] = {}
        self._tallies: dict[str, _Tally] = {}
        self._together: Counter[tuple[str, str]] = Counter()
        self._authors: Counter[str] = Counter()
        self._names: dict[str, str] = {}
        self._head_s = 0
        self._oldest_s = 0
        self._commits = self._fixes = 0

    def read(self, commits: Iterator[_Commit]) -> History:
        for commit in commits:
            self._head_s = self._head_s or commit.time_s
            if self._commits >= MIN_COMMITS and self._days(commit.time_s) > WINDOW_DAYS:
                break
            self._take(commit)
        return self._history()

    def _days(self, time_s: int) -> int:
        return max(0, self._head_s - time_s) // _DAY_S

    def _take(self, commit: _Commit) -> None:
        self._commits += 1
        self._oldest_s = min(self._oldest_s or commit.time_s, commit.time_s)
        self._authors[commit.email] += 1
        self._names.setdefault(commit.email, commit.author)
        is_fix = bool(_FIX.search(commit.subject)) and not _NO_FIX.search(commit.subject)
        self._fixes += is_fix
        touched = {self._touch(change, commit, is_fix) for change in commit.files}
        code = sorted(path for path in touched if is_code(language_of(path)))
        if len(touched) <= SWEEPING:
            self._together.update((one, other) for n, one in enumerate(code) for other in code[n + 1 :])

    def _touch(self, change: tuple[str, int, int], commit: _Commit, is_fix: bool) -> str:
        name, added, deleted = change
        old, renamed, new = name.rpartition("\0")
        path = self._now_called.get(new, new)
        if renamed:
            self._now_called[old] = path
        tally = self._tallies.setdefault(path, _Tally(commit))
        tally.times = (min(tally.times[0], commit.time_s), max(tally.times[1], commit.time_s))
        tally.commits += 1
        tally.added += added
        tally.deleted += deleted
        tally.fixes += is_fix
        tally.recent += self._days(commit.time_s) <= RECENT_DAYS
        tally.authors[commit.email] += 1
        return path

    def _history(self) -> History:
        quotable = (path for path in self._tallies if not unquotable(path))
        here = {path for path in quotable if os.path.lexists(os.path.join(self._workspace, path))}
        return History(
            commits=self._commits,
            fixes=self._fixes,
            authors=len(self._authors),
            first_date=_date(self._oldest_s),
            last_date=_date(self._head_s),
            files={path: self._file(self._tallies[path]) for path in sorted(here)},
            pairs=tuple(self._pairs(here)),
        )

    def _file(self, tally: _Tally) -> FileHistory:
        email, commits = min(tally.authors.items(), key=lambda item: (-item[1], item[0]))
        return FileHistory(
            commits=tally.commits,
            added=tally.added,
            deleted=tally.deleted,
            authors=len(tally.authors),
            main_author=self._names[email][:60],
            main_commits=commits,
            fixes=tally.fixes,
            recent=tally.recent,
            first_days=self._days(tally.times[0]),
            last_days=self._days(tally.times[1]),
        )

    def _pairs(self, here: set[str]) -> list[Pair]:
        frequent = [(pair, count) for pair, count in self._together.items() if count >= 3 and here.issuperset(pair)]
        frequent.sort(key=lambda item: (-item[1], item[0]))
        return [
            Pair(one, other, count, self._tallies[one].commits, self._tallies[other].commits)
            for (one, other), count in frequent[:KEPT_PAIRS]
        ]


def _date(time_s: int) -> str:
    try:
        return datetime.fromtimestamp(time_s, UTC).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return "a date out of range"
