"""The words of `lexicon.toml`, which are data: read once by whoever needs them, and handed on."""

import tomllib
from importlib import resources

from msgspec import Struct

__all__ = ["Lexicon", "load_lexicon"]


class Lexicon(Struct, frozen=True):
    """Words in lower case. `synonyms`: a word -> all of its group, itself among them."""

    stopwords: frozenset[str]
    synonyms: dict[str, tuple[str, ...]]
    measured: frozenset[str]
    dated: frozenset[str]
    named: frozenset[str]
    sections: frozenset[str]
    qualifiers: frozenset[str]
    negations: frozenset[str]
    causes: frozenset[str]
    pronouns: frozenset[str]
    numbers: dict[str, int]
    months: dict[str, int]


def load_lexicon() -> Lexicon:
    """The lexicon that comes along."""
    text = resources.files("fleetlog.runtime.scenarios.research").joinpath("lexicon.toml").read_text(encoding="utf-8")
    read = tomllib.loads(text)
    groups = [tuple(group.split()) for group in read["synonyms"]]
    sets = {name: frozenset(words.split()) for name, words in read.items() if isinstance(words, str)}
    return Lexicon(
        stopwords=sets["stopwords"],
        synonyms=_by_word(groups),
        measured=sets["measured"],
        dated=sets["dated"],
        named=sets["named"],
        sections=sets["sections"],
        qualifiers=sets["qualifiers"],
        negations=sets["negations"],
        causes=sets["causes"],
        pronouns=sets["pronouns"],
        numbers={word: number for number, word in enumerate(read["numbers"].split())},
        months={word: number for number, word in enumerate(read["months"].split(), start=1)},
    )


def _by_word(groups: list[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for word in group:
            found[word] = (*found.get(word, ()), *group)
    return found
