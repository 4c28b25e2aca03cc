"""The words of a text, and how the database's full-text search is asked for them.

Its rule: whatever the text, what comes out is a valid full-text query: only letters and digits get through, and every
word is quoted.
"""

import re
import sqlite3
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import closing

from fleetlog.projections.capabilities import TOKENIZER

__all__ = ["any_of", "kin", "stems", "words"]

MAX_WORDS = 200
MAX_WORD_CHARS = 100
_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words in their order, in lower case; of very long texts the first 200."""
    found = _WORD.findall(unicodedata.normalize("NFC", text).lower())
    return [word for word in found if len(word) <= MAX_WORD_CHARS][:MAX_WORDS]


def any_of(phrases: Iterable[str]) -> str:
    """The full-text query for any of these words and phrases; empty for none."""
    return " OR ".join(f'"{phrase}"' for phrase in phrases)


def kin(stem: str) -> tuple[str, ...]:
    """What may be derived from a stem, or what it may be derived from, by the ending of one who does it: `test` and
    `tester`, `plan` and `planner`. The stemmer keeps these apart; not all that come out are words."""
    if len(stem) < 3:
        return ()
    bases = [stem[:-2], stem[:-1]] if stem.endswith(("er", "or")) else [stem[:-1]] if stem[-1] == stem[-2] else []
    bases += [base[:-1] for base in bases if len(base) > 3 and base[-1] == base[-2]]
    doers = [stem + "er", stem + "or", stem + stem[-1] + "er", *([stem + "r"] if stem.endswith("e") else [])]
    return (*bases, *doers)


def stems(texts: Sequence[str]) -> list[tuple[str, ...]]:
    """What the full-text search makes of each text: the stems of its words, in their order."""
    found: list[list[str]] = [[] for _ in texts]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE VIRTUAL TABLE texts USING fts5 (text, tokenize='{TOKENIZER}')")
        connection.execute("CREATE VIRTUAL TABLE stems USING fts5vocab (texts, instance)")
        connection.executemany("INSERT INTO texts (rowid, text) VALUES (?,?)", enumerate(texts))
        for stem, number in connection.execute("SELECT term, doc FROM stems ORDER BY doc, offset"):
            found[number].append(stem)
    return [tuple(one) for one in found]
