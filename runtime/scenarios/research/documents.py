"""What a corpus is made of: documents, their passages, the sentences of these. Text in, structs out; no files.

A sentence is always a verbatim piece of its source, but for line breaks and runs of spaces.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Document", "Passage", "Sentence", "passages_of_pages", "passages_of_text", "sentences_of", "squeezed"]

MAX_SENTENCE_CHARS = 800
"""A longer one is no sentence but a data dump; it is not quoted."""
SHORT_LINE = 0.75
"""A PDF's line that is shorter than this share of the page's longest may be a heading."""
MAX_BEFORE_CHARS = 500
"""Of the sentences before one that may say what it is about."""
MIN_WORDS = 2
_HEADING = re.compile(r"^ {0,3}#{1,6}\s+(?P<words>.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r"^(?:={3,}|-{3,})\s*$")
_RULE = re.compile(r"^\s*(?:[-*_]\s*){3,}$|^[\s|:+=-]+$")
_ITEM = re.compile(r"^\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_FENCE = re.compile(r"^\s*(```|~~~)")
_ABBREVIATION = re.compile(
    r"(?:\b(?:Dr|Mr|Mrs|Ms|Prof|St|No|Nos|vol|approx|ca|cf|e\.g|i\.e|etc|vs|Fig|Inc|Ltd|Jr|Sr|p|pp)|\b[A-Z])\.$"
)
_END = re.compile(r"""[.!?]["'”’)\]*_]*(?=\s+["'“‘(\[*_]*[A-Z0-9])|;(?=\s)""")
_SPACES = re.compile(r"\s+")


class Passage(Struct, frozen=True):
    """A paragraph, a list item or a row. `line` counts from 1 (0 in a PDF), `page` too (0 where there are none)."""

    text: str
    heading: str = ""
    line: int = 0
    page: int = 0


class Document(Struct, frozen=True):
    """A source that was read. `trouble` says why it could not be, in a phrase."""

    path: str
    title: str = ""
    passages: tuple[Passage, ...] = ()
    trouble: str = ""


class Sentence(Struct, frozen=True):
    """A sentence and what it stands in: those before it in its passage, the heading above it, the document's title."""

    path: str
    text: str
    line: int = 0
    page: int = 0
    before: str = ""
    heading: str = ""
    title: str = ""


def squeezed(text: str) -> str:
    """With single spaces."""
    return _SPACES.sub(" ", text).strip()


# --- text and Markdown ---------------------------------------------------------------------------


def passages_of_text(text: str) -> tuple[Passage, ...]:
    """The passages of Markdown, or of plain text."""
    return tuple(_passages(text.splitlines()))


def _passages(lines: list[str]) -> Iterator[Passage]:
    heading, start = "", 0
    held: list[str] = []
    for number, line in enumerate([*_without_code(lines), ""], start=1):
        found = _heading_at(lines, number, line)
        ends = found is not None or not line.strip() or _RULE.match(line)
        if held and (ends or _ITEM.match(line) or line.lstrip().startswith("|")):
            yield Passage("\n".join(held), heading, start)
            held = []
        if found is not None:
            heading = found
        elif not ends:
            start = start if held else number
            held.append(line)


def _without_code(lines: list[str]) -> Iterator[str]:
    """The lines, with those of fenced code blocks empty: code is no sentence."""
    fence = ""
    for line in lines:
        found = _FENCE.match(line)
        yield "" if fence or found else line
        if found:
            fence = "" if fence == found[1] else fence or found[1]


def _heading_at(lines: list[str], number: int, line: str) -> str | None:
    """The heading that stands in this line (counted from 1), also one that is underlined."""
    if found := _HEADING.match(line):
        return found["words"]
    above_is_blank = number < 2 or not lines[number - 2].strip()
    if line.strip() and above_is_blank and number < len(lines) and _UNDERLINE.match(lines[number]):
        return line.strip()
    return None


def passages_of_pages(pages: list[str]) -> tuple[Passage, ...]:
    """The passages of a PDF's pages. They are cut at blank lines and at what looks like a heading: a short line that no
    stop ends, before one that begins with a capital."""
    return tuple(passage for number, page in enumerate(pages, start=1) for passage in _of_page(page, number))


def _of_page(page: str, number: int) -> Iterator[Passage]:
    lines = [line.strip() for line in page.splitlines()]
    short = SHORT_LINE * max(map(len, lines), default=0)
    heading, held = "", list[str]()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        is_heading = bool(line) and len(line) < short and line[-1] not in ".,;:!?-" and below[:1].isupper()
        if line and not is_heading:
            held.append(line)
            continue
        if held:
            yield Passage("\n".join(held), heading, page=number)
        heading, held = line if is_heading else heading, []
    if held:
        yield Passage("\n".join(held), heading, page=number)


# --- sentences -----------------------------------------------------------------------------------


def sentences_of(document: Document, passage: Passage) -> Iterator[Sentence]:
    """The passage's sentences that can be quoted."""
    before = ""
    for offset, text in _cut(passage.text):
        said = squeezed(_ITEM.sub("", text))
        line = passage.line + passage.text.count("\n", 0, offset) if passage.line else 0
        if len(said) <= MAX_SENTENCE_CHARS and len(said.split()) >= MIN_WORDS:
            yield Sentence(document.path, said, line, passage.page, before, passage.heading, document.title)
        before = f"{before} {said}".strip()[-MAX_BEFORE_CHARS:]


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """(offset, sentence) of a passage's text."""
    start = 0
    for end in _END.finditer(text):
        if end[0] != ";" and _ABBREVIATION.search(text[start : end.start() + 1]):
            continue
        yield _from_first_word(text, start, end.end())
        start = end.end()
    if text[start:].strip():
        yield _from_first_word(text, start, len(text))


def _from_first_word(text: str, start: int, end: int) -> tuple[int, str]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), piece.strip()
