"""The debate: whom a finding's owner asks, what is answered from the other's field, and what the owner makes of it.

A fact (`refutes`) ends a finding. A judgement (`doubts`) ends it when it was only worth considering; else the owner
holds it, and the council decides. Pure, but for what `brains` has looked up in git and hands in.
"""

import re
from collections.abc import Sequence
from types import MappingProxyType
from typing import NamedTuple

from msgspec.structs import replace

from fleetlog.runtime.scenarios.explore.languages import is_aside, is_test
from fleetlog.runtime.scenarios.review import change, figures, links, sections, terms, wording
from fleetlog.runtime.scenarios.review.document import Document
from fleetlog.runtime.scenarios.review.findings import (
    CODE_REVIEWER,
    CONSIDER,
    FRONTEND,
    MUST,
    SECURITY,
    SEVERITIES,
    Answer,
    Exchange,
    Finding,
)
from fleetlog.runtime.scenarios.review.lexicon import meanings
from fleetlog.runtime.scenarios.review.secrets import PERSONAL, SECRET
from fleetlog.runtime.scenarios.review.subject import Subject

__all__ = ["MAX_QUESTIONS", "Fate", "opinion", "questions_about", "settled", "votes_for"]

MAX_QUESTIONS = 40
_UNSAFE = frozenset(
    {"code injection", "shell injection", "unsafe deserialization", "SQL injection", "TLS not verified", "weak hash",
     "guessable secret", "debug left on", "open to all", "privileged container", "script from the network",
     "token within reach of scripts"}
)  # fmt: skip
_GUARDS = re.compile(
    r"auth|login|session|token|passw|lock|attempt|retention|otp|\bkey|credential|permission|access|"
    r"lifetime|expir|reset",
    re.I,
)
_PEOPLE = re.compile(
    r"\b(?:users?|forms?|pages?|screens?|buttons?|browsers?|uploads?|log[- ]?in|customers?|visitors?)\b", re.I
)
_IRREVERSIBLE = re.compile(
    r"\b(?:migrat\w+|schema|delete[sd]?|drop(?:s|ped)?|encrypt\w*|irreversibl\w+|backfill)\b", re.I
)
_SAMPLE = re.compile(r"\b(?:example|sample|e\.g\.|for instance|such as|dummy|fictional)\b", re.I)
_MEASURES = (
    (
        r"fast|quick|responsive|snappy|performan|latency|efficient|timely|soon",
        r"\d\s?(?:ms|milliseconds)\b|\bp9[059]\b|\d+ ?fps\b|"
        r"\b(?:answers?|responds?|renders?|loads?|takes?|responses?|latency)\b[^.]{0,40}\d\s?(?:s|seconds?)\b",
    ),
    (r"scal|large", r"\d[\d,.]*\s?(?:k|million)?\s?(?:\w+ )?(?:users|requests|rows|orders|messages|GB|TB)\b"),
    (r"avail|reliab|robust", r"\d\s?%|\d nines"),
    (
        r"easy|easily|intuitive|friendly",
        r"\b(?:steps|clicks|of (?:the )?(?:users|people|testers))\b.{0,40}\d|\d+\s?(?:%|of \d+|clicks|steps)",
    ),
)
"""A vague word, and what would be a measure of it."""
_SAFE_HTML = re.compile(r"DOMPurify|sanitiz|sanitis|escapeHtml|escape_html|trustedHTML|createHTML", re.I)
_FIXED_HTML = re.compile(r"(?:innerHTML|outerHTML)\s*=\s*(?:\"[^\"]*\"|'[^']*'|`[^`$]*`)\s*;?\s*$")
_FIXED_CALL = re.compile(
    r"(?:system|popen|run|call|check_call|check_output|Popen|eval|exec|loads)\s*\(\s*[rb]?(?:\"[^\"{]*\"|'[^'{]*')\s*(?:,|\))"
)


class Fate(NamedTuple):
    """What git knows of a path that is not there; see `reading.fate_of`."""

    what: str = ""
    said: str = ""


class _Question(NamedTuple):
    to: str
    text: str


def questions_about(finding: Finding) -> list[_Question]:
    """Whom its owner asks about it, and what."""
    match finding.kind:
        case links.LINK | links.IMAGE if finding.subject:
            return [_Question(CODE_REVIEWER, f"Is `{finding.subject}` generated, or was it moved?")]
        case terms.TERM:
            text = f"Is `{finding.subject}` a word of your field that its readers know?"
            return [_Question(FRONTEND, text), _Question(SECURITY, text)]
        case figures.CONTRADICTION:
            return [
                _Question(SECURITY, f"Does the {finding.subject} keep anybody out?"),
                _Question(FRONTEND, f"Does a user notice the {finding.subject}; is it the same one in each place?"),
            ]
        case wording.UNMEASURED:
            to = CODE_REVIEWER if finding.by == FRONTEND else FRONTEND
            return [_Question(to, f"Does another place give a measure for '{finding.subject}' (line {finding.line})?")]
        case sections.SECTION:
            return _about_section(finding)
        case "secret" | "personal data":
            return [
                _Question(CODE_REVIEWER, f"Is this made up, or for a test (line {finding.line}): {finding.subject}?")
            ]
        case "raw HTML":
            return [_Question(FRONTEND, f"Can a user's text get there: {finding.quote}")]
        case "swallowed error" | change.TEST_REMOVED | "test switched off" | change.CHECK_REMOVED:
            return [
                _Question(SECURITY, f"Does this hide or guard a check of yours: {finding.quote or finding.subject}")
            ]
        case kind if kind in _UNSAFE:
            return [_Question(CODE_REVIEWER, f"Where does its input come from, and who runs it: {finding.quote}")]
    return []


def _about_section(finding: Finding) -> list[_Question]:
    match finding.subject:
        case "security":
            return [_Question(FRONTEND, "Does what a person types or uploads reach this?"),
                    _Question(CODE_REVIEWER, "Is it said somewhere without a heading: security?")]  # fmt: skip
        case "failures":
            return [_Question(CODE_REVIEWER, "Is it said somewhere without a heading: failures?")]
        case "rollout and rollback":
            return [_Question(SECURITY, "Is there something in it that cannot be taken back?"),
                    _Question(FRONTEND, "Is it said somewhere without a heading: rollout and rollback?")]  # fmt: skip
    return [_Question(FRONTEND, f"Is it said somewhere without a heading: {finding.subject}?")]


def opinion(reviewer: str, finding: Finding, subject: Subject, fate: Fate | None = None) -> Answer:
    """What a reviewer says of another's finding, from its own field."""
    match finding.kind:
        case links.LINK | links.IMAGE:
            return _of_link(reviewer, fate or Fate())
        case terms.TERM:
            return _of_term(reviewer, finding)
        case figures.CONTRADICTION:
            return _of_contradiction(reviewer, finding)
        case wording.UNMEASURED:
            return _of_measure(finding, subject)
        case sections.SECTION:
            return _of_section(reviewer, finding, subject)
        case "secret" | "personal data":
            return _of_secret(finding, subject)
        case "raw HTML":
            return _of_html(reviewer, finding)
        case "swallowed error" | change.TEST_REMOVED | "test switched off" | change.CHECK_REMOVED:
            return _of_guard(reviewer, finding)
        case kind if kind in _UNSAFE:
            return _of_unsafe(reviewer, finding)
    return Answer("abstains", "not of my field")


def _of_link(reviewer: str, fate: Fate) -> Answer:
    if reviewer != CODE_REVIEWER:
        return Answer("abstains", "not of my field")
    match fate.what:
        case "ignored":
            return Answer("refutes", f"it is generated: {fate.said} keeps it out of git")
        case "removed":
            return Answer("confirms", f"it was there until commit {fate.said}")
    return Answer("confirms", "git neither ignores it nor has ever had it")


def _of_term(reviewer: str, finding: Finding) -> Answer:
    meaning = meanings(reviewer).get(finding.subject)
    if meaning:
        return Answer("refutes", f"everybody in my field knows it: {meaning}")
    return Answer("abstains", "I do not know it")


def _of_contradiction(reviewer: str, finding: Finding) -> Answer:
    if finding.quote:
        return Answer("doubts", f"they may be two things: {finding.quote}")
    if reviewer == SECURITY and _GUARDS.search(finding.subject):
        return Answer("confirms", "it keeps somebody out, and the weaker value is what an attacker gets", MUST)
    if reviewer == FRONTEND and finding.kind == figures.CONTRADICTION:
        return Answer("confirms", "I would not know which to build and to show")
    return Answer("abstains", "nothing of mine hangs on it")


def _of_measure(finding: Finding, subject: Subject) -> Answer:
    document = subject.document
    assert document is not None
    section = _section_at(document, finding.line)
    measures = [measure for word, measure in _MEASURES if re.search(word, finding.subject)]
    for passage in document.passages:
        if passage.section != section or passage.kind == "heading":
            continue
        for found in filter(None, (re.search(measure, passage.text, re.IGNORECASE) for measure in measures)):
            return Answer("refutes", f"line {passage.line_at(found.start())} gives it: {' '.join(found[0].split())}")
    return Answer("confirms", "its section has no figure that could be meant")


def _section_at(document: Document, line: int) -> int:
    return max((index for index, section in enumerate(document.sections) if section.line <= line), default=-1)


def _of_section(reviewer: str, finding: Finding, subject: Subject) -> Answer:
    document = subject.document
    assert document is not None
    if finding.subject == "security" and reviewer == FRONTEND:
        if lines := sections.mentions(document, _PEOPLE):
            return Answer("confirms", f"people use it ({_lines(lines)})", MUST if len(lines) > 2 else None)
        return Answer("doubts", "no person and no page is mentioned")
    if finding.subject == "rollout and rollback" and reviewer == SECURITY:
        if lines := sections.mentions(document, _IRREVERSIBLE):
            return Answer("confirms", f"data is changed for good ({_lines(lines)})")
        return Answer("abstains", "I see nothing that could not be taken back")
    part = next(part for part in sections.PARTS if part.name == finding.subject)
    if lines := sections.mentions(document, part.told):
        return Answer("doubts", f"it is said without a heading ({_lines(lines)})")
    return Answer("confirms", "no sentence speaks of it either")


def _lines(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, sorted(set(lines))[:4]))
    return f"line {shown}" if len(set(lines)) == 1 else f"lines {shown}{', ...' if len(set(lines)) > 4 else ''}"


def _of_secret(finding: Finding, subject: Subject) -> Answer:
    if finding.kind == SECRET and finding.subject == "documented":
        return Answer("refutes", "it is the key that the maker prints in its manual")
    if is_test(finding.path) or (subject.kind == "diff" and is_aside(finding.path)):
        return Answer("doubts", "the file is a test or a sample, so it may be made up")
    if finding.kind == PERSONAL and _SAMPLE.search(_line(subject, finding.line)):
        return Answer("doubts", "the line calls it an example")
    return Answer("confirms", "nothing around it says that it is made up")


def _line(subject: Subject, number: int) -> str:
    lines = subject.text.split("\n")
    return lines[number - 1] if 0 < number <= len(lines) else ""


def _of_html(reviewer: str, finding: Finding) -> Answer:
    if _SAFE_HTML.search(finding.quote):
        return Answer("refutes", "it is sanitized in the same line")
    if _FIXED_HTML.search(finding.quote):
        return Answer("refutes", "the text is fixed")
    return (
        Answer("confirms", "the value is a variable") if reviewer == FRONTEND else Answer("abstains", "not of my field")
    )


def _of_guard(reviewer: str, finding: Finding) -> Answer:
    if reviewer == SECURITY and _GUARDS.search(f"{finding.path} {finding.subject} {finding.quote}"):
        return Answer("confirms", "it has to do with who gets in", MUST)
    return Answer("abstains", "no check of mine hangs on it")


def _of_unsafe(reviewer: str, finding: Finding) -> Answer:
    if _FIXED_CALL.search(finding.quote) and finding.kind not in ("unsafe deserialization", "TLS not verified"):
        return Answer("refutes", "its input is a fixed text")
    if is_test(finding.path):
        return Answer("doubts", "only tests run it, on input of their own")
    if reviewer == CODE_REVIEWER:
        return Answer("confirms", "the product runs it, and its input is not fixed")
    return Answer("abstains", "not of my field")


def settled(finding: Finding, talk: Sequence[tuple[str, str, Answer]]) -> Exchange:
    """What the owner makes of the answers."""
    answers = [answer for _, _, answer in talk]
    for says in ("refutes", "doubts"):
        for who, _, answer in talk:
            if answer.says == says and (says == "refutes" or finding.severity == CONSIDER):
                return Exchange(finding, "withdrawn", tuple(talk), f"{who}: {answer.why}")
    wanted = [answer.severity for answer in answers if answer.severity is not None]
    gravest = min([finding.severity, *wanted], key=SEVERITIES.index)
    kept = replace(finding, severity=gravest)
    doubters = [who for who, _, answer in talk if answer.says == "doubts"]
    return Exchange(kept, "held" if doubters else "stands", tuple(talk))


def votes_for(reviewer: str, finding: Finding, subject: Subject) -> Answer:
    """How a reviewer votes on a finding that is held against a doubt: its owner for it; who has something against it,
    against it; who has nothing to say leaves it to its owner."""
    if finding.by == reviewer:
        return Answer("confirms", _HELD.get(finding.kind, "I would rather have it said once too often"))
    said = opinion(reviewer, finding, subject)
    if said.says == "abstains":
        return Answer("confirms", f"{said.why}; I go with {finding.by}")
    return said


_HELD = MappingProxyType({
    SECRET: "what looks like a key gets copied like one, and a scanner will stop the next release",
    PERSONAL: "an example that could be somebody's is no better than a real one",
    figures.CONTRADICTION: "if they are two things, they need two names",
    sections.SECTION: "what has no heading is not found by who needs it",
    **dict.fromkeys(_UNSAFE, "tests get copied into products, and run on machines that hold keys"),
})  # fmt: skip
