"""How near a text that was not found came: what a person would say to somebody who quoted it wrongly."""

import difflib
import re
from collections.abc import Sequence

__all__ = ["nearest"]

_SPACE = re.compile(r"\s+")
_NUMBERED = re.compile(r" *\d+\t")
_ADVICE = "Read that part again and copy it to the letter."
_MAX_COMPARED = 5_000
_QUOTED_CHARS = 120


def nearest(lines: Sequence[str], wanted: Sequence[str]) -> str:
    """A sentence or two: where `wanted` nearly stands among `lines`, and what is different there."""
    if wanted and all(_NUMBERED.match(line) for line in wanted):
        return "Its lines begin with line numbers, which are not part of the file; leave them out."
    loose = [_loose(line) for line in lines]
    sought = [_loose(line) for line in wanted]
    at = _position(loose, sought)
    if at is not None:
        return f"Only white space differs at line {at + _first_different(lines[at:], wanted) + 1}. {_ADVICE}"
    return _partly(lines, loose, sought) or _similar(lines, loose, sought)


def _loose(line: str) -> str:
    return _SPACE.sub(" ", line).strip()


def _position(lines: Sequence[str], wanted: Sequence[str]) -> int | None:
    """Where the lines stand, one after the other."""
    if not any(wanted):
        return None
    places = range(len(lines) - len(wanted) + 1)
    return next((at for at in places if lines[at] == wanted[0] and lines[at : at + len(wanted)] == wanted), None)


def _first_different(lines: Sequence[str], wanted: Sequence[str]) -> int:
    return next((at for at, (one, other) in enumerate(zip(lines, wanted, strict=False)) if one != other), 0)


def _partly(lines: Sequence[str], loose: Sequence[str], sought: Sequence[str]) -> str:
    """The place where most of the first lines stand."""
    best, length = 0, 0
    for at in (at for at, line in enumerate(loose) if line and line == sought[0]):
        same = next((n for n, wanted in enumerate(sought) if loose[at + n : at + n + 1] != [wanted]), len(sought))
        if same > length:
            best, length = at, same
    if not length:
        return ""
    there = repr(lines[best + length][:_QUOTED_CHARS]) if best + length < len(lines) else "the end of the file"
    first = "Its first line stands" if length == 1 else f"Its first {length} lines stand"
    return f"{first} at line {best + 1}, but then line {best + length + 1} is {there}. {_ADVICE}"


def _similar(lines: Sequence[str], loose: Sequence[str], sought: Sequence[str]) -> str:
    first = next((line for line in sought if line), "")
    found = difflib.get_close_matches(first[:_QUOTED_CHARS], loose[:_MAX_COMPARED], n=1, cutoff=0.7) if first else []
    if not found:
        return "Nothing like it is there: read the file before you edit it."
    at = loose.index(found[0])
    return f"The nearest is line {at + 1}: {lines[at][:_QUOTED_CHARS]!r}. {_ADVICE}"
