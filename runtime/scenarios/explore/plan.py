"""The planner's part that is pure: concerns merged by file, the questions they raise, and the plan.

A file's weight is the score of its gravest concern, plus a fifth of each further one, times (1 + dependents / 60, at
most 1.5), times 1.25 where no test imports it: the same mess is worse where more rests on it and nothing would notice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.questions import (
    DEPENDENTS,
    TESTS,
    Answer,
    Question,
    what_bond,
    what_route,
    what_tests,
    what_ties,
    which_parts,
    who_depends_on,
)
from fleetlog.runtime.scenarios.explore.risks import (
    BIG_FUNCTION,
    COMPLEX,
    COUPLING,
    GOD,
    HOT_SPOT,
    RING,
    SIGNS,
    UNPARSED,
    Cold,
    Risk,
    in_order,
)

ASKED_FILES = 5
_PINNED = 3


class Concern(Struct, frozen=True):
    """All that was flagged about one file, gravest first; `weight` orders the work."""

    path: str
    weight: int
    risks: tuple[Risk, ...]
    dependents: int | None = None
    tests: tuple[str, ...] | None = None


class Exchange(Struct, frozen=True):
    """A question of the planner and what the explorer answered."""

    question: Question
    answer: Answer


class Step(Struct, frozen=True):
    title: str
    files: tuple[str, ...]
    reason: str
    work: tuple[str, ...]
    verify: str
    size: str


class Plan(Struct, frozen=True):
    steps: tuple[Step, ...] = ()
    leave: tuple[str, ...] = ()


def merged(risks: Iterable[Risk]) -> list[Concern]:
    """One concern for each file, whatever the order in which the risks came."""
    by_path: dict[str, list[Risk]] = defaultdict(list)
    for risk in in_order(risks):
        by_path[risk.path].append(risk)
    return _sorted(Concern(path, _weight(found), tuple(found)) for path, found in by_path.items())


def _weight(risks: Sequence[Risk]) -> int:
    return round(risks[0].score + 0.2 * sum(risk.score for risk in risks[1:]))


def _sorted(concerns: Iterable[Concern]) -> list[Concern]:
    return sorted(concerns, key=lambda concern: (-concern.weight, concern.path))


def questions_about(concerns: Sequence[Concern]) -> list[Question]:
    """What has to be known before the gravest concerns can be planned; at most about fifteen."""
    asked: list[Question] = []
    for rank, concern in enumerate(concerns[:ASKED_FILES]):
        asked += [who_depends_on(concern.path), what_tests(concern.path)]
        if rank < 2:
            asked += [which_parts(concern.path), what_route(concern.path)]
    risks = in_order(risk for concern in concerns for risk in concern.risks)
    asked += [what_ties(risk.others) for risk in risks if risk.kind == RING][:2]
    asked += [what_bond(risk.path, risk.others[0]) for risk in risks if risk.kind == COUPLING][:2]
    return list(dict.fromkeys(asked))


def weighed(concerns: Sequence[Concern], exchanges: Sequence[Exchange]) -> list[Concern]:
    """The concerns, weighed again with what the explorer answered."""
    known = {
        (exchange.question.kind, exchange.question.subject[:1]): exchange.answer for exchange in exchanges
    }
    return _sorted(_reweighed(concern, known) for concern in concerns)


def _reweighed(concern: Concern, known: Mapping[tuple[str, tuple[str, ...]], Answer]) -> Concern:
    dependents = known.get((DEPENDENTS, (concern.path,)))
    tests = known.get((TESTS, (concern.path,)))
    weight = float(concern.weight)
    if dependents:
        weight *= 1 + min(30, dependents.count) / 60
    if tests and not tests.count:
        weight *= 1.25
    return Concern(
        concern.path,
        round(weight),
        concern.risks,
        dependents.count if dependents else None,
        tests.files if tests else None,
    )


def make_plan(concerns: Sequence[Concern], cold: Sequence[Cold], has_tests: bool) -> Plan:
    steps = [
        *_unparsed(concerns),
        *_safety_net(concerns, has_tests),
        *_silence(concerns),
        *_rings(concerns),
        *_take_apart(concerns),
        *_couplings(concerns),
    ]
    return Plan(tuple(steps), tuple(_leave(concerns, cold)))


def _of_kind(concerns: Sequence[Concern], *kinds: str) -> list[Risk]:
    return in_order(risk for concern in concerns for risk in concern.risks if risk.kind in kinds)


def _unparsed(concerns: Sequence[Concern]) -> Iterable[Step]:
    broken = _of_kind(concerns, UNPARSED)
    if broken:
        yield Step(
            "Decide about the files that do not parse",
            tuple(f"{risk.path}:{risk.line}" for risk in broken),
            f"{counted(len(broken), 'product file')} cannot be parsed, so no figure here includes them",
            ("delete them, mark them as templates, or name the version of Python they are for",),
            "the parser reads every remaining file",
            "S",
        )


def _worked_on(concerns: Sequence[Concern]) -> list[Concern]:
    """The files that the plan takes apart."""
    kinds = {HOT_SPOT, COMPLEX, GOD, BIG_FUNCTION}
    return [
        concern for concern in concerns[:ASKED_FILES] if any(risk.kind in kinds for risk in concern.risks)
    ]


def _safety_net(concerns: Sequence[Concern], has_tests: bool) -> Iterable[Step]:
    targets = _worked_on(concerns)
    if not targets:
        return
    bare = [concern for concern in targets if not concern.tests]
    covered = [concern for concern in targets if concern.tests]
    reason = "there is no test in this workspace" if not has_tests else _net_reason(bare, covered)
    work = [f"pin `{concern.path}` with characterisation tests: {_pins(concern)}" for concern in bare]
    work += [
        f"measure branch coverage of `{concern.path}` under `{_first(concern.tests)}`, and fill what is missing in "
        f"{_pins(concern)}"
        for concern in covered
    ]
    yield Step(
        "Safety net",
        tuple(concern.path for concern in targets),
        reason,
        tuple(work),
        "the new tests pass on the untouched code and fail when a branch of the pinned functions is broken by hand",
        "L" if len(bare) > 2 else "M",
    )


def _net_reason(bare: Sequence[Concern], covered: Sequence[Concern]) -> str:
    said = []
    if bare:
        said.append(f"{counted(len(bare), 'file')} to be changed that no test imports or is named after")
    if covered:
        said.append(
            f"{counted(len(covered), 'file')} with tests whose coverage of the heavy functions is not known"
        )
    return "; ".join(said)


def _first(tests: tuple[str, ...] | None) -> str:
    return tests[0] if tests else ""


def _pins(concern: Concern) -> str:
    """The functions worth pinning: those named by a risk, then the line where the file is heaviest."""
    named = [
        risk.why.partition("`")[2].partition("`")[0] for risk in concern.risks if risk.kind == BIG_FUNCTION
    ]
    places = [risk.line for risk in concern.risks if risk.kind == BIG_FUNCTION]
    if named:
        pairs = zip(named[:_PINNED], places, strict=False)
        return ", ".join(f"`{name}` (line {line})" for name, line in pairs)
    return f"what starts at line {concern.risks[0].line}"


def _silence(concerns: Sequence[Concern]) -> Iterable[Step]:
    paths = {concern.path for concern in _worked_on(concerns)}
    risks = [risk for risk in _of_kind(concerns, SIGNS) if risk.path in paths]
    if risks:
        yield Step(
            "Make failures visible in the files about to change",
            tuple(f"{risk.path}:{risk.line}" for risk in risks),
            "; ".join(f"`{risk.path}`: {risk.why}" for risk in risks[:3]),
            tuple(dict.fromkeys(risk.suggestion for risk in risks)),
            "the whole test suite, and a run with logging on: new messages are findings",
            "S",
        )


def _rings(concerns: Sequence[Concern]) -> Iterable[Step]:
    for risk in _of_kind(concerns, RING)[:2]:
        if risk.figures["modules"] > 2 and not risk.figures["left"] and "cut" not in risk.suggestion:
            continue
        yield Step(
            f"Open the ring of {risk.figures['modules']} modules around `{risk.path}`",
            risk.others[:5],
            risk.why,
            (
                risk.suggestion
                + ": move what is imported there to a module below both, or import it where it is defined",
            ),
            f"the largest ring of imports has {risk.figures['left']} modules afterwards; "
            "importing each module alone in a fresh interpreter works",
            "S" if risk.figures["modules"] <= 3 else "M",
        )


def _take_apart(concerns: Sequence[Concern]) -> Iterable[Step]:
    for concern in _worked_on(concerns):
        risks = [risk for risk in concern.risks if risk.kind != RING]
        figures = {key: value for risk in reversed(risks) for key, value in risk.figures.items()}
        yield Step(
            f"Take `{concern.path}` apart",
            (concern.path,),
            _together(concern),
            tuple(_work(concern)),
            _verify(concern),
            _size(figures, concern),
        )


def _together(concern: Concern) -> str:
    said = [risk.why for risk in concern.risks if risk.kind in (HOT_SPOT, COMPLEX, GOD)][:2]
    said = said or [concern.risks[0].why]
    if concern.dependents is not None:
        said.append(f"{counted(concern.dependents, 'module')} depend on it")
    return "; ".join(said)


def _work(concern: Concern) -> Iterable[str]:
    for risk in concern.risks:
        if risk.kind == BIG_FUNCTION:
            yield f"line {risk.line}: {risk.why}: extract its branches into named functions"
    for risk in concern.risks:
        if risk.kind == GOD or (risk.kind in (HOT_SPOT, COMPLEX) and len(concern.risks) == 1):
            yield risk.suggestion


def _verify(concern: Concern) -> str:
    if concern.tests:
        more = f" and {len(concern.tests) - 3} more" if len(concern.tests) > 3 else ""
        return f"after each extraction run {', '.join(f'`{test}`' for test in concern.tests[:3])}{more}"
    return "after each extraction run the tests of the first step, then the whole suite"


def _size(figures: Mapping[str, int], concern: Concern) -> str:
    effort = figures.get("complexity", 0) + 5 * (concern.dependents or 0)
    return "L" if effort > 400 else "M" if effort > 100 else "S"


def _couplings(concerns: Sequence[Concern]) -> Iterable[Step]:
    risks = _of_kind(concerns, COUPLING)[:3]
    if risks:
        yield Step(
            "Give shared knowledge one home",
            tuple(dict.fromkeys(path for risk in risks for path in (risk.path, *risk.others))),
            "; ".join(f"`{risk.path}` {risk.why}" for risk in risks),
            ("read the last three commits that changed both, name what they share, move it to one module",),
            "the next change of that knowledge touches one file",
            "M",
        )


def _leave(concerns: Sequence[Concern], cold: Sequence[Cold]) -> Iterable[str]:
    for spot in cold:
        last = (
            f"the last {counted(spot.last_days, 'day')} before HEAD"
            if spot.last_days >= 0
            else "not once in the window"
        )
        changed = (
            f"{counted(spot.commits, 'commit')}, the last {spot.last_days} days before HEAD"
            if spot.commits
            else last
        )
        yield f"`{spot.path}`: complexity {spot.complexity}, but hardly changed ({changed})"
    hubs = [concern for concern in concerns if (concern.dependents or 0) >= 15]
    for concern in hubs:
        yield f"the public names of `{concern.path}`: {concern.dependents} modules import it; change its inside, not its face"
