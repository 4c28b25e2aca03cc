"""What the machine and plain Pykka do: the yardsticks for everything else."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pykka
import pytest

from benchmarks.conftest import Scale
from benchmarks.measuring import Benchmark, Line, percentile, report, timed

LOOPS = 5_000_000
SECTION = "The machine, and plain Pykka"


class Counter(pykka.ThreadingActor):
    """One thread; counts what it is told. Nothing is stored."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_receive(self, message: object) -> int:
        """Runs on the actor's own thread."""
        self.count += 1
        return self.count


def test_python_loop(benchmark: Benchmark) -> None:
    """One thread counting to five million: compare it with your machine before comparing anything else."""

    def count() -> None:
        total = 0
        for number in range(LOOPS):
            total += number

    seconds = timed(benchmark, count, 3)
    label = "pure Python loop, 5 million iterations"
    report(benchmark, Line(section=SECTION, label=label, unit="s", values=tuple(seconds), less=True))


def test_fsync(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """4 KiB appended to a file and fsynced, on the disk the logs are on."""
    page = b"x" * 4_096
    with (tmp_path / "file").open("wb", buffering=0) as file:

        def append() -> None:
            file.write(page)
            os.fsync(file.fileno())

        seconds = timed(benchmark, append, scale.calls)
    middle = percentile(seconds, 0.5) * 1e3
    report(benchmark, Line(section=SECTION, label="fsync of 4 KiB, p50", unit="ms", values=(middle,), less=True))


@pytest.mark.parametrize("agents", [1, 1_000])
def test_pykka_asks(benchmark: Benchmark, scale: Scale, agents: int) -> None:
    """Round trips to plain threading actors, one after the other, each waited for. Nothing is durable."""
    with _counters(agents) as refs:

        def ask_all() -> None:
            for ref in itertools.islice(itertools.cycle(refs), scale.messages // 2):
                ref.ask("count")

        seconds = timed(benchmark, ask_all, scale.rounds)
    rates = tuple(scale.messages // 2 / s for s in seconds)
    label = f"pykka.ThreadingActor x {agents:,}: asks, each waited for"
    report(benchmark, Line(section=SECTION, label=label, unit="asks/s", values=rates))


@pytest.mark.parametrize("agents", [1, 1_000])
def test_pykka_asks_in_flight(benchmark: Benchmark, scale: Scale, agents: int) -> None:
    """As our own messages are sent: all of them asked before the first answer is waited for. Nothing is durable."""
    with _counters(agents) as refs:

        def ask_all() -> None:
            some = itertools.islice(itertools.cycle(refs), scale.messages // 2)
            pykka.get_all([ref.ask("count", block=False) for ref in some])

        seconds = timed(benchmark, ask_all, scale.rounds)
    rates = tuple(scale.messages // 2 / s for s in seconds)
    label = f"pykka.ThreadingActor x {agents:,}: asks, all in flight"
    report(benchmark, Line(section=SECTION, label=label, unit="asks/s", values=rates))


@contextmanager
def _counters(number: int) -> Iterator[list[pykka.ActorRef[Counter]]]:
    refs = [Counter.start() for _ in range(number)]
    try:
        yield refs
    finally:
        for ref in refs:
            ref.stop(block=False)
        for ref in refs:
            ref.stop()
