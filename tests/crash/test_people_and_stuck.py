"""A process may die at any commit of a ticket's life, or of a stuck fleet's: resumed, both end as they should."""

from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import FleetlogError, NoAnswer, NotAllowed
from fleetlog.domain.values import AgentSpec, FleetSpec, HelpPolicy
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.store import open_store
from fleetlog.runtime.testing import DyingStore

QUICK = RuntimeConfig(linger_s=0, stuck_after_s=0.01)


def clerk(ctx: Context) -> Any:
    """Asks for help that nobody gives, then whether it may act all the same."""
    advice = ctx.request_help("which?")
    approval = ctx.request_approval("act", {"advice": advice})
    return [advice, approval.granted]


PEOPLE = FleetSpec(
    agents=(
        AgentSpec(
            role="clerk",
            prompt="x",
            brain="clerk",
            help_policy=HelpPolicy(remind_after_s=600.0, expire_after_s=3_600.0),
        ),
    )
)


def work_on_tickets(runtime: Runtime, clock: ManualClock, store: DyingStore | None) -> Any:
    """A day of the clerk's: nobody answers its question, somebody decides about its wish."""
    fleet_id = runtime.spawn_fleet(PEOPLE, idempotency_key="people").fleet_id
    while store is None or not store.is_dead:
        for ticket in runtime.list_help(fleet_id, "open", kind="approval").requests:
            try:
                runtime.decide_approval(ticket.help_id, True, idempotency_key=f"decide {ticket.help_id}")
            except NotAllowed:
                assert runtime.list_help(fleet_id, "answered").requests
        if runtime.list_help(fleet_id, "open", kind="help").requests:
            clock.advance(700)
        results = runtime.collect_results(fleet_id, wait_s=0.02)
        if results.is_final:
            return results.results[0].output
    return None


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False], ids=["committed", "not committed"])
def test_a_tickets_life_survives_death_at_every_commit(tmp_path: Path, written: bool) -> None:
    appends, is_dead = 0, True
    while is_dead:
        appends += 1
        directory = tmp_path / f"at-{appends}"
        directory.mkdir()
        store = DyingStore(open_store(directory / "log.db"), appends, written=written)
        clock = ManualClock()
        with Runtime.open(directory, brains={"clerk": clerk}, config=QUICK, clock=clock, store=store) as runtime:
            try:
                work_on_tickets(runtime, clock, store)
            except FleetlogError:
                assert store.is_dead
        is_dead = store.is_dead
        later = ManualClock(clock.now().wall_ms)
        with Runtime.open(directory, brains={"clerk": clerk}, config=QUICK, clock=later) as runtime:
            assert work_on_tickets(runtime, later, None) == [None, True]
            first, second = runtime.list_help().requests
            assert (first.status, second.status, second.granted) == ("expired", "answered", True)
            closings = [e.what for e in runtime.timeline(limit=1_000) if e.what in ("help.expired", "help.answered")]
            assert closings == ["help.expired", "help.answered"]
            assert runtime.verify_ledger().findings == ()
    assert appends > 8


def asks(peer: str) -> Any:
    def brain(ctx: Context) -> str:
        try:
            return ctx.ask(peer, "well?").payload
        except NoAnswer as error:
            return str(error)

    return brain


STUCK = FleetSpec(agents=tuple(AgentSpec(role=name, prompt="x", brain=name) for name in "ab"))


@pytest.mark.slow
@pytest.mark.parametrize("written", [True, False], ids=["committed", "not committed"])
def test_a_stuck_fleet_is_told_whenever_the_process_dies(tmp_path: Path, written: bool) -> None:
    brains = {"a": asks("b"), "b": asks("a")}
    appends, is_dead = 0, True
    while is_dead:
        appends += 1
        directory = tmp_path / f"at-{appends}"
        directory.mkdir()
        store = DyingStore(open_store(directory / "log.db"), appends, written=written)
        with Runtime.open(directory, brains=brains, config=QUICK, store=store) as runtime:
            try:
                fleet_id = runtime.spawn_fleet(STUCK, idempotency_key="stuck").fleet_id
                while not store.is_dead and not runtime.collect_results(fleet_id, wait_s=0.02).is_final:
                    pass
            except FleetlogError:
                assert store.is_dead
        is_dead = store.is_dead
        with Runtime.open(directory, brains=brains, config=QUICK) as runtime:
            fleet_id = runtime.spawn_fleet(STUCK, idempotency_key="stuck").fleet_id
            results = runtime.collect_results(fleet_id, wait_s=20)
            assert results.delivered == 2
            # one of them may have been told before, and ended: then the other's question was declined
            outputs = [result.output for result in results.results]
            assert any("everyone waits and nothing is in flight" in output for output in outputs), outputs
            waits = [entry for entry in runtime.timeline(limit=1_000) if entry.what == "step.wait_abandoned"]
            assert len({entry.agent_id for entry in waits}) == len(waits)
    assert appends > 5
