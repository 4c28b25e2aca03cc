"""Precision and recall of the offline researchers, over seeded corpora, run as whole fleets: of claims, of
contradictions, and of what is not there.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleetlog.runtime.host import Runtime, RuntimeConfig
from tests.scenarios.research import places
from tests.scenarios.research.places import make_corpus
from tests.scenarios.research.runs import researched

SEEDS = range(7_000, 7_008)
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

    def add(self, told: set[object], true: set[object], where: object) -> None:
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


def test_claims_contradictions_and_gaps_are_found_and_little_else(
    runtime: Runtime, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {what: Count() for what in ("claims", *dict.fromkeys(EXPECTED.values()))}
    for seed in SEEDS:
        truth = make_corpus(tmp_path / str(seed), seed)
        found = researched(runtime, tmp_path / str(seed), truth.question)
        assert len(found.answers) == len(truth.asked)
        for number, (asked, outcome) in enumerate(zip(truth.asked, found.answers, strict=True), start=1):
            told = {(row.path, row.quote) for row in found.of_part(number)}
            counts["claims"].add(set(told), set(asked.answers), (seed, asked.question))
            expected = EXPECTED[asked.fate]
            for what in set(EXPECTED.values()):
                where = (seed, asked.question, outcome)
                counts[what].add({number} if outcome == what else set(), {number} if expected == what else set(), where)
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(f"{what}: {count.said}" for what, count in counts.items()) + "\n")
    for what, count in counts.items():
        assert count.precision >= 0.9, (what, count.wrong)
        assert count.recall >= 0.85, (what, count.wrong)
