"""The three agents. What is costly or may change is a step; what stands between steps is deterministic and cheap.

Nobody reads a file twice: the explorer reads them all, the others ask it. Messages carry JSON.
"""

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from fleetlog.runtime.scenarios.explore import questions as q
from fleetlog.runtime.scenarios.explore import tables
from fleetlog.runtime.scenarios.explore.answers import answer, counted
from fleetlog.runtime.scenarios.explore.atlas import Atlas, Knot
from fleetlog.runtime.scenarios.explore.facts import FileFacts, Links, Listing, Survey
from fleetlog.runtime.scenarios.explore.handoff import HandOff, hand_off, past_of
from fleetlog.runtime.scenarios.explore.history import History, read_history
from fleetlog.runtime.scenarios.explore.listing import list_files
from fleetlog.runtime.scenarios.explore.manifests import Manifests, read_manifests
from fleetlog.runtime.scenarios.explore.overview import Overview, overview_of
from fleetlog.runtime.scenarios.explore.plan import Exchange, make_plan, merged, questions_about, weighed
from fleetlog.runtime.scenarios.explore.questions import Answer, Question, to_json
from fleetlog.runtime.scenarios.explore.reading import read_files
from fleetlog.runtime.scenarios.explore.report import Findings, report
from fleetlog.runtime.scenarios.explore.risks import (
    Evidence,
    Risk,
    candidates,
    possible_couplings,
    rank,
)
from fleetlog.runtime.scenarios.explore.survey import assembled, link

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

EXPLORER, RISK_FINDER, PLANNER = "explorer", "risk-finder", "planner"
CHUNK_FILES = 250
_MAP = "What does the map of the code base show?"

_T = TypeVar("_T")


def explorer(ctx: "Context") -> None:
    """Maps the workspace, submits what it saw, then answers questions for as long as the fleet is open."""
    atlas = Atlas(_survey(ctx))
    overview = msgspec.convert(ctx.step("draw the map", "pure", lambda: overview_of(atlas)), Overview)
    ctx.submit_result(
        {"files": overview.files, "code_files": overview.code_files, "test_files": overview.test_files,
         "imports": overview.edges, "rings": overview.knots, "unseen": len(overview.unseen)}
    )  # fmt: skip
    for message in ctx.questions():
        reply = ctx.step("answer", "pure", _reply, atlas, overview, message.payload)
        ctx.reply(message, reply)


def _survey(ctx: "Context") -> Survey:
    workspace = ctx.workspace or ""
    listing = msgspec.convert(ctx.step("list the files", "pure", list_files, workspace), Listing)
    files: list[FileFacts] = []
    for start in range(0, len(listing.files), CHUNK_FILES):
        paths = listing.files[start : start + CHUNK_FILES]
        name = f"read files {start + 1} to {start + len(paths)}"
        files += msgspec.convert(ctx.step(name, "pure", read_files, workspace, paths), list[FileFacts])
        ctx.progress(f"read {len(files):,} of {counted(len(listing.files), 'file')}")
    found = ctx.step("read the manifests", "pure", read_manifests, workspace, listing.files)
    manifests = msgspec.convert(found, Manifests)
    links = msgspec.convert(ctx.step("resolve the imports", "pure", link, files, manifests), Links)
    return assembled(listing, files, links, manifests)


def _reply(atlas: Atlas, overview: Overview, payload: str) -> str:
    """The answer to any payload: one that is no question of ours is told what can be asked."""
    try:
        question = msgspec.json.decode(payload, type=Question)
    except msgspec.DecodeError:
        question = Question("unknown", (), payload)
    return to_json(_table(atlas, overview, question))


def _table(atlas: Atlas, overview: Overview, question: Question) -> Any:
    match question.kind:
        case q.OVERVIEW:
            return overview
        case q.FIGURES:
            return tables.figures_of(atlas, question.subject)
        case q.EXTREMES:
            return tables.extremes(atlas)
        case q.CYCLES:
            return tables.knots_of(atlas)
        case q.SIGNS:
            return tables.signs_of(atlas)
        case q.UNPARSED:
            return tables.unparsed(atlas)
        case q.HIDDEN:
            return tables.hidden(atlas, question.subject)
    return answer(atlas, question)


def risk_finder(ctx: "Context") -> None:
    """Reads the history, asks for the figures of what changed, ranks, and flags each concern to the planner."""
    history = msgspec.convert(ctx.step("read the history", "pure", read_history, ctx.workspace or ""), History)
    ctx.progress(history.said or f"read {counted(history.commits, 'commit')}")
    evidence = _evidence(ctx, history)
    risks = msgspec.convert(ctx.step("rank the risks", "pure", rank, evidence), list[Risk])
    for risk in risks:
        where = f"{risk.path}:{risk.line}" if risk.line else risk.path
        ctx.send(PLANNER, "alert", _worded(f"{risk.kind}: {where} - {risk.why}", risk))
    handoff = hand_off(evidence, len(risks))
    said = f"{counted(len(risks), 'concern')} of {counted(handoff.weighed_files, 'weighed file')}: yours to plan"
    ctx.send(PLANNER, "handoff", _worded(said, handoff))
    ctx.progress(f"flagged {counted(len(risks), 'concern')}")
    ctx.submit_result({"concerns": len(risks), "history": msgspec.to_builtins(past_of(history))})


def _evidence(ctx: "Context", history: History) -> Evidence:
    overview = _ask(ctx, Question(q.OVERVIEW, (), _MAP), Overview)
    changed = q.within(candidates(history))
    figures = {
        row.path: row
        for row in _ask(
            ctx, Question(q.EXTREMES, (), "Which files stand out, and by what figures?"), list[tables.Figures]
        )
    }
    figures |= {
        row.path: row
        for row in _ask(
            ctx, Question(q.FIGURES, changed, "What are the figures of the files that changed?"), list[tables.Figures]
        )
    }
    pairs = q.within(possible_couplings(history))
    ends = tuple(path for pair in pairs for path in (pair.one, pair.other))
    return Evidence(
        history=history,
        figures=tuple(figures[path] for path in sorted(figures)),
        knots=_ask(ctx, Question(q.CYCLES, (), "Which modules import each other in rings?"), tuple[Knot, ...]),
        signs=_ask(ctx, Question(q.SIGNS, (), "Which files show signs of trouble?"), tuple[tables.FileSigns, ...]),
        unparsed=_ask(ctx, Question(q.UNPARSED, (), "Which files could not be parsed?"), tuple[tables.Unparsed, ...]),
        pairs=pairs,
        hidden=_ask(ctx, Question(q.HIDDEN, ends, "Which of these pairs are joined by no import?"), tuple[bool, ...])
        if pairs
        else (),
        has_tests=overview.test_files > 0,
    )


def _worded(text: str, value: Any) -> str:
    """JSON of the value, with a `text` for those who read along."""
    return to_json({"text": text, **msgspec.to_builtins(value)})


def _ask(ctx: "Context", question: Question, kind: type[_T]) -> _T:
    return msgspec.json.decode(ctx.ask(EXPLORER, to_json(question)).payload, type=kind)


def planner(ctx: "Context") -> None:
    """Gathers the concerns, asks the explorer what they raise, weighs again, and writes plan and report."""
    risks, handoff = _concerns(ctx)
    concerns = merged(risks)
    overview = _ask(ctx, Question(q.OVERVIEW, (), _MAP), Overview)
    exchanges = []
    for question in questions_about(concerns):
        ctx.progress(question.text[:500])
        exchanges.append(Exchange(question, _ask(ctx, question, Answer)))
    concerns = weighed(concerns, exchanges)
    plan = make_plan(concerns, handoff.cold, handoff.has_tests)
    found = Findings(overview, handoff, tuple(concerns), tuple(exchanges), plan)
    text = ctx.step("write the report", "pure", report, found)
    ctx.progress(f"wrote the plan: {counted(len(plan.steps), 'step')}")
    ctx.submit_result({"report": text, "concerns": len(risks), "questions": len(exchanges), "steps": len(plan.steps)})


def _concerns(ctx: "Context") -> tuple[list[Risk], HandOff]:
    """All alerts of the risk finder and its handoff, in whatever order they arrive."""
    risks: list[Risk] = []
    handoff: HandOff | None = None
    while handoff is None or len(risks) < handoff.alerts:
        message = ctx.receive(types=("alert", "handoff"), sender=RISK_FINDER)
        if message.type == "handoff":
            handoff = msgspec.json.decode(message.payload, type=HandOff)
        else:
            risks.append(msgspec.json.decode(message.payload, type=Risk))
    return risks, handoff
