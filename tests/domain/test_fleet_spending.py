"""A fleet's money: set aside before a call, settled by totals after it; and its pauses. Given / when / then."""

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import Budget, Usage
from tests.domain.given import Story, fleet_story, role

DOLLAR = Budget(cost_nusd=100)
BOUND = Usage(calls=1, cost_nusd=40)
USED = Usage(calls=1, cost_nusd=15)
SHORT = "$0.000000065 are spent and the next call may use up to $0.00000004, of $0.0000001"


def fleet(budget: Budget | None = DOLLAR) -> Story:
    return fleet_story(role("a"), role("b"), role("c"), budget=budget)


def ask(name: str, number: int = 1, bound: Usage = BOUND) -> c.ReserveSpend:
    return c.ReserveSpend(name, number, bound)


def settle(name: str, number: int = 1, cost_nusd: int = 15, *, idle: bool = False) -> c.SettleSpend:
    return c.SettleSpend(name, number, Usage(calls=number, cost_nusd=cost_nusd), idle)


def test_money_is_set_aside_as_far_as_it_fits_and_who_comes_last_waits() -> None:
    story = fleet()
    assert story.when(ask("a")) == [e.SpendReserved("a", 1, BOUND)]
    assert story.when(ask("b")) == [e.SpendReserved("b", 1, BOUND)]
    assert story.when(ask("c")) == []
    assert [story.state.is_granted(ask(name)) for name in "abc"] == [True, True, False]
    story.when(settle("a"))
    assert story.when(ask("c")) == [e.SpendReserved("c", 1, BOUND)]
    assert story.state.purse.spent.cost_nusd + story.state.purse.held.cost_nusd == 95


def test_the_same_call_is_granted_again_without_a_second_event() -> None:
    story = fleet()
    story.when(ask("a"))
    assert story.when(ask("a")) == []
    assert story.state.is_granted(ask("a"))
    assert story.state.purse.held == BOUND


@pytest.mark.parametrize(("cost_nusd", "is_granted"), [(100, True), (10, True), (101, False)])
def test_a_call_that_is_asked_for_with_another_bound_has_only_that_set_aside(cost_nusd: int, is_granted: bool) -> None:
    story, other = fleet(), ask("a", 1, Usage(calls=1, cost_nusd=cost_nusd))
    story.when(ask("a"))
    story.when(other)
    assert story.state.is_granted(other) == is_granted
    assert story.state.purse.held.cost_nusd == (cost_nusd if is_granted else 40)


def test_a_call_that_can_never_fit_pauses_the_fleet_once() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(settle("a", 1, 65))
    assert story.when(ask("b")) == [e.FleetPaused(SHORT, "budget", BOUND)]
    assert story.when(ask("c")) == []
    assert not story.state.is_granted(ask("b"))


def test_what_is_set_aside_is_not_granted_while_the_fleet_is_paused() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(c.PauseFleet("lunch"))
    assert not story.state.is_granted(ask("a"))
    story.when(c.ResumeFleet())
    assert story.state.is_granted(ask("a"))


def test_without_a_budget_everything_is_set_aside_and_settled_too() -> None:
    story = fleet(None)
    assert story.when(ask("a")) == [e.SpendReserved("a", 1, BOUND)]
    assert story.when(settle("a")) == [e.SpendSettled("a", 1, USED)]
    assert story.when(c.SetBudget(Budget(cost_nusd=50))) == [e.FleetBudgetSet(Budget(cost_nusd=50))]
    assert isinstance(story.when(ask("b"))[0], e.FleetPaused)


def test_a_total_is_settled_once_however_often_it_is_told() -> None:
    story = fleet()
    story.when(ask("a"))
    assert story.when(settle("a")) == [e.SpendSettled("a", 1, USED)]
    assert story.when(settle("a")) == []
    story.when(ask("a", 2))
    assert story.when(settle("a", 3, 35)) == [e.SpendSettled("a", 3, Usage(calls=2, cost_nusd=20))]
    assert story.when(settle("a", 2, 30)) == []
    assert (story.state.purse.spent.cost_nusd, story.state.purse.reserved) == (35, {})


def test_a_released_call_settles_with_nothing() -> None:
    story = fleet()
    story.when(ask("a"))
    assert story.when(c.SettleSpend("a", 1, Usage())) == [e.SpendSettled("a", 1, Usage())]
    assert (story.state.purse.spent, story.state.purse.held) == (Usage(), Usage())


def test_an_agent_without_a_run_gives_back_what_it_has_not_used() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(settle("a"))
    story.when(ask("a", 2))
    assert story.when(settle("a")) == []
    assert story.when(settle("a", idle=True)) == [e.SpendReleased("a", 1)]
    assert story.when(settle("a", idle=True)) == []
    assert (story.state.purse.spent, story.state.purse.held) == (USED, Usage())


def test_a_call_that_is_settled_already_is_not_set_aside_again() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(settle("a"))
    assert story.when(ask("a")) == []
    assert not story.state.is_granted(ask("a"))


def test_a_fleet_that_has_ended_settles_and_sets_nothing_aside() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(c.CancelFleet())
    assert story.when(ask("b")) == []
    assert story.when(settle("a")) == [e.SpendSettled("a", 1, USED)]
    for command in (c.PauseFleet("lunch"), c.ResumeFleet(), c.SetBudget(DOLLAR)):
        story.refuses(command, NotAllowed, "is cancelled, not running")


def test_nobody_from_outside_spends_the_fleets_money() -> None:
    fleet().refuses(ask("nobody"), NotFound, "No such agent")
    fleet().refuses(settle("nobody"), NotFound, "No such agent")


# --- pauses --------------------------------------------------------------------------------------


def test_a_pause_by_the_budget_ends_when_the_budget_admits_the_call_it_came_of() -> None:
    story = fleet()
    story.when(ask("a"))
    story.when(settle("a", 1, 65))
    story.when(ask("b"))
    story.refuses(c.ResumeFleet(), NotAllowed, f"is paused by its budget ({SHORT}): raise it")
    assert story.when(c.SetBudget(Budget(cost_nusd=104))) == [e.FleetBudgetSet(Budget(cost_nusd=104))]
    enough = Budget(cost_nusd=105)
    assert story.when(c.SetBudget(enough)) == [e.FleetBudgetSet(enough), e.FleetResumed()]
    assert story.when(ask("b")) == [e.SpendReserved("b", 1, BOUND)]


def test_an_operators_pause_is_ended_by_no_budget() -> None:
    story = fleet()
    assert story.when(c.PauseFleet("lunch")) == [e.FleetPaused("lunch")]
    assert story.when(c.PauseFleet("again")) == []
    assert story.when(c.SetBudget(Budget())) == [e.FleetBudgetSet(Budget())]
    assert story.state.roster().is_paused
    assert story.when(c.ResumeFleet()) == [e.FleetResumed()]
    assert story.when(c.ResumeFleet()) == []
    assert not story.state.roster().is_paused


def test_a_paused_fleet_still_settles_times_out_and_ends() -> None:
    story = fleet_story(role("a"), timeout_s=10.0, budget=DOLLAR)
    story.when(ask("a"))
    story.when(c.PauseFleet("lunch"))
    assert story.when(settle("a")) == [e.SpendSettled("a", 1, USED)]
    assert story.when(c.ExpireFleet(), 10.0) == [e.FleetTimedOut(10.0)]


def test_a_budget_below_what_is_spent_is_taken_and_pauses_at_the_next_call() -> None:
    story = fleet(None)
    story.when(ask("a"))
    story.when(settle("a"))
    story.when(c.SetBudget(Budget(cost_nusd=1)))
    assert story.state.pause is None
    assert isinstance(story.when(ask("a", 2))[0], e.FleetPaused)


def test_wall_time_counts_from_the_spawn() -> None:
    story = fleet_story(role("a"), uptime_s=100.0, budget=Budget(wall_s=60.0))
    assert story.state.wall_over_uptime_s == 160.0
    assert story.when(c.ExpireBudget(), 159.0) == []
    assert story.when(ask("a"), 159.0) == [e.SpendReserved("a", 1, BOUND)]
    over = "its 60 seconds of wall time are over"
    assert story.when(c.ExpireBudget(), 160.0) == [e.FleetPaused(over, "budget")]
    assert story.when(c.ExpireBudget(), 161.0) == []
    more = Budget(wall_s=90.0)
    assert story.when(c.SetBudget(more), 170.0) == [e.FleetBudgetSet(more), e.FleetResumed()]
