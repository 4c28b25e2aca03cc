"""Documents and questions by another author than the rules': how many are answered rightly, by the best finding."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from fleetlog.runtime.host import Runtime, RuntimeConfig
from tests.scenarios.research.runs import researched

ISLAND = Path(__file__).parent / "island"


class Truth(NamedTuple):
    """What must be quoted for a question; empty when no document answers. `disputed`: two documents differ."""

    question: str
    answers: tuple[str, ...] = ()
    disputed: bool = False


TRUTH = (
    Truth("When was the lighthouse of Vellin built?", ("1891", "1889"), disputed=True),
    Truth("Who built the lighthouse?", ("Paul Haverby",)),
    Truth("How long does the ferry to Vellin take?", ("95 minutes",)),
    Truth("How many inhabitants has Vellin?", ("1,240",)),
    Truth("What is the highest point of Vellin?", ("Mount Karrow",)),
    Truth("How many pairs of puffins were counted on the cliffs?", ("3,400", "2,900"), disputed=True),
    Truth("When was the last eruption of Mount Karrow?", ("1702",)),
    Truth("How much is the admission to the museum?", ("free",)),
    Truth("How many boats has the fishing fleet of Vellin?", ("17 boats",)),
    Truth("Who is the harbour master?", ("Ines Tarrow",)),
    Truth("When was the harbour of Vellin opened?", ("1874",)),
    Truth("What does a hotel room cost?"),
    Truth("Who founded the university library?"),
    Truth("Which airline flies from Brussels?"),
)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime.open("memory:", config=RuntimeConfig(linger_s=0.05)) as opened:
        yield opened


def test_an_island_by_another_author_is_answered(runtime: Runtime, capsys: pytest.CaptureFixture[str]) -> None:
    told, right, disputed, silent = 0, 0, list[Truth](), 0
    for truth in TRUTH:
        found = researched(runtime, ISLAND, truth.question, researchers=1)
        best = found.claims[0].quote if found.claims else ""
        told, silent = told + bool(best), silent + (not truth.answers and not best)
        right += any(answer in best for answer in truth.answers)
        disputed += [truth] * (found.answers == ("contradicted",))
    with capsys.disabled():
        said = f"{right} of {told} told are right; disputed {sum(one.disputed for one in disputed)} of {len(disputed)}"
        sys.stdout.write(f"\nanother author's island: {said}; {silent} of 3 are said not to be there\n")
    assert (right, silent) >= (10, 3)
    assert told == right
    assert {one for one in TRUTH if one.disputed} <= set(disputed)
    assert len(disputed) <= 3
