"""What a sentence answers: the figures, dates and names in it, in a form that can be compared."""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from fleetlog.runtime.scenarios.research.lexicon import Lexicon
from fleetlog.runtime.scenarios.research.questions import Kind, tokens

__all__ = [
    "VALUED",
    "Value",
    "compatible",
    "months_of",
    "qualifiers_of",
    "values_of",
    "years_of",
]

_UNITS = {
    "m": "metre", "metres": "metre", "meters": "metre", "meter": "metre", "km": "kilometre", "cm": "centimetre",
    "kilometres": "kilometre", "kilometers": "kilometre", "kilometer": "kilometre", "mm": "millimetre",
    "kg": "kilogram", "kilograms": "kilogram", "kilogrammes": "kilogram", "t": "tonne", "tonnes": "tonne",
    "tons": "tonne", "%": "percent", "s": "second", "min": "minute", "h": "hour", "hrs": "hour",
    "€": "euro", "$": "dollar", "£": "pound", "°c": "degree",
}  # fmt: skip
_SCALES = {"thousand": 1_000.0, "million": 1_000_000.0, "billion": 1_000_000_000.0}
_FIGURE = re.compile(
    r"(?<![\w.])(?P<sign>[€$£]\s?)?"
    r"(?P<number>\d{1,3}(?:[,\u00a0\u202f ]\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?)"
    r"(?P<rest>%|°\s?C|\s+[^\W\d_]+|-[^\W\d_]+|[^\W\d_]{1,3}\b)?"
    r"(?:\s+(?P<next>[^\W\d_]+))?"
)
_YEAR = re.compile(
    r"(?<![\d.,€$£])(?P<year>1[0-9]{3}|20[0-9]{2}|21[0-9]{2})(?![\d%]|[.,]\d)(?:\s?(?P<rest>[^\W\d_]+))?"
)
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_CAPITAL = r"(?:[A-Z][\w'’]+(?:-[A-Z][\w]+)*|[A-Z]\.)"
_CAPITALS = re.compile(rf"{_CAPITAL}(?:\s+(?:(?:de|van|von|of|the|and|&)\s+)*{_CAPITAL})*")
_IN_PLACE = re.compile(
    r"\b(?:in|at|near|on|from|between|along|off|beside|under|above|opposite|behind|outside|of)\s+(?:the\s+)?"
    r"([A-Z][\w'’-]*(?:\s+[A-Z][\w'’-]*)*|(?:north|south|east|west)\w*\b)"
)
_OF_PLACE = re.compile(r"\b(?:of|in|at|near)\s+(?:the\s+)?$")
_BEFORE_YEAR = re.compile(r"\b(?:the|in|since|until|till|by|from|of|and|to|between|after|before)\s+$", re.IGNORECASE)
_MARKS = re.compile(r"[*_`|]+")


VALUED = ("number", "date", "name")
"""Kinds of answers that can be compared."""


class Value(Struct, frozen=True):
    """`said` as it stands in the sentence; `key` for comparing: a number with its unit, a date, a name."""

    said: str
    key: tuple[str, ...]


def values_of(kind: Kind, text: str, asked: Iterable[str], lexicon: Lexicon) -> tuple[Value, ...]:
    """The sentence's values of the kind that is asked for; `asked` are the question's own words, in lower case, which
    are no answer to it. Empty when there is none."""
    text = _MARKS.sub(" ", text)
    known = set(asked)
    match kind:
        case "number":
            return tuple(_asked_for(list(_figures(text, known, lexicon)), known))
        case "date":
            return tuple(_dates(text, lexicon))
        case "name":
            return tuple(_names(text, known, lexicon))
        case "place":
            return tuple(
                Value(one[1], (one[1].lower(),))
                for one in _IN_PLACE.finditer(text)
                if _is_place(one[1], known, lexicon)
            )
        case "reason":
            return tuple(Value(word, (word,)) for word in tokens(text.lower()) if word in lexicon.causes)[:1]
    return ()


def _figures(text: str, known: set[str], lexicon: Lexicon) -> Iterator[Value]:
    years = {found.start() for found in _years(text)}
    for found in _FIGURE.finditer(text):
        after = _word(found["rest"])
        if found.start("number") not in years and after not in lexicon.months:
            yield _figure(found, after, lexicon)
    for found in re.finditer(rf"\b({'|'.join(lexicon.numbers)}|no)[\s-]+([^\W\d_]+)", text, re.IGNORECASE):
        number, unit = found[1].lower(), found[2].lower()
        if lexicon.may_be_unit(unit) and (number != "no" or unit in known):
            yield Value(found[0], (f"{lexicon.numbers.get(number, 0):g}", _unit(unit)))


def _figure(found: re.Match[str], after: str, lexicon: Lexicon) -> Value:
    number = float(re.sub(r"[,\u00a0\u202f ]", "", found["number"]))
    said, unit = f"{found['sign'] or ''}{found['number']}{found['rest'] or ''}", after
    if after in _SCALES:
        number *= _SCALES[after]
        unit = _word(found["next"])
        said += f" {found['next']}" if unit and lexicon.may_be_unit(unit) else ""
    elif not lexicon.may_be_unit(after):
        said, unit = f"{found['sign'] or ''}{found['number']}", ""
    unit = _word(found["sign"]) or (unit if lexicon.may_be_unit(unit) else "")
    return Value(said.strip(), (f"{number:.12g}", _unit(unit)))


def _asked_for(values: list[Value], known: set[str]) -> list[Value]:
    """Those of the unit the question names, if there are any; else all."""
    units = {_unit(word) for word in known}
    return [value for value in values if value.key[1] in units] or values


def _word(text: str | None) -> str:
    return (text or "").strip(" -\n").lower().replace(" ", "")


def _unit(word: str) -> str:
    if word in _UNITS:
        return _UNITS[word]
    return word.removesuffix("s") if len(word) > 3 else word


def _years(text: str) -> Iterator[re.Match[str]]:
    """Four digits that are a year: no unit behind them, and no plural, unless an `in` or a `the` stands before."""
    for found in _YEAR.finditer(text):
        rest = _word(found["rest"])
        is_count = rest == "people" or (len(rest) > 3 and rest.endswith("s") and not rest.endswith("ss"))
        if rest not in _UNITS and (not is_count or _BEFORE_YEAR.search(text[: found.start()])):
            yield found


def _dates(text: str, lexicon: Lexicon) -> Iterator[Value]:
    iso = list(_ISO.finditer(text))
    for found in iso:
        yield Value(found[0], (found[1], f"{int(found[2])}", f"{int(found[3])}"))
    months = "|".join(lexicon.months)
    for found in _years(text):
        if any(one.start() <= found.start() < one.end() for one in iso):
            continue
        front = re.search(
            rf"(?:(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?)?\b({months})\s+(?:(\d{{1,2}}),?\s+)?$",
            text[: found.start()],
            re.IGNORECASE,
        )
        if front is None:
            yield Value(found["year"], (found["year"],))
        else:
            day = front[1] or front[3]
            month = str(lexicon.months[front[2].lower()])
            yield Value((front[0] + found["year"]).strip(), (found["year"], month, *([str(int(day))] if day else [])))


def _names(text: str, asked: set[str], lexicon: Lexicon) -> Iterator[Value]:
    begin = len(text) - len(text.lstrip())
    for found in _CAPITALS.finditer(text):
        said = [word for word in found[0].split() if not _is_common(word, lexicon)]
        if found.start() == begin and len(found[0].split()) == 1:
            continue  # the capital is that of the sentence, as far as anybody can tell
        if _OF_PLACE.search(text[: found.start()]):
            continue  # the lighthouse of Vellin: a place, not who did it
        said = [] if {re.sub(r"['’]s$", "", word.lower()) for word in said} & asked else said
        if said:
            yield Value(" ".join(said), tuple(word.lower() for word in said if len(word.strip(".")) > 1))


def _is_common(word: str, lexicon: Lexicon) -> bool:
    lower = word.lower().strip(".,")
    return lower in lexicon.stopwords | lexicon.pronouns or lower in lexicon.months


def _is_place(said: str, asked: set[str], lexicon: Lexicon) -> bool:
    words = said.lower().split()
    return not all(word in asked or word in lexicon.months for word in words)


# --- comparing -----------------------------------------------------------------------------------


def compatible(kind: Kind, one: tuple[Value, ...], other: tuple[Value, ...]) -> bool | None:
    """Whether they can both be right; None when nothing in them can be compared."""
    if kind not in VALUED:
        return None
    pairs = [
        (a, b) for a in one for b in other if kind != "number" or "" in (a.key[1], b.key[1]) or a.key[1] == b.key[1]
    ]
    return any(_agree(kind, a, b) for a, b in pairs) if pairs else None


def _agree(kind: Kind, one: Value, other: Value) -> bool:
    if kind == "date":
        return all(a == b for a, b in zip(one.key, other.key, strict=False))
    if kind == "name":
        return bool(set(one.key) & set(other.key))
    return one.key[0] == other.key[0]


def qualifiers_of(text: str, lexicon: Lexicon) -> frozenset[str]:
    """What narrows the figure in the sentence down: main, total, planned."""
    return frozenset(token for token in tokens(text.lower()) if token in lexicon.qualifiers)


def years_of(text: str) -> frozenset[str]:
    """The years the sentence names."""
    return frozenset(found["year"] for found in _years(text))


def months_of(text: str, lexicon: Lexicon) -> frozenset[str]:
    """The months and weekdays the sentence names; not May, which is a verb too."""
    named = frozenset(token for token in tokens(text) if token[0].isupper())
    return frozenset(word for word in map(str.lower, named) if word in lexicon.months and word != "may")
