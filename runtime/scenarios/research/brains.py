"""The agents. What is costly or may change is a step; what stands between steps is deterministic and cheap.

Everybody who needs the corpus reads it for itself, in pieces that are recorded: a crash costs a piece, and who checks
does not rely on what another has read. The synthesizer alone writes, and writes the whole report each time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.research.checking import Verdict, judged, witnesses_for
from fleetlog.runtime.scenarios.research.documents import Document
from fleetlog.runtime.scenarios.research.evidence import Claim, claims_for
from fleetlog.runtime.scenarios.research.lexicon import Lexicon, load_lexicon
from fleetlog.runtime.scenarios.research.library import Library
from fleetlog.runtime.scenarios.research.questions import Query, query_of
from fleetlog.runtime.scenarios.research.reading import (
    Sources,
    list_sources,
    quote_stands,
    read_sources,
    write_report,
)
from fleetlog.runtime.scenarios.research.report import Findings, outcome_of, report
from fleetlog.runtime.scenarios.research.splitting import Part, Plan, plan_for
from fleetlog.runtime.scenarios.research.talk import Assignment, Brief, Checked, Found, from_json, to_json

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

LEAD, CHECKER, SYNTHESIZER = "lead", "fact-checker", "synthesizer"
CHUNK_FILES = 50
MAX_UNREAD = 50


class _Shelf:
    """The corpus as this agent has read it. It is indexed when a step first needs it: a replay needs none."""

    def __init__(self, ctx: "Context") -> None:
        listed = ctx.step("list the sources", "pure", list_sources, ctx.workspace or "", _report_file(ctx))
        self.sources = msgspec.convert(listed, Sources)
        self.documents = list(_read_all(ctx, self.sources))
        self._library: Library | None = None
        self._lexicon: Lexicon | None = None

    @property
    def library(self) -> Library:
        if self._library is None:
            self._library = Library(self.documents)
        return self._library

    @property
    def lexicon(self) -> Lexicon:
        if self._lexicon is None:
            self._lexicon = load_lexicon()
        return self._lexicon

    def close(self) -> None:
        if self._library is not None:
            self._library.close()


@contextmanager
def _shelf(ctx: "Context") -> Iterator[_Shelf]:
    shelf = _Shelf(ctx)
    try:
        yield shelf
    finally:
        shelf.close()


def _read_all(ctx: "Context", sources: Sources) -> Iterator[Document]:
    for start in range(0, len(sources.files), CHUNK_FILES):
        paths = sources.files[start : start + CHUNK_FILES]
        name = f"read files {start + 1} to {start + len(paths)}"
        yield from msgspec.convert(ctx.step(name, "pure", read_sources, ctx.workspace or "", paths), list[Document])
        ctx.progress(f"read {start + len(paths):,} of {counted(len(sources.files), 'file')}")


def _report_file(ctx: "Context") -> str:
    return inputs_of(ctx.prompt).get("report", "")


# --- the lead ------------------------------------------------------------------------------------


def lead(ctx: "Context") -> None:
    """Reads, splits the question, hands out its parts."""
    researchers = int(inputs_of(ctx.prompt)["researchers"])
    with _shelf(ctx) as shelf:
        plan = msgspec.convert(ctx.step("split the question", "pure", _plan, shelf, ctx.goal, researchers), Plan)
    _brief(ctx, shelf, plan)
    for number in range(1, researchers + 1):
        mine = tuple(part for part in plan.parts if part.number % researchers == number % researchers)
        said = "; ".join(f"{part.number}: {part.text}" for part in mine) or "nothing is left to look for"
        ctx.send(f"researcher-{number}", "handoff", to_json(Assignment(said, mine, plan.aliases)))
    asked = [part.text for part in plan.parts if not part.is_background]
    ctx.submit_result({"files": len(shelf.documents), "asked": asked, "background": len(plan.parts) - len(asked)})


def _plan(shelf: _Shelf, question: str, researchers: int) -> Plan:
    return plan_for(question, researchers, shelf.documents, shelf.library, shelf.lexicon)


def _brief(ctx: "Context", shelf: _Shelf, plan: Plan) -> None:
    unread = tuple((one.path, one.trouble) for one in shelf.documents if one.trouble)
    brief = Brief(
        text=f"{counted(len(plan.parts), 'part')} to look for in {counted(len(shelf.documents), 'file')}",
        parts=plan.parts,
        aliases=plan.aliases,
        files=len(shelf.documents) - len(unread),
        passages=sum(len(one.passages) for one in shelf.documents),
        unread=unread[:MAX_UNREAD],
        left_out=shelf.sources.left_out,
    )
    for peer in (SYNTHESIZER, CHECKER):
        ctx.send(peer, "handoff", to_json(brief))


# --- researchers ---------------------------------------------------------------------------------


def researcher(ctx: "Context") -> None:
    """Looks for its parts in the corpus, and shows each one's claims to the fact checker and the synthesizer."""
    assignment = from_json(ctx.receive(("handoff",), sender=LEAD).payload, Assignment)
    claims = 0
    if assignment.parts:
        with _shelf(ctx) as shelf:
            for part in assignment.parts:
                claims += _look_for(ctx, shelf, part, assignment.aliases)
    ctx.submit_result({"parts": len(assignment.parts), "claims": claims})


def _look_for(ctx: "Context", shelf: _Shelf, part: Part, aliases: tuple[tuple[str, str], ...]) -> int:
    found = ctx.step(f"look for part {part.number}", "pure", _found, shelf, ctx.name, part, aliases)
    message = msgspec.convert(found, Found)
    for peer in (SYNTHESIZER, CHECKER):  # in this order: claims come before what is said of them
        ctx.send(peer, "result", to_json(message))
    ctx.progress(message.text[:500])
    return len(message.claims)


def _found(shelf: _Shelf, by: str, part: Part, aliases: tuple[tuple[str, str], ...]) -> Found:
    query = query_of(part.text, shelf.lexicon, aliases)
    claims = claims_for(shelf.library, query, part.number, shelf.lexicon)
    ids = f"{claims[0].id} to {claims[-1].id}" if claims else "none"
    return Found(f"claims on part {part.number}: {ids}", part.number, by, tuple(claims), _terms(query))


def _terms(query: Query) -> tuple[str, ...]:
    return (*(spelling for name in query.names for spelling in name.spellings), *(word.said for word in query.words))


# --- the fact checker ----------------------------------------------------------------------------


def fact_checker(ctx: "Context") -> None:
    """Looks up each claim in its source, and the whole corpus for who else says so or says otherwise."""
    brief = from_json(ctx.receive(("handoff",), sender=LEAD).payload, Brief)
    parts = {part.number: part for part in brief.parts}
    says: dict[str, int] = {}
    with _shelf(ctx) as shelf:
        for _ in parts:
            found = from_json(ctx.receive(("result",)).payload, Found)
            for verdict in _check(ctx, shelf, parts[found.part], brief.aliases, found):
                says[verdict.says] = says.get(verdict.says, 0) + 1
    ctx.submit_result({"checked": sum(says.values()), **says})


def _check(
    ctx: "Context", shelf: _Shelf, part: Part, aliases: tuple[tuple[str, str], ...], found: Found
) -> Iterator[Verdict]:
    if not found.claims:
        said = Checked(f"part {part.number}: nothing to check", part.number, None, is_last=True)
        ctx.send(SYNTHESIZER, "result", to_json(said))
        return
    query = query_of(part.text, shelf.lexicon, aliases)
    witnesses = msgspec.convert(
        ctx.step(f"look for witnesses on part {part.number}", "pure", _witnesses, shelf, query, found), list[Claim]
    )
    others = (*found.claims, *witnesses)
    for claim in found.claims:
        step = ctx.step(f"check claim {claim.id}", "pure", _verdict, ctx.workspace or "", claim, others, shelf.lexicon)
        verdict = msgspec.convert(step, Verdict)
        text = f"claim {claim.id} ({claim.place}): {verdict.says}"
        checked = Checked(text, part.number, verdict, is_last=claim is found.claims[-1])
        ctx.send(SYNTHESIZER, "result", to_json(checked))
        yield verdict


def _witnesses(shelf: _Shelf, query: Query, found: Found) -> list[Claim]:
    return witnesses_for(shelf.library, query, found.claims, found.part, shelf.lexicon)


def _verdict(workspace: str, claim: Claim, others: tuple[Claim, ...], lexicon: Lexicon) -> Verdict:
    return judged(claim, quote_stands(workspace, claim.path, claim.quote, claim.page), others, lexicon)


# --- the synthesizer -----------------------------------------------------------------------------


def synthesizer(ctx: "Context") -> None:
    """Writes the report anew with everything that comes in; submits it when every part is checked."""
    brief = from_json(ctx.receive(("handoff",), sender=LEAD).payload, Brief)
    findings = Findings(ctx.goal, brief, {}, {})
    trouble = _write(ctx, findings, "the plan")
    held: dict[int, list[Verdict]] = {}
    while not findings.is_finished:
        message = ctx.receive(("result",))
        if message.sender != CHECKER:
            found = from_json(message.payload, Found)
            findings.found[found.part] = found
            trouble = _write(ctx, findings, f"claims on part {found.part}")
            continue
        checked = from_json(message.payload, Checked)
        held.setdefault(checked.part, []).extend([checked.verdict] if checked.verdict else [])
        if checked.is_last:
            findings.checked[checked.part] = tuple(held[checked.part])
            trouble = _write(ctx, findings, f"verdicts on part {checked.part}")
    ctx.submit_result(_result(findings, trouble))


def _write(ctx: "Context", findings: Findings, what: str) -> str:
    """Why the file could not be written, if it could not."""
    path = _report_file(ctx)
    if not path:
        return ""
    text = report(findings)
    trouble = str(ctx.step(f"write {what}", "idempotent", write_report, ctx.workspace or "", path, text))
    ctx.progress(f"{what}: {trouble or f'written to {path}'}"[:500])
    return trouble


def _result(findings: Findings, trouble: str) -> dict[str, object]:
    outcomes = [outcome_of(findings.checked[part.number]) for part in findings.brief.parts if not part.is_background]
    text = report(findings)
    if trouble:
        text += f"- The report did not grow in the workspace: {trouble}\n"
    return {"report": text, "answers": outcomes, "claims": [_claim_row(one) for one in _verdicts(findings)]}


def _verdicts(findings: Findings) -> Iterator[Verdict]:
    for number in sorted(findings.checked):
        yield from findings.checked[number]


def _claim_row(verdict: Verdict) -> dict[str, object]:
    """For programs: the claim, and what became of it."""
    claim = verdict.claim
    return {
        "id": claim.id, "quote": claim.quote, "path": claim.path, "line": claim.line, "page": claim.page,
        "verdict": verdict.says, "values": [value.said for value in claim.values],
        "also": [one.place for one in verdict.supports], "against": [one.place for one in verdict.against],
    }  # fmt: skip
