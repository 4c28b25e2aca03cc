"""Precision and recall of the offline reviewers, over seeded specs and changes, run as whole fleets."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.scenarios.review.spec import review_spec
from tests.scenarios.review.places import Place, make_change, make_spec, reviewed

SEEDS = range(5_000, 5_008)


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with Runtime.open("memory:", config=RuntimeConfig(linger_s=0.05)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("make", "spec_of"),
    [
        (make_spec, lambda root: review_spec(str(root), file="spec.md")),
        (make_change, lambda root: review_spec(str(root), diff="HEAD~1..HEAD")),
    ],
    ids=["specs", "changes"],
)
def test_the_reviewers_find_what_is_there_and_little_else(
    runtime: Runtime,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    make: Callable[[Path, int], set[Place]],
    spec_of: Callable[[Path], FleetSpec],
) -> None:
    hits, told, true = 0, 0, 0
    wrong: list[object] = []
    for seed in SEEDS:
        root = tmp_path / str(seed)
        root.mkdir()
        truth = make(root, seed)
        found = reviewed(runtime, spec_of(root)).counting
        hits, told, true = hits + len(found & truth), told + len(found), true + len(truth)
        wrong += [(seed, "missed", sorted(truth - found)), (seed, "in vain", sorted(found - truth))]
    precision, recall = hits / told, hits / true
    with capsys.disabled():
        said = f"precision {precision:.3f}, recall {recall:.3f} ({hits} of {true} found, {told} told)"
        sys.stdout.write(f"\n{make.__name__}: {said}\n")
    assert precision >= 0.97, wrong
    assert recall >= 0.93, wrong
