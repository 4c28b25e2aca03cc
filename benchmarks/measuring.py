"""How a benchmark says what it found: lines of the table, each with one value a round.

Its rule: a line holds what was measured, never a summary. `table.py` merges the rounds of all its passes and
works out the best, the middle one and the ratios.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

__all__ = ["Benchmark", "Line", "lines_of", "percentile", "report", "timed"]


class Benchmark(Protocol):
    """What we use of pytest-benchmark's fixture."""

    extra_info: dict[str, Any]
    stats: Any

    def pedantic(
        self,
        target: Callable[..., Any],
        *,
        setup: Callable[[], Any] | None = None,
        rounds: int = 1,
        iterations: int = 1,
    ) -> Any:
        """Time `target`, exactly so often."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `values` has one value a round, in `unit`; a `ratio` names two other lines
    (over, under) instead. `target` is to be reached: from below, or from above when `less` is better.
    `prototype` is what the prototype showed on the reference machine."""

    section: str
    label: str
    unit: str
    values: tuple[float, ...] = ()
    less: bool = False
    target: float | None = None
    prototype: float | None = None
    ratio: tuple[str, str] | None = None


def timed(
    benchmark: Benchmark, target: Callable[[], object], rounds: int, setup: Callable[[], object] | None = None
) -> list[float]:
    """The seconds each round of `target` took; `setup` runs before each and is not counted."""

    def prepare() -> None:
        if setup is not None:
            setup()

    benchmark.pedantic(target, setup=prepare, rounds=rounds)
    return [float(seconds) for seconds in benchmark.stats.stats.data]


def report(benchmark: Benchmark, *lines: Line) -> None:
    """Put lines in the table."""
    benchmark.extra_info["lines"] = [msgspec.to_builtins(line) for line in lines]


def lines_of(benchmark: dict[str, Any]) -> list[Line]:
    """The lines of a benchmark in pytest-benchmark's JSON."""
    return msgspec.convert(benchmark["extra_info"].get("lines", []), list[Line])


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * round(share * 100) // 100) - 1)]
