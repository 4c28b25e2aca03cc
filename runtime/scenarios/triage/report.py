"""The report: the answer first, then what to do in which order, then each class with its evidence. Pure.

No time, id, or path of this machine enters it: the same log and the same workspace give the same bytes, as far as the
tests themselves do.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.markdown import cell, code, plain, table
from fleetlog.runtime.scenarios.triage.facts import (
    CLASSES,
    FLAKY,
    INFRASTRUCTURE,
    REAL_BUG,
    REGRESSION,
    UNDECIDED,
    Case,
    Finding,
    Ground,
    Log,
    Suspect,
)
from fleetlog.runtime.scenarios.triage.order import Order

__all__ = ["Triage", "figures", "report"]

_TITLES = {
    REGRESSION: "Regressions",
    REAL_BUG: "Real bugs",
    FLAKY: "Flaky tests",
    INFRASTRUCTURE: "Infrastructure",
    UNDECIDED: "Not decided",
}
_MEANINGS = {
    REGRESSION: "passed at an older commit",
    REAL_BUG: "fails always, and always did",
    FLAKY: "passes sometimes",
    INFRASTRUCTURE: "something outside the code broke",
    UNDECIDED: "needs a person",
}
MAX_TESTS_SHOWN = 5


class Triage(Struct, frozen=True):
    """All that was found. `findings` are about the cases that had no kind."""

    ground: Ground
    order: Order
    log: Log
    cases: tuple[Case, ...]
    findings: tuple[Finding, ...]


class Item(Struct, frozen=True):
    """A case with what is known of it at the end."""

    case: Case
    finding: Finding

    @property
    def kind(self) -> str:
        """Its class."""
        return self.finding.kind

    @property
    def size(self) -> int:
        """How many tests it has."""
        return len(self.case.tests)


def _items(done: Triage) -> list[Item]:
    found = {finding.case: finding for finding in done.findings}
    return [Item(case, found.get(case.cluster.id) or _settled(case)) for case in done.cases]


def _settled(case: Case) -> Finding:
    return Finding(case.cluster.id, case.kind or UNDECIDED, case.shown, case.evidence)


def figures(done: Triage) -> dict[str, Any]:
    """The result beside the report: how many of what, and the class of each test."""
    items = _items(done)
    return {
        "failures": len(done.log.failures),
        "cases": len(items),
        "classes": {kind: sum(item.size for item in items if item.kind == kind) for kind in CLASSES},
        "tests": {test: item.kind for item in items for test in item.case.tests},
        "culprits": {
            test: item.finding.suspects[0].commit for item in items if item.finding.culprit for test in item.case.tests
        },
    }


def report(done: Triage, name: str) -> str:
    """The Markdown."""
    items = _items(done)
    parts = [f"# Test failure triage: {code(name)}", _answer(done, items), _todo(items)]
    parts += [_section(kind, [item for item in items if item.kind == kind]) for kind in CLASSES]
    return "\n\n".join(filter(None, [*parts, _tests(items), _method(done, items)])) + "\n"


# --- the answer ----------------------------------------------------------------------------------


def _answer(done: Triage, items: Sequence[Item]) -> str:
    count = len(done.log.failures)
    rows = [
        [_TITLES[kind], str(sum(item.size for item in of)), str(len(of)), _MEANINGS[kind], _sure(of)]
        for kind in CLASSES
        if (of := [item for item in items if item.kind == kind])
    ]
    head = f"**{_counted(count, 'failing test')}, {_counted(len(items), 'cluster')}**: {_main(items)}"
    lines = [head, table(["class", "tests", "clusters", "which means", "how sure"], rows)]
    if done.log.counted is not None and done.log.counted != count:
        lines.append(f"The log counts {done.log.counted} failures, and {count} tests could be read from it.")
    return "\n\n".join(lines)


def _main(items: Sequence[Item]) -> str:
    commits = Counter[str]()
    for item in items:
        if item.finding.culprit and item.kind == REGRESSION:
            commits[item.finding.suspects[0].commit] += item.size
    if commits:
        total = _counted(sum(commits.values()), "test")
        rest = _rest([item for item in items if not (item.finding.culprit and item.kind == REGRESSION)])
        return f"{_counted(len(commits), 'commit')} broke {total}" + (f"; {rest}." if rest else ".")
    return f"{_rest(items)}."


def _rest(items: Sequence[Item]) -> str:
    counts = [(kind, sum(item.size for item in items if item.kind == kind)) for kind in CLASSES]
    return ", ".join(f"{count} {_word(kind)}" for kind, count in counts if count)


def _word(kind: str) -> str:
    words = {
        REGRESSION: "regressed",
        REAL_BUG: "never passed",
        FLAKY: "flaky",
        INFRASTRUCTURE: "due to the environment",
    }
    return words.get(kind, "not decided")


def _sure(items: Sequence[Item]) -> str:
    shown = sum(item.size for item in items if item.finding.shown)
    total = sum(item.size for item in items)
    if shown == total:
        return "shown by runs"
    return f"{shown} shown by runs, {total - shown} by signs" if shown else "by signs"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


# --- what to do ----------------------------------------------------------------------------------


def _todo(items: Sequence[Item]) -> str:
    steps = [*_reverts(items), *_repairs(items)]
    steps.sort(key=lambda step: -step[0])
    rest = [*_mend(items), *_steady(items), *_decide(items)]
    lines = [f"{number}. {text}" for number, (_, text) in enumerate([*steps, *rest], 1)]
    return "## What to do first\n\n" + "\n".join(lines) if lines else ""


def _reverts(items: Iterable[Item]) -> list[tuple[int, str]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        if item.kind == REGRESSION:
            key = item.finding.suspects[0].commit if item.finding.suspects else ""
            groups.setdefault(key, []).append(item)
    found = []
    for group in groups.values():
        size = sum(item.size for item in group)
        ids = ", ".join(item.finding.case for item in group)
        first = group[0].finding
        if first.suspects:
            verb = "Revert or mend" if first.culprit else "Look at"
            what = f"{verb} {_commit(first.suspects[0])}"
        else:
            what = f"Find the commit that broke {code(group[0].case.tests[0])}"
        found.append((size, f"{what}: {_counted(size, 'test')} ({ids})."))
    return found


def _repairs(items: Iterable[Item]) -> list[tuple[int, str]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        if item.kind == INFRASTRUCTURE:
            groups.setdefault(item.case.cluster.sign, []).append(item)
    found = []
    for sign, group in groups.items():
        size = sum(item.size for item in group)
        ids = ", ".join(item.finding.case for item in group)
        found.append((size, f"Put the environment right ({sign}), and run again: {_counted(size, 'test')} ({ids})."))
    return found


def _mend(items: Iterable[Item]) -> list[tuple[int, str]]:
    return [
        (item.size, f"Mend {_where(item)}: {_counted(item.size, 'test')} ({item.finding.case}).")
        for item in sorted(items, key=lambda item: -item.size)
        if item.kind == REAL_BUG
    ]


def _steady(items: Iterable[Item]) -> list[tuple[int, str]]:
    flaky = [item for item in items if item.kind == FLAKY]
    size = sum(item.size for item in flaky)
    ids = ", ".join(item.finding.case for item in flaky)
    said = f"Make {_counted(size, 'flaky test')} steady, or take them out of what gates a merge until then ({ids})."
    return [(size, said)] if flaky else []


def _decide(items: Iterable[Item]) -> list[tuple[int, str]]:
    return [
        (item.size, f"Look at {code(item.case.tests[0])} yourself ({item.finding.case}).")
        for item in items
        if item.kind == UNDECIDED
    ]


def _where(item: Item) -> str:
    frames = item.case.cluster.frames
    return code(f"{frames[-1].path}:{frames[-1].line}") if frames else code(item.case.tests[0])


def _commit(suspect: Suspect) -> str:
    return f'{code(suspect.commit)} "{plain(suspect.subject, 80)}" by {plain(suspect.author)}'


# --- the classes ---------------------------------------------------------------------------------


def _section(kind: str, items: Sequence[Item]) -> str:
    if not items:
        return ""
    return "\n\n".join([f"## {_TITLES[kind]}", *(_told(item) for item in sorted(items, key=lambda item: -item.size))])


def _told(item: Item) -> str:
    cluster, finding = item.case.cluster, item.finding
    at = f" in {_where(item)}" if cluster.frames else ""
    lines = [f"### {finding.case}: {plain(cluster.exception)}{at}, {_counted(item.size, 'test')}", ""]
    lines.append(f"- **Said**: {code(cluster.message)}" if cluster.message else "- **Said**: nothing")
    lines.append(f"- **First failing test**: {code(item.case.tests[0])}")
    evidence = dict.fromkeys([*(item.case.evidence if item.case.kind == "" else ()), *finding.evidence])
    lines += [f"- **Evidence**: {text}" for text in evidence]
    lines += [_suspected(one, proved=finding.culprit and n == 0) for n, one in enumerate(finding.suspects)]
    return "\n".join(lines)


def _suspected(suspect: Suspect, *, proved: bool) -> str:
    return f"- **{'Commit' if proved else 'Suspect'}**: {_commit(suspect)}: {suspect.why}"


def _tests(items: Iterable[Item]) -> str:
    rows = [[cell(code(test)), item.finding.case, item.kind] for item in items for test in item.case.tests]
    return "## Every failing test\n\n" + table(["test", "cluster", "class"], sorted(rows))


# --- how, and what was left out ------------------------------------------------------------------


def _method(done: Triage, items: Sequence[Item]) -> str:
    runs = sum(finding.runs for finding in done.findings)
    where = f"commit {code(done.ground.revision)}" if done.ground.revision else "no git repository"
    lines = [
        f"- Read: {done.log.kind}, {_counted(len(done.log.failures), 'failing test')}; the workspace is at {where}"
        + (", with changes that are not committed, which were run too." if done.ground.is_dirty else "."),
        "- Clusters: the same exception, the same message but for numbers, ids, paths and times, the same innermost "
        "frames in the workspace. Tests of a cluster that then behaved differently were told apart (`a`, `b`).",
        *_how_it_ran(done, runs),
        *_left_out(done, items),
    ]
    return "## How this was found, and what was not looked at\n\n" + "\n".join(lines)


def _how_it_ran(done: Triage, runs: int) -> list[str]:
    if not done.order.rerun:
        return ["- Nothing was run (`--no-rerun`): flaky is by marks of chance in the source, regressions by what was "
                "changed lately. Without runs both are guesses."]  # fmt: skip
    return [
        f"- Each test was run {done.order.rerun} times in a copy of the workspace; one that fails each time and shows "
        "marks of chance, up to 9 times more; one that passes alone, in its whole file too. Infrastructure: once.",
        f"- Older commits: {_counted(runs, 'run')} of the first test of each broken cluster, along first parents"
        + (f" back to {code(done.order.good[:10])}" if done.order.good else ", in doubling steps until it passed")
        + ". A test that an older commit does not have was run there as it is today.",
    ]


def _left_out(done: Triage, items: Sequence[Item]) -> list[str]:
    lines = ["- Not looked at: files that git ignores (copies do not have them), order dependence across files, causes "
             "outside Python code; the other tests of a cluster at older commits."]  # fmt: skip
    if any(item.kind == INFRASTRUCTURE for item in items) and not done.order.good:
        lines.append("- Whether a commit changed an address that is refused now: name a commit at which they passed "
                     "with `--bisect`, and infrastructure is tried there too.")  # fmt: skip
    return lines
