"""What may be asked of the explorer: a kind, a subject, and the question in words. And the sizes of what is sent."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

DEPENDENTS = "dependents"
TESTS = "tests"
CYCLE = "cycle"
ROUTE = "route"
PARTS = "parts"
BOND = "bond"
OVERVIEW = "overview"
FIGURES = "figures"
EXTREMES = "extremes"
CYCLES = "cycles"
SIGNS = "signs"
UNPARSED = "unparsed"
HIDDEN = "hidden"

# A payload may have 64 KiB; what is sent stays well below, also after JSON has escaped it.
ROOM_BYTES = 48_000

_T = TypeVar("_T")


class Question(Struct, frozen=True):
    """`subject` holds paths; for `hidden` they stand in pairs, one after the other."""

    kind: str
    subject: tuple[str, ...] = ()
    text: str = ""


class Answer(Struct, frozen=True):
    """`text` is one or two sentences; `count` and `files` are what a plan can be made of."""

    text: str
    count: int = 0
    files: tuple[str, ...] = ()
    known: bool = True


def to_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def within(items: Iterable[_T], room_bytes: int = ROOM_BYTES) -> tuple[_T, ...]:
    """As many of the items, from the first, as fit."""
    taken: list[_T] = []
    for item in items:
        room_bytes -= len(msgspec.json.encode(item)) + 1
        if room_bytes < 0:
            break
        taken.append(item)
    return tuple(taken)


def who_depends_on(path: str) -> Question:
    return Question(DEPENDENTS, (path,), f"What depends on `{path}`?")


def what_tests(path: str) -> Question:
    return Question(TESTS, (path,), f"Which tests cover `{path}`?")


def what_ties(members: tuple[str, ...]) -> Question:
    shown = members[:3]
    rest = f" and {len(members) - 3} more" if len(members) > 3 else ""
    names = ", ".join(f"`{path}`" for path in shown)
    return Question(CYCLE, members[:40], f"Which imports tie {names}{rest} into a ring, and where is it cut best?")


def what_route(path: str) -> Question:
    return Question(ROUTE, (path,), f"Which entry point reaches `{path}`, and by which imports?")


def which_parts(path: str) -> Question:
    return Question(PARTS, (path,), f"What are the heaviest parts of `{path}`?")


def what_bond(one: str, other: str) -> Question:
    return Question(BOND, (one, other), f"`{one}` and `{other}` change together: what ties them, if no import does?")
