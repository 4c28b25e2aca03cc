"""The gate in front of a model: a rate limit is an answer to all."""

from collections.abc import Iterator

import pytest

from fleetlog.runtime.brains.gate import GRANT_S, Gate, Gates
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.journal import Journal
from fleetlog.runtime.store import EventStore, open_store
from fleetlog.runtime.timers import Timers


class Station:
    """Gates on a clock that stands still, and agents that note when they are called."""

    def __init__(self, store: EventStore, limit: int = 8) -> None:
        self.clock = ManualClock()
        self.timers = Timers(self.clock)
        self.journal = Journal(store)
        self.gates = Gates(store, self.journal, self.clock, self.timers, limit)
        self.called: list[str] = []

    def gate(self, model: str = "m") -> Gate:
        return self.gates.find("account", model)

    def enter(self, agent: str, fleet: str = "f", model: str = "m") -> bool:
        return self.gate(model).enter(fleet, agent, lambda: self.called.append(agent))

    def take_called(self) -> list[str]:
        called, self.called = self.called, []
        return called

    def pass_time(self, seconds: float) -> None:
        """Let the time pass, and everything that is due happen: the gate is asked directly, no thread is waited for."""
        self.clock.advance(seconds)
        self.gate()._look()

    def close(self) -> None:
        self.timers.close()
        self.journal.close()


@pytest.fixture
def store() -> Iterator[EventStore]:
    with open_store(None) as opened:
        yield opened


@pytest.fixture
def station(store: EventStore) -> Iterator[Station]:
    opened = Station(store)
    yield opened
    opened.close()


def test_no_more_enter_than_the_limit_and_each_that_leaves_lets_one_in(station: Station) -> None:
    assert [station.enter(f"a{n}") for n in range(10)] == [True] * 8 + [False] * 2
    station.gate().leave("a0", succeeded=True)
    assert station.take_called() == ["a8"]
    assert station.enter("a8")
    assert not station.enter("late")


def test_models_have_gates_of_their_own(station: Station) -> None:
    assert station.enter("a", model="m")
    station.gate("m").limited("a", 429, "slow down", 60)
    assert not station.enter("b", model="m")
    assert station.enter("b", model="n")


def test_one_limit_closes_the_gate_for_all_for_as_long_as_the_provider_said(station: Station) -> None:
    for agent in "abc":
        assert station.enter(agent)
    station.gate().limited("a", 429, "slow down", 30)
    assert not station.enter("d")
    station.pass_time(29.9)
    assert station.take_called() == []
    station.pass_time(0.2)
    assert station.take_called() == []  # b and c are still on their way: nothing is known yet
    station.gate().leave("b", succeeded=False)
    station.gate().leave("c", succeeded=False)
    assert station.take_called() == ["d"]


def test_it_reopens_with_a_trickle_and_grows(station: Station) -> None:
    assert station.enter("first")
    station.gate().limited("first", 529, "overloaded", 10)
    agents = [f"a{n}" for n in range(20)]
    assert not any(station.enter(agent) for agent in agents)
    station.pass_time(11)
    running: list[str] = []
    sizes = []
    for _ in range(4):
        fresh = station.take_called()
        assert all(station.enter(agent) for agent in fresh)
        running = fresh
        sizes.append(len(running))
        for agent in running:
            station.gate().leave(agent, succeeded=True)
    assert sizes[0] == 1
    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0]


def test_a_second_limit_after_reopening_closes_it_for_longer(station: Station) -> None:
    station.enter("a")
    station.gate().limited("a", 429, "x", None)
    first = station.gate().state().closed_until - station.clock.now().wall_ms
    assert 400 <= first <= 1_100
    station.enter("a")
    station.pass_time(2)
    assert station.take_called() == ["a"]
    assert station.enter("a")
    station.gate().limited("a", 429, "x", None)
    second = station.gate().state().closed_until - station.clock.now().wall_ms
    assert 900 <= second <= 2_100


def test_late_answers_of_the_same_burst_do_not_close_it_for_longer(station: Station) -> None:
    for agent in "abcd":
        station.enter(agent)
    station.gate().limited("a", 429, "x", None)
    until = station.gate().state().closed_until
    for agent in "bcd":
        station.gate().limited(agent, 429, "x", None)
    assert station.gate().state().closed_until == until


def test_fleets_take_turns(station: Station) -> None:
    for n in range(8):
        assert station.enter(f"running{n}", "big")
    for n in range(4):
        station.enter(f"big{n}", "big")
    for n in range(2):
        station.enter(f"small{n}", "small")
    for n in range(4):
        station.gate().leave(f"running{n}", succeeded=True)
    assert station.take_called() == ["big0", "small0", "big1", "small1"]


def test_a_place_that_nobody_comes_for_goes_to_the_next(station: Station) -> None:
    for n in range(8):
        station.enter(f"running{n}")
    station.enter("gone")
    station.enter("next")
    station.gate().leave("running0", succeeded=True)
    assert station.take_called() == ["gone"]
    station.pass_time(GRANT_S + 1)
    assert station.take_called() == ["next"]


def test_an_agent_that_has_ended_holds_nobody_up(station: Station) -> None:
    for n in range(8):
        station.enter(f"running{n}")
    for agent in ("ended", "granted", "last"):
        station.enter(agent)
    station.gates.forget("f", "ended")
    station.gate().leave("running0", succeeded=True)
    assert station.take_called() == ["granted"]
    station.gates.forget("f", "granted")
    assert station.take_called() == ["last"]
    station.gates.forget("f", "never was here")
    station.gates.forget("other fleet", "last")
    assert station.enter("last")
    assert station.gate().state().waiting == 0


def test_how_long_it_is_closed_holds_after_a_restart(store: EventStore) -> None:
    before = Station(store)
    before.enter("a")
    before.gate().limited("a", 429, "slow down", 600)
    before.close()
    after = Station(store)
    try:
        assert not after.enter("b")
        assert after.gate().state().reason == "slow down"
        after.pass_time(599)
        assert after.take_called() == []
        after.pass_time(2)
        assert after.take_called() == ["b"]
        assert after.enter("b")
        after.gate().limited("b", 429, "again", 60)
    finally:
        after.close()
    third = Station(store)
    try:
        assert third.gate().state().reason == "again"
    finally:
        third.close()


def test_the_account_is_not_in_the_log(store: EventStore) -> None:
    station = Station(store)
    gate = station.gates.find("https://api.example sk-very-secret", "m")
    gate.enter("f", "a", lambda: None)
    gate.limited("a", 429, "x", 600)
    station.close()
    with store.subscribe() as log:
        rows = log.next_batch(10, 0)
    assert len(rows) == 1
    assert all(b"secret" not in row.state and "secret" not in str(row.originator_id) for row in rows)
