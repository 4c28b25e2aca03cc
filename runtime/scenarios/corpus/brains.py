"""The lead, its researchers, and the fact checker. What reads or writes files is a step; messages carry JSON."""

from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.runtime.scenarios.corpus.checking import Checked, check
from fleetlog.runtime.scenarios.corpus.documents import read_corpus
from fleetlog.runtime.scenarios.corpus.finding import Claim, Part, claims_for, parts_of
from fleetlog.runtime.scenarios.corpus.keeping import keep
from fleetlog.runtime.scenarios.corpus.report import Sources, draft, report
from fleetlog.runtime.scenarios.inputs import inputs_of

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

FACT_CHECKER = "fact-checker"


class Findings(msgspec.Struct, frozen=True):
    """What a researcher found for its part, or the claims that are to be checked."""

    claims: tuple[Claim, ...]


class Verdicts(msgspec.Struct, frozen=True):
    """What the fact checker says."""

    checked: tuple[Checked, ...]


def lead(ctx: "Context") -> None:
    """Splits the question, gathers findings, has them checked, writes the report; a draft grows in the workspace."""
    inputs, folder = inputs_of(ctx.prompt), ctx.workspace or ""
    question, name = ctx.goal, inputs["report"]
    sources = msgspec.convert(ctx.step("survey the documents", "pure", _survey, folder, name), Sources)
    parts = msgspec.convert(ctx.step("split the question", "pure", parts_of, question, 12), list[Part])
    ctx.progress(f"{sources.documents} documents, {len(parts)} parts of the question")
    researchers = sorted(peer for peer in ctx.peers() if peer.startswith("researcher"))
    asked = {ctx.send(researchers[number % len(researchers)], "handoff", _said(part.text, part)): part
             for number, part in enumerate(parts)}  # fmt: skip
    found: list[tuple[str, tuple[Claim, ...]]] = []
    for handoff, part in asked.items():
        message = ctx.receive(types=("result",), correlation_id=handoff)
        found.append((part.text, msgspec.json.decode(message.payload, type=Findings).claims))
        ctx.step(f"the report grows: {len(found)}", "idempotent", keep, folder, name, draft(question, parts, found))
    for researcher in researchers:
        ctx.send(researcher, "alert", _said("that was all", {}))
    checked = [one for _, claims in found for one in _checked(ctx, claims)]
    text = ctx.step("write the report", "pure", report, question, parts, checked, sources)
    trouble = ctx.step("keep the report", "idempotent", keep, folder, name, text)
    if trouble:
        ctx.progress(trouble[:500])
    standing, disputed = sum(one.stands for one in checked), sum(bool(one.against) for one in checked)
    figures = {"claims": standing, "disputed": disputed, "documents": sources.documents}
    ctx.submit_result({"report": text, **figures, "kept": "" if trouble else name})


def _survey(folder: str, name: str) -> Sources:
    corpus = read_corpus(folder, name)
    return Sources(len(corpus.sources), len(corpus.passages), corpus.unread[:50])


def _checked(ctx: "Context", claims: tuple[Claim, ...]) -> tuple[Checked, ...]:
    if not claims:
        return ()
    answer = ctx.ask(FACT_CHECKER, _said(f"Do these {len(claims)} stand?", Findings(claims)))
    return msgspec.json.decode(answer.payload, type=Verdicts).checked


def researcher(ctx: "Context") -> None:
    """Looks for sentences about each part it is handed, until the lead says that was all."""
    report_file, looked = inputs_of(ctx.prompt)["report"], 0
    while (message := ctx.receive(types=("handoff", "alert"))).type == "handoff":
        part = msgspec.json.decode(message.payload, type=Part)
        claims = ctx.step(f"look for: {part.text}"[:200], "pure", _look, ctx.workspace or "", report_file, part)
        found = Findings(msgspec.convert(claims, tuple[Claim, ...]))
        ctx.reply(message, _said(f"{len(found.claims)} findings", found))
        looked += 1
    ctx.submit_result({"parts": looked})


def _look(folder: str, report_file: str, part: Part) -> list[Claim]:
    return claims_for(read_corpus(folder, report_file), part)


def fact_checker(ctx: "Context") -> None:
    """Looks each claim up at its place, and for others who speak of the same."""
    report_file = inputs_of(ctx.prompt)["report"]
    ctx.submit_result({"at your service": True})
    for question in ctx.questions():
        claims = msgspec.json.decode(question.payload, type=Findings).claims
        step = f"check {len(claims)} claims"
        checked = ctx.step(step, "pure", _look_up, ctx.workspace or "", report_file, claims)
        verdicts = Verdicts(msgspec.convert(checked, tuple[Checked, ...]))
        against = sum(bool(one.against) for one in verdicts.checked)
        ctx.reply(question, _said(f"{len(claims)} looked up, {against} disputed", verdicts))


def _look_up(folder: str, report_file: str, claims: tuple[Claim, ...]) -> list[Checked]:
    return check(read_corpus(folder, report_file), claims)


def _said(text: str, value: Any) -> str:
    """JSON of the value, with a `text` for those who read along where it has none of its own."""
    return msgspec.json.encode({"text": text, **msgspec.to_builtins(value)}).decode()
