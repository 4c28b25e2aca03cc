"""Precision and recall of the offline researchers, over seeded corpora, run as whole fleets: of claims, of
contradictions, and of what is not there.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from fleetlog.runtime.host import Runtime, RuntimeConfig
from tests.scenarios.research import places
from tests.scenarios.research.matters import MATTERS, UNSEEN, Matter
from tests.scenarios.research.places import make_corpus
from tests.scenarios.research.runs import researched

_T = TypeVar("_T")
SEEDS = range(7_000, 7_016)
EXPECTED = {
    places.SINGLE: "one source",
    places.COPIED: "one source",
    places.DOUBLE: "confirmed by two sources",
    places.DISPUTED: "contradicted",
    places.ABSENT: "not found",
}


@dataclass
class Count:
    """Hits among what was told and what is true."""

    hits: int = 0
    told: int = 0
    true: int = 0
    wrong: list[object] = field(default_factory=list)

    def add(self, told: set[_T], true: set[_T], where: object) -> None:
        self.hits, self.told, self.true = self.hits + len(told & true), self.told + len(told), self.true + len(true)
        self.wrong += [(where, "in vain", sorted(map(str, told - true)))] if told - true else []
        self.wrong += [(where, "missed", sorted(map(str, true - told)))] if true - told else []

    @property
    def said(self) -> str:
        return (
            f"precision {self.precision:.3f}, recall {self.recall:.3f} ({self.hits} of {self.true}, {self.told} told)"
        )

    @property
    def precision(self) -> float:
        return self.hits / self.told

    @property
    def recall(self) -> float:
        return self.hits / self.true


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime.open("memory:", config=RuntimeConfig(linger_s=0.05)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("matters", "precision", "recalls"),
    [
        (MATTERS, 0.97, {"claims": 0.95, "contradicted": 0.95, "not found": 0.95}),
        (UNSEEN, 0.95, {"claims": 0.65, "contradicted": 0.35, "not found": 0.95}),
    ],
    ids=["known", "unseen"],
)
def test_claims_contradictions_and_gaps_are_found_and_little_else(
    runtime: Runtime,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    matters: Sequence[Matter],
    precision: float,
    recalls: dict[str, float],
) -> None:
    counts = {what: Count() for what in ("claims", *dict.fromkeys(EXPECTED.values()))}
    for seed in SEEDS:
        truth = make_corpus(tmp_path / str(seed), seed, matters)
        found = researched(runtime, tmp_path / str(seed), truth.question)
        assert len(found.answers) == len(truth.asked)
        for number, (asked, outcome) in enumerate(zip(truth.asked, found.answers, strict=True), start=1):
            where = (seed, asked.question, outcome)
            counts["claims"].add({(row.path, row.quote) for row in found.of_part(number)}, asked.answers, where)
            for what in counts.keys() - {"claims"}:
                true = {number} if EXPECTED[asked.fate] == what else set()
                counts[what].add({number} if outcome == what else set(), true, where)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{what}: {count.said}" for what, count in counts.items()) + "\n")
    assert counts["claims"].precision >= precision, counts["claims"].wrong
    assert counts["contradicted"].precision >= precision, counts["contradicted"].wrong
    for what, recall in recalls.items():
        assert counts[what].recall >= recall, (what, counts[what].wrong)
