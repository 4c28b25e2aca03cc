"""Does a converted file behave as it did? Pure: outcomes in, verdict out."""

import re
from collections.abc import Mapping

from msgspec import Struct

from fleetlog.runtime.scenarios.migrate.trials import Outcomes

__all__ = ["Verdict", "flaky", "judged", "toothless"]

_PARAMETERS = re.compile(r"\[.*\]$", re.DOTALL)
_SHOWN = 5


class Verdict(Struct, frozen=True):
    """`tests` is how many behave as before; `classes` are those (by their old names) whose tests do not."""

    verified: bool
    why: str
    tests: int = 0
    classes: tuple[str, ...] = ()


def flaky(first: Outcomes, second: Outcomes) -> Verdict | None:
    """Why nothing can be said of this file; None when both runs of the unchanged tests agree."""
    if first.trouble or second.trouble:
        return Verdict(False, f"before the change it cannot be run: {first.trouble or second.trouble}")
    if not first.tests:
        return Verdict(False, "before the change pytest finds no test in it")
    unsteady = sorted(name for name in first.tests if first.tests[name] != second.tests.get(name))
    if unsteady:
        return Verdict(False, f"before the change it is flaky: {_named(unsteady)} came out differently in two runs")
    return None


def judged(before: Outcomes, after: Outcomes, renamed: Mapping[str, str]) -> Verdict:
    """The same tests, with the same outcomes. Parametrized tests count as the one they were made of."""
    if after.trouble:
        return Verdict(False, f"the converted file cannot be run: {after.trouble}", classes=tuple(renamed))
    old = {new: name for name, new in renamed.items()}
    then, now = before.tests, _joined(after.tests, old)
    wrong = sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))
    if not wrong:
        return Verdict(True, f"{len(then)} tests, each with the same outcome", len(then))
    told = [f"{name} was {then.get(name, 'not there')}, is {now.get(name, 'not found')}" for name in wrong]
    classes = tuple(sorted({name.partition("::")[0] for name in wrong}))
    return Verdict(False, "; ".join(told[:_SHOWN]) + _further(told), classes=classes)


def _joined(tests: Mapping[str, str], old: Mapping[str, str]) -> dict[str, str]:
    order = ("passed", "xfailed", "skipped", "failed", "error")
    joined: dict[str, str] = {}
    for name, outcome in tests.items():
        owner, _, test = name.partition("::")
        key = f"{old.get(owner, owner)}::{_PARAMETERS.sub('', test)}"
        joined[key] = max(joined.get(key, outcome), outcome, key=order.index)
    return joined


def toothless(after: Outcomes, turned: Outcomes, asserting: frozenset[str]) -> list[str]:
    """The tests with an assertion that pass although each of their assertions was turned around."""
    passed = [name for name, outcome in after.tests.items() if outcome == "passed"]
    return sorted(name for name in passed if _asserts(name, asserting) and turned.tests.get(name) == "passed")


def _asserts(name: str, asserting: frozenset[str]) -> bool:
    test = _PARAMETERS.sub("", name)
    return test in asserting or f"::{test.partition('::')[2]}" in asserting


def _named(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + _further(names)


def _further(items: list[str]) -> str:
    return f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
