"""Words of a text as they are compared: lower case, without endings, without those that say nothing. Pure but for a
list of words that comes along."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["MAX_SENTENCE_CHARS", "NEGATIONS", "figures_of", "names_of", "sentences_of", "terms_of"]

MAX_SENTENCE_CHARS = 600
_WORD = re.compile(r"[^\W_]+(?:['\u2019.-][^\W_]+)*")
_FIGURE = re.compile(r"(?<![\w.])[-+]?\d{1,3}(?:[, ]\d{3})+(?:\.\d+)?(?![\w])|(?<![\w.])[-+]?\d+(?:\.\d+)?")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9À-Þ])")
_ENDINGS = (("ies", 5, "y"), ("ing", 6, ""), ("ed", 5, ""), ("ly", 6, ""), ("es", 5, ""), ("s", 4, ""))
_ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "cf.", "vs.", "no.", "dr.", "mr.", "mrs.", "st.", "approx.", "fig.")
NEGATIONS = frozenset({"not", "no", "never", "none", "without", "cannot", "n't", "nobody", "nothing", "neither", "nor"})


@functools.cache
def _silent() -> frozenset[str]:
    """The words that say nothing of what a text is about."""
    return frozenset(Path(__file__).with_name("silent_words.txt").read_text().split())


def terms_of(text: str) -> list[str]:
    """The words that carry meaning, in order, each as its stem."""
    words = (found.group().lower().replace("\u2019", "'") for found in _WORD.finditer(text))
    return [_stem(word) for word in words if word not in _silent() and word not in NEGATIONS]


def _stem(word: str) -> str:
    """A light one: plural, -ing, -ed, -ly. What it makes is compared, never shown."""
    word = word.removesuffix("'s")
    for ending, least, instead in _ENDINGS:
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            stem = word[: -len(ending)] + instead
            return (
                stem[:-1] if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "ls" else stem.removesuffix("e")
            )
    return word.removesuffix("e") if len(word) > 3 else word


def names_of(sentence: str) -> frozenset[str]:
    """What is written with a capital within a sentence: names, mostly. Its first word says nothing."""
    within = sentence.strip().partition(" ")[2]
    return frozenset(_stem(found.group().lower()) for found in _WORD.finditer(within) if found.group()[0].isupper())


def figures_of(text: str) -> frozenset[str]:
    """The numbers in a text, as plain ones: 1,200 and 1200 are the same."""
    return frozenset(_plain(found.group()) for found in _FIGURE.finditer(text))


def _plain(number: str) -> str:
    whole = number.replace(",", "").replace(" ", "").lstrip("+")
    return whole.rstrip("0").rstrip(".") if "." in whole else whole


def sentences_of(text: str) -> Iterator[str]:
    """The sentences of a paragraph, as they stand there; what is longer than `MAX_SENTENCE_CHARS` is none."""
    return (sentence for sentence in _split(text) if len(sentence) <= MAX_SENTENCE_CHARS)


def _split(text: str) -> Iterator[str]:
    begun = ""
    for part in _SENTENCE_END.split(" ".join(text.split())):
        begun = f"{begun} {part}".strip()
        if not begun.lower().endswith(_ABBREVIATIONS):
            yield begun
            begun = ""
    if begun:
        yield begun
