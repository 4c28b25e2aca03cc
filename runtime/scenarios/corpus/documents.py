"""The folder's documents as passages. Reads files; follows no link out of the folder.

Markdown and text are read by paragraphs, with the line a paragraph begins at; PDF by pages.
"""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

__all__ = ["Corpus", "Passage", "read_corpus"]

TEXTS = (".md", ".markdown", ".txt", ".text", ".rst")
MAX_BYTES = 20_000_000
MAX_FILES = 5_000
MAX_PASSAGE_CHARS = 4_000
_HEADING = re.compile(r"#{1,6}\s+(.+?)\s*#*$")


class Passage(Struct, frozen=True, array_like=True):
    """`place` is `line 12` or `page 3`; `heading` the one it stands under, empty without one."""

    source: str
    place: str
    heading: str
    text: str


class Corpus(Struct, frozen=True):
    """`unread` are files that were not read: (path, why)."""

    passages: tuple[Passage, ...]
    sources: tuple[str, ...]
    unread: tuple[tuple[str, str], ...] = ()


def read_corpus(folder: str, but: str = "") -> Corpus:
    """The documents below the folder but the file `but`, in the order of their paths; hidden ones are left out."""
    root = Path(folder).resolve()
    passages: list[Passage] = []
    sources, unread = [], []
    for number, path in enumerate(_documents(root, but)):
        name = path.relative_to(root).as_posix()
        try:
            if number >= MAX_FILES:
                raise Unread(f"more than {MAX_FILES:,} documents")
            found = list(_passages(path, name))
        except (Unread, OSError, ValueError) as error:
            unread.append((name, str(error) or type(error).__name__))
            continue
        passages += found
        sources.append(name)
    return Corpus(tuple(passages), tuple(sources), tuple(unread))


class Unread(Exception):
    """A document that cannot be used; the text says why."""


def _documents(root: Path, but: str) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if is_hidden or path.suffix.lower() not in (*TEXTS, ".pdf") or inside.as_posix() == but:
            continue
        if path.is_file() and path.resolve().is_relative_to(root):
            yield path


def _passages(path: Path, name: str) -> Iterator[Passage]:
    if path.stat().st_size > MAX_BYTES:
        raise Unread(f"it is larger than {MAX_BYTES // 1_000_000} MB")
    if path.suffix.lower() == ".pdf":
        yield from _pages(path, name)
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unread("it is not UTF-8 text") from error
    yield from _paragraphs(text, name)


def _paragraphs(text: str, name: str) -> Iterator[Passage]:
    heading, begun, lines = "", 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        title = _HEADING.match(line)
        if line.strip() and title is None:
            begun = begun or number
            lines.append(line.strip().lstrip("->*| ").strip())
            continue
        if lines:
            yield Passage(name, f"line {begun}", heading, " ".join(lines)[:MAX_PASSAGE_CHARS])
        begun, lines = 0, []
        heading = title[1] if title else heading


def _pages(path: Path, name: str) -> Iterator[Passage]:
    try:
        from pypdf import PdfReader
        from pypdf.errors import PyPdfError
    except ImportError as error:
        raise Unread("reading PDF needs pypdf: pip install 'fleetlog[pdf]'") from error
    try:
        for number, page in enumerate(PdfReader(path).pages, start=1):
            if text := " ".join((page.extract_text() or "").split()):
                yield Passage(name, f"page {number}", "", text[:MAX_PASSAGE_CHARS])
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Unread(f"it is no PDF that can be read: {error}") from error
