"""Globs over paths, matched part by part: no pattern takes more than (parts of the path) x (parts of the pattern)."""

import fnmatch
import re
from collections.abc import Iterable

from fleetlog.runtime.tools.tool import ToolError

__all__ = ["Glob"]

_MAX_CHARS = 500
_MAX_ALTERNATIVES = 64
_BRACES = re.compile(r"\{([^{}]*)\}")
_ANY_DEPTH = "**"


class Glob:
    """`*.py` (a name at any depth), `src/*.py`, `src/**/test_*.py`, `*.{ts,tsx}`. Raises `ToolError` if too long."""

    def __init__(self, pattern: str) -> None:
        if not pattern or len(pattern) > _MAX_CHARS:
            raise ToolError(f"The glob has {len(pattern)} characters; give 1 to {_MAX_CHARS}, such as src/**/*.py.")
        self._alternatives = [_parts(one) for one in _expanded(pattern)]

    def matches(self, path: str) -> bool:
        """Does it match this path, relative, with `/`?"""
        names = path.split("/")
        return any(_matches(parts, names) for parts in self._alternatives)


def _expanded(pattern: str) -> list[str]:
    done: list[str] = []
    pending = [pattern]
    while pending:
        one = pending.pop()
        found = _BRACES.search(one)
        if found is None:
            done.append(one)
        else:
            pending += [one[: found.start()] + choice + one[found.end() :] for choice in found[1].split(",")]
        if len(done) + len(pending) > _MAX_ALTERNATIVES:
            raise ToolError(f"The glob's braces make more than {_MAX_ALTERNATIVES} patterns; use fewer.")
    return done


def _parts(pattern: str) -> list[re.Pattern[str] | None]:
    """None stands for `**`."""
    pattern = pattern.removeprefix("./").lstrip("/")
    if pattern.endswith("/"):
        pattern += _ANY_DEPTH
    if "/" not in pattern:
        pattern = f"{_ANY_DEPTH}/{pattern}"
    return [None if part == _ANY_DEPTH else re.compile(fnmatch.translate(part)) for part in pattern.split("/")]


def _matches(parts: list[re.Pattern[str] | None], names: list[str]) -> bool:
    at = _with_skipped(parts, {0})
    for name in names:
        after = set()
        for position in at:
            if position == len(parts):
                continue
            part = parts[position]
            if part is None:
                after.add(position)
            elif part.match(name):
                after.add(position + 1)
        at = _with_skipped(parts, after)
    return len(parts) in at


def _with_skipped(parts: list[re.Pattern[str] | None], positions: Iterable[int]) -> set[int]:
    """`**` also stands for no folder at all."""
    reached = set()
    for position in positions:
        reached.add(position)
        while position < len(parts) and parts[position] is None:
            position += 1
            reached.add(position)
    return reached
