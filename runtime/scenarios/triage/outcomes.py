"""From a process that ran tests to how each of them ended. Pure.

An exit code alone is not believed: `python -m pytest` also ends with 1 where there is no pytest, and that is no failing
test.
"""

import re
from collections.abc import Sequence

from fleetlog.runtime.brains.processes import CommandResult
from fleetlog.runtime.scenarios.triage.facts import Attempt, Failure
from fleetlog.runtime.scenarios.triage.nodes import file_of
from fleetlog.runtime.scenarios.triage.pytest_log import read_pytest_log

__all__ = ["outcomes_of"]

_PASSED = re.compile(r"\b\d+ (?:passed|xpassed)\b")
_COUNTED = re.compile(r"\b\d+ (?:passed|xpassed|failed|errors?)\b")
_ABSENT = re.compile(r"not found: |file or directory not found|no tests ran|no match in any of")
_NO_COMMAND = (126, 127)


def outcomes_of(result: CommandResult, tests: Sequence[str], *, is_pytest: bool) -> dict[str, Attempt]:
    """How these tests ended, which were run by one command."""
    if result.timed_out:
        return dict.fromkeys(tests, Attempt("failed", "Timeout", "it did not end in time"))
    if result.exit_code in _NO_COMMAND:
        return dict.fromkeys(tests, Attempt("unusable", said=_last_line(result.output)))
    if not is_pytest:
        return dict.fromkeys(tests, Attempt("passed" if result.exit_code == 0 else "failed"))
    if result.exit_code < 0:
        return dict.fromkeys(tests, Attempt("failed", "killed", f"its process died of signal {-result.exit_code}"))
    return _of_pytest(result, tests)


def _of_pytest(result: CommandResult, tests: Sequence[str]) -> dict[str, Attempt]:
    failures = read_pytest_log(result.output, frozenset()).failures
    found = {test: failed for test in tests if (failed := _named(failures, test)) is not None}
    attempts = {test: Attempt("failed", one.trace.exception, one.trace.message[:200]) for test, one in found.items()}
    rest = [test for test in tests if test not in found]
    return attempts | dict.fromkeys(rest, _of_the_rest(result))


def _of_the_rest(result: CommandResult) -> Attempt:
    """How those ended that are not named as failed."""
    if result.exit_code in (0, 1) and (_PASSED.search(result.output)):
        return Attempt("passed")
    if result.exit_code in (4, 5) and _ABSENT.search(result.output):
        return Attempt("absent", said=_last_line(result.output))
    if result.exit_code in (0, 1, 5) and not _COUNTED.search(result.output) and "skipped" in result.output:
        return Attempt("unusable", said="it is skipped here")
    return Attempt("unusable", said=_last_line(result.output))


def _named(failures: Sequence[Failure], test: str) -> Failure | None:
    """What is said of this test, by a path that may begin further up; a file that cannot be collected fails all of its
    tests."""
    for failure in failures:
        if failure.test == test or failure.test.endswith(f"/{test}"):
            return failure
        path = file_of(test)
        if failure.phase == "collection" and (failure.test == path or failure.test.endswith(f"/{path}")):
            return failure
    return None


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    wrong = [line for line in lines if re.match(r"(ERROR|[\w.]*Error)\b|.*No module named|env: ", line)]
    return (wrong or lines or ["nothing was said"])[-1][:200]
