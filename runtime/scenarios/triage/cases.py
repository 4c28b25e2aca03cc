"""From the runs of a cluster's tests to cases: what behaves alike, and what that makes it. Pure.

A run decides over a sign. What fails in every run, and has no mark of infrastructure, is left to a debugger, who looks
whether it ever passed.
"""

from collections import defaultdict
from collections.abc import Sequence

from fleetlog.runtime.scenarios.triage.facts import (
    FLAKY,
    INFRASTRUCTURE,
    UNDECIDED,
    Attempt,
    Case,
    Cluster,
    TestRuns,
)

__all__ = ["by_signs", "cases_of", "fails_here"]

_UNUSABLE, _BROKEN, _SOMETIMES, _IN_FILE, _NOT_AGAIN = "unusable", "broken", "sometimes", "in its file", "not again"


def by_signs(cluster: Cluster) -> Case:
    """What signs alone say: for runs that are not wanted."""
    if cluster.sign:
        return Case(cluster, cluster.tests, INFRASTRUCTURE, evidence=(_sign(cluster),))
    if cluster.unsteady:
        said = f"what failed uses {_code(cluster.unsteady)}, and nothing was run to see whether it passes sometimes"
        return Case(cluster, cluster.tests, FLAKY, evidence=(said,))
    return Case(cluster, cluster.tests)


def cases_of(cluster: Cluster, runs: Sequence[TestRuns]) -> list[Case]:
    """The cases of a cluster, the largest first; tests that were not run go with it."""
    grouped: dict[str, list[TestRuns]] = defaultdict(list)
    for one in runs:
        grouped[_behaviour(one)].append(one)
    if cluster.sign:
        return [_infrastructure(cluster, grouped)]
    ordered = sorted(grouped.items(), key=lambda item: -len(item[1]))
    cases = [_case(cluster, behaviour, members) for behaviour, members in ordered]
    rest = cluster.tests[len(runs) :]
    if rest:
        first = cases[0]
        said = f"{len(rest)} more of the cluster were not run, and are taken to be the same"
        cases[0] = Case(cluster, (*first.tests, *rest), first.kind, first.shown, (*first.evidence, said))
    return cases


def _behaviour(runs: TestRuns) -> str:
    outcomes = {attempt.outcome for attempt in runs.attempts if attempt.outcome in ("passed", "failed")}
    if not outcomes:
        return _UNUSABLE
    if outcomes == {"failed"}:
        return _BROKEN
    if outcomes == {"passed"}:
        in_file = runs.in_file.outcome if runs.in_file else ""
        return _IN_FILE if in_file == "failed" else _NOT_AGAIN
    return _SOMETIMES


def _infrastructure(cluster: Cluster, grouped: dict[str, list[TestRuns]]) -> Case:
    failed = sum(len(members) for name, members in grouped.items() if name == _BROKEN)
    passed = sum(len(members) for name, members in grouped.items() if name == _NOT_AGAIN)
    said = [_sign(cluster)]
    if passed:
        said.append(f"{passed} of {passed + failed} pass when run here")
    elif failed:
        said.append(_HERE[failed > 1])
    return Case(cluster, cluster.tests, INFRASTRUCTURE, shown=False, evidence=tuple(said))


def fails_here(case: Case) -> bool:
    """A case of infrastructure fails on this machine as well."""
    return case.evidence[-1] in _HERE


def _sign(cluster: Cluster) -> str:
    return f"{cluster.sign}: {_code([cluster.quote])}"


def _case(cluster: Cluster, behaviour: str, members: Sequence[TestRuns]) -> Case:
    tests = tuple(one.test for one in members)
    counts = _counted([attempt for one in members for attempt in one.attempts])
    uses = f"; what failed uses {_code(cluster.unsteady)}" if cluster.unsteady else ""
    match behaviour:
        case "unusable":
            why = next((attempt.said for one in members for attempt in one.attempts), "")
            said = f"could not be run here: {_code([why])}" if why else "could not be run here"
            return Case(cluster, tests, UNDECIDED, evidence=(said,))
        case "broken":
            return Case(cluster, tests, evidence=(f"fails in each of {sum(counts)} runs",))
        case "sometimes":
            return Case(
                cluster, tests, FLAKY, shown=True, evidence=(f"passes in {counts[1]} of {sum(counts)} runs{uses}",)
            )
        case "in its file":
            why = f"by chance, or for what runs before it{uses}" if uses else "it depends on what runs before it"
            said = f"passes in {counts[1]} of {sum(counts)} runs alone, and fails when its whole file is run: {why}"
            return Case(cluster, tests, FLAKY, shown=True, evidence=(said,))
    said = f"passes in {counts[1]} of {sum(counts)} runs, alone and in its file: the failure was not seen again{uses}"
    return Case(cluster, tests, FLAKY, evidence=(said,))


_HERE = ("it fails here too", "the same when run here")


def _counted(attempts: Sequence[Attempt]) -> tuple[int, int]:
    """(failed, passed)."""
    failed = sum(1 for attempt in attempts if attempt.outcome == "failed")
    return failed, sum(1 for attempt in attempts if attempt.outcome == "passed")


def _code(words: Sequence[str]) -> str:
    return ", ".join(f"`{word.replace('`', chr(39))}`" for word in words)
