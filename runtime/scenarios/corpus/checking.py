"""Is a claim what its source says, who else says it, who says otherwise? Pure: claims and documents in, verdicts out.

Two sentences speak of the same when they share most of their terms, and not each names what the other does not. They
contradict each other when they do, and have different figures for it, or one of them denies.
"""

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from fleetlog.runtime.scenarios.corpus.documents import Corpus
from fleetlog.runtime.scenarios.corpus.finding import Claim
from fleetlog.runtime.scenarios.corpus.words import NEGATIONS, figures_of, names_of, sentences_of, terms_of

__all__ = ["Checked", "Witness", "check"]

ALIKE = 0.6
"""Of the terms of the shorter sentence, figures left out, so many must be in the other."""
ALIKE_OF_LONGER = 0.4
LEAST_TERMS = 3
SAID_TOO = 0.75
"""Of the terms of a claim, so many must be in the sentence of another document that confirms it."""
MAX_WITNESSES = 4
_YEAR = re.compile(r"1\d{3}|20\d{2}")
_DENIAL = re.compile(r"\b(?:" + "|".join(sorted(NEGATIONS - {"n't"})) + r")\b|n't\b", re.IGNORECASE)


class Witness(Struct, frozen=True):
    """Another sentence about the same."""

    quote: str
    source: str
    place: str


class Checked(Struct, frozen=True):
    """A claim with what was found about it: `stands` is whether it is in its source, word for word."""

    claim: Claim
    stands: bool
    also: tuple[Witness, ...] = ()
    against: tuple[Witness, ...] = ()


def check(corpus: Corpus, claims: Iterable[Claim]) -> list[Checked]:
    """Each claim against its source, and against all the others."""
    sentences = list(_sentences(corpus))
    return [_checked(corpus, claim, sentences) for claim in claims]


def _sentences(corpus: Corpus) -> Iterator[tuple[Witness, frozenset[str]]]:
    for passage in corpus.passages:
        for sentence in sentences_of(passage.text):
            yield Witness(sentence, passage.source, passage.place), _subject(sentence)


def _subject(sentence: str) -> frozenset[str]:
    return frozenset(term for term in terms_of(sentence) if not term[0].isdigit())


def _checked(corpus: Corpus, claim: Claim, sentences: list[tuple[Witness, frozenset[str]]]) -> Checked:
    own = [passage for passage in corpus.passages if (passage.source, passage.place) == (claim.source, claim.place)]
    stands = any(claim.quote in " ".join(passage.text.split()) for passage in own)
    subject = _subject(claim.quote)
    also, against = [], []
    for witness, other in sentences:
        if witness.quote == claim.quote and witness.source == claim.source:
            continue
        if not _speaks_of_the_same(subject, other) or _names_differ(claim.quote, witness.quote):
            continue
        if _contradicts(claim.quote, witness.quote):
            against.append(witness)
        elif witness.source != claim.source and _says_it_too(claim.quote, subject, witness.quote, other):
            also.append(witness)
    return Checked(claim, stands, tuple(also[:MAX_WITNESSES]), tuple(against[:MAX_WITNESSES]))


def _speaks_of_the_same(one: frozenset[str], other: frozenset[str]) -> bool:
    common, shorter, longer = len(one & other), *sorted((len(one), len(other)))
    return shorter >= LEAST_TERMS and common >= ALIKE * shorter and common >= ALIKE_OF_LONGER * longer


def _names_differ(one: str, other: str) -> bool:
    """Each names something that the other has not: the bridge of Arlen is not that of Borrow."""
    ours, theirs = names_of(one), names_of(other)
    return bool(ours - frozenset(terms_of(other))) and bool(theirs - frozenset(terms_of(one)))


def _says_it_too(one: str, subject: frozenset[str], other: str, theirs: frozenset[str]) -> bool:
    return figures_of(one) <= figures_of(other) and len(subject & theirs) >= SAID_TOO * len(subject)


def _contradicts(one: str, other: str) -> bool:
    ours, theirs = figures_of(one), figures_of(other)
    if ours - theirs and theirs - ours and not _of_other_years(ours, theirs):
        return True
    return bool(_DENIAL.search(one)) != bool(_DENIAL.search(other)) and ours == theirs


def _of_other_years(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    """Figures of different years may both be right; a year alone is itself the figure."""
    our_years = {figure for figure in ours if _YEAR.fullmatch(figure)}
    their_years = {figure for figure in theirs if _YEAR.fullmatch(figure)}
    has_more = bool(ours - our_years) and bool(theirs - their_years)
    return has_more and bool(our_years or their_years) and our_years.isdisjoint(their_years)
