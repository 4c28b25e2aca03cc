"""Which sentences answer a question: how much of it they and what they stand in cover, weighed by rarity.

Its rule: a sentence answers only when every name and figure of the question is covered, at least one of its words
stands in the sentence or its heading, and a value of the kind that is asked for is there.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from fleetlog.runtime.routing.words import stems
from fleetlog.runtime.scenarios.research.documents import Sentence
from fleetlog.runtime.scenarios.research.lexicon import Lexicon
from fleetlog.runtime.scenarios.research.library import Library
from fleetlog.runtime.scenarios.research.questions import Kind, Query, tokens
from fleetlog.runtime.scenarios.research.values import Value, values_of

__all__ = ["FLOOR", "Claim", "claims_for"]

FLOOR = 0.7
"""So much of the question must be covered."""
NEAR_BEST = 0.2
"""What covers so much less than the best is left out."""
MAX_CLAIMS = 8
NEGATION_REACH = 3
"""So many words before one a `not` speaks of it."""
MAX_PASSAGES = 60
_UNLIKE = re.compile(
    r"\b(?i:unlike|than|compared (?:to|with)|as opposed to|rather than|in contrast to)\s+(?:that of\s+)?(?:the\s+)?"
    r"(?:[A-Z][\w-]*\s*)+"
)
Stems = tuple[str, ...]


class Claim(Struct, frozen=True):
    """A sentence of a source that answers a part of the question. `id` is the part and the number in it: `2.1`.
    `denies`: it says that what is asked for is not so."""

    id: str
    quote: str
    path: str
    line: int
    page: int
    about: str
    covers: float
    kind: Kind = "text"
    values: tuple[Value, ...] = ()
    denies: bool = False

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.path}, page {self.page}" if self.page else f"{self.path}:{self.line}"


class _Asked(Struct, frozen=True):
    """A query in stems, with what each is worth."""

    names: tuple[tuple[tuple[Stems, ...], float], ...]
    words: tuple[tuple[frozenset[str], float], ...]

    @property
    def worth(self) -> float:
        return sum(worth for _, worth in (*self.names, *self.words)) or 1.0


class _Stands(Struct, frozen=True):
    """A sentence in stems, and the texts it stands in with what a word in them counts."""

    own: Stems
    around: tuple[tuple[Stems, float], ...]
    heading: Stems


def claims_for(library: Library, query: Query, part: int, lexicon: Lexicon, floor: float = FLOOR) -> list[Claim]:
    """The sentences that answer, best first; equal ones in the order of their places."""
    asked = _in_stems(query, library.rarity)
    sentences = list(dict.fromkeys(library.find(query.searched, MAX_PASSAGES)))
    known = {token.lower() for token in tokens(query.text)}
    found: list[tuple[float, Sentence, tuple[Value, ...], bool]] = []
    for sentence, stands in zip(sentences, _standing(sentences, asked, lexicon), strict=True):
        covers = _coverage(asked, stands)
        if covers < floor or sentence.text.endswith("?"):
            continue
        values = _nearest(values_of(query.kind, sentence.text, known, lexicon), sentence.text, asked)
        denies = _denies(sentence.text, asked, lexicon)
        if query.kind in ("text", "yes or no") or (values and (not denies or query.kind == "number")):
            found.append((covers, sentence, values, denies))
    found.sort(key=lambda one: (-round(one[0], 6), one[1].path, one[1].page, one[1].line, one[1].text))
    best = found[0][0] if found else 0.0
    kept = [one for one in found if one[0] >= best - NEAR_BEST][:MAX_CLAIMS]
    return [_claim(f"{part}.{n}", query.kind, *one) for n, one in enumerate(kept, start=1)]


def _marks(text: str, asked: _Asked) -> list[tuple[int, int, int]]:
    """(start, end, number of the word) of the question's words in the text."""
    wanted = {stem for alike, _ in asked.words for stem in alike}
    words = list(re.finditer(r"[^\W_]+", text))
    said = zip(words, stems([word[0] for word in words]), strict=True)
    return [(word.start(), word.end(), n) for n, (word, stem) in enumerate(said) if set(stem) & wanted]


def _nearest(values: tuple[Value, ...], text: str, asked: _Asked) -> tuple[Value, ...]:
    """The values, those first that stand nearest to a word of the question; what stands behind it is nearer."""
    if len(values) < 2:
        return values
    marks = _marks(text, asked)

    def distance(value: Value) -> int:
        at = text.find(value.said)
        end_at = at + len(value.said)
        return min((at - end if at >= end else 2 * abs(start - end_at) for start, end, _ in marks), default=at)

    return tuple(sorted(values, key=distance))


def _denies(text: str, asked: _Asked, lexicon: Lexicon) -> bool:
    """Whether a `not` stands right before a word of the question."""
    words = re.findall(r"[^\W_]+", text.lower())
    return any(lexicon.negations & set(words[max(0, n - NEGATION_REACH) : n]) for _, _, n in _marks(text, asked))


def _claim(id: str, kind: Kind, covers: float, sentence: Sentence, values: tuple[Value, ...], denies: bool) -> Claim:
    about, at = sentence.heading or sentence.title, (sentence.path, sentence.line, sentence.page)
    return Claim(id, sentence.text, *at, about, round(covers, 3), kind, values, denies)


def _in_stems(query: Query, rarity: Callable[[str], float]) -> _Asked:
    names = [[_stems_of(spelling) for spelling in term.spellings] for term in query.names]
    return _Asked(
        names=tuple((tuple(spellings), sum(map(rarity, spellings[0])) if spellings else 0.0) for spellings in names),
        words=tuple(
            (
                frozenset(stem for alike in word.alike for stem in _stems_of(alike)),
                word.share * _rarity(word.said, rarity),
            )
            for word in query.words
        ),
    )


def _rarity(word: str, rarity: Callable[[str], float]) -> float:
    return sum(map(rarity, _stems_of(word)))


def _stems_of(text: str) -> Stems:
    return stems([text])[0]


def _standing(sentences: Sequence[Sentence], asked: _Asked, lexicon: Lexicon) -> list[_Stands]:
    texts: list[str] = []
    for one in sentences:
        texts += (_UNLIKE.sub(" ", one.text), _UNLIKE.sub(" ", one.before), one.heading, one.title)
    found = stems(texts)
    sections = {stem for words in stems(sorted(lexicon.sections)) for stem in words}
    wanted = {stem for alike, _ in asked.words for stem in alike}
    standing = []
    for n in range(0, len(found), 4):
        own, before, heading, title = found[n : n + 4]
        is_section = not heading or heading == title or bool(set(heading) & (sections | wanted))
        around = ((before, 0.85), (heading, 0.85), (title, 0.85 if is_section else 0.5))
        standing.append(_Stands(own, around, heading))
    return standing


def _coverage(asked: _Asked, stands: _Stands) -> float:
    """The share of the question that is covered, 0 to 1; 0 when a name is missing, or every word."""
    covered = 0.0
    for spellings, worth in asked.names:
        share = max((_share_of_name(spelling, stands) for spelling in spellings), default=0.0)
        if not share:
            return 0.0
        covered += worth * share
    places = {*stands.own, *stands.heading}
    if asked.words and not any(alike & places for alike, _ in asked.words):
        return 0.0
    for alike, worth in asked.words:
        shares = [1.0 if alike & set(stands.own) else 0.0, *(w for text, w in stands.around if alike & set(text))]
        covered += worth * max(shares)
    return covered / asked.worth


def _share_of_name(spelling: Stems, stands: _Stands) -> float:
    if _has(stands.own, spelling):
        return 1.0
    share = max((weight for text, weight in stands.around if _has(text, spelling)), default=0.0)
    return max(share, 0.9) if share and len(spelling) > 1 and spelling[-1] in stands.own else share


def _has(text: Stems, phrase: Stems) -> bool:
    size = len(phrase)
    return size > 0 and any(text[n : n + size] == phrase for n in range(len(text) - size + 1))
