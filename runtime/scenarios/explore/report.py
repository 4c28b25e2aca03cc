"""The report: Markdown, the same for the same workspace, whoever was killed on the way. Pure.

No date of the run, no id, no duration and no absolute path may enter it.
"""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.explore import report_map
from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.handoff import HandOff
from fleetlog.runtime.scenarios.explore.markdown import cell, plain, table
from fleetlog.runtime.scenarios.explore.overview import Overview
from fleetlog.runtime.scenarios.explore.plan import Concern, Exchange, Plan, Step
from fleetlog.runtime.scenarios.explore.risks import RING, UNTESTED, Risk, in_order

SHOWN_CONCERNS = 12
SHOWN_FURTHER = 20

METHOD = """\
- **Complexity** is McCabe's cyclomatic number, summed over a file's functions: 1 for each function, plus one for each
  branch, loop, `except`, conditional expression, comprehension, further `and`/`or` operand and `case`. Python is
  parsed; JavaScript, TypeScript, Go, Java, Rust, C and C++ are read with regular expressions, so their figures are
  rough and only comparable inside one language. Other languages are only counted.
- **Hot spots** (Tornhill, *Your Code as a Crime Scene*): commits in the window x complexity;
  score = 100 x sqrt(product / largest product), less for files with a complexity below 50. Merges are left out, renames
  followed; a commit counts as a fix by words in its subject (fix, bug, crash, revert ...).
- **Weight** of a file: the score of its gravest finding + a fifth of each further one; for the files the planner asked
  about, times 1 + dependents / 60 (at most 1.5), and times 1.25 where no test imports it or is named after it. Scores
  other than those of hot spots are editorial: they order findings, nothing more.
- **Imports** are read from the source: what is loaded by name at run time (plug-ins, `importlib`, dependency injection)
  is not seen, an import under a condition counts as made; what a test reaches through a command line or an attribute
  of a package is not seen. **Tests** are judged by their imports and names, not by running them: no coverage was
  measured.
- Tests, documentation, examples, benchmarks, fixtures and generated files are mapped, but not ranked as risks."""


class Findings(Struct, frozen=True):
    """All that the report is made of."""

    overview: Overview
    handoff: HandOff
    concerns: tuple[Concern, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    plan: Plan = Plan()
    silence: str = ""


def report(found: Findings) -> str:
    sections = (
        f"# Before the refactoring: {plain(found.overview.name)}",
        "\n".join(f"- {bullet}" for bullet in _summary(found)),
        report_map.code_map(found.overview, found.handoff.past),
        _risks(found.concerns),
        _conversation(found),
        _plan(found.plan),
        report_map.not_seen(found.overview, found.handoff),
        f"## How the figures were made\n\n{METHOD}",
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _summary(found: Findings) -> Iterator[str]:
    overview = found.overview
    if overview.trouble:
        yield f"**Nothing could be read**: {overview.trouble}."
        return
    if not overview.files:
        yield "**The workspace has no files to look at.** There is nothing to map, to rank or to plan."
        return
    yield _size(overview)
    yield from _history_bullet(found)
    yield from _gravest(found.concerns)
    yield from _ring_bullet(overview, found.concerns)
    if overview.code_files:
        yield _test_bullet(found)
    if found.plan.steps:
        yield f"**Do first**: {found.plan.steps[0].title[0].lower()}{found.plan.steps[0].title[1:]} - " + (
            f"{', '.join(f'`{path}`' for path in found.plan.steps[0].files[:3])}; "
            f"the whole plan has {counted(len(found.plan.steps), 'step')}."
        )
    if overview.unseen:
        yield f"**Not seen**: {', '.join(f'{row.count:,} x {row.reason}' for row in overview.unseen[:4])}; see below."


def _size(overview: Overview) -> str:
    code = [language for language in overview.languages if language.depth != "counted"] or list(overview.languages)
    named = ", ".join(f"{language.name} {language.code:,}" for language in code[:3])
    if not overview.code_files:
        return f"**Size**: {counted(overview.files, 'file')}, none of them code this report can read."
    return (
        f"**Size**: {counted(overview.files, 'file')}, {counted(overview.code_files, 'code file')} "
        f"({overview.product_files:,} product, {overview.test_files:,} test); code lines: {named}; "
        f"{counted(overview.edges, 'import')} between files."
    )


def _history_bullet(found: Findings) -> Iterator[str]:
    past = found.handoff.past
    if not past.commits:
        yield f"**History**: none ({past.said}), so the ranking rests on structure alone."
        return
    yield (
        f"**History**: {counted(past.commits, 'commit')} by {counted(past.authors, 'author')}, {past.first_date} to "
        f"{past.last_date}, {past.fixes:,} of them fixes{f' ({past.said})' if past.said else ''}."
    )


def _gravest(concerns: Sequence[Concern]) -> Iterator[str]:
    names = ("Riskiest file", "Next")
    for name, concern in zip(names, concerns, strict=False):
        risk = concern.risks[0]
        resting = f"; imported by {counted(concern.dependents, 'module')}" if concern.dependents else ""
        yield f"**{name}**: `{risk.path}:{risk.line}` - {risk.why}{resting}."


def _ring_bullet(overview: Overview, concerns: Sequence[Concern]) -> Iterator[str]:
    rings = in_order(risk for concern in concerns for risk in concern.risks if risk.kind == RING)
    if rings:
        largest = max(rings, key=lambda risk: risk.figures["modules"])
        loading = f"{overview.knots} among imports that run on loading" if overview.knots else "none on loading"
        later = f", {overview.deferred_knots} more through imports inside functions" if overview.deferred_knots else ""
        yield (
            f"**Import rings**: {loading}{later}; the largest has {largest.figures['modules']} modules "
            f"(`{largest.path}:{largest.line}`)."
        )


def _test_bullet(found: Findings) -> str:
    if not found.overview.test_files:
        return "**Tests**: none found. Nothing protects a change; the plan starts there."
    bare = [risk for concern in found.concerns for risk in concern.risks if risk.kind == UNTESTED]
    if not bare:
        return f"**Tests**: {counted(found.overview.test_files, 'test file')}; each complex file has one close to it."
    worst = in_order(bare)[0]
    return (
        f"**Tests**: {counted(found.overview.test_files, 'test file')}; at least {counted(len(bare), 'complex file')} "
        f"without one that imports it or bears its name, first `{worst.path}` "
        f"(complexity {worst.figures['complexity']})."
    )


def _risks(concerns: Sequence[Concern]) -> str:
    if not concerns:
        return "## Risks\n\nNone was found by the measures below."
    rows = [
        (str(rank), f"`{cell(_place(concern.risks[0]))}`", str(concern.weight), cell(_whys(concern)))
        for rank, concern in enumerate(concerns[:SHOWN_CONCERNS], 1)
    ]
    text = "## Risks, gravest first\n\n" + table(("", "where", "weight", "figures and why"), rows)
    further = [
        f"- `{_place(risk)}` {risk.kind}: {risk.why}"
        for concern in concerns[SHOWN_CONCERNS : SHOWN_CONCERNS + SHOWN_FURTHER]
        for risk in concern.risks[:1]
    ]
    return text + ("\n\nFurther, in short:\n\n" + "\n".join(further) if further else "")


def _place(risk: Risk) -> str:
    return f"{risk.path}:{risk.line}"


def _whys(concern: Concern) -> str:
    said = []
    for risk in concern.risks[:4]:
        place = f" (line {risk.line})" if risk.line != concern.risks[0].line and risk.line > 1 else ""
        said.append(f"**{risk.kind}**{place}: {risk.why}")
    more = len(concern.risks) - 4
    return "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _conversation(found: Findings) -> str:
    title = "## What the planner asked, and the explorer answered"
    if not found.exchanges:
        return (
            f"{title}\n\nNothing was asked: {found.silence or 'no concern was raised, so there was nothing to weigh'}."
        )
    turns = [
        f"{number}. {exchange.question.text}\n   {exchange.answer.text}"
        for number, exchange in enumerate(found.exchanges, 1)
    ]
    return f"{title}\n\n" + "\n".join(turns) + _changed_by_answers(found.concerns)


def _changed_by_answers(concerns: Sequence[Concern]) -> str:
    asked = [concern for concern in concerns if concern.dependents is not None]
    before = sorted(asked, key=lambda concern: (-_score(concern), concern.path))
    if not asked or [concern.path for concern in before] == [concern.path for concern in asked]:
        return ""
    order = ", ".join(f"`{concern.path}`" for concern in asked)
    return f"\n\nThe answers changed the order of the work; by dependents and tests it is now: {order}."


def _score(concern: Concern) -> float:
    return concern.risks[0].score + 0.2 * sum(risk.score for risk in concern.risks[1:])


def _plan(plan: Plan) -> str:
    if not plan.steps:
        return "## Plan\n\nNo step is called for by what was found."
    text = "## Plan\n\n" + "\n\n".join(_step(number, step) for number, step in enumerate(plan.steps, 1))
    if plan.leave:
        text += "\n\n### Leave alone\n\n" + "\n".join(f"- {line}" for line in plan.leave)
    return text


def _step(number: int, step: Step) -> str:
    return "\n".join(
        [
            f"### {number}. {step.title} ({step.size})",
            "",
            f"*Why*: {step.reason}.",
            "",
            *(f"- {line}" for line in _capped(step.work, 8)),
            "",
            f"*Verify*: {step.verify}.",
        ]
    )


def _capped(lines: Sequence[str], most: int) -> Iterable[str]:
    return [*lines[:most], *([f"and {len(lines) - most} more"] if len(lines) > most else [])]
