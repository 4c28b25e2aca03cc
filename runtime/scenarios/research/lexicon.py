"""The words of `lexicon.toml`, which are data: read once by whoever needs them, and handed on."""

import tomllib
from importlib import resources

from msgspec import Struct

from fleetlog.runtime.routing.words import stems

__all__ = ["Lexicon", "load_lexicon"]


class Lexicon(Struct, frozen=True):
    """Words in lower case. `synonyms`: the stem of a word -> all of its group, itself among them."""

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

    def may_be_unit(self, word: str) -> bool:
        """Whether a word behind a figure says what it counts."""
        return word == "people" or word not in self.stopwords

    def alike(self, word: str) -> tuple[str, ...]:
        """The word, and those of its meaning."""
        return tuple(dict.fromkeys((word, *(one for stem in stems([word])[0] for one in self.synonyms.get(stem, ())))))


def load_lexicon() -> Lexicon:
    """The lexicon that comes along."""
    text = resources.files("fleetlog.runtime.scenarios.research").joinpath("lexicon.toml").read_text(encoding="utf-8")
    read = tomllib.loads(text)
    groups = [tuple(group.split()) for group in read["synonyms"]]
    sets = {name: frozenset(words.split()) for name, words in read.items() if isinstance(words, str)}
    return Lexicon(
        stopwords=sets["stopwords"],
        synonyms=_by_stem(groups),
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


def _by_stem(groups: list[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for (stem,) in dict.fromkeys(stems(group)):
            found[stem] = (*found.get(stem, ()), *group)
    return found
