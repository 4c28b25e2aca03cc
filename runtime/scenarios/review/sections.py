"""What a design spec usually has, and this one lacks. Only for documents that look like one. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from fleetlog.runtime.scenarios.review.document import Document
from fleetlog.runtime.scenarios.review.findings import (
    CODE_REVIEWER,
    CONSIDER,
    FRONTEND,
    SECURITY,
    SHOULD,
    Finding,
    Severity,
)
from fleetlog.runtime.scenarios.review.subject import Subject

__all__ = ["PARTS", "SECTION", "Part", "check_sections", "is_design_spec", "mentions"]

SECTION = "missing section"
_MIN_WORDS = 60


class Part(NamedTuple):
    """`called` fits its headings, `told` sentences that say it without one."""

    name: str
    owner: str
    severity: Severity
    called: re.Pattern[str]
    told: re.Pattern[str]
    why: str
    fix: str


def _part(name: str, owner: str, severity: Severity, called: str, told: str, why: str, fix: str) -> Part:
    words = re.compile(called, re.IGNORECASE), re.compile(told, re.IGNORECASE)
    return Part(name, owner, severity, *words, why, fix)


PARTS = (
    _part("goals", CODE_REVIEWER, SHOULD,
          r"\bgoals?\b|objective|purpose|\baims?\b|motivation|\bproblem|requirements?|\bwhy\b",
          r"\bthe (?:goal|aim|purpose) (?:is|of)\b|\bwe want to\b|\bin order to\b",
          "nobody can tell whether it was reached",
          "say in three sentences what is different afterwards, and for whom"),
    _part("non-goals", CODE_REVIEWER, CONSIDER,
          r"non[- ]?goals?|out of scope|not in scope|\bscope\b|exclusions?|limits|limitations",
          r"\bout of scope\b|\bnot (?:part of|covered)\b|\bis no goal\b",
          "what is left out on purpose cannot be told from what was forgotten", "list what it will not do"),
    _part("security", SECURITY, SHOULD,
          r"secur|threat|privacy|\bauth|permission|access control|abuse",
          r"\bencrypt|\bpermission|\bauthori[sz]|\bauthenticat|\bTLS\b",
          "who may do what, and what an attacker can reach, is left to whoever builds it",
          "say who may do what, which data is worth protecting, and what happens to bad input"),
    _part("failures", FRONTEND, SHOULD,
          r"error|failure|edge case|\bempty\b|\bstates?\b|degrad|resilien|fault|when .* fails?",
          r"\bif .{0,60}\bfails?\b|\bon (?:an )?(?:error|failure)\b"
          r"|\bwhen .{0,60}\b(?:fails?|is down|is unavailable)\b",
          "what the user sees when it fails, or when there is nothing, is undecided",
          "for each screen or call: what is shown or returned while it loads, when it is empty, when it fails"),
    _part("testing", CODE_REVIEWER, SHOULD,
          r"\btest|verif|validation|acceptance|quality|\bQA\b",
          r"\b(?:is|are|be) tested\b|\b(?:unit|integration|end-to-end|load) tests?\b",
          "nobody knows when it is done", "say how each goal is checked, and on what data"),
    _part("rollout and rollback", CODE_REVIEWER, SHOULD,
          r"roll[- ]?(?:out|back)|deploy|migrat|releas|\blaunch|upgrade|feature flags?|delivery",
          r"\broll(?:ed|s|ing)? (?:it )?(?:back|out)\b|\bfeature flag\b|\bcanary\b|\bmigrat(?:e|ed|ion)\b|\brevert",
          "the way in and the way back are undecided", "say in which steps it goes live, and how it is taken back"),
    _part("monitoring", CODE_REVIEWER, CONSIDER,
          r"monitor|metric|observab|telemetry|\blogging\b|\balert|operations|\bSLOs?\b",
          r"\bmetrics?\b|\bdashboards?\b|\b(?:is|are|be) (?:logged|monitored|measured)\b",
          "a failure in use is told by its victims", "name the figures to watch, and who is woken by which"),
    _part("alternatives", CODE_REVIEWER, CONSIDER,
          r"alternative|options|trade-?offs?|rejected|considered|prior art",
          r"\binstead of\b|\bwe (?:considered|rejected)\b|\balternatives?\b|\brather than\b",
          "why it is done this way will be asked again", "name what else was possible, and why not"),
)  # fmt: skip

_TITLE = re.compile(r"\bspec(?:ification)?\b|\bdesign\b|\bproposal\b|\bRFC\b|\brequirements\b|\bPRD\b", re.IGNORECASE)
_HEADINGS = re.compile(
    r"goal|requirement|architecture|background|motivation|overview|\bdesign\b|\bAPI\b|data model|rollout|security|"
    r"alternatives|open questions|user stor|acceptance|interface|proposal",
    re.IGNORECASE,
)


def is_design_spec(document: Document) -> bool:
    """Its title says so, or at least two of its headings are those of one; and it is longer than a note."""
    words = sum(len(passage.text.split()) for passage in document.passages)
    titles = [section.title for section in document.sections]
    if words < _MIN_WORDS or not titles:
        return False
    return bool(_TITLE.search(titles[0])) or sum(bool(_HEADINGS.search(title)) for title in titles) >= 2


def check_sections(subject: Subject, owner: str) -> Iterator[Finding]:
    """The parts of a spec that this reviewer looks for, and that no heading and no lead-in names."""
    document = subject.document
    if document is None or not is_design_spec(document):
        return
    for part in PARTS:
        if part.owner == owner and not _has(document, part):
            title = f"There is no section on {part.name}"
            yield Finding(SECTION, part.severity, subject.name, 0, title, part.why, part.fix, subject=part.name)


def _has(document: Document, part: Part) -> bool:
    lead_ins = (passage.text.split("\n")[0][:60] for passage in document.passages)
    called = [section.title for section in document.sections]
    called += [text.partition(":")[0].partition(".")[0] for text in lead_ins if re.match(r"[^.:]{3,40}[.:]", text)]
    return any(part.called.search(title) for title in called)


def mentions(document: Document, words: re.Pattern[str]) -> list[int]:
    """The lines whose prose has such words, headings left out."""
    return [
        passage.line_at(found.start())
        for passage in document.passages
        if passage.kind != "heading"
        for found in words.finditer(passage.text)
    ]
