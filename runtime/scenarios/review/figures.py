"""Figures that contradict each other: one quantity with two values, a number of things and a list of another length.

A quantity is a noun that carries figures (time-out, limit, ...) with the words before it. Values are compared in their
base unit, so that 30 s is half a minute; a least value does not contradict a greatest one. Pure.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

from fleetlog.runtime.scenarios.review.document import Document, Fence, Passage
from fleetlog.runtime.scenarios.review.findings import MUST, SHOULD, Finding
from fleetlog.runtime.scenarios.review.subject import Subject

__all__ = ["CONTRADICTION", "COUNT", "Statement", "check_figures", "statements"]

CONTRADICTION, COUNT = "contradiction", "wrong count"

_UNITS = {
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), ("time", 0.001)),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), ("time", 1.0)),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), ("time", 60.0)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), ("time", 3600.0)),
    **dict.fromkeys(("d", "day", "days"), ("time", 86_400.0)),
    **dict.fromkeys(("week", "weeks"), ("time", 604_800.0)),
    **dict.fromkeys(("month", "months"), ("months", 1.0)),
    **dict.fromkeys(("year", "years"), ("months", 12.0)),
    **dict.fromkeys(("b", "byte", "bytes"), ("size", 1.0)),
    **dict.fromkeys(("kb", "kib"), ("size", 1_024.0)),
    **dict.fromkeys(("mb", "mib", "megabyte", "megabytes"), ("size", 1_048_576.0)),
    **dict.fromkeys(("gb", "gib", "gigabyte", "gigabytes"), ("size", 1_073_741_824.0)),
    **dict.fromkeys(("tb", "tib"), ("size", 1_099_511_627_776.0)),
    **dict.fromkeys(("%", "percent"), ("share", 1.0)),
    **dict.fromkeys(("character", "characters", "chars"), ("characters", 1.0)),
    **dict.fromkeys(("attempt", "attempts", "retry", "retries", "times", "tries"), ("times", 1.0)),
    **dict.fromkeys(
        ("item", "items", "row", "rows", "result", "results", "entries", "files", "users"), ("things", 1.0)
    ),
    **dict.fromkeys(("request", "requests"), ("requests", 1.0)),
    **dict.fromkeys(("bit", "bits"), ("bits", 1.0)),
}
_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
_NUMBER = rf"(?P<number>\d+(?:[.,]\d+)*|{'|'.join(_WORDS)})"
_UNIT = r"(?P<unit>" + "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True)) + r")(?![\w%])"
_NOUNS = (
    r"time-?\s?outs?|limits?|retention(?: period| time)?|expiry|expiration|lifetimes?|ttl|intervals?|latency|"
    r"response time|delays?|quotas?|budgets?|windows?|thresholds?|length|capacity|sizes?|retries|retry count|attempts|"
    r"duration|period|age|backoff|cooldown|grace period|page size|rate|availability|coverage|uptime"
)
_QUANTITY = rf"(?P<label>(?:[A-Za-z][\w-]{{0,30}}[ \t\n]+){{0,3}}?(?:{_NOUNS}))"
_BOUND = (
    r"(?P<bound>at (?:most|least)|up to|no (?:more|less|longer|fewer) than|(?:a )?(?:maximum|minimum) of|under|below|"
    r"less than|more than|over|within|about|around|approximately|exactly)?"
)
_JOIN = (
    r"(?:[ \t\n]*(?:is|are|was|were|of|=|:|must be|should be|will be|shall be|may be|to be|set to|is set to|"
    r"defaults to|"
    r"to|stays|remains|at|after|by default|be|in \w+ is|being|may not exceed|must not exceed|does not exceed|"
    r"is limited to)){1,3}[ \t\n]+"
)
_SAID = re.compile(rf"\b{_QUANTITY}{_JOIN}{_BOUND}\s*{_NUMBER}[ \t\n-]?{_UNIT}", re.IGNORECASE)
_BEFORE = re.compile(
    rf"(?:{_BOUND}\s+)?(?<![\w.,-]){_NUMBER}[ \t\n-]?{_UNIT}[ \t\n]+(?P<label>(?:[a-z][\w-]{{0,30}}[ \t\n]+){{0,2}}?"
    rf"(?:{_NOUNS}))\b(?![ \t\n]+(?:is|of|:))",
    re.IGNORECASE,
)
_VALUE = re.compile(rf"\s*{_BOUND}\s*{_NUMBER}[ -]?{_UNIT}\W*", re.IGNORECASE)
_SETTING = re.compile(
    r"^\s*[\"']?(?P<label>[A-Za-z][\w.-]*)[\"']?\s*[:=]\s*[\"']?(?P<number>\d+(?:\.\d+)?)[ ]?"
    r"(?P<unit>[A-Za-z%]*)[\"']?\s*[,;]?\s*(?:#.*)?$",
    re.MULTILINE,
)
_RANGE = re.compile(r"\b(?:between|instead of|rather than|increased?|reduced?|lowered?|raised?|changed?|from)\b", re.I)
_ASIDE = re.compile(
    r"\b(?:staging|test(?:s|ing)?|development|local(?:ly)?|production|today|currently|previously|formerly|until now|"
    r"in the past|old|legacy|was|were|before|mobile|desktop|trial|free|premium|enterprise|v\d+|version \d+|beta|pilot|"
    r"admins?|guests?|anonymous|weekends?)\b",
    re.IGNORECASE,
)
_LEAST = ("at least", "no less", "no fewer", "more than", "over", "minimum")
_MOST = ("at most", "up to", "no more", "no longer", "under", "below", "less than", "within", "maximum")
_FILLERS = frozenset(
    {"a", "an", "the", "this", "that", "its", "our", "their", "your", "each", "every", "default", "and", "or", "of",
     "for", "with", "has", "have", "is", "are", "be", "if", "when", "new", "same", "all", "by", "in", "on", "at", "to",
     "any", "no", "must", "should", "will", "can", "may", "which", "whose", "per", "as", "after", "within", "use",
     "uses", "using", "set", "sets", "we", "it", "also", "but", "there", "then", "now", "only"}
)  # fmt: skip


class Statement(Struct, frozen=True):
    """`label` in words, plurals cut; `dimension` and `value` in its base unit; `aside`: the words that may set it apart
    (another environment, another time)."""

    label: tuple[str, ...]
    dimension: str
    value: float
    bound: str
    said: str
    line: int
    aside: tuple[str, ...]


def check_figures(subject: Subject) -> Iterator[Finding]:
    """One finding for each quantity that has several values, and for each list of another length than announced."""
    document = subject.document
    if document is None:
        return
    groups: dict[tuple[tuple[str, ...], str, str], list[Statement]] = {}
    for one in statements(document):
        groups.setdefault((one.label, one.dimension, one.bound), []).append(one)
    for (label, _, _), group in groups.items():
        if len({one.value for one in group}) > 1:
            yield _contradiction(subject.name, " ".join(label), group)
    yield from _counts(subject.name, document)


def _contradiction(path: str, label: str, group: list[Statement]) -> Finding:
    firsts = list({one.value: one for one in sorted(group, key=lambda one: one.line, reverse=True)}.values())
    firsts.sort(key=lambda one: one.line)
    values = " or ".join(f"{one.said} (line {one.line})" for one in firsts)
    asides = {one.aside for one in firsts}
    return Finding(
        CONTRADICTION,
        MUST if " " in label else SHOULD,
        path,
        firsts[0].line,
        f"The {label} has {'two' if len(firsts) == 2 else len(firsts)} values: {values}",
        "both will be built" if " " in label else "both will be built, if it is the same one",
        "keep one value in one place, and refer to it",
        subject=label,
        quote="; ".join(" ".join(aside) for aside in sorted(asides) if aside) if len(asides) > 1 else "",
        others=tuple(one.line for one in firsts[1:]),
    )


def statements(document: Document) -> list[Statement]:
    """What prose, tables and settings say of quantities, by line."""
    found: list[Statement] = []
    rows: dict[int, list[Passage]] = {}
    for passage in document.passages:
        if passage.kind == "cell":
            rows.setdefault(passage.line, []).append(passage)
        else:
            found += _in_prose(passage)
    for cells in rows.values():
        found += _in_row(cells)
    for fence in document.fences:
        found += _in_settings(fence)
    return sorted(set(found), key=lambda one: (one.line, one.label, one.value))


def _in_prose(passage: Passage) -> Iterator[Statement]:
    text = passage.text.replace("`", " ")
    taken: list[tuple[int, int]] = []
    for found in (*_SAID.finditer(text), *_BEFORE.finditer(text)):
        if any(start < found.end() and found.start() < end for start, end in taken):
            continue
        sentence = _sentence_around(text, found.start(), found.end())
        taken.append(found.span())
        if not _RANGE.search(sentence):
            yield from _stated(found, passage.line_at(found.start("number")), sentence)


def _sentence_around(text: str, start: int, end: int) -> str:
    ends = [stop.end() for stop in re.finditer(r"[.!?;](?=\s|$)", text)]
    return text[
        max((stop for stop in ends if stop <= start), default=0) : min((s for s in ends if s >= end), default=len(text))
    ]


def _in_row(cells: list[Passage]) -> Iterator[Statement]:
    """A row with one figure: the first cell names it. With several, the columns' heads would have to be understood."""
    values = [found for cell in cells[1:] if (found := _VALUE.fullmatch(cell.text.replace("`", "")))]
    label = cells[0].text.replace("`", "")
    if len(values) == 1 and re.search(rf"\b(?:{_NOUNS})\b", label, re.IGNORECASE):
        words = " ".join(cell.text for cell in cells if _VALUE.fullmatch(cell.text) is None)
        yield from _stated(values[0], cells[0].line, words, label)


def _in_settings(fence: Fence) -> Iterator[Statement]:
    for found in _SETTING.finditer(fence.text):
        words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", found["label"])
        parts = re.split(r"[\s._-]+", words.lower())
        unit = found["unit"].lower()
        if not unit and parts[-1] in _UNITS:
            unit = parts.pop()
        label = " ".join(parts)
        if unit in _UNITS and re.search(rf"\b(?:{_NOUNS})\b", label):
            line = fence.line + fence.text.count("\n", 0, found.start("number"))
            yield _made(label, found["number"], unit, "", line, "")


def _stated(found: re.Match[str], line: int, sentence: str, label: str = "") -> Iterator[Statement]:
    bound = (found["bound"] or "").lower()
    one = _made(label or found["label"], found["number"].lower(), found["unit"].lower(), bound, line, sentence)
    if one.label:
        yield one


def _made(label: str, number: str, unit: str, bound: str, line: int, sentence: str) -> Statement:
    words = [_singular(word) for word in re.sub(r"time[- ]out", "timeout", label.lower()).split()]
    limits = [word for word in words if word in ("minimum", "maximum", "min", "max")]
    kept = tuple(word for word in words if word not in _FILLERS and word not in limits)
    dimension, factor = _UNITS[unit]
    amount = float(_WORDS.index(number)) if number in _WORDS else float(number.replace(",", ""))
    asides = tuple(sorted({word.lower() for word in _ASIDE.findall(sentence)} - set(kept)))
    said = f"{number}{'' if unit == '%' else ' '}{unit}"
    return Statement(kept, dimension, amount * factor, _bound_of(bound, limits), said, line, asides)


def _singular(word: str) -> str:
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))
    return word[:-1] if plural and word not in ("retries", "attempts") else word


def _bound_of(bound: str, limits: list[str]) -> str:
    said = f"{bound} {' '.join(limits)}"
    if any(word in said for word in (*_LEAST, "min")):
        return "least"
    return "most" if "max" in said or (bound.startswith(_MOST) and limits) else ""


_COUNTED = re.compile(
    rf"\b(?P<number>{'|'.join(_WORDS[2:])}|\d{{1,2}})\s+(?:[a-z][\w-]{{0,30}}\s+){{0,2}}?(?P<noun>[a-z][\w-]{{0,30}}s)\b",
    re.IGNORECASE,
)
_LOOSE = re.compile(
    r"\b(?:of the|at least|at most|up to|more than|over|such as|for example|e\.g|including|among|or more|about|than)\b",
    re.I,
)


def _counts(path: str, document: Document) -> Iterator[Finding]:
    for listed in document.lists:
        sentence = re.split(r"(?<=[.!?])\s+", listed.intro.strip())[-1]
        numbers = list(_COUNTED.finditer(sentence))
        if not sentence.endswith(":") or len(numbers) != 1 or _LOOSE.search(sentence):
            continue
        said = numbers[0]["number"].lower()
        count = _WORDS.index(said) if said in _WORDS else int(said)
        if count != listed.count and numbers[0]["noun"].lower() not in _UNITS:
            what = " ".join(numbers[0][0].split())
            yield Finding(COUNT, SHOULD, path, listed.intro_line, f"'{what}' are announced, {listed.count} are listed",
                          "one is missing, or one is too many", "correct the number or the list",
                          subject=what, others=(listed.line,))  # fmt: skip
