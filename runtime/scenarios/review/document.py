"""A Markdown document as the checks see it: passages of prose with their lines, sections, links, lists. Pure."""

import re
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["Document", "Fence", "Link", "Listed", "Passage", "Section", "without_code"]

_CODE = re.compile(r"`[^`\n]*`")


class Section(Struct, frozen=True):
    title: str
    level: int
    line: int
    slug: str


class Passage(Struct, frozen=True):
    """Text that belongs together; code spans stand in backticks, and a line's end in the source is one here.
    `section` is an index, -1 before the first heading."""

    line: int
    text: str
    section: int
    kind: str

    def line_at(self, offset: int) -> int:
        """The document's line at an offset of the text."""
        return self.line + self.text.count("\n", 0, offset)


class Link(Struct, frozen=True):
    line: int
    href: str
    text: str
    is_image: bool


class Listed(Struct, frozen=True):
    """A list or a table's body, with the text just above it."""

    line: int
    count: int
    intro: str
    intro_line: int


class Fence(Struct, frozen=True):
    line: int
    language: str
    text: str
    section: int


class Document(Struct, frozen=True):
    sections: tuple[Section, ...]
    passages: tuple[Passage, ...]
    links: tuple[Link, ...]
    lists: tuple[Listed, ...]
    fences: tuple[Fence, ...]
    anchors: tuple[str, ...]
    lines: int

    def titles_of(self, section: int) -> Iterator[str]:
        """The title of the section, and of those it lies in, innermost first."""
        level = 7
        for index in range(section, -1, -1):
            if self.sections[index].level < level:
                level = self.sections[index].level
                yield self.sections[index].title

    def is_under(self, section: int, words: re.Pattern[str]) -> bool:
        """Is the section, or one it lies in, called so?"""
        return any(words.search(title) for title in self.titles_of(section))


def without_code(text: str) -> str:
    """The prose, with blanks in the place of code, so that offsets stay."""
    return _CODE.sub(lambda found: " " * len(found[0]), text)
