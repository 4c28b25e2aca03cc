"""The report: Markdown, the same for the same documents, whoever was killed on the way. Pure.

No date of the run, no id, no duration and no absolute path may enter it.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.corpus.checking import Checked, Witness
from fleetlog.runtime.scenarios.corpus.finding import Claim, Part

__all__ = ["Sources", "draft", "report"]

_METHOD = """\
- The question is taken apart where it asks for several things. Passages are ranked by SQLite's bm25; a sentence is a
  finding when it covers at least 55 % of the weight of a part's terms (what stands only beside it counts half). Terms
  are compared without their endings; a word for the same thing is not known to be one.
- Every finding was looked up again at its place, word for word. *Also* names other documents whose sentence shares
  most of its terms, and its figures; *against* are sentences about the same with other figures, or with a denial.
- Nothing was inferred or reworded: what no document says in a sentence of its own is not here."""


class Sources(Struct, frozen=True):
    """How much was read, and what was not: (path, why)."""

    documents: int
    passages: int
    unread: tuple[tuple[str, str], ...] = ()


def draft(question: str, parts: Sequence[Part], found: Sequence[tuple[str, Sequence[Claim]]]) -> str:
    """What is known so far, for the report that grows: (part, claims) of those parts that have been looked into."""
    lines = [f"# {question}", "", f"*In work: {len(found)} of {len(parts)} parts looked into, nothing checked yet.*"]
    for text, claims in found:
        lines += ["", f"## {text}", "", *(_cited(claim) for claim in claims)]
    return "\n".join(lines) + "\n"


def report(question: str, parts: Sequence[Part], checked: Sequence[Checked], sources: Sources) -> str:
    """The whole of it."""
    return "\n".join(_lines(question, parts, checked, sources)) + "\n"


def _lines(question: str, parts: Sequence[Part], checked: Sequence[Checked], sources: Sources) -> Iterator[str]:
    standing = [one for one in checked if one.stands]
    yield f"# {question}\n"
    yield from _answer(parts, standing)
    disputed = [one for one in standing if one.against]
    if disputed:
        yield "\n## Where the documents disagree\n"
        for one in _once(disputed):
            yield _cited(one.claim)
            yield from (f"  - against: {_witness(other)}" for other in one.against)
    yield from _findings(parts, standing)
    silent = [part.text for part in parts if not any(one.claim.part == part.text for one in standing)]
    if silent:
        yield "\n## Not found\n"
        yield from (f"- No document says anything of: {text}" for text in silent)
    yield "\n## What was read\n"
    yield f"{sources.documents} documents, {sources.passages} passages."
    yield from (f"- not read: `{path}`: {why}" for path, why in sources.unread)
    yield "\n## How it was done\n"
    yield _METHOD


def _answer(parts: Sequence[Part], standing: Sequence[Checked]) -> Iterator[str]:
    yield "## In short\n"
    for part in parts:
        best = next((one for one in standing if one.claim.part == part.text), None)
        if best is None:
            yield f"- **{part.text}** The documents do not say."
        else:
            yield f"- **{part.text}** {best.claim.quote} [{best.claim.source}, {best.claim.place}]{_standing(best)}"


def _standing(one: Checked) -> str:
    if one.against:
        return " - **disputed**, see below"
    others = len({witness.source for witness in one.also})
    return f" - confirmed by {others} other document{'s' * (others > 1)}" if others else " - one document"


def _findings(parts: Sequence[Part], standing: Sequence[Checked]) -> Iterator[str]:
    for part in parts:
        own = [one for one in standing if one.claim.part == part.text]
        if own:
            yield f"\n## {part.text}\n"
            for one in own:
                yield _cited(one.claim)
                yield from (f"  - also: {_witness(other)}" for other in one.also)


def _once(disputed: Sequence[Checked]) -> Iterator[Checked]:
    """Each dispute once: not again from the other side."""
    told: set[frozenset[str]] = set()
    for one in disputed:
        pairs = {frozenset((one.claim.quote, other.quote)) for other in one.against}
        if not pairs <= told:
            yield one
        told |= pairs


def _cited(claim: Claim) -> str:
    return f"- {claim.quote} [{claim.source}, {claim.place}]"


def _witness(witness: Witness) -> str:
    return f"{witness.quote} [{witness.source}, {witness.place}]"
