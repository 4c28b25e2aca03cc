"""Tests, run in a work tree, and what came of each. Runs pytest, nothing else."""

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument

__all__ = ["Outcomes", "check_python", "default_python", "outcomes_of"]

TIMEOUT_S = 300.0
_SAID_CHARS = 1_500
_OURS = ("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "PYTHONPATH")


class Outcomes(Struct, frozen=True):
    """Each test's outcome by `Class::name`: passed, failed, error, skipped or xfailed. `trouble` is what kept the
    file from being run at all."""

    tests: dict[str, str] = {}
    trouble: str = ""


def default_python(workspace: str) -> str:
    """The project's own Python, where one lies in its folder; else this process's."""
    for folder in (".venv", "venv"):
        python = Path(workspace) / folder / "bin" / "python"
        if python.is_file():
            return str(python)
    return sys.executable


def check_python(python: str) -> None:
    """Raises `InvalidArgument` unless this Python starts and has pytest."""
    try:
        done = subprocess.run([python, "-m", "pytest", "--version"], capture_output=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InvalidArgument(f"'--python' must be a Python that starts: {python}: {error}") from error
    if done.returncode:
        raise InvalidArgument(f"pytest is not installed for {python}: install it there, or name another with --python")


def outcomes_of(tree: str, path: str, python: str) -> Outcomes:
    """Run the tests of one file. The project's own configuration holds, but for its `addopts`."""
    with tempfile.TemporaryDirectory(prefix="fleetlog-trial-") as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
        command += [f"--junitxml={report}", "-o", "junit_family=xunit2", f"--rootdir={tree}", "--", path]
        try:
            done = subprocess.run(
                command,
                cwd=tree,
                env=_environment(tree),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Outcomes(trouble=f"its tests took longer than {TIMEOUT_S:.0f} s")
        tests = _read(report) if report.is_file() else {}
    if done.returncode not in (0, 1) or "" in {name.partition("::")[2] for name in tests}:
        said = " ".join(line for line in done.stdout.splitlines() if line.startswith("E "))[:_SAID_CHARS]
        return Outcomes(trouble=said or f"pytest ended with {done.returncode}")
    return Outcomes(tests)


def _environment(tree: str) -> Mapping[str, str]:
    paths = [tree, *([f"{tree}/src"] if (Path(tree) / "src").is_dir() else [])]
    kept = {name: value for name, value in os.environ.items() if name not in _OURS}
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def _read(report: Path) -> dict[str, str]:
    """Of the report that pytest has just written for us."""
    tests: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name', '')}"
        tests[name] = _worse(tests.get(name, "passed"), _outcome(case))
    return tests


def _outcome(case: ET.Element) -> str:
    for kind in ("error", "failure"):
        if case.find(kind) is not None:
            return "failed" if kind == "failure" else "error"
    skipped = case.find("skipped")
    if skipped is None:
        return "passed"
    return "xfailed" if skipped.get("type") == "pytest.xfail" else "skipped"


def _worse(one: str, other: str) -> str:
    order = ("passed", "xfailed", "skipped", "failed", "error")
    return max(one, other, key=order.index)
