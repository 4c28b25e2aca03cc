"""The planner's part that is pure: concerns merged by file, the questions they raise, and the plan.

A file's weight is the score of its gravest concern, plus a fifth of each further one, times (1 + dependents / 60, at
most 1.5), times 1.25 where no test imports it: the same mess is worse where more rests on it and nothing would notice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.facts import FunctionFact
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
from fleetlog.runtime.scenarios.explore.signs import BROAD_EXCEPT, SWALLOWED

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
    known = {(exchange.question.kind, exchange.question.subject[:1]): exchange.answer for exchange in exchanges}
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
    return [concern for concern in concerns[:ASKED_FILES] if any(risk.kind in kinds for risk in concern.risks)]


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
        said.append(f"{counted(len(covered), 'file')} with tests whose coverage of the heavy functions is not known")
    return "; ".join(said)


def _first(tests: tuple[str, ...] | None) -> str:
    return tests[0] if tests else ""


def _pins(concern: Concern) -> str:
    heaviest = _heaviest(concern)
    if not heaviest:
        return f"what starts at line {concern.risks[0].line}"
    return ", ".join(f"`{function.name}` (line {function.line})" for function in heaviest)


def _heaviest(concern: Concern) -> list[FunctionFact]:
    """The functions that the concern's risks name, heaviest first."""
    named = {function for risk in concern.risks for function in risk.heaviest}
    return sorted(named, key=lambda function: (-function.complexity, function.line))[:_PINNED]


def _silence(concerns: Sequence[Concern]) -> Iterable[Step]:
    paths = {concern.path for concern in _worked_on(concerns)}
    risks = [risk for risk in _of_kind(concerns, SIGNS) if risk.path in paths and _hides_failures(risk)]
    if risks:
        yield Step(
            "Make failures visible in the files about to change",
            tuple(f"{risk.path}:{risk.line}" for risk in risks),
            "; ".join(f"`{risk.path}`: {risk.why}" for risk in risks[:3]),
            tuple(f"`{risk.path}`: {risk.suggestion}" for risk in risks),
            "the whole test suite, and a run with logging on: new messages are findings",
            "S",
        )


def _hides_failures(risk: Risk) -> bool:
    return risk.figures.get(SWALLOWED, 0) > 0 or risk.figures.get(BROAD_EXCEPT, 0) >= 5


def _rings(concerns: Sequence[Concern]) -> Iterable[Step]:
    for risk in [risk for risk in _of_kind(concerns, RING) if _is_worth_opening(risk)][:2]:
        left = risk.figures["left"]
        after = f"the largest ring left has {left} modules" if left else "no ring is left among them"
        yield Step(
            f"Open the ring of {risk.figures['modules']} modules around `{risk.path}`",
            risk.others[:5],
            risk.why,
            (
                *risk.suggestion.split("; "),
                "for each: move the imported names to a module below both, or import them where they are defined",
            ),
            f"{after}; importing each module alone in a fresh interpreter works",
            "S" if risk.figures["modules"] <= 3 else "M",
        )


def _is_worth_opening(risk: Risk) -> bool:
    """Worth a step: what can fail while loading, or comes apart to two thirds by a few cuts."""
    return not risk.figures["deferred"] or risk.figures["left"] * 3 <= risk.figures["modules"] * 2


def _take_apart(concerns: Sequence[Concern]) -> Iterable[Step]:
    for concern in _worked_on(concerns):
        risks = [risk for risk in concern.risks if risk.kind != RING]
        complexity = max((risk.figures.get("complexity", 0) for risk in risks), default=0)
        yield Step(
            f"Take `{concern.path}` apart",
            (concern.path,),
            _together(concern),
            tuple(_work(concern)),
            _verify(concern),
            _size(complexity, concern),
        )


def _together(concern: Concern) -> str:
    kinds = [risk.kind for risk in concern.risks]
    said = [risk.why for risk in concern.risks if risk.kind in (HOT_SPOT, COMPLEX, GOD)][:2]
    said = said or [concern.risks[0].why]
    if concern.dependents is not None and GOD not in kinds:
        said.append(
            f"imported by {counted(concern.dependents, 'module')}" if concern.dependents else "no module imports it"
        )
    return "; ".join(said)


def _work(concern: Concern) -> Iterable[str]:
    big = [function for function in _heaviest(concern) if function.complexity >= 15 or function.lines >= 80]
    for function in big:
        yield (
            f"`{concern.path}:{function.line}` `{function.name}` ({function.lines} lines, complexity "
            f"{function.complexity}): extract its branches into named functions"
        )
    kinds = [risk.kind for risk in concern.risks]
    if GOD in kinds or not big:
        yield "move one cohesive group of functions out at a time and keep the old names importable"


def _verify(concern: Concern) -> str:
    if concern.tests:
        more = f" and {len(concern.tests) - 3} more" if len(concern.tests) > 3 else ""
        return f"after each extraction run {', '.join(f'`{test}`' for test in concern.tests[:3])}{more}"
    return "after each extraction run the tests of the first step, then the whole suite"


def _size(complexity: int, concern: Concern) -> str:
    effort = complexity + 5 * (concern.dependents or 0)
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
        times = f"changed in {counted(spot.commits, 'commit')}, last {spot.last_days} days before HEAD"
        changed = times if spot.commits else "not changed in the window at all"
        yield f"`{spot.path}`: complexity {spot.complexity}, but {changed}: there is little to gain"
    for risk in [risk for risk in _of_kind(concerns, RING) if not _is_worth_opening(risk)][:2]:
        yield (
            f"the ring of {risk.figures['modules']} modules around `{risk.path}:{risk.line}`: it loads, and three cuts "
            f"leave {risk.figures['left']} of them tied; let it shrink as the steps above move code"
        )
    for concern in [concern for concern in concerns if (concern.dependents or 0) >= 10]:
        yield (
            f"the public names of `{concern.path}`: {concern.dependents} modules import it; change its inside, not "
            "its face"
        )
