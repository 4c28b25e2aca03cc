"""Reads Markdown (CommonMark and tables) into a `Document`. The one module that knows markdown-it."""

import re
import unicodedata

from markdown_it import MarkdownIt
from markdown_it.token import Token

from fleetlog.runtime.scenarios.review.document import Document, Fence, Link, Listed, Passage, Section

__all__ = ["parse", "slug_of"]

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_NAMED = re.compile(r"<[a-zA-Z][^>]*?\s(?:id|name)\s*=\s*[\"']?([^\s\"'>]+)")
_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = r"\b{}\s*=\s*[\"']([^\"']*)[\"']"
_KINDS = {"heading_open": "heading", "list_item_open": "item", "th_open": "head", "td_open": "cell",
          "blockquote_open": "quote"}  # fmt: skip
_ITEMS = ("bullet_list_open", "ordered_list_open", "table_open")


def parse(text: str) -> Document:
    """The document; any text is one."""
    front = _FRONT_MATTER.match(text)
    body = "\n" * front[0].count("\n") + text[front.end() :] if front else text
    reader = _Reader()
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    for index, token in enumerate(tokens):
        reader.block(tokens, index, token)
    return reader.document(text.count("\n") + (not text.endswith("\n")))


def slug_of(title: str) -> str:
    """The anchor that code hosts give a heading."""
    kept = (letter for letter in title.strip().lower() if letter in " -_" or unicodedata.category(letter)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


class _Reader:
    """Gathers while the blocks go by."""

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.passages: list[Passage] = []
        self.links: list[Link] = []
        self.lists: list[Listed] = []
        self.fences: list[Fence] = []
        self.anchors: list[str] = []
        self.around: list[str] = []
        self.slugs: dict[str, int] = {}
        self.level = 1

    def document(self, lines: int) -> Document:
        return Document(
            tuple(self.sections),
            tuple(self.passages),
            tuple(self.links),
            tuple(self.lists),
            tuple(self.fences),
            tuple(self.anchors),
            lines,
        )

    def block(self, tokens: list[Token], index: int, token: Token) -> None:
        line = token.map[0] + 1 if token.map else 0
        if token.type == "inline":
            self._inline(token, line)
        elif token.type in ("fence", "code_block"):
            language = token.info.split()[0].lower() if token.info.split() else ""
            self.fences.append(Fence(line + (token.type == "fence"), language, token.content, len(self.sections) - 1))
        elif token.type == "html_block":
            self._html(token.content, line)
        elif token.type in _ITEMS and "item" not in self.around:
            self._listed(tokens, index, line)
        if token.type == "heading_open":
            self.level = int(token.tag[1:])
        if token.nesting == 1:
            self.around.append(_KINDS.get(token.type, ""))
        elif token.nesting == -1:
            self.around.pop()

    def _listed(self, tokens: list[Token], index: int, line: int) -> None:
        opening = tokens[index]
        inside = "tr_open" if opening.type == "table_open" else "list_item_open"
        deeper = 2 if opening.type == "table_open" else 1
        count, is_body = 0, opening.type != "table_open"
        for token in tokens[index + 1 :]:
            if token.level == opening.level and token.nesting == -1:
                break
            is_body = is_body or token.type == "tbody_open"
            count += is_body and token.type == inside and token.level == opening.level + deeper
        above = tokens[index - 2] if index > 1 and tokens[index - 1].type == "paragraph_close" else None
        if above is not None and above.type == "inline":
            end = (above.map or [0, 0])[1]
            self.lists.append(Listed(line, count, above.content, end))

    def _inline(self, token: Token, line: int) -> None:
        kind = next((kind for kind in reversed(self.around) if kind), "paragraph")
        if kind == "heading":
            self._section(token, line)
        text = self._children(token, line)
        self.passages.append(Passage(line, text, len(self.sections) - 1, kind))

    def _section(self, token: Token, line: int) -> None:
        title = "".join(child.content for child in token.children or [] if child.type in ("text", "code_inline"))
        slug = slug_of(title)
        seen = self.slugs.get(slug, 0)
        self.slugs[slug] = seen + 1
        self.sections.append(Section(title, self.level, line, f"{slug}-{seen}" if seen else slug))

    def _children(self, token: Token, line: int) -> str:
        parts: list[str] = []
        for index, child in enumerate(token.children or []):
            here = line + "".join(parts).count("\n")
            match child.type:
                case "softbreak" | "hardbreak":
                    parts.append("\n")
                case "code_inline":
                    parts.append(f"`{child.content}`")
                case "image":
                    self.links.append(Link(here, str(child.attrGet("src") or ""), child.content, is_image=True))
                case "link_open":
                    self.links.append(
                        Link(here, str(child.attrGet("href") or ""), _label(token, index), is_image=False)
                    )
                case "html_inline":
                    self._html(child.content, here)
                case "text":
                    parts.append(child.content)
        return "".join(parts)

    def _html(self, html: str, line: int) -> None:
        self.anchors += _NAMED.findall(html)
        for tag in _IMAGE.finditer(html):
            found = {name: re.search(_ATTRIBUTE.format(name), tag[0]) for name in ("src", "alt")}
            source, alt = found["src"], found["alt"]
            here = line + html.count("\n", 0, tag.start())
            text = "" if alt is None else alt[1] or "decorative"
            self.links.append(Link(here, source[1] if source else "", text, is_image=True))


def _label(token: Token, index: int) -> str:
    said = []
    for child in (token.children or [])[index + 1 :]:
        if child.type == "link_close":
            break
        said.append(child.content)
    return "".join(said)
