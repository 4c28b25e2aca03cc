"""What of the documents answers a part of the question: passages by the database's full-text rank, sentences by the
share of the part's terms they cover, each term weighing what it is worth in these documents. Pure."""

import math
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.corpus.documents import Corpus, Passage
from fleetlog.runtime.scenarios.corpus.words import sentences_of, terms_of

__all__ = ["Claim", "Part", "claims_for", "parts_of", "weights_of"]

BEST_PASSAGES = 40
MAX_CLAIMS = 8
ENOUGH = 0.55
"""Of the weight of a part's terms, so much must stand in a sentence and its heading."""


class Part(Struct, frozen=True):
    """A part of the question: its words, and the terms that are looked for."""

    text: str
    terms: tuple[str, ...]


class Claim(Struct, frozen=True):
    """A sentence of a document, word for word. `covers` is the share of the part's weight it has, up to 1."""

    quote: str
    source: str
    place: str
    covers: float
    part: str = ""


def parts_of(question: str, most: int) -> list[Part]:
    """The question, taken apart where it asks for several things; whole, if a part would say too little."""
    pieces = [question]
    for joint in ("?", ";", " and what ", " and how ", " and when ", " and who ", " and why ", " and where ", ", and "):
        pieces = [part for piece in pieces for part in _split(piece, joint)]
    parts = [Part(_asked(piece), tuple(dict.fromkeys(terms_of(piece)))) for piece in pieces]
    return [part for part in parts if part.terms][:most]


def _asked(piece: str) -> str:
    return " ".join(piece.split()).rstrip("?,. ") + "?"


def _split(piece: str, joint: str) -> list[str]:
    halves = [half for half in piece.split(joint) if half.strip()]
    if all(len(terms_of(half)) >= 2 for half in halves):
        return halves
    return [piece] if halves else []


def weights_of(corpus: Corpus, terms: Sequence[str]) -> dict[str, float]:
    """How much each term tells here: the inverse document frequency over passages; one that is nowhere weighs most."""
    counts: Counter[str] = Counter()
    for passage in corpus.passages:
        counts.update(set(terms_of(f"{passage.heading} {passage.text}")) & set(terms))
    total = len(corpus.passages) + 1
    return {term: math.log(1 + total / (counts[term] + 0.5)) for term in terms}


def claims_for(corpus: Corpus, part: Part) -> list[Claim]:
    """The sentences that say something of the part, best first; none where the documents do not speak of it."""
    weights = weights_of(corpus, part.terms)
    found: dict[str, Claim] = {}
    for passage in _ranked(corpus, part.terms):
        for sentence in sentences_of(passage.text):
            covers = _covered(sentence, passage, weights)
            key = " ".join(terms_of(sentence))
            if covers >= ENOUGH and (key not in found or covers > found[key].covers):
                found[key] = Claim(sentence, passage.source, passage.place, round(covers, 3), part.text)
    return sorted(found.values(), key=lambda claim: (-claim.covers, claim.source, claim.place))[:MAX_CLAIMS]


def _covered(sentence: str, passage: Passage, weights: Mapping[str, float]) -> float:
    """What stands in the sentence counts whole, what stands only in its heading or file name or beside it, half."""
    own = set(terms_of(sentence))
    around = set(terms_of(f"{passage.heading} {passage.text} {passage.source.replace('-', ' ').replace('_', ' ')}"))
    total = sum(weights.values())
    inside = sum(weight for term, weight in weights.items() if term in own)
    beside = sum(weight for term, weight in weights.items() if term not in own and term in around)
    return (inside + beside / 2) / total if inside and total else 0.0


def _ranked(corpus: Corpus, terms: Sequence[str]) -> Iterator[Passage]:
    """The passages that rank best by bm25 (SQLite's FTS5), over stems."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE passages USING fts5(heading, text, tokenize='unicode61')")
        connection.executemany(
            "INSERT INTO passages(rowid, heading, text) VALUES (?,?,?)",
            (
                (number, " ".join(terms_of(passage.heading)), " ".join(terms_of(passage.text)))
                for number, passage in enumerate(corpus.passages)
            ),
        )
        asked = " OR ".join(f'"{term}"' for term in terms)
        rows = connection.execute(
            "SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY bm25(passages, 0.5, 1.0), rowid LIMIT ?",
            (asked, BEST_PASSAGES),
        ).fetchall()
    finally:
        connection.close()
    yield from (corpus.passages[row[0]] for row in rows)
