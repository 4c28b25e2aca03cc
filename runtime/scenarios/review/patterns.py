"""The patterns of `patterns.toml`: what a line of code should not have, by language. `change` applies them."""

import functools
import re
import tomllib
from importlib.resources import files
from typing import Any, NamedTuple

from fleetlog.runtime.scenarios.review.findings import Severity

__all__ = ["Pattern", "patterns"]


class Pattern(NamedTuple):
    """`languages`: empty for all. `unless`: what makes it harmless. `is_raw`: look at the line as it stands, not with
    its strings and comments blanked."""

    kind: str
    owner: str
    severity: Severity
    languages: tuple[str, ...]
    fits: re.Pattern[str]
    unless: re.Pattern[str] | None
    is_raw: bool
    title: str
    why: str
    fix: str


@functools.cache
def patterns() -> tuple[Pattern, ...]:
    """All of them, as they stand in the file."""
    text = files(__package__).joinpath("patterns.toml").read_text(encoding="utf-8")
    return tuple(map(_read, tomllib.loads(text)["pattern"]))


def _read(entry: dict[str, Any]) -> Pattern:
    unless = entry.get("unless")
    return Pattern(
        entry["kind"],
        entry["owner"],
        entry["severity"],
        tuple(entry.get("languages", ())),
        re.compile(entry["fits"]),
        re.compile(unless, re.IGNORECASE) if unless else None,
        entry.get("raw", False),
        entry["title"],
        entry["why"],
        entry["fix"],
    )
