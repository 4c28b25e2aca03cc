"""The report, as far as it is: written anew whenever something comes in, and the same for the same findings."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.research.checking import CONFIRMED, CONTRADICTED, GONE, SINGLE, Verdict
from fleetlog.runtime.scenarios.research.evidence import Claim
from fleetlog.runtime.scenarios.research.reading import REPORT_MARK
from fleetlog.runtime.scenarios.research.splitting import Part
from fleetlog.runtime.scenarios.research.talk import Brief, Found

__all__ = ["Findings", "outcome_of", "report"]

_MAX_LISTED = 20


class Findings(Struct, frozen=True):
    """What the synthesizer knows. A part is in `found` when it was looked for, in `checked` when it was checked too."""

    question: str
    brief: Brief
    found: dict[int, Found]
    checked: dict[int, tuple[Verdict, ...]]

    @property
    def is_finished(self) -> bool:
        return all(part.number in self.checked for part in self.brief.parts)


def outcome_of(verdicts: Sequence[Verdict]) -> str:
    """What is known of a part of the question, from the verdicts on its claims."""
    says = [one.says for one in verdicts]
    return next((word for word in (CONTRADICTED, CONFIRMED, SINGLE) if word in says), "not found")


def report(findings: Findings) -> str:
    """The whole report in Markdown."""
    asked = [part for part in findings.brief.parts if not part.is_background]
    background = [part for part in findings.brief.parts if part.is_background]
    sections = (
        _head(findings),
        _section("Answer", (line for part in asked for line in _answer(part, findings))),
        _section("Evidence", (line for part in asked for line in _evidence(part, findings))),
        _section("Contradictions", _contradictions(findings)),
        _section("Good to know", (line for part in background for line in _evidence(part, findings, is_side=True))),
        _section("Not found", _not_found(asked, findings)),
        _section("Not looked at", _not_looked_at(findings.brief)),
        _section("How it came about", _method(findings)),
    )
    return "\n".join(section for section in sections if section)


def _head(findings: Findings) -> str:
    brief = findings.brief
    read = (
        f"{REPORT_MARK}, from {counted(brief.files, 'file')} ({counted(brief.passages, 'passage')}) and nothing else."
    )
    lines = [f"# Research: {' '.join(findings.question.split())}", "", read]
    if not findings.is_finished:
        done = (
            f"looked for {len(findings.found)} of {counted(len(brief.parts), 'part')}, checked {len(findings.checked)}"
        )
        lines += ["", f"**Unfinished**: {done}. It grows while the fleet works; what is not checked yet is marked."]
    return "\n".join([*lines, ""])


def _section(title: str, lines: Iterable[str]) -> str:
    body = "\n".join(lines).strip("\n")
    return f"## {title}\n\n{body}\n" if body else ""


# --- the answer ----------------------------------------------------------------------------------


def _answer(part: Part, findings: Findings) -> Iterator[str]:
    yield f"{part.number}. *{_ending(part.text)}* {_said(part, findings)}"


def _ending(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else "?")


def _said(part: Part, findings: Findings) -> str:
    verdicts = findings.checked.get(part.number)
    if verdicts is None:
        found = findings.found.get(part.number)
        return "Not looked for yet." if found is None else f"{counted(len(found.claims), 'claim')}, not checked yet."
    standing = [one for one in verdicts if one.says != GONE]
    if not standing:
        return "**Not found**: no sentence of these files answers it."
    disputed = next((one for one in standing if one.says == CONTRADICTED), None)
    if disputed is not None:
        ways = "; or ".join(f"{_short(one)} ({_code(one.place)})" for one in _ways(disputed))
        return f"**The sources contradict each other**: {ways}."
    best = next((one for one in standing if one.says == CONFIRMED), standing[0])
    where = ", ".join(map(_code, dict.fromkeys(one.place for one in (best.claim, *best.supports))))
    return f"{_short(best.claim)} ({best.says}: {where})."


def _ways(verdict: Verdict) -> list[Claim]:
    """The claim, and one of each thing that others say instead."""
    others = {tuple(value.key for value in one.values) or one.quote: one for one in reversed(verdict.against)}
    return [verdict.claim, *reversed(others.values())]


def _short(claim: Claim) -> str:
    """The value that was asked for, or the whole quote."""
    if claim.values and claim.kind in ("number", "date", "name"):
        return f"**{claim.values[0].said}**"
    return f"“{claim.quote}”"


# --- the evidence --------------------------------------------------------------------------------


def _evidence(part: Part, findings: Findings, *, is_side: bool = False) -> Iterator[str]:
    verdicts = findings.checked.get(part.number)
    found = findings.found.get(part.number)
    if verdicts is None and found is not None and found.claims:
        yield from _titled(part, [f"- {_quoted(claim)}: not checked yet" for claim in found.claims])
    elif verdicts:
        yield from _titled(part, list(_all_judged(verdicts)[: 3 if is_side else None]))


def _titled(part: Part, lines: list[str]) -> Iterator[str]:
    if lines:
        yield from (f"### {part.number}. {_ending(part.text) if not part.is_background else part.text}", "", *lines, "")


def _all_judged(verdicts: Sequence[Verdict]) -> list[str]:
    """Each claim once: with its own verdict, or below another that it supports or contradicts."""
    shown: set[str] = set()
    lines: list[str] = []
    for one in verdicts:
        if one.says != GONE and one.claim.id not in shown:
            shown |= {other.id for other in (*one.supports, *one.against)}
            lines.append("\n".join(_judged(one)))
    return lines


def _judged(verdict: Verdict) -> Iterator[str]:
    yield f"- {_quoted(verdict.claim)}: {verdict.says}"
    for word, others in (("also", verdict.supports), ("against it", verdict.against)):
        yield from (f"  - {word}: {_quoted(one)}" for one in others)
    if verdict.copies:
        yield f"  - the same words, so no second source: {', '.join(map(_code, verdict.copies))}"


def _quoted(claim: Claim) -> str:
    about = f", under “{claim.about}”" if claim.about else ""
    return f"[{claim.id}] “{claim.quote}” - {_code(claim.place)}{about}"


def _code(place: str) -> str:
    return f"`{place}`"


def _contradictions(findings: Findings) -> Iterator[str]:
    seen: set[frozenset[tuple[str, str]]] = set()
    for number in sorted(findings.checked):
        for one in findings.checked[number]:
            for other in one.against:
                pair = frozenset({(one.claim.place, one.claim.quote), (other.place, other.quote)})
                if pair not in seen:
                    seen.add(pair)
                    ways = (f"{_short(claim)} ({_code(claim.place)})" for claim in (one.claim, other))
                    yield f"- part {number}: {' or '.join(ways)}"


# --- what is not there ---------------------------------------------------------------------------


def _not_found(asked: Sequence[Part], findings: Findings) -> Iterator[str]:
    for part in asked:
        verdicts = findings.checked.get(part.number)
        if verdicts is not None and all(one.says == GONE for one in verdicts):
            terms = ", ".join(findings.found[part.number].terms)
            yield f"- *{_ending(part.text)}* Looked for: {terms}."
    for verdicts in (findings.checked[number] for number in sorted(findings.checked)):
        for one in verdicts:
            if one.says == GONE:
                yield f"- [{one.claim.id}] is left out: its quote does not stand in {_code(one.claim.place)} any more."


def _not_looked_at(brief: Brief) -> Iterator[str]:
    yield from (f"- {_code(path)} {trouble}" for path, trouble in brief.unread[:_MAX_LISTED])
    if len(brief.unread) > _MAX_LISTED:
        yield f"- and {len(brief.unread) - _MAX_LISTED:,} more that could not be read"
    yield from (f"- {counted(count, 'file')}: {reason}" for reason, count in sorted(brief.left_out.items()))


def _method(findings: Findings) -> Iterator[str]:
    for number, found in sorted(findings.found.items()):
        yield f"- {found.by} looked for part {number}: {counted(len(found.claims), 'claim')}."
    if findings.brief.aliases:
        yield "- Taken as one: " + "; ".join(" and ".join(pair) for pair in findings.brief.aliases) + "."
    yield "- Rules, not a model, chose and compared the sentences. Each is quoted as it stands; nothing is concluded."
    yield "- The number in brackets leads to the steps that found and checked it: `fleetlog timeline`."
