"""A fleet of twenty Claude agents with a budget of one dollar, killed with -9 meanwhile: the server never charges more
than the dollar; with a higher budget they go on to the end.
"""

import random
import signal
from pathlib import Path

import pytest

from fleetlog.domain.budget import nusd
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime.brains.prices import Prices
from fleetlog.runtime.host import Runtime
from tests.crash import budget_scripts
from tests.crash.claude_job import outcome_of, start
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.settings import MODEL, Settings
from tests.fakes.messages_api.stats import Tokens

AGENTS, KILLS = 20, 6
DOLLAR = nusd("1")
SPENDER = AgentSpec(
    role="spender",
    prompt="[script:spend] Spend.",
    brain="claude",
    model=MODEL,
    max_tokens=1_000,
    each=tuple(range(AGENTS)),
)
SPEC = FleetSpec(agents=(SPENDER,), budget=Budget(cost_nusd=DOLLAR))


def charged(api: FakeProcess) -> int:
    """Nano-dollars the server has charged for replies it sent, whole or not, whether anybody read them or not."""
    report = api.report()
    return sum(_cost(tokens) for tokens in (report.billed, report.at_risk))


def _cost(tokens: Tokens) -> int:
    price = Prices.load().find(MODEL)
    assert price is not None
    used = Usage(tokens.input, tokens.output, tokens.cache_read, tokens.cache_write_5m, tokens.cache_write_1h)
    return price.rates.of(used)


def spent(directory: Path) -> tuple[str, int]:
    """The fleet's state, and what its log counts as spent."""
    with Runtime.open(directory, recover=False) as runtime:
        fleet = runtime.list_fleets().fleets[0]
        return fleet.status, fleet.spent.cost_nusd


@pytest.mark.slow
def test_twenty_agents_never_spend_more_than_their_dollar_however_often_they_are_killed(tmp_path: Path) -> None:
    chooser = random.Random()
    with FakeProcess(tmp_path / "api", [Path(budget_scripts.__file__)], Settings(latency_s=0.02)) as api:
        directory = tmp_path / "d"
        for _ in range(KILLS):
            child = start(directory, SPEC, api, until_paused=True)
            child.join(chooser.uniform(0.5, 1.5))
            child.kill()
            child.join()
            assert child.exitcode in (0, -signal.SIGKILL)
            assert charged(api) <= DOLLAR
        child = start(directory, SPEC, api, until_paused=True)
        child.join(60)
        assert child.exitcode == 0
        status, counted = spent(directory)
        assert status == "paused"
        assert 0 < charged(api) <= counted <= DOLLAR
        assert counted > 0.8 * DOLLAR  # what is not known of a call that was cut off is counted as its bound
        with Runtime.open(directory, recover=False) as runtime:
            fleet_id = runtime.list_fleets().fleets[0].id
            runtime.set_budget(fleet_id, Budget(cost_nusd=20 * DOLLAR))
        outcome = outcome_of(start(directory, SPEC, api), directory)
        assert set(outcome.results.values()) == {"done"}
        assert charged(api) <= spent(directory)[1]
        assert api.violations == []
