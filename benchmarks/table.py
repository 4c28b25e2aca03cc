"""Runs the benchmarks and prints one table: `make bench`.

    python benchmarks/table.py [--quick] [--markdown FILE] [--passes N] [--only TEXT] [--directory DIR]

All benchmarks run one after the other, and that several times over: what disturbs the machine for a while
does not fall on all rounds of the same benchmark. "Best" is the best round, "middle" the median of all.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
REPEATED = ("reference", "messages", "latency", "log")
ONCE = ("memory", "postgres", "claude", "mesh")
"""What other processes do not disturb, and what takes minutes, is measured once, at the end."""
BUDGET_S = 285.0
"""For the passes that are repeated."""
_NOTHING_FITS = 5
"""pytest's exit code for a choice that no test fits."""
COLUMNS = ("measured", "best", "middle", "unit", "target", "met")


class Row(NamedTuple):
    """One line of the table, worked out."""

    section: str
    label: str
    best: float
    middle: float
    unit: str
    target: str
    met: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What is printed."""
        return self.label, shown(self.best), shown(self.middle), self.unit, self.target, self.met


class Machine:
    """What the figures were measured on, and how much of it others used meanwhile."""

    def __init__(self, directory: Path) -> None:
        self._begun, self._busy, self._own = time.time(), _busy_s(), _own_s()
        self._filesystem = _filesystem_of(directory)

    def facts(self) -> str:
        """One line, without names of hosts or paths."""
        elapsed = time.time() - self._begun
        others = max(0.0, _busy_s() - self._busy - (_own_s() - self._own)) / elapsed
        return (
            f"{_cpu_model()}, {os.cpu_count()} cores, {self._filesystem}; Python {platform.python_version()}; "
            f"{time.strftime('%Y-%m-%d', time.gmtime(self._begun))}; other processes used {others:.2f} cores meanwhile"
        )


def main() -> int:
    """Run, print, write; pytest's exit code."""
    arguments = _arguments()
    begun = time.monotonic()
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="fleetlog-bench-", dir=arguments.directory) as scratch:
        machine = Machine(Path(scratch))
        for number in range(1, (1 if arguments.quick else arguments.passes) + 1):
            pass_begun = time.monotonic()
            found, code = run_pass(f"pass-{number}", REPEATED, Path(scratch), arguments)
            if code:
                return code
            runs.append(found)
            now = time.monotonic()
            if not found["benchmarks"] or now - begun + (now - pass_begun) > BUDGET_S:
                break
        found, code = run_pass("once", ONCE, Path(scratch), arguments)
        if code:
            return code
        passes = len(runs)
        runs.append(found)
        if not any(run["benchmarks"] for run in runs):
            sys.stderr.write(
                f"no benchmark's name fits '{arguments.only}': they are the tests in benchmarks/bench_*.py\n"
            )
            return _NOTHING_FITS
        facts = f"{machine.facts()}; passes: {passes}"
    table = rows(runs)
    Console(width=None if sys.stdout.isatty() else 130).print(rich_table(table, facts))
    if arguments.markdown:
        Path(arguments.markdown).write_text(markdown(table, facts))
    return 0


def run_pass(
    name: str, modules: Sequence[str], scratch: Path, arguments: argparse.Namespace
) -> tuple[dict[str, Any], int]:
    """The benchmarks of these modules, in a process of their own; pytest-benchmark's JSON and pytest's exit code."""
    result = scratch / f"{name}.json"
    files = [str(HERE / f"bench_{module}.py") for module in modules]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-quiet", *files]
    command += [f"--benchmark-json={result}", f"--basetemp={scratch / name}"]
    command += ["--quick"] if arguments.quick else []
    command += ["-k", arguments.only, "-W", "ignore:Not saving anything"] if arguments.only else []
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    if done.returncode == _NOTHING_FITS and arguments.only:
        return {"benchmarks": []}, 0
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        return {}, done.returncode
    found: dict[str, Any] = json.loads(result.read_text())
    return found, 0


def rows(runs: Sequence[dict[str, Any]]) -> list[Row]:
    """The lines of all passes, merged."""
    lines: dict[str, dict[str, Any]] = {}
    for run in runs:
        for benchmark in run["benchmarks"]:
            for line in benchmark["extra_info"].get("lines", []):
                known = lines.setdefault(line["label"], {**line, "values": []})
                known["values"] += line["values"]
    return [_row(line, lines) for line in sorted(lines.values(), key=_section_order(lines.values()))]


def _section_order(lines: Iterable[dict[str, Any]]) -> Any:
    sections = list(dict.fromkeys(line["section"] for line in lines))
    return lambda line: sections.index(line["section"])


def _row(line: dict[str, Any], lines: dict[str, dict[str, Any]]) -> Row:
    best, middle = _summary(line)
    if line["ratio"]:
        over, under = (_summary(lines[label]) if label in lines else (float("nan"),) * 2 for label in line["ratio"])
        best, middle = 100 * over[0] / under[0], 100 * over[1] / under[1]
    return Row(line["section"], line["label"], best, middle, line["unit"], *_judged(line, best))


def _summary(line: dict[str, Any]) -> tuple[float, float]:
    values = line["values"] or [float("nan")]
    return (min(values) if line["less"] else max(values)), statistics.median(values)


def _judged(line: dict[str, Any], best: float) -> tuple[str, str]:
    """The target and whether the best round met it; of the prototype's figure, the share that was reached."""
    target, prototype = line["target"], line["prototype"]
    sign = "<" if line["less"] else ">"
    if target is not None:
        said = f"{sign} {shown(target)}" + (f" (prototype {shown(prototype)})" if prototype else "")
        return said, "yes" if (best < target if line["less"] else best > target) else "NO"
    if prototype is not None:
        return f"prototype {shown(prototype)}", f"{100 * best / prototype:.0f} %"
    return "", ""


def shown(value: float) -> str:
    """Three figures, or all of a large number."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def rich_table(table: Sequence[Row], facts: str) -> Table:
    """For a terminal."""
    drawn = Table(title="fleetlog benchmarks", caption=facts)
    for column in COLUMNS:
        drawn.add_column(column, justify="right" if column in ("best", "middle") else "left")
    section = ""
    for row in table:
        if row.section != section:
            section = row.section
            drawn.add_section()
            drawn.add_row(f"[bold]{section}[/bold]")
        colour = {"NO": "red", "yes": "green"}.get(row.met, "default")
        drawn.add_row(*row.cells[:-1], f"[{colour}]{row.met}[/{colour}]")
    return drawn


def markdown(table: Sequence[Row], facts: str) -> str:
    """The same table for a page."""
    lines = [facts, "", f"| {' | '.join(COLUMNS)} |", "| --- | ---: | ---: | --- | --- | --- |"]
    section = ""
    for row in table:
        if row.section != section:
            section = row.section
            lines.append(f"| **{section}** | | | | | |")
        lines.append(f"| {' | '.join(row.cells)} |")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Run the benchmarks and print one table.")
    parser.add_argument("--quick", action="store_true", help="one small pass, about a minute: does it run?")
    parser.add_argument("--markdown", metavar="FILE", help="write the table to FILE as well")
    parser.add_argument("--passes", type=int, default=3, metavar="N", help="at most so many, while time is left")
    parser.add_argument("--only", metavar="TEXT", help="the benchmarks whose name fits, as pytest's -k")
    parser.add_argument("--directory", metavar="DIR", help="where the logs are written (default: for temporary files)")
    return parser.parse_args()


def _cpu_model() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    models = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _filesystem_of(directory: Path) -> str:
    """The kind of file system the logs are on: a figure from a tmpfs says nothing about durability."""
    try:
        mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown file system"
    kinds = {mount[1]: mount[2] for mount in mounts}
    return next(kinds[str(path)] for path in (directory, *directory.parents) if str(path) in kinds)


def _busy_s() -> float:
    """CPU seconds all processes of the machine have used since it was started."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return 0.0
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def _own_s() -> float:
    own = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in own)


if __name__ == "__main__":
    sys.exit(main())
