"""A process may die at any commit: no call's money is lost or counted twice, and no budget is overshot."""

import threading
from pathlib import Path

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import FLEET_ENDED, AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.paid_step import Uncharged
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import DyingStore, folded, wait_until

CENT = 10_000_000
BOUND = Usage(output_tokens=100, calls=1, cost_nusd=10 * CENT)
AGENTS, CALLS, CHARGE = 4, 3, 6 * CENT
SPEC = FleetSpec(
    agents=(
        AgentSpec(role="spender", prompt="spend", brain="spender", each=tuple(range(AGENTS)), max_interruptions=1_000),
    ),
    budget=Budget(cost_nusd=40 * CENT),
)


class Provider:
    """Outlives the processes; knows what was really charged."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turned_away: set[tuple[str, int]] = set()
        self.charges: list[tuple[str, int]] = []

    def charged_nusd(self) -> int:
        return CHARGE * len(self.charges)

    def call(self, agent: str, number: int) -> tuple[str, Usage]:
        """The first time an agent asks for a call, it is turned away for nothing."""
        with self._lock:
            if (agent, number) not in self._turned_away:
                self._turned_away.add((agent, number))
                raise Uncharged("not now")
            self.charges.append((agent, number))
        return "said", Usage(output_tokens=7, calls=1, cost_nusd=CHARGE)

    def spender(self, ctx: Context) -> int:
        for number in range(CALLS):
            self.make(ctx, number)
        return CALLS

    def make(self, ctx: Context, number: int) -> None:
        while True:
            try:
                ctx.paid_step(f"call {number}", BOUND, lambda: self.call(ctx.name, number))
            except Uncharged:
                continue
            return


def run_until_death(directory: Path, provider: Provider, appends: int, *, written: bool) -> bool:
    """One process: the fleet is spawned, spends what it may, is paused; then it may spend enough."""
    directory.mkdir(exist_ok=True)
    store = DyingStore(open_store(directory / "log.db"), appends, written=written)
    config = RuntimeConfig(linger_s=0)
    with Runtime.open(directory, brains={"spender": provider.spender}, store=store, config=config) as runtime:
        try:
            fleet_id = runtime.spawn_fleet(SPEC, idempotency_key="the job").fleet_id
            while not store.is_dead:
                status = runtime.fleet_status(fleet_id).fleet
                if status.status == "paused":
                    runtime.set_budget(fleet_id, Budget(cost_nusd=10_000 * CENT))
                if status.status in FLEET_ENDED:
                    assert status.status == "complete", status
                    break
                runtime.timeline(fleet_id, after=runtime.position, wait_s=0.02)
        except FleetlogError:
            assert store.is_dead
    return store.is_dead


def check_the_log(directory: Path, provider: Provider) -> None:
    """What is counted at any moment is at least what was charged, and within the budget with what is set aside."""
    with open_store(directory / "log.db") as store:
        states = folded(store)
    agents = [state for state in states.values() if isinstance(state, Agent)]
    open_calls = [agent.open_call.bound.cost_nusd for agent in agents if agent.open_call]
    assert provider.charged_nusd() <= sum(agent.spent.cost_nusd for agent in agents) + sum(open_calls)
    for fleet in states.values():
        if isinstance(fleet, Fleet):
            assert fleet.purse.budget is not None
            limit = fleet.purse.budget.cost_nusd
            assert limit is not None
            assert fleet.purse.spent.cost_nusd + fleet.purse.held.cost_nusd <= limit
            assert provider.charged_nusd() <= limit


def finish(directory: Path, provider: Provider) -> None:
    assert not run_until_death(directory, provider, 1_000_000, written=True)
    with Runtime.open(directory, brains={"spender": provider.spender}) as runtime:
        fleet_id = runtime.list_fleets().fleets[0].id
        wait_until(runtime, fleet_id, lambda _: runtime.spend(fleet_id).reserved == Usage())
        spend = runtime.spend(fleet_id)
        assert runtime.fleet_status(fleet_id).fleet.status == "complete"
        assert runtime.verify_ledger().findings == ()
    completed = [call for call in spend.calls if call.state == "completed"]
    lost = [call for call in spend.calls if call.state == "lost"]
    assert len(completed) == AGENTS * CALLS
    assert not [call for call in spend.calls if call.state == "open"]
    assert len(completed) <= len(provider.charges) <= len(completed) + len(lost)
    assert spend.spent.cost_nusd == CHARGE * len(completed) + BOUND.cost_nusd * len(lost)
    with open_store(directory / "log.db") as store:
        states = folded(store)
    fleet = states[fleet_id]
    assert isinstance(fleet, Fleet)
    agents = [state for state in states.values() if isinstance(state, Agent)]
    assert fleet.purse.spent == spend.spent
    assert fleet.purse.reserved == {}
    assert fleet.purse.held == Usage()
    assert {agent.name: agent.spent for agent in agents} == spend.agents


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False], ids=["committed", "not committed"])
def test_no_money_is_lost_or_counted_twice_at_any_commit(tmp_path: Path, written: bool) -> None:
    appends, died = 1, True
    while died:
        directory, provider = tmp_path / f"at-{appends}", Provider()
        died = run_until_death(directory, provider, appends, written=written)
        check_the_log(directory, provider)
        finish(directory, provider)
        appends += 1
    assert appends > 15


@pytest.mark.slow
def test_a_fleet_that_dies_again_and_again_spends_no_more_than_it_may(tmp_path: Path) -> None:
    directory, provider = tmp_path / "d", Provider()
    for appends in range(5, 65):  # more each time: whatever a process gets done in five, some life gets further
        died = run_until_death(directory, provider, appends, written=True)
        check_the_log(directory, provider)
        if not died:
            break
    finish(directory, provider)
