"""A fleet's life: who may start, who never can, and how it ends."""

import ast
import inspect
from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import fleet as fleet_module
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import Budget, Usage, Waiting
from tests.domain.given import FLEET, Story, fleet_story, member, role

ENDS = ["failed", "timed_out", "cancelled"]


def ended(name: str, status: Any = "complete") -> c.RecordAgentEnd:
    return c.RecordAgentEnd(name, status)


# --- admission -----------------------------------------------------------------------------------


def test_an_agent_may_start_when_all_it_depends_on_have_completed() -> None:
    story = fleet_story(role("a"), role("b"), role("c", "a", "b"))
    assert story.when(ended("b")) == [e.AgentEnded("b", "complete")]
    assert story.when(ended("a")) == [e.AgentEnded("a", "complete"), e.AgentsAdmitted(("c",))]


def test_one_end_can_let_several_start_in_the_order_of_the_spec() -> None:
    story = fleet_story(role("z", "a"), role("a"), role("m", "a"), role("b", "a"))
    assert story.when(ended("a"))[1:] == [e.AgentsAdmitted(("z", "m", "b"))]


def test_a_chain_starts_link_by_link() -> None:
    story = fleet_story(role("c", "b"), role("b", "a"), role("a"))
    assert story.state.admitted == {"a"}
    story.when(ended("a"))
    assert story.state.admitted == {"a", "b"}
    story.when(ended("b"))
    assert story.state.admitted == {"a", "b", "c"}


def test_naming_an_agent_twice_needs_it_once() -> None:
    story = fleet_story(role("a"), role("b", "a", "a"))
    assert story.when(ended("a"))[1:] == [e.AgentsAdmitted(("b",))]


@pytest.mark.parametrize("status", ENDS)
def test_an_agent_that_did_not_complete_lets_nobody_start(status: str) -> None:
    story = fleet_story(role("a"), role("b", "a"))
    assert story.when(ended("a", status)) == [e.AgentEnded("a", status)]  # type: ignore[arg-type]
    assert story.state.admitted == {"a"}


def test_nobody_starts_in_a_fleet_that_was_cancelled() -> None:
    story = fleet_story(role("a"), role("b", "a"))
    story.when(c.CancelFleet())
    assert story.when(ended("a")) == [e.AgentEnded("a", "complete")]
    assert story.state.admitted == {"a"}


def test_the_awake_are_those_who_may_run_in_the_order_of_the_spec() -> None:
    names = [f"agent-{number}" for number in range(20)]
    story = fleet_story(*(role(name) for name in names), role("last", names[0]))
    assert [member.name for member in story.state.awake] == names


def test_an_agent_that_completed_without_returning_stays_awake() -> None:
    story = fleet_story(role("a"), role("b"), role("z"))
    story.when(c.RecordAgentEnd("a", "complete", returned=False))
    story.when(ended("b"))
    assert [member.name for member in story.state.awake] == ["a", "z"]
    assert [member.name for member in story.state.unfinished] == ["z"]


# --- the doomed ----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ENDS)
def test_who_depends_on_an_agent_that_did_not_complete_is_doomed(status: str) -> None:
    story = fleet_story(role("a"), role("b", "a"), role("free"))
    assert story.state.doomed == []
    story.when(ended("a", status))
    assert story.state.doomed == [(member("b", "a"), f"it depends on a: a ended as {status}")]


def test_one_failure_among_each_dooms_who_depends_on_them() -> None:
    story = fleet_story(role("read", each=(1, 2)), role("edit", "read"))
    story.when(ended("read-1"))
    story.when(ended("read-2", "failed"))
    assert story.state.doomed == [(member("edit", "read"), "it depends on read: read-2 ended as failed")]


def test_the_first_that_broke_a_group_is_named() -> None:
    story = fleet_story(role("read", each=(1, 2)), role("edit", "read"))
    story.when(ended("read-2", "cancelled"))
    story.when(ended("read-1", "failed"))
    assert story.state.doomed[0][1] == "it depends on read: read-2 ended as cancelled"


def test_doom_goes_on_down_a_chain_as_each_is_ended() -> None:
    story = fleet_story(role("a"), role("b", "a"), role("c", "b"), role("free"))
    story.when(ended("a", "failed"))
    assert [doomed.name for doomed, _ in story.state.doomed] == ["b"]
    story.when(ended("b", "cancelled"))
    assert [doomed.name for doomed, _ in story.state.doomed] == ["c"]
    story.when(ended("c", "cancelled"))
    assert story.state.doomed == []


def test_who_depends_on_a_good_and_a_bad_one_is_doomed_once() -> None:
    story = fleet_story(role("good"), role("bad"), role("b", "good", "bad"))
    story.when(ended("bad", "failed"))
    assert story.when(ended("good")) == [e.AgentEnded("good", "complete")]
    assert [doomed.name for doomed, _ in story.state.doomed] == ["b"]


def test_who_has_started_is_not_doomed() -> None:
    story = fleet_story(role("a"), role("b", "a"))
    story.when(ended("a"))
    story.when(ended("a", "failed"))
    assert story.state.doomed == []


# --- ends ----------------------------------------------------------------------------------------


def test_a_fleet_completes_with_its_last_agent() -> None:
    story = fleet_story(role("a"), role("b"))
    assert story.when(ended("a")) == [e.AgentEnded("a", "complete")]
    assert story.when(ended("b")) == [e.AgentEnded("b", "complete"), e.FleetCompleted()]
    assert story.state.status == "complete"


def test_a_fleet_in_which_one_agent_completed_is_complete() -> None:
    story = fleet_story(role("a"), role("b"), role("c"))
    story.when(ended("a", "failed"))
    story.when(ended("b"))
    assert story.when(ended("c", "cancelled"))[-1] == e.FleetCompleted()


def test_a_fleet_in_which_nobody_completed_has_failed_and_says_how() -> None:
    story = fleet_story(role("a"), role("b"), role("c"))
    story.when(ended("a", "failed"))
    story.when(ended("b", "cancelled"))
    assert story.when(ended("c", "failed"))[-1] == e.FleetFailed("no agent completed (1 cancelled, 2 failed)")
    assert story.state.status == "failed"


def test_an_agents_end_is_recorded_once() -> None:
    story = fleet_story(role("a"), role("b"))
    story.when(ended("a", "failed"))
    assert story.when(ended("a", "failed")) == []
    assert story.when(ended("a", "complete")) == []
    assert story.state.ended == {"a": "failed"}


def test_the_end_of_a_stranger_is_refused() -> None:
    fleet_story(role("a")).refuses(ended("x"), NotFound, f"No such agent in fleet {FLEET}: x")


def test_a_cancelled_fleet_has_ended_at_once_and_hears_of_its_agents_later() -> None:
    story = fleet_story(role("a"), role("b"))
    assert story.when(c.CancelFleet("enough")) == [e.FleetCancelled("enough")]
    assert story.state.has_ended
    assert story.when(ended("a", "cancelled")) == [e.AgentEnded("a", "cancelled")]
    assert story.when(ended("b")) == [e.AgentEnded("b", "complete")]
    assert story.state.status == "cancelled"


# --- time ----------------------------------------------------------------------------------------


def test_a_fleets_time_is_counted_from_its_spawning() -> None:
    story = fleet_story(role("a"), uptime_s=100.0, timeout_s=30.0)
    assert story.state.deadline_uptime_s == 130.0
    assert story.when(c.ExpireFleet(), 129.9) == []
    assert story.when(c.ExpireFleet(), 130.0) == [e.FleetTimedOut(30.0)]
    assert story.state.status == "timed_out"
    assert story.when(c.ExpireFleet(), 131.0) == []


def test_a_fleet_without_a_timeout_never_expires() -> None:
    story = fleet_story(role("a"))
    assert story.state.deadline_uptime_s is None
    assert story.when(c.ExpireFleet(), 1e12) == []


def test_a_timeout_can_be_set_later_longer_or_shorter() -> None:
    story = fleet_story(role("a"), uptime_s=100.0)
    assert story.when(c.SetFleetTimeout(60), 120.0) == [e.FleetTimeoutSet(60.0)]
    assert story.state.deadline_uptime_s == 160.0
    story.when(c.SetFleetTimeout(5.0), 120.0)
    assert story.when(c.ExpireFleet(), 120.0) == [e.FleetTimedOut(5.0)]


@pytest.mark.parametrize("timeout_s", [0, -1.0, float("inf"), float("nan"), True, "60", None])
def test_a_timeout_is_a_positive_finite_number_of_seconds(timeout_s: Any) -> None:
    fleet_story(role("a")).refuses(c.SetFleetTimeout(timeout_s), InvalidArgument, "'timeout_s' must be")


def test_a_fleet_that_has_ended_does_not_time_out() -> None:
    story = fleet_story(role("a"), timeout_s=30.0)
    story.when(ended("a"))
    assert story.when(c.ExpireFleet(), 99.0) == []
    assert story.state.status == "complete"


# --- fleets that are kept open -------------------------------------------------------------------


def test_a_fleet_that_is_kept_open_outlives_its_last_agent() -> None:
    story = fleet_story(role("a"), keep_open=True)
    assert story.when(ended("a")) == [e.AgentEnded("a", "complete")]
    assert not story.state.has_ended
    story.when(c.AttachAgent(role("b")))
    assert story.when(c.CloseFleet("done")) == [e.FleetClosed("done")]
    assert story.when(ended("b", "failed")) == [e.AgentEnded("b", "failed"), e.FleetCompleted()]


def test_closing_a_fleet_in_which_all_have_ended_ends_it() -> None:
    story = fleet_story(role("a"), keep_open=True)
    story.when(ended("a", "failed"))
    assert story.when(c.CloseFleet()) == [
        e.FleetClosed(),
        e.FleetFailed("no agent completed (1 failed)"),
    ]


def test_a_fleet_is_closed_once() -> None:
    story = fleet_story(role("a"))
    story.when(c.CloseFleet())
    assert story.when(c.CloseFleet("again")) == []


@pytest.mark.parametrize("keep_open", [True, False])
def test_closing_a_fleet_that_has_ended_changes_nothing(keep_open: bool) -> None:
    story = fleet_story(role("a"), keep_open=keep_open)
    story.when(c.CancelFleet())
    assert story.when(c.CloseFleet()) == []


# --- after the end -------------------------------------------------------------------------------


def test_an_ended_fleet_can_be_archived_once() -> None:
    story = fleet_story(role("a"))
    story.when(ended("a"))
    assert story.when(c.ArchiveFleet("old")) == [e.FleetArchived("old")]
    assert story.when(c.ArchiveFleet("old")) == []
    assert story.state.archived


def test_a_running_fleet_cannot_be_archived() -> None:
    fleet_story(role("a")).refuses(
        c.ArchiveFleet(), NotAllowed, f"Fleet {FLEET} is running; only an ended fleet can be archived"
    )


_ENDINGS: list[tuple[list[Any], str]] = [
    ([ended("a")], "complete"),
    ([ended("a", "failed")], "failed"),
    ([c.CancelFleet()], "cancelled"),
    ([c.SetFleetTimeout(1.0), c.ExpireFleet()], "timed_out"),
]


@pytest.mark.parametrize(("commands", "status"), _ENDINGS)
@pytest.mark.parametrize("late", [c.CancelFleet(), c.SetFleetTimeout(9.0), c.AttachAgent(role("b"))])
def test_an_ended_fleet_refuses_to_be_changed(commands: list[Any], status: str, late: Any) -> None:
    story = fleet_story(role("a"))
    for command in commands:
        story.when(command, 60.0)
    assert story.state.status == status
    story.refuses(late, NotAllowed, f"Fleet {FLEET} is {status}, not running")


# --- the fold ------------------------------------------------------------------------------------


def test_every_fleet_event_is_folded_by_some_case() -> None:
    folded = {
        pattern.attr
        for node in ast.walk(ast.parse(inspect.getsource(fleet_module)))
        if isinstance(node, ast.MatchClass) and isinstance(pattern := node.cls, ast.Attribute)
    }
    missing = {event.__name__ for event in e.FleetEvent.__args__} - folded
    assert not missing


_ONE_OF_EACH = (
    e.AgentAttached(member("b", "a")),
    e.AgentsAdmitted(("a",)),
    e.AgentEnded("a", "failed"),
    e.FleetTimeoutSet(5.0),
    e.FleetForked("fleet-x", 1_000, 2.0),
    e.FleetClosed(),
    e.FleetStuck((Waiting("a", 0, "receive"),), 1, "everyone waits"),
    e.FleetCompleted(),
    e.FleetFailed("x"),
    e.FleetCancelled(),
    e.FleetTimedOut(5.0),
    e.FleetArchived(),
    e.SpendReserved("a", 1, Usage(calls=1)),
    e.SpendSettled("a", 1, Usage(calls=1)),
    e.SpendReleased("a", 0),
    e.FleetPaused("enough"),
    e.FleetResumed(),
    e.FleetBudgetSet(Budget(turns=1)),
)


@pytest.mark.parametrize("event", _ONE_OF_EACH, ids=lambda event: e.stored_name(type(event)))
@pytest.mark.parametrize("before", [[], [ended("a")], [c.CancelFleet()], [c.CloseFleet()]])
def test_folding_any_fleet_event_into_any_state_raises_nothing(before: list[Any], event: Any) -> None:
    story = fleet_story(role("a"))
    for command in before:
        story.when(command)
    Story(lambda: Fleet(FLEET), [*story.events, event])


def test_the_list_of_one_of_each_is_complete() -> None:
    assert {type(event) for event in _ONE_OF_EACH} | {e.FleetSpawned} == set(e.FleetEvent.__args__)
