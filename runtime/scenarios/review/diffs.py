"""Reads a unified diff: which lines each file gets and loses, with their numbers. Pure."""

import re
from collections.abc import Iterator

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument

__all__ = ["Change", "ChangedFile", "Line", "is_diff", "parse_diff"]

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class Line(Struct, frozen=True):
    number: int
    text: str


class ChangedFile(Struct, frozen=True):
    """`added` are numbered as in the new file, `removed` as in the old one, `kept` (the context) as in the new one."""

    path: str
    added: tuple[Line, ...] = ()
    removed: tuple[Line, ...] = ()
    kept: tuple[Line, ...] = ()
    is_deleted: bool = False
    is_binary: bool = False


class Change(Struct, frozen=True):
    files: tuple[ChangedFile, ...]

    @property
    def added(self) -> int:
        return sum(len(file.added) for file in self.files)

    @property
    def removed(self) -> int:
        return sum(len(file.removed) for file in self.files)


class _File:
    """A file while its part of the diff goes by."""

    def __init__(self) -> None:
        self.old = self.new = ""
        self.added: list[Line] = []
        self.removed: list[Line] = []
        self.kept: list[Line] = []
        self.is_binary = False

    @property
    def is_read(self) -> bool:
        return bool(self.added or self.removed or self.kept)

    def done(self) -> ChangedFile:
        path = self.old if self.new in ("", "/dev/null") else self.new
        deleted = self.new == "/dev/null"
        return ChangedFile(
            path, tuple(self.added), tuple(self.removed), tuple(self.kept), deleted, is_binary=self.is_binary
        )


def is_diff(text: str) -> bool:
    """Has it a hunk, or git's head of a file?"""
    return bool(re.search(r"^(?:@@ -\d+.*? @@|diff --git )", text, re.MULTILINE))


def parse_diff(text: str) -> Change:
    """The change; lines between the files that say nothing of lines are passed over. Raises `InvalidArgument` for a
    diff that is cut off, or in which a hunk has more lines than its head says: its rest would go unreviewed."""
    lines = iter(text.removesuffix("\n").split("\n"))
    files: list[_File] = []
    is_after_hunk = False
    for line in lines:
        hunk = _HUNK.match(line) if files else None
        if hunk:
            _read_hunk(files[-1], hunk, lines)
        elif is_after_hunk and line[:1] in ("+", "-", " ") and not line.startswith(("--- ", "-- ")):
            raise InvalidArgument(f"the diff is damaged: a hunk of {files[-1].new} is longer than its head says")
        else:
            _read_head(files, line)
        is_after_hunk = bool(hunk)
    return Change(tuple(file.done() for file in files))


def _read_head(files: list[_File], line: str) -> None:
    if line.startswith("diff --git "):
        files.append(_named(line))
    elif line.startswith("--- "):
        if not files or files[-1].is_read:
            files.append(_File())
        files[-1].old = _path(line[4:])
    elif not files:
        return
    elif line.startswith("+++ "):
        files[-1].new = _path(line[4:])
    elif line.startswith(("Binary files ", "GIT binary patch")):
        files[-1].is_binary = True
    elif line.startswith("deleted file mode"):
        files[-1].new = "/dev/null"


def _named(line: str) -> _File:
    file = _File()
    named = re.search(r" \"?a/(.*?)\"? \"?b/(.*?)\"?$", line)
    if named:
        file.old, file.new = named[1], named[2]
    return file


def _path(said: str) -> str:
    path = said.split("\t")[0].strip().strip('"')
    return path[2:] if path.startswith(("a/", "b/")) else path


def _read_hunk(file: _File, hunk: re.Match[str], lines: Iterator[str]) -> None:
    old, new = int(hunk[1]), int(hunk[3])
    old_end, new_end = old + int(hunk[2] or 1), new + int(hunk[4] or 1)
    while old < old_end or new < new_end:
        line = next(lines, None)
        if line is None:
            raise InvalidArgument(f"the diff is cut off: a hunk of {file.new} is shorter than its head says")
        if line.startswith("+"):
            file.added.append(Line(new, line[1:]))
            new += 1
        elif line.startswith("-"):
            file.removed.append(Line(old, line[1:]))
            old += 1
        elif not line.startswith("\\"):
            file.kept.append(Line(new, line[1:]))
            old, new = old + 1, new + 1
