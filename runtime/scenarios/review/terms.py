"""Abbreviations that a document uses and never explains. Pure."""

import re
from collections.abc import Iterator

from fleetlog.runtime.scenarios.review.document import Document, Passage, without_code
from fleetlog.runtime.scenarios.review.findings import CONSIDER, SHOULD, Finding
from fleetlog.runtime.scenarios.review.lexicon import everyday
from fleetlog.runtime.scenarios.review.subject import Subject

__all__ = ["TERM", "check_terms", "undefined_terms"]

TERM = "undefined term"
_ACRONYM = re.compile(r"(?<![\w/.#@$-])([A-Z][A-Z0-9]{1,6})(s?)(?![\w/@-]|\.\w)")
_ROMAN = re.compile(r"[IVXLC]+")
_MANY_USES = 2


def check_terms(subject: Subject) -> Iterator[Finding]:
    """One finding for each abbreviation, at its first use."""
    if subject.document is None:
        return
    for term, lines in undefined_terms(subject.document).items():
        severity = SHOULD if len(lines) >= _MANY_USES else CONSIDER
        title = f"`{term}` is used and never explained"
        why = "a reader from another team has to guess"
        yield Finding(TERM, severity, subject.name, lines[0], title, why, f"write it out once: `... ({term})`",
                      subject=term, others=tuple(lines[1:]))  # fmt: skip


def undefined_terms(document: Document) -> dict[str, list[int]]:
    """Term -> the lines it is used in."""
    uses: dict[str, list[int]] = {}
    for passage in document.passages:
        if _shouts(passage):
            continue
        for found in _ACRONYM.finditer(without_code(passage.text)):
            if found[1] not in everyday() and not _ROMAN.fullmatch(found[1]):
                uses.setdefault(found[1], []).append(passage.line_at(found.start()))
    text = "\n".join(without_code(passage.text) for passage in document.passages)
    plain = set(re.findall(r"\b[a-z]{2,}\b", text))
    return {
        term: sorted(set(lines))
        for term, lines in uses.items()
        if term.lower() not in plain and not _is_defined(term, text, document)
    }


def _shouts(passage: Passage) -> bool:
    words = re.findall(r"[A-Za-z]{2,}", passage.text)
    capitals = sum(word.isupper() for word in words)
    return len(words) >= 3 and capitals > len(words) / 2


def _is_defined(term: str, text: str, document: Document) -> bool:
    name = re.escape(term)
    says = rf"""
        \w[\w-]{{0,40}}\s{{1,3}}\(\s*["'“]?{name}s?["'”]?\s*[,;)]                # Long Form (LF)
        | \b{name}s?\s+\((?!\d|see\b|e\.g)[^)]*[a-z]{{3,}}          # LF (Long Form)
        | \b{name}s?\s+(?:stands\s+for|means|denotes|is\s+short\s+for|is\s+(?:a|an|the|our)\b|are\s+(?:the|our)\b)
        | (?:^|\n)\W*{name}s?\s*(?:[:=\u2013\u2014]|\s-\s)\s*\w                # LF: long form
        | (?:called|known\s+as|abbreviated(?:\s+as)?|short(?:ened)?\s+(?:to|as)|hereafter)\s+["'“]?{name}\b
    """
    if re.search(says, text, re.VERBOSE):
        return True
    firsts: dict[int, str] = {}
    for passage in document.passages:
        if passage.kind == "cell":
            firsts.setdefault(passage.line, passage.text.strip())
    return term in firsts.values()
