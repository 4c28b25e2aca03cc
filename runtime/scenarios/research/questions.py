"""What a question asks for: its parts, and of each part the names, the words and the kind of answer.

No dictionary of grammar is at work: an English question is recognised by its question word, a name by its capitals.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from msgspec import Struct

from fleetlog.runtime.scenarios.research.lexicon import Lexicon

__all__ = ["Kind", "Query", "Term", "Word", "names_in", "parts_of", "query_of", "tokens"]

Kind = Literal["number", "date", "name", "place", "reason", "yes or no", "text"]

_WH = r"(?:who|whom|whose|what|when|where|why|which|how)"
_AUXILIARY = r"(?:is|are|was|were|does|do|did|can|could|has|have|had|will|would|should|must|may)"
_CUT = re.compile(
    rf"[?;]+\s*|,?\s+(?:and|or|but)\s+(?=(?:(?:in|by|at|for|from|to|on|with|of|since)\s+)?{_WH}\b)"
    rf"|,\s*(?=(?:(?:in|by|at|for|from|to|on|with|of|since)\s+)?{_WH}\b)|,?\s+and\s+(?={_AUXILIARY}\s+(?:it|they|he|she)\b)",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"[^\W_]+(?:[.,][0-9]+)*(?:['’][^\W_]+)?")
_NAME = re.compile(
    r"(?<![\w.])(?:[A-Z][\w'’]*|[A-Z0-9]+[A-Z][\w]*)(?:[\s-]+(?:(?:of|de|van|von)\s+(?:the\s+)?)?(?:[A-Z][\w'’]*|\d+[\w.]*))*"
)
_QUOTED = re.compile(r"[\"“]([^\"”]{2,80})[\"”]|`([^`]{2,80})`")
_THING = re.compile(r"\b(?:the|a|an|our)\s+([\w-]+)(?:\s+([\w-]+))?", re.IGNORECASE)
_PRONOUN = re.compile(r"\b(?:it|they|he|she|him|them)\b|\b(its|their|his|her)\b", re.IGNORECASE)
_CLASS = re.compile(rf"^(?:[a-z]+\s+)?(?:what|which)\s+(?!{_AUXILIARY}\b)([\w-]+)", re.IGNORECASE)
_HOW_LONG = re.compile(r"\bhow long (?:does|did|do|will|has|have|had)\b", re.IGNORECASE)
_FIRST_WORD = re.compile(rf"^(?:{_WH}|{_AUXILIARY})\b", re.IGNORECASE)


class Word(Struct, frozen=True):
    """A word that an answer should have: itself and those of its meaning. `share` is what it counts of its rarity."""

    said: str
    alike: tuple[str, ...]
    share: float = 1.0


class Term(Struct, frozen=True):
    """A name or a figure that an answer must have, or be about: in any of its spellings."""

    spellings: tuple[str, ...]


class Query(Struct, frozen=True):
    """A part of a question, taken apart."""

    text: str
    kind: Kind
    names: tuple[Term, ...]
    words: tuple[Word, ...]

    @property
    def searched(self) -> Iterator[str]:
        """The words to look for."""
        for name in self.names:
            yield from (token.lower() for spelling in name.spellings for token in tokens(spelling))
        for word in self.words:
            yield from word.alike


def tokens(text: str) -> list[str]:
    """The words and figures as they are written."""
    return _TOKEN.findall(text)


# --- the parts of a question ---------------------------------------------------------------------


def parts_of(question: str, lexicon: Lexicon) -> list[str]:
    """The questions in it, each whole for itself: what `it` stands for is put in its place."""
    parts: list[str] = []
    for piece in filter(None, (piece.strip(" ,.?\n") for piece in _CUT.split(question.strip()))):
        parts.append(_whole(piece, parts, lexicon))
    return list(dict.fromkeys(parts))


def _whole(piece: str, before: Sequence[str], lexicon: Lexicon) -> str:
    if not before or names_in(piece):
        return piece
    subject = _subject(before[0])
    if _PRONOUN.search(piece) and subject:
        return _PRONOUN.sub(lambda found: f"{subject}'s" if found[1] else subject, piece, count=1)
    if not _content(piece, lexicon):  # a bare `and when?`
        return f"{piece} ({_without_first_word(before[-1])})"
    return piece if _THING.search(piece) or not subject else f"{piece} ({subject})"


def _subject(part: str) -> str:
    """What a part is about: its longest name, else its first `the ...`."""
    if names := names_in(part):
        name = max(names, key=len)
        return f"the {name}" if f"the {name}" in part else name
    if thing := _THING.search(part):
        rest = part[thing.end() :].strip()
        return (
            f"the {thing[1]} {thing[2]}" if thing[2] and rest and not _FIRST_WORD.match(thing[2]) else f"the {thing[1]}"
        )
    return ""


def _without_first_word(part: str) -> str:
    return re.sub(rf"^{_WH}\s+", "", part, flags=re.IGNORECASE)


def names_in(part: str) -> list[str]:
    """Names: words with a capital, together; quoted words; not the word that begins a question."""
    quoted = [found[1] or found[2] for found in _QUOTED.finditer(part)]
    rest = _FIRST_WORD.sub(lambda found: found[0].lower(), _QUOTED.sub(" ", part))
    names = [found[0] for found in _NAME.finditer(rest)]
    if rest[:1].isupper() and names and rest.startswith(names[0]) and " " not in names[0]:
        names = names[1:]  # the capital may be that of the sentence
    return [re.sub(r"['’]s$", "", name) for name in (*quoted, *names)]


def _content(part: str, lexicon: Lexicon) -> list[str]:
    return [token for token in tokens(part.lower()) if token not in lexicon.stopwords]


# --- one part ------------------------------------------------------------------------------------


def query_of(part: str, lexicon: Lexicon, aliases: Sequence[tuple[str, str]] = ()) -> Query:
    """The part taken apart; `aliases` are pairs of names for one thing, which the corpus has told."""
    names = names_in(part)
    figures = [token for token in tokens(part) if token[0].isdigit() and not any(token in name for name in names)]
    in_names = {token.lower() for name in names for token in tokens(name)}
    words = [word for word in dict.fromkeys(_content(part, lexicon)) if word not in in_names and word not in figures]
    words = [word.removesuffix("'s").removesuffix("’s") for word in words]
    if _HOW_LONG.search(part) and "long" in words:  # of time, not of metres
        words.remove("long")
    asked = _CLASS.match(part)
    of_class = asked[1].lower() if asked and len(words) > 1 else ""
    return Query(
        text=part,
        kind=_kind_of(part.lower(), lexicon),
        names=tuple(Term(_spellings(name, aliases)) for name in (*dict.fromkeys(names), *dict.fromkeys(figures))),
        words=tuple(Word(word, lexicon.alike(word), 0.3 if word == of_class else 1.0) for word in words),
    )


def _spellings(name: str, aliases: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    others = [b if a.lower() == name.lower() else a for a, b in aliases if name.lower() in (a.lower(), b.lower())]
    return tuple(dict.fromkeys((name, *others)))


def _kind_of(part: str, lexicon: Lexicon) -> Kind:
    said = set(tokens(part))
    if re.search(r"\bhow (?:many|much|long|far|high|tall|wide|deep|old|big|large|fast|heavy|often|hot|cold)\b", part):
        return "number"
    asks_what = re.search(r"\b(?:what|which)\b(.{0,40})", part)
    asked = set(tokens(asks_what[1])) if asks_what else set()
    if "when" in said or asked & lexicon.dated:
        return "date"
    if asked & lexicon.measured:
        return "number"
    if said & {"who", "whom", "whose"} or asked & lexicon.named:
        return "name"
    if "where" in said:
        return "place"
    if "why" in said:
        return "reason"
    return "yes or no" if re.match(rf"{_AUXILIARY}\b", part) else "text"
