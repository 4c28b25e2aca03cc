"""What an actor costs in memory. Each figure comes from a process of its own; see `memory.py`."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.conftest import Scale
from benchmarks.measuring import Benchmark, Line, report, timed

SECTION = "Memory"


def test_memory_of_an_agent(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """Agents that are in memory with one message each, and the same agents passivated."""
    number = str(scale.large_fleet)
    _printed("spawn", number, str(tmp_path / "d"))
    found = _measured(benchmark, "agents", number, str(tmp_path / "d"))
    fewer = str(scale.threads)
    _printed("spawn", fewer, str(tmp_path / "e"))
    found |= json.loads(_printed("objects", fewer, str(tmp_path / "e")))
    of = f"of {scale.large_fleet:,}"
    of_fewer = f"of {scale.threads:,}"
    report(
        benchmark,
        _line(f"an idle agent, {of}: private memory", found["idle private"] - found["idle caches"], target=6.0),
        _line(f"an idle agent, {of}: with SQLite's page caches", found["idle private"]),
        _line(f"an idle agent, {of_fewer}: Python objects", found["idle objects"]),
        _line(f"a passivated agent, {of_fewer}: Python objects", found["passivated objects"]),
        _line(
            f"a passivated agent, {of}: private memory not given back",
            found["passivated private"] - found["passivated caches"],
        ),
    )


def test_memory_of_a_thread_per_actor(benchmark: Benchmark, scale: Scale) -> None:
    """Plain threading actors, each asked once."""
    found = _measured(benchmark, "threads", str(scale.threads))
    report(benchmark, _line(f"a pykka.ThreadingActor, of {scale.threads:,}: private memory", found["thread private"]))


def _line(label: str, size_bytes: float, target: float | None = None) -> Line:
    return Line(section=SECTION, label=label, unit="kB", values=(size_bytes / 1_000,), less=True, target=target)


def _measured(benchmark: Benchmark, *arguments: str) -> dict[str, float]:
    printed: list[str] = []
    timed(benchmark, lambda: printed.append(_printed(*arguments)), 1)
    found: dict[str, float] = json.loads(printed[-1])
    return found


def _printed(*arguments: str) -> str:
    command = [sys.executable, str(Path(__file__).with_name("memory.py")), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
