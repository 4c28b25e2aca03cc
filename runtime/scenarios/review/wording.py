"""Words that decide nothing: what is still to be decided, and requirements that nobody can measure. Pure."""

import re
from collections.abc import Iterator

from fleetlog.runtime.scenarios.review.document import Document, Passage, without_code
from fleetlog.runtime.scenarios.review.findings import CODE_REVIEWER, CONSIDER, FRONTEND, SHOULD, Finding
from fleetlog.runtime.scenarios.review.subject import Subject

__all__ = [
    "OPEN_SECTION",
    "UNDECIDED",
    "UNMEASURED",
    "check_undecided",
    "check_unmeasured",
    "open_questions",
    "sentences",
]

UNDECIDED, UNMEASURED = "undecided", "no measure"
OPEN_SECTION = re.compile(r"open (?:question|point|issue)|to be decided|unresolved|undecided|\bTODO\b|\bTBD\b", re.I)
_BACKGROUND = re.compile(
    r"^[\W\d]*(?:background|motivation|context|introduction|non[- ]?goals?|out of scope|history|glossary)", re.I
)
_OPEN_WORDS = re.compile(
    r"(?<![\w-])(?:TODO|TBD|TBC|FIXME|XXX)(?![\w-])|\?\?\?|\bto be (?:decided|determined|defined|confirmed|specified)\b"
    r"|\blorem ipsum\b",
)
_DEMANDS = re.compile(r"\b(?:must|should|shall|will|needs? to|has to|have to|is required to)\b", re.I)
_FOR_USERS = (
    r"user[- ]friendly|intuitive(?:ly)?|easy to (?:use|understand|learn)|easily|responsive|snappy|modern|clean|"
    r"seamless(?:ly)?"
)
_FOR_MACHINES = (
    r"fast|quick(?:ly)?|soon|as soon as possible|in a timely manner|scalable|scales? well|robust(?:ly)?|"
    r"efficient(?:ly)?|performant|high[- ]performance|highly available|low[- ]latency|reasonabl[ey]|"
    r"sufficient(?:ly)?|"
    r"appropriate(?:ly)?|reliabl[ey]|flexible|minimal|large number of|state[- ]of[- ]the[- ]art"
)
_VAGUE = {
    FRONTEND: re.compile(rf"(?<![\w-])(?:{_FOR_USERS})(?![\w-])", re.I),
    CODE_REVIEWER: re.compile(rf"(?<![\w-])(?:{_FOR_MACHINES})(?![\w-])", re.I),
}
_NOT_VAGUE = re.compile(r"\bas soon as (?!possible)|\bfast path|\bfast[- ]forward|\bclean ?up|\bclean slate", re.I)
_FIGURE = re.compile(r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|twice|zero)\b", re.I)


def sentences(passage: Passage) -> Iterator[tuple[int, str]]:
    """(offset, sentence), code blanked."""
    text, start = without_code(passage.text), 0
    for end in re.finditer(r"(?<=[.!?;])\s+(?=[A-Z(])|\Z", text):
        if text[start : end.start()].strip():
            yield start, text[start : end.start()]
        start = end.end()


def check_undecided(subject: Subject) -> Iterator[Finding]:
    """What is marked as open outside of the section that is for it."""
    for passage in _prose(subject.document):
        document = subject.document
        if document is None or document.is_under(passage.section, OPEN_SECTION):
            continue
        for offset, sentence in sentences(passage):
            found = _OPEN_WORDS.search(sentence)
            if found:
                said = " ".join(sentence.split())[:120]
                yield Finding(UNDECIDED, SHOULD, subject.name, passage.line_at(offset + found.start()),
                              f"Something is left undecided: {found[0]}",
                              "whoever builds it will decide it by accident",
                              "decide it, or move it to the open questions with a name and a date",
                              subject=found[0], quote=said)  # fmt: skip


def check_unmeasured(subject: Subject, owner: str) -> Iterator[Finding]:
    """Requirements with a word that has no measure, and no figure in the same sentence."""
    vague = _VAGUE.get(owner)
    if vague is None:
        return
    for passage in _prose(subject.document):
        if subject.document is None or subject.document.is_under(passage.section, _BACKGROUND):
            continue
        for offset, sentence in sentences(passage):
            found = vague.search(_NOT_VAGUE.sub(lambda skip: " " * len(skip[0]), sentence))
            if found and _DEMANDS.search(sentence) and not _FIGURE.search(sentence):
                said = " ".join(sentence.split())[:160]
                severity = CONSIDER if owner == FRONTEND else SHOULD
                yield Finding(UNMEASURED, severity, subject.name, passage.line_at(offset + found.start()),
                              f"A requirement has no measure: '{' '.join(found[0].split())}'",
                              "two people will disagree whether it is met",
                              "give the figure, and how it is measured",
                              subject=found[0].lower(), quote=said)  # fmt: skip


def open_questions(document: Document) -> list[tuple[int, str]]:
    """What the document itself holds open: (line, text)."""
    return [
        (passage.line, " ".join(passage.text.split()))
        for passage in document.passages
        if passage.kind != "heading" and document.is_under(passage.section, OPEN_SECTION)
    ]


def _prose(document: Document | None) -> Iterator[Passage]:
    if document is not None:
        yield from (passage for passage in document.passages if passage.kind != "heading")
