"""When everyone waits: what an agent's wait must be like, when a fleet is stuck, and what its agents are told."""

from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.stuck import reason_for
from fleetlog.domain.values import Message, Waiting
from tests.domain.given import agent_story, agent_that_is, fleet_story, id_of, message, role, value

A, B = Waiting("a", 1, "answer from b", "b"), Waiting("b", 1, "answer from a", "a")
WAIT = e.AgentSuspended(0, "receive")


@pytest.mark.parametrize(
    ("given", "stillness"),
    [
        ((WAIT,), "waiting"),
        ((e.AgentSuspended(0, "receive", until_uptime_s=5.0),), ""),
        ((e.AgentSuspended(0, "receive from operator", sender="operator"),), ""),
        ((e.MessageSent(0, "send question to operator", "m", 0, "", "well?"), e.AgentSuspended(1, "receive")), ""),
        ((e.HelpRequested("help-1", "stuck"), WAIT), ""),
        ((e.HelpRequested("help-1", "stuck"), WAIT, e.HelpAnswered("help-1", "x", "ann")), "waiting"),
        ((WAIT, e.MessageDelivered(message())), ""),
        ((e.AgentSuspended(0, "receive alert", ("alert",)), e.MessageDelivered(message())), "waiting"),
        ((e.StepStarted(0, "write"), e.StepDoubted(0, "write"), e.AgentSuspended(0, "write", doubt=True)), ""),
        ((e.AgentAttemptFailed(1, "x", 5.0),), ""),
        ((e.AgentCompleted(0, value()),), ""),
        ((e.AgentCompleted(0, value()), e.AgentSuspended(1, "receive question", ("question",))), "idle"),
        ((e.AgentCompleted(0, value()), e.AgentReturned()), "idle"),
        ((e.AgentFailed(("x",)),), ""),
    ],
)
def test_an_agent_is_still_when_only_a_peer_can_move_it(given: tuple[Any, ...], stillness: str) -> None:
    assert agent_story(*given).state.stillness == stillness


def test_a_mailbox_is_worked_from_outside_and_never_still() -> None:
    assert agent_story(WAIT, brain="").state.stillness == ""


def test_a_wait_says_whom_it_is_for() -> None:
    asked = agent_story(e.AgentSuspended(0, "answer from risk", ("result",), correlation_id="message-1"))
    assert asked.state.waiting == Waiting("planner", 0, "answer from risk", "risk")
    receiving = agent_story(e.AgentSuspended(0, "receive from risk", sender=id_of("risk")))
    assert receiving.state.waiting == Waiting("planner", 0, "receive from risk", "risk")


def test_an_abandoned_wait_is_a_step_and_the_agent_has_an_alert() -> None:
    story = agent_story(WAIT)
    delivered, abandoned = story.when(c.AbandonWait(0, "everyone waits"))
    assert abandoned == e.WaitAbandoned(0, "receive", "everyone waits")
    assert (delivered.message.type, delivered.message.sender) == ("alert", "operator")
    assert "everyone waits" in delivered.message.payload
    assert (story.state.status, story.state.steps[0].state) == ("running", "abandoned")
    assert story.when(c.AbandonWait(0, "everyone waits")) == []


def test_a_wait_that_is_not_what_it_was_is_not_abandoned() -> None:
    assert agent_story(WAIT).when(c.AbandonWait(1, "x")) == []
    assert agent_story(WAIT, e.MessageDelivered(message())).when(c.AbandonWait(0, "x")) == []
    assert agent_that_is("running").when(c.AbandonWait(0, "x")) == []


def test_the_fourth_wait_that_cannot_end_ends_the_agent() -> None:
    story = agent_story()
    for index in range(3):
        story.when(c.TakeMessage(index, "receive alert", ("question",)))
        story.when(c.AbandonWait(index, "everyone waits"))
    story.when(c.TakeMessage(3, "receive alert", ("question",)))
    (failed,) = story.when(c.AbandonWait(3, "everyone waits"))
    assert failed == e.AgentFailed(("it waited 4 times for what can never come: everyone waits",))
    assert len({event.message.id for event in story.events if isinstance(event, e.MessageDelivered)}) == 3


# --- fleets --------------------------------------------------------------------------------------


def test_a_fleet_in_which_everyone_waits_is_stuck_and_says_who_waits_for_whom() -> None:
    story = fleet_story(role("a"), role("b"))
    (stuck,) = story.when(c.DeclareStuck((A, B)))
    assert stuck == e.FleetStuck(
        (A, B),
        2,
        "everyone waits and nothing is in flight: a waits for an answer from b, b waits for an answer from a",
    )
    assert story.when(c.DeclareStuck((A, B))) == []
    again = Waiting("a", 3, "answer from b", "b")
    assert len(story.when(c.DeclareStuck((again, B)))) == 1


NOT_STUCK: dict[str, tuple[dict[str, Any], list[Any], c.DeclareStuck]] = {
    "somebody was not heard": ({}, [], c.DeclareStuck((A,))),
    "nobody waits": ({}, [], c.DeclareStuck((), ("a", "b"))),
    "it is kept open": ({"keep_open": True}, [], c.DeclareStuck((A, B))),
    "it has ended": ({}, [c.CancelFleet()], c.DeclareStuck((A, B))),
    "one of them has ended": ({}, [c.RecordAgentEnd("b", "failed")], c.DeclareStuck((A, B))),
    "a helper is at work": ({}, [c.RecordAgentEnd("b", "complete", False)], c.DeclareStuck((A,))),
    "an agent was attached": ({}, [c.AttachAgent(role("late"))], c.DeclareStuck((A, B))),
}


@pytest.mark.parametrize("why", NOT_STUCK)
def test_a_fleet_is_not_stuck_when(why: str) -> None:
    spec, commands, declare = NOT_STUCK[why]
    story = fleet_story(role("a"), role("b"), **spec)
    for command in commands:
        story.when(command)
    story.refuses(declare, NotAllowed, "is not stuck")


def test_helpers_that_are_idle_and_those_who_never_start_do_not_keep_a_fleet_from_being_stuck() -> None:
    story = fleet_story(role("a"), role("b"), role("later", "a"))
    story.when(c.RecordAgentEnd("b", "complete", False))
    (stuck,) = story.when(c.DeclareStuck((A,), ("b",)))
    assert stuck.waiting == (A,)


def test_an_open_fleet_that_was_closed_may_get_stuck() -> None:
    story = fleet_story(role("a"), role("b"), keep_open=True)
    story.when(c.CloseFleet())
    assert len(story.when(c.DeclareStuck((A, B)))) == 1


def test_the_reason_names_a_circle_first_and_stays_short() -> None:
    lone = [Waiting(f"x{n}", 0, "receive handoff alert") for n in range(500)]
    said = reason_for([*lone, Waiting("y", 0, "receive from a", "a"), A, B])
    assert said.startswith("everyone waits and nothing is in flight: a waits for an answer from b, b waits for")
    assert "x0 waits for handoff or alert from anybody" in said
    assert said.endswith("and 493 more")


def test_a_message_from_outside_is_still_taken_by_a_stuck_agent() -> None:
    story = agent_story(WAIT)
    story.when(c.AbandonWait(0, "everyone waits"))
    assert story.when(c.DeliverMessage(Message("message-9", "operator", "handoff", "go on"))) != []
