"""Runs tests in copies of the workspace, and says how they ended. Each run is a process group of its own with a time
limit, which dies with the agent's run.
"""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fleetlog.runtime.brains.processes import CommandResult, run_process
from fleetlog.runtime.git import GitFailed
from fleetlog.runtime.scenarios.triage.copies import Copy, copy_of
from fleetlog.runtime.scenarios.triage.facts import Attempt, Cluster, TestRuns
from fleetlog.runtime.scenarios.triage.nodes import file_of
from fleetlog.runtime.scenarios.triage.order import Order
from fleetlog.runtime.scenarios.triage.outcomes import outcomes_of

if TYPE_CHECKING:
    from fleetlog.runtime.brains.run import Run

__all__ = ["Runner", "probe", "run_again"]

MAX_TESTS, MAX_ALONE, EXTRA_RUNS = 40, 2, 9
"""Of one cluster: so many tests are run; so many of those that failed with others also alone; and what shows marks of
chance but fails each time is run so many times more."""


class Runner:
    """Runs tests for one agent. `tag` names its copies."""

    def __init__(self, run: "Run", workspace: str, order: Order, tag: str) -> None:
        self.run, self.workspace, self.order, self.tag = run, workspace, order, tag

    def attempt(self, copy: Copy, tests: Sequence[str]) -> dict[str, Attempt]:
        """Run these tests together, in a copy without traces of earlier runs. Where that says nothing of a test (one
        that is gone keeps the others from running), it is run alone."""
        found = self._once(copy, tests)
        if len(tests) > 1:
            for test in tests:
                if found[test].outcome in ("absent", "unusable"):
                    found |= self._once(copy, [test])
        return found

    def _once(self, copy: Copy, tests: Sequence[str]) -> dict[str, Attempt]:
        copy.reset()
        words = shlex.split(self.order.test_command)
        if len(tests) > 1 and "{test}" not in words:
            return {test: self._once(copy, [test])[test] for test in tests}
        result = self._result(copy, words, tests)
        return outcomes_of(result, tests, is_pytest="pytest" in self.order.test_command)

    def _result(self, copy: Copy, words: Sequence[str], tests: Sequence[str]) -> CommandResult:
        command: list[str] = []
        for word in words:
            command += tests if word == "{test}" else [word.replace("{test}", tests[0])]
        if "/" in command[0]:
            command[0] = os.path.join(self.workspace, command[0])
        folder = str(copy.folder)
        return run_process(self.run, ["env", *_settings(copy.folder), *command], folder, self.order.timeout_s, "")


def _settings(folder: Path) -> list[str]:
    """The copy's code comes before an installed one, and runs leave less behind."""
    places = [str(folder), str(folder / "src"), os.environ.get("PYTHONPATH", "")]
    options = f"{os.environ.get('PYTEST_ADDOPTS', '')} -p no:cacheprovider".strip()
    return [
        f"PYTHONPATH={os.pathsep.join(filter(None, places))}",
        f"PYTEST_ADDOPTS={options}",
        "PYTHONDONTWRITEBYTECODE=1",
    ]


def run_again(runner: Runner, cluster: Cluster) -> list[TestRuns]:
    """Run the tests of a cluster on the workspace as it is. Nothing when it cannot be copied."""
    tests = cluster.tests[:MAX_TESTS]
    try:
        with copy_of(runner.workspace, runner.tag) as copy:
            return _run_again(runner, copy, tests, cluster)
    except (GitFailed, OSError) as error:
        return [TestRuns(test, (Attempt("unusable", said=str(error)[:200]),)) for test in tests]


def _run_again(runner: Runner, copy: Copy, tests: Sequence[str], cluster: Cluster) -> list[TestRuns]:
    attempts: dict[str, list[Attempt]] = {test: [] for test in tests}

    def go(wanted: Sequence[str]) -> None:
        for test, attempt in runner.attempt(copy, wanted).items() if wanted else ():
            attempts[test].append(attempt)

    for _ in range(1 if cluster.sign else runner.order.rerun):
        go(tests)
    if not cluster.sign:
        if len(tests) > 1:
            for test in _failing(attempts)[:MAX_ALONE]:
                go([test])
        for _ in range(EXTRA_RUNS if cluster.unsteady else 0):
            go(_failing(attempts))
    passing = [test for test in tests if all(attempt.outcome == "passed" for attempt in attempts[test])]
    in_file = {} if cluster.sign else _in_files(runner, copy, passing)
    return [TestRuns(test, tuple(attempts[test]), in_file.get(test)) for test in tests]


def _failing(attempts: dict[str, list[Attempt]]) -> list[str]:
    return [test for test, made in attempts.items() if made and all(one.outcome == "failed" for one in made)]


def _in_files(runner: Runner, copy: Copy, tests: Iterable[str]) -> dict[str, Attempt]:
    """How tests end in a run of their whole file: one that passes alone may depend on what runs before it."""
    found: dict[str, Attempt] = {}
    by_file: dict[str, list[str]] = {}
    for test in tests:
        by_file.setdefault(file_of(test), []).append(test)
    for path, members in by_file.items():
        copy.reset()
        result = runner._result(copy, shlex.split(runner.order.test_command), [path])
        found |= outcomes_of(result, members, is_pytest="pytest" in runner.order.test_command)
    return found


def probe(runner: Runner, test: str, revision: str, carried: Mapping[str, str]) -> Attempt:
    """Run one test at an older commit; where the commit does not have it, with the `carried` files."""
    try:
        with copy_of(runner.workspace, runner.tag, revision) as copy:
            found = runner.attempt(copy, [test])[test]
        if found.outcome == "absent":
            with copy_of(runner.workspace, runner.tag, revision, carried) as copy:
                found = runner.attempt(copy, [test])[test]
    except (GitFailed, OSError) as error:
        return Attempt("unusable", said=str(error)[:200])
    return found
