"""Budgets, with agents in parallel: a fake provider counts what is charged, at the moment it charges."""

import threading
from collections.abc import Callable
from typing import Any

from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, Usage
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

CENT = 10_000_000
BOUND = Usage(input_tokens=100, output_tokens=100, calls=1, cost_nusd=10 * CENT)


class Till:
    """The provider: each call charges four cents, of the ten it may."""

    def __init__(self, cost_nusd: int = 4 * CENT) -> None:
        self._lock = threading.Lock()
        self.cost_nusd, self.charged_nusd, self.calls = cost_nusd, 0, 0

    def charge(self) -> tuple[str, Usage]:
        with self._lock:
            self.charged_nusd += self.cost_nusd
            self.calls += 1
        return "said", Usage(input_tokens=50, output_tokens=10, calls=1, cost_nusd=self.cost_nusd)

    def spender(self, calls: int) -> Callable[[Context], Any]:
        """A brain that makes so many calls, one after the other."""

        def brain(ctx: Context) -> int:
            return sum(len(ctx.paid_step(f"call {number}", BOUND, self.charge)) for number in range(calls))

        return brain


def fleet_of(agents: int, cents: int | None, **agent: Any) -> FleetSpec:
    spec = AgentSpec(role="spender", prompt="spend", brain="spender", each=tuple(range(agents)), **agent)
    return FleetSpec(agents=(spec,), budget=None if cents is None else Budget(cost_nusd=cents * CENT))


def spent_nusd(runtime: Runtime, fleet_id: str) -> int:
    return runtime.spend(fleet_id).spent.cost_nusd


def test_twenty_agents_in_parallel_never_spend_more_than_their_fleet_may(open_runtime: OpenRuntime) -> None:
    till = Till()
    runtime = open_runtime(brains={"spender": till.spender(3)})
    fleet_id = runtime.spawn_fleet(fleet_of(20, 100)).fleet_id
    status = wait_until(runtime, fleet_id, lambda status: status.fleet.status == "paused")
    assert "are spent and the next call may use up to $0.10, of $1.00" in status.fleet.pause_reason
    wait_until(runtime, fleet_id, lambda _: runtime.spend(fleet_id).reserved == Usage())
    assert 90 * CENT < till.charged_nusd == spent_nusd(runtime, fleet_id) <= 100 * CENT
    runtime.set_budget(fleet_id, Budget(cost_nusd=300 * CENT))
    results = runtime.collect_results(fleet_id, wait_s=30)
    assert (results.status, results.delivered) == ("complete", 20)
    assert till.charged_nusd == spent_nusd(runtime, fleet_id) == 60 * 4 * CENT
