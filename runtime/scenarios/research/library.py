"""The corpus in a full-text index, in memory: which passages fit which words, and how rare a word is.

Ranking is the database's own bm25 (SQLite's FTS5), with the tokenizer that routing has.
"""

import math
import sqlite3
from collections.abc import Iterable, Sequence

from fleetlog.projections.capabilities import TOKENIZER
from fleetlog.runtime.routing.words import any_of
from fleetlog.runtime.scenarios.research.documents import Document, Passage, Sentence, sentences_of

__all__ = ["Library"]

WEIGHTS = (2.0, 2.0, 1.0)
"""Of a word in a passage, in the heading above it, in its document's title."""
_BM25 = f"bm25(passages, {', '.join(map(str, WEIGHTS))})"


class Library:
    """Documents that can be searched. One thread; closed when it is done with."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._places: list[tuple[Document, Passage]] = [(one, passage) for one in documents for passage in one.passages]
        self._connection = sqlite3.connect(":memory:")
        execute = self._connection.execute
        execute(f"CREATE VIRTUAL TABLE passages USING fts5 (text, heading, title, tokenize='{TOKENIZER}')")
        execute("CREATE VIRTUAL TABLE stems USING fts5vocab (passages, row)")
        rows = ((n, passage.text, passage.heading, one.title) for n, (one, passage) in enumerate(self._places))
        self._connection.executemany("INSERT INTO passages (rowid, text, heading, title) VALUES (?,?,?,?)", rows)

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()

    def find(self, words: Iterable[str], limit: int) -> list[Sentence]:
        """The sentences of the passages that fit best, best passage first."""
        query = any_of(dict.fromkeys(words))
        if not query:
            return []
        rows = self._connection.execute(
            f"SELECT rowid FROM passages WHERE passages MATCH ? ORDER BY {_BM25}, rowid LIMIT ?", (query, limit)
        ).fetchall()
        return [sentence for (row,) in rows for sentence in sentences_of(*self._places[row])]

    def rarity(self, stem: str) -> float:
        """The stem's inverse document frequency over the passages, after Robertson and Sparck Jones; above 0."""
        row = self._connection.execute("SELECT doc FROM stems WHERE term=?", (stem,)).fetchone()
        found = row[0] if row else 0
        return math.log(1 + (len(self._places) - found + 0.5) / (found + 0.5))
