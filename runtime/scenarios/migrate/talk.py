"""What the agents say to each other. Values alone; messages carry them as JSON, with a `text` for who reads along."""

from typing import Any

import msgspec
from msgspec import Struct

from fleetlog.runtime.scenarios.migrate.changes import Left

__all__ = ["Answer", "Change", "Outcome", "Written", "said"]


class Change(Struct, frozen=True):
    """A file was changed in its author's work tree: does it still hold? `renamed` maps old class names to new ones;
    a file that is `is_new` has nothing to be compared with."""

    path: str
    tree: str
    subject: str
    renamed: dict[str, str] = {}
    is_new: bool = False
    attempt: int = 1


class Answer(Struct, frozen=True):
    """`commit` is the one that has the change, if it was verified. `classes` are those that behave otherwise now;
    `idle` are tests whose assertions can be turned around without their failing."""

    verified: bool
    why: str
    tests: int = 0
    commit: str = ""
    classes: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()


class Outcome(Struct, frozen=True):
    """What became of a file: the classes that were converted, the answer of the verifier, what was left."""

    path: str
    converted: tuple[str, ...] = ()
    answer: Answer | None = None
    left: tuple[Left, ...] = ()
    rolled_back: tuple[str, ...] = ()


class Written(Struct, frozen=True):
    """What the test writer has done: (file, examples, answer)."""

    files: tuple[tuple[str, int, Answer], ...] = ()
    modules: int = 0


def said(text: str, value: Any) -> str:
    """JSON of the value, with the text."""
    return msgspec.json.encode({"text": text, **msgspec.to_builtins(value)}).decode()
