"""Shops with seeded mistakes whose true classes are known, the fleet that triages them, and how right it was."""

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.triage.facts import CLASSES, UNDECIDED
from fleetlog.runtime.scenarios.triage.order import Order
from fleetlog.runtime.scenarios.triage.spec import triage_spec

__all__ = ["COMMAND", "make_shop", "score", "triaged", "wrong"]

COMMAND = f"{sys.executable} -m pytest -q {{test}}"
_MAKER = Path(__file__).resolve().parents[3] / "examples" / "triage" / "make_shop.py"


def _maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_shop", _MAKER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_shop"] = module  # its named tuples look themselves up
    spec.loader.exec_module(module)
    return module


def make_shop(root: Path, seed: int = 1, **options: bool) -> dict[str, Any]:
    """The shipped sample; what is true of it: `classes` and `culprits` by test, the `first` commit."""
    made: dict[str, Any] = _maker().make_shop(root, seed, **options)
    return made


def triaged(directory: Path, shop: Path, **wishes: Any) -> dict[str, Any]:
    """What the triager submitted: the whole fleet, through the real runtime."""
    order = Order(**{"log": str(shop / "report.xml"), "test_command": COMMAND, **wishes})
    with Runtime.open(directory) as runtime:
        fleet = runtime.spawn_fleet(triage_spec(str(shop), order))
        results = runtime.collect_results(fleet.fleet_id, wait_s=400)
        assert results.status == "complete", results
        assert {result.status for result in results.results} == {"complete"}
        output: dict[str, Any] = next(result.output for result in results.results if result.name == "triager")
    return output


def score(found: Mapping[str, str], truth: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """(precision, recall) by class; of a class without tests, 1."""
    scores = {}
    for kind in (kind for kind in CLASSES if kind != UNDECIDED):
        said = {test for test, given in found.items() if given == kind}
        true = {test for test, given in truth.items() if given == kind}
        hits = len(said & true)
        scores[kind] = (hits / len(said) if said else 1.0, hits / len(true) if true else 1.0)
    return scores


def wrong(found: Mapping[str, str], truth: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Test -> (said, true), where they differ."""
    tests = sorted({*found, *truth})
    pairs = {test: (found.get(test, "missing"), truth.get(test, "no failure")) for test in tests}
    return {test: pair for test, pair in pairs.items() if pair[0] != pair[1]}
