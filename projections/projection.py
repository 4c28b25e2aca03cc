"""The contract of a read model, and the buffer its rows go through.

A projection's rule: rows are a function of the events alone, in log order; nothing else is read but its own
tables, and no event is ever written. `version` is raised with every change of schema or meaning: the rows
are then thrown away and folded again from the log.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple, Protocol

__all__ = ["Handler", "Projection", "Recorded", "Rows"]


class Recorded(NamedTuple):
    """An event with its place in the log. `at_ms` is UTC epoch milliseconds."""

    position: int
    stream_id: str
    version: int
    at_ms: int
    by: str
    event: Any


class Rows:
    """Statements in the order they were added; runs of the same statement are executed together."""

    def __init__(self) -> None:
        self._statements: list[tuple[str, tuple[Any, ...]]] = []

    def add(self, sql: str, *parameters: Any) -> None:
        """Execute `sql` with these parameters when the batch is written."""
        self._statements.append((sql, parameters))

    def __len__(self) -> int:
        return len(self._statements)

    def runs(self) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
        """(statement, its parameters in order), in order."""
        for sql, run in groupby(self._statements, key=lambda statement: statement[0]):
            yield sql, [parameters for _, parameters in run]


Handler = Callable[[Recorded, Rows], None]


class Projection(Protocol):
    """One question's read model."""

    name: str
    version: int
    tables: Sequence[str]
    """Its tables, dropped before a rebuild."""
    schema: Sequence[str]
    """Statements that make its tables and indexes."""
    handlers: Mapping[type, Handler]
    """What it does with each kind of event; the kinds that are not here do not concern it."""
