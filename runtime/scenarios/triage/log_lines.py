"""A log's lines without what terminals and CI systems have put around them: colours, timestamps, job names. Pure."""

import re

__all__ = ["clean_lines"]

_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]")
_PREFIXES = tuple(
    re.compile(pattern)
    for pattern in (
        r"[^\t]+\t[^\t]+\t(?=\S*\d{4}-\d\d-\d\dT)",  # job, step: as `gh run view --log` prints
        r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]? ?(?:\d\d[OE][ +])?",
        r"\[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]? ",
        r"[\w.-]+ +\| ",  # a service of docker compose
    )
)
_SHARE = 0.6
"""A prefix is one when so many of the lines have it: a line of a test's own output may look like it too."""


def clean_lines(text: str) -> list[str]:
    """The lines as the test run wrote them."""
    lines = [_TERMINAL.sub("", line).rstrip("\r") for line in text.removeprefix("\ufeff").split("\n")]
    lines = [line.rpartition("\r")[2] for line in lines]
    for prefix in _PREFIXES:
        lines = _without(prefix, lines)
    return [line.rstrip() for line in lines]


def _without(prefix: re.Pattern[str], lines: list[str]) -> list[str]:
    spoken = [line for line in lines if line]
    found = sum(1 for line in spoken if prefix.match(line))
    if not spoken or found < _SHARE * len(spoken):
        return lines
    return [prefix.sub("", line, count=1) if prefix.match(line) else line for line in lines]
