"""What the fact checker finds out about a claim: whether its quote stands, who else says so, and who says otherwise."""

from collections.abc import Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.runtime.routing.words import stems
from fleetlog.runtime.scenarios.research.evidence import FLOOR, Claim, claims_for
from fleetlog.runtime.scenarios.research.lexicon import Lexicon
from fleetlog.runtime.scenarios.research.library import Library
from fleetlog.runtime.scenarios.research.questions import Query
from fleetlog.runtime.scenarios.research.values import (
    VALUED,
    compatible,
    months_of,
    qualifiers_of,
    years_of,
)

__all__ = ["CONFIRMED", "CONTRADICTED", "GONE", "SINGLE", "Verdict", "judged", "witnesses_for"]

CONFIRMED, SINGLE, CONTRADICTED, GONE = "confirmed by two sources", "one source", "contradicted", "not in its source"
WITNESS_FLOOR = FLOOR - 0.1
COPY, COPY_WORDS = 0.85, 8
"""Sentences of so many words of which so many are the same are copies, and no second source; so are equal ones."""
SAME_MATTER = 0.75
"""Without values to compare, sentences that share so many words speak of the same."""
MAX_SHOWN = 6
"""Of other places, so that a verdict is a message."""


class Verdict(Struct, frozen=True):
    """What became of a claim. `supports` and `against` are other places that say the same, or something else."""

    claim: Claim
    says: str
    supports: tuple[Claim, ...] = ()
    against: tuple[Claim, ...] = ()
    copies: tuple[str, ...] = ()


def witnesses_for(library: Library, query: Query, claims: Sequence[Claim], part: int, lexicon: Lexicon) -> list[Claim]:
    """Other sentences of the corpus on the same matter; what is less certain to answer may still speak against."""
    known = {(claim.path, claim.quote) for claim in claims}
    found = claims_for(library, query, part, lexicon, WITNESS_FLOOR)
    others = (one for one in found if (one.path, one.quote) not in known)
    return [replace(one, id=f"{part}.w{n}") for n, one in enumerate(others, start=1)]


def judged(claim: Claim, stands: bool, others: Iterable[Claim], lexicon: Lexicon) -> Verdict:
    """The verdict on a claim, from what else was found on its part of the question."""
    if not stands:
        return Verdict(claim, GONE)
    supports: list[Claim] = []
    against: list[Claim] = []
    copies: list[str] = []
    for other in others:
        agree = _agreement(claim, other, lexicon)
        if agree is False:
            against.append(other)
        elif agree and other.path != claim.path:
            if _is_copy(claim.quote, other.quote):
                copies.append(other.place)
            else:
                supports.append(other)
    says = CONTRADICTED if against else CONFIRMED if supports else SINGLE
    return Verdict(claim, says, tuple(supports[:MAX_SHOWN]), tuple(against[:MAX_SHOWN]), tuple(copies[:MAX_SHOWN]))


def _agreement(one: Claim, other: Claim, lexicon: Lexicon) -> bool | None:
    """Whether both say the same; False when both cannot be right; None when they speak of different things."""
    if (one.path, one.quote) == (other.path, other.quote):
        return None
    agree = compatible(one.kind, one.values, other.values)
    if one.kind not in VALUED and _alike(one.quote, other.quote) >= SAME_MATTER:
        agree = one.denies == other.denies
    return None if agree is False and _of_other_scope(one, other, lexicon) else agree


def _of_other_scope(one: Claim, other: Claim, lexicon: Lexicon) -> bool:
    """They narrow down what they speak of in different ways: main and total, 2011 and 2021, in July and always."""
    if qualifiers_of(one.quote, lexicon) != qualifiers_of(other.quote, lexicon):
        return True
    if one.kind == "date":
        return False
    return _of_other_years(one, other) or months_of(one.quote, lexicon) != months_of(other.quote, lexicon)


def _of_other_years(one: Claim, other: Claim) -> bool:
    """They name different years; one that names none may speak of another time too."""
    mine, others = years_of(one.quote), years_of(other.quote)
    return mine != others and not mine & others


def _alike(one: str, other: str) -> float:
    """How much of the shorter one's words the other has, 0 to 1."""
    a, b = (set(found) for found in stems([one, other]))
    return len(a & b) / (min(len(a), len(b)) or 1)


def _is_copy(one: str, other: str) -> bool:
    if one.lower() == other.lower():
        return True
    a, b = (set(found) for found in stems([one, other]))
    return min(len(a), len(b)) >= COPY_WORDS and len(a & b) / len(a | b) >= COPY
