"""The review as one document: the verdict first, then what is agreed, disputed and open. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.languages import language_of
from fleetlog.runtime.scenarios.explore.markdown import code
from fleetlog.runtime.scenarios.review import change, figures, sections, terms, wording
from fleetlog.runtime.scenarios.review.findings import (
    MUST,
    REVIEWERS,
    SEVERITIES,
    Answer,
    Exchange,
    Finding,
    key_of,
)
from fleetlog.runtime.scenarios.review.patterns import patterns
from fleetlog.runtime.scenarios.review.subject import Subject
from fleetlog.runtime.scenarios.review.verdict import Ruling, held

__all__ = ["Review", "report"]

_MAX_PLACES, _MAX_OPEN = 8, 20
_HEADS = {"must fix": "Must fix", "should fix": "Should fix", "consider": "To consider"}


class Review(Struct, frozen=True):
    """`rulings` by the key of the held finding; `cut`: how many more were found and left out."""

    verdict: str
    ruling: Ruling
    exchanges: tuple[Exchange, ...]
    rulings: dict[str, Ruling]
    cut: int = 0


def report(subject: Subject, review: Review) -> str:
    """Markdown. The same review gives the same bytes."""
    parts = [
        _head(subject, review),
        _agreed(review, subject.name),
        _disputed(review, subject.name),
        _open(subject, review),
        _withdrawn(review, subject.name),
        _unchecked(subject, review),
        _method(review),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _head(subject: Subject, review: Review) -> list[str]:
    standing = [one.finding for one in review.exchanges if one.outcome == "stands"]
    by = [counted_as(sum(one.severity == level for one in standing), level) for level in SEVERITIES]
    disputed = held(review.exchanges)
    lines = [f"# Review: {subject.name}", "", f"**Verdict: {review.verdict}** (council: {review.ruling.count}).",
             f"Agreed: {', '.join(by)}. Disputed: {len(disputed)}. Withdrawn in the debate: "
             f"{sum(one.outcome == 'withdrawn' for one in review.exchanges)}."]  # fmt: skip
    musts = [one for one in standing if one.severity == MUST]
    if musts:
        lines += ["", "First of all:"]
        lines += [
            f"{number}. {_shown(one.title)}" + ("" if "(line " in one.title else f" ({_places([one], subject.name)})")
            for number, one in enumerate(musts[:3], start=1)
        ]
    dissent = [f"{who}: {said.why}" for who, said in review.ruling.said if said.says == "doubts"]
    return lines + (["", f"Dissent: {'; '.join(dissent)}."] if dissent else [])


def counted_as(number: int, level: str) -> str:
    """As `3 must fix`."""
    return f"{number} {'to consider' if level == 'consider' else level}"


def _agreed(review: Review, home: str) -> list[str]:
    lines = ["## Agreed"]
    standing = [one for one in review.exchanges if one.outcome == "stands"]
    if not standing:
        return [*lines, "", "Nothing was found that still stands after the debate."]
    number = 0
    for severity in SEVERITIES:
        group = [one for one in standing if one.finding.severity == severity]
        if group:
            lines += ["", f"### {_HEADS[severity]}", ""]
        for alike in _grouped(group):
            number += 1
            lines += _point(number, alike, home)
    return lines


def _grouped(exchanges: Iterable[Exchange]) -> list[list[Exchange]]:
    """The same point in several places is one."""
    groups: dict[tuple[str, str, str], list[Exchange]] = {}
    for one in exchanges:
        groups.setdefault((one.finding.kind, one.finding.title, one.finding.fix), []).append(one)
    return list(groups.values())


def _point(number: int, alike: list[Exchange], home: str) -> Iterator[str]:
    first = alike[0].finding
    head = f"{number}. "
    yield f"{head}**{_shown(first.title)}** - {_places((one.finding for one in alike), home)}"
    if first.quote and first.kind not in (figures.CONTRADICTION, change.TEST_REMOVED):
        yield f"{' ' * len(head)}{code(first.quote)}"
    yield f"{' ' * len(head)}{_sentence(first.why)} *{_sentence(first.fix)}* ({first.by}{_backing(alike)})"


def _backing(alike: list[Exchange]) -> str:
    said = {who: answer.why for one in alike for who, _, answer in one.talk if answer.says == "confirms"}
    return "".join(f"; {who}: {why}" for who, why in sorted(said.items()))


def _places(findings: Iterable[Finding], home: str) -> str:
    """Where they are; lines alone for the document that is reviewed."""
    found = list(findings)
    shown = "; ".join(_place(one, home) for one in found[:_MAX_PLACES])
    return shown + (f" and {len(found) - _MAX_PLACES} more" if len(found) > _MAX_PLACES else "")


def _place(finding: Finding, home: str) -> str:
    lines = [finding.line, *finding.others] if finding.line else []
    shown = ", ".join(map(str, lines[:_MAX_PLACES])) + (", ..." if len(lines) > _MAX_PLACES else "")
    if finding.path != home:
        return code(finding.path) + (f":{shown}" if lines else "")
    return f"line{'s' * (len(lines) > 1)} {shown}" if lines else "the whole document"


def _shown(title: str) -> str:
    """On one line, and without tags."""
    return " ".join(title.replace("<", "\\<").split())


def _sentence(text: str) -> str:
    """With a capital letter, unless it begins with a name of code."""
    is_word = re.match(r"[a-z]+(?:-[a-z]+)*[,:;]?(?:\s|$)", text)
    return f"{text[:1].upper() if is_word else text[:1]}{text[1:]}{'' if text.endswith(('.', '?', '`')) else '.'}"


def _disputed(review: Review, home: str) -> list[str]:
    lines = ["## Disputed", ""]
    for one in held(review.exchanges):
        finding, ruling = one.finding, review.rulings[key_of(one.finding)]
        lines.append(
            f"- **{_shown(finding.title)}** - {_places([finding], home)}, {finding.severity}: {_ruled(ruling)}"
        )
        said = ruling.said or tuple((who, answer) for who, _, answer in one.talk)
        lines += [f"  - {who} is {_side(answer)}: {answer.why}." for who, answer in said]
    return lines if len(lines) > 2 else [*lines, "Nothing."]


def _ruled(ruling: Ruling) -> str:
    match ruling.status:
        case "ratified":
            return f"the council keeps it, {ruling.count}"
        case "rejected":
            return f"the council drops it, {ruling.count}"
    return "not put to the vote"


def _side(answer: Answer) -> str:
    return "against it" if answer.says in ("doubts", "refutes") else "for it"


def _open(subject: Subject, review: Review) -> list[str]:
    asked = [question for one in review.exchanges if one.outcome != "withdrawn" if (question := _question(one.finding))]
    if subject.document is not None:
        asked += [
            f"{text} (line {line}; the document leaves it open)"
            for line, text in wording.open_questions(subject.document)
        ]
    lines = ["## Open questions for the author", "", *(f"- {one}" for one in dict.fromkeys(asked[:_MAX_OPEN]))]
    if len(asked) > _MAX_OPEN:
        lines.append(f"- ... and {len(asked) - _MAX_OPEN} more of the same kind.")
    return lines if len(lines) > 2 else [*lines, "None."]


def _question(finding: Finding) -> str:
    match finding.kind:
        case figures.CONTRADICTION:
            return f"Which holds for the {finding.subject}: {finding.title.partition(': ')[2]}?"
        case terms.TERM:
            return f"What does {code(finding.subject)} stand for?"
        case wording.UNDECIDED:
            return f"Who decides, and by when: {code(finding.quote)} (line {finding.line})?"
        case change.TEST_REMOVED:
            return f"What covers now what {code(finding.subject)} covered?"
    return ""


def _withdrawn(review: Review, home: str) -> list[str]:
    gone = [one for one in review.exchanges if one.outcome == "withdrawn"]
    if not gone:
        return []
    lines = ["## Withdrawn in the debate", ""]
    groups: dict[str, list[Exchange]] = {}
    for one in gone:
        groups.setdefault(f"{_shown(one.finding.title)} - {one.reason}", []).append(one)
    return lines + [f"- {said} ({_places((one.finding for one in alike), home)})" for said, alike in groups.items()]


def _unchecked(subject: Subject, review: Review) -> list[str]:
    lines = ["## Not checked", ""]
    lines += _unchecked_of_spec(subject) if subject.document is not None else _unchecked_of_diff(subject)
    if review.cut:
        lines.append(f"- {counted(review.cut, 'further point')}: only the gravest of each reviewer are told.")
    return [*lines, "- Whether it is the right thing to build: that takes people (or `--brain claude`)."]


def _unchecked_of_spec(subject: Subject) -> Iterator[str]:
    assert subject.document is not None
    outside = sum(target.state == "outside" for target in subject.targets)
    external = sum("//" in link.href or link.href.startswith("mailto:") for link in subject.document.links)
    if external:
        yield f"- {counted(external, 'link')} to other places: nothing was fetched."
    if outside:
        yield f"- {counted(outside, 'link')} out of the workspace."
    if any(link.is_image for link in subject.document.links):
        yield "- What the images show."
    if not sections.is_design_spec(subject.document):
        yield "- Which sections are missing: it does not look like a design spec (by its title and headings)."
    if any(fence.language == "mermaid" for fence in subject.document.fences):
        yield "- Diagrams."


def _unchecked_of_diff(subject: Subject) -> Iterator[str]:
    assert subject.change is not None
    known = {language for pattern in patterns() for language in pattern.languages}
    foreign = sorted({language_of(file.path) for file in subject.change.files} - known)
    binary = sum(file.is_binary for file in subject.change.files)
    if foreign:
        yield f"- Unsafe patterns in {', '.join(foreign)}: only secrets, personal data, what holds for all languages."
    long = sum(len(line.text) > change.MAX_LINE_CHARS for file in subject.change.files for line in file.added)
    if long:
        yield f"- Ends of {counted(long, 'line')} of over {change.MAX_LINE_CHARS:,} characters: only for secrets."
    if binary:
        yield f"- {counted(binary, 'binary file')}."
    yield "- The code around the change: only the lines of the diff were read. Nothing was run."


def _method(review: Review) -> list[str]:
    asked = sum(len(one.talk) for one in review.exchanges)
    voted = sum(ruling.status != "not voted" for ruling in review.rulings.values())
    names: Mapping[str, int] = {name: sum(one.finding.by == name for one in review.exchanges) for name in REVIEWERS}
    found = ", ".join(f"{name} {number}" for name, number in names.items())
    return ["## How it came about", "",
            f"Points found: {found}. They asked each other {counted(asked, 'question')}, and voted on "
            f"{counted(voted, 'disputed point')} and on the verdict. Rules, not a model, have read it: what no rule "
            "knows was not seen."]  # fmt: skip
