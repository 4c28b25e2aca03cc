"""Tickets by the wall clock: reminders, escalation, expiry, cancelling, approvals; and their end with their agent."""

from typing import Any

import msgspec
import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed
from fleetlog.domain.spec import check_agent, check_fleet, with_policy_of
from fleetlog.domain.tickets import Approval, Ticket
from fleetlog.domain.values import AgentSpec, FleetSpec, HelpPolicy, Message, Now
from tests.domain.given import Story, agent_story, role, value

DAY_S = 86_400.0
OPENED_MS = 1_700_000_000_000
POLICY = HelpPolicy(
    remind_after_s=(3600.0, DAY_S), escalate_after_s=2 * DAY_S, escalate_to="boss@example.org", expire_after_s=7 * DAY_S
)


def asked(policy: HelpPolicy | None = POLICY, *given: Any, **more: Any) -> Story:
    request = e.HelpRequested("help-1", "stuck", policy=policy, requested_ms=OPENED_MS, **more)
    return agent_story(request, *given, help_policy=policy)


def after(seconds: float) -> Now:
    """That long after the ticket was opened, by the wall clock; the runtime was hardly up."""
    return Now(OPENED_MS + round(seconds * 1000), 1.0)


def aged(story: Story, seconds: float) -> list[Any]:
    made = story.state.decide(c.AgeTickets(), after(seconds))
    story._add(made)
    return list(made)


def test_a_request_keeps_its_agents_policy_and_the_moment_it_was_made() -> None:
    story = agent_story(help_policy=POLICY)
    (event,) = story.when(c.RequestHelp("help-1", "stuck", index=0), 5.0)
    assert (event.policy, event.requested_ms) == (POLICY, OPENED_MS + 5)


def test_people_are_reminded_by_a_list_of_intervals_each_from_the_one_before() -> None:
    story = asked()
    assert aged(story, 3599) == []
    assert aged(story, 3600) == [e.HelpReminded("help-1", 1)]
    assert aged(story, 3600) == []
    assert aged(story, 3600 + DAY_S) == [e.HelpReminded("help-1", 2)]
    assert story.state.tickets["help-1"].reminds_ms is None


def test_people_are_reminded_again_and_again_by_one_interval() -> None:
    story = asked(HelpPolicy(remind_after_s=0.1))
    for number in range(1, 50):
        assert aged(story, number * 0.1) == [e.HelpReminded("help-1", number)]


def test_reminders_that_were_missed_while_the_machine_was_off_are_one() -> None:
    story = asked(HelpPolicy(remind_after_s=3600.0))
    assert aged(story, 10 * 3600 + 5) == [e.HelpReminded("help-1", 10)]
    assert story.state.tickets_due_ms == after(11 * 3600).wall_ms


def test_a_ticket_is_escalated_once() -> None:
    story = asked()
    assert aged(story, 2 * DAY_S) == [e.HelpReminded("help-1", 2), e.HelpEscalated("help-1", "boss@example.org")]
    assert aged(story, 3 * DAY_S) == []
    assert story.state.tickets_due_ms == after(7 * DAY_S).wall_ms


def test_a_ticket_expires_and_its_agent_hears_so() -> None:
    story = asked()
    story.when(c.TakeMessage(0, "answer to help-1", correlation_id="help-1"))
    expired, delivered = aged(story, 7 * DAY_S)
    assert expired == e.HelpExpired("help-1")
    assert (delivered.message.declined, delivered.message.correlation_id) == (True, "help-1")
    assert "nobody answered within 604800 seconds" in delivered.message.payload
    assert story.state.is_due(after(7 * DAY_S))
    assert story.state.tickets_due_ms is None
    story.refuses(c.AnswerHelp("help-1", "late", "ann"), NotAllowed, "Help request help-1 has expired")


def test_an_answer_that_comes_before_the_expiry_is_recorded_counts() -> None:
    story = asked()
    made = story.state.decide(c.AnswerHelp("help-1", "late, but here", "ann"), after(9 * DAY_S))
    assert [type(event) for event in made] == [e.HelpAnswered, e.MessageDelivered]


def test_a_ticket_without_a_policy_waits_for_ever() -> None:
    story = asked(None)
    assert story.state.tickets_due_ms is None
    assert aged(story, 1000 * DAY_S) == []
    assert story.state.tickets["help-1"] == Ticket(requested_ms=OPENED_MS)


def test_a_cancelled_ticket_reaches_the_agent_and_takes_no_answer() -> None:
    story = asked()
    cancelled, delivered = story.when(c.CancelHelp("help-1", "solved"))
    assert cancelled == e.HelpCancelled("help-1", "solved")
    assert delivered.message == Message(
        "help-1-cancelled", "operator", "result", "the request was cancelled: solved", "help-1", declined=True
    )
    story.refuses(c.AnswerHelp("help-1", "x", "ann"), NotAllowed, "help-1 has been cancelled already")
    story.refuses(c.CancelHelp("help-1"), NotAllowed, "help-1 has been cancelled already")


ENDS = {
    "cancelled": (c.CancelAgent(), e.AgentCancelled),
    "stopped": (c.StopAgent("timed_out"), e.AgentTimedOut),
    "failed": (c.FailRun("broken", retryable=False), e.AgentFailed),
    "complete": (c.SubmitResult(0, value(), returned=True), e.AgentCompleted),
}


@pytest.mark.parametrize("end", ENDS)
def test_open_tickets_close_with_their_agent(end: str) -> None:
    command, last = ENDS[end]
    story = asked(POLICY, e.HelpRequested("help-2", "too"), e.HelpAnswered("help-2", "yes", "ann"))
    made = story.when(command)
    assert [type(event) for event in made] == [e.HelpCancelled, last]
    assert made[0].help_id == "help-1"
    story.refuses(c.AnswerHelp("help-1", "x", "ann"), NotAllowed, "has been cancelled already")


def test_an_agent_that_has_submitted_and_goes_on_keeps_its_tickets() -> None:
    story = asked()
    story.when(c.SubmitResult(0, value()))
    assert story.state.tickets["help-1"].is_open
    assert [type(event) for event in story.when(c.FinishRun())] == [e.HelpCancelled, e.AgentReturned]


def test_the_answer_to_a_ticket_of_an_old_log_that_outlived_its_agent_is_refused() -> None:
    story = asked(None, e.AgentFailed(("x",)))
    story.refuses(c.AnswerHelp("help-1", "x", "ann"), NotAllowed, "is failed, nobody would use the answer")


# --- approvals -----------------------------------------------------------------------------------


def test_an_approval_is_a_step_with_the_exact_action() -> None:
    story = agent_story()
    command = c.RequestHelp("help-1", "delete", "it is old", index=0, kind="approval", subject='{"path":"a"}')
    (event,) = story.when(command)
    assert (event.kind, event.blocker, event.attempted, event.subject) == (
        "approval",
        "delete",
        "it is old",
        '{"path":"a"}',
    )
    assert story.state.steps[0].name == "request_approval help-1"


@pytest.mark.parametrize("approve", [True, False])
def test_a_decision_reaches_the_agent(approve: bool) -> None:
    story = asked(POLICY, kind="approval")
    answered, delivered = story.when(c.DecideApproval("help-1", approve, "mind the cat", "ann"))
    assert answered == e.HelpAnswered("help-1", "mind the cat", "ann", granted=approve)
    said = msgspec.json.decode(delivered.message.payload, type=Approval)
    assert said == Approval(approve, "mind the cat")
    story.refuses(c.DecideApproval("help-1", True, "", "ben"), NotAllowed, "has been answered already")


def test_an_expired_approval_is_neither_granted_nor_denied() -> None:
    story = asked(POLICY, kind="approval")
    expired, delivered = aged(story, 7 * DAY_S)
    assert isinstance(expired, e.HelpExpired)
    assert delivered.message.declined
    story.refuses(c.DecideApproval("help-1", True, "", "ann"), NotAllowed, "has expired")


def test_each_kind_of_ticket_takes_its_own_kind_of_answer() -> None:
    asked(kind="approval").refuses(c.AnswerHelp("help-1", "yes", "ann"), NotAllowed, "decide it (decide_approval")
    asked().refuses(c.DecideApproval("help-1", True, "", "ann"), NotAllowed, "answer it (answer_help")


# --- policies ------------------------------------------------------------------------------------


def test_the_agents_policy_wins_over_the_fleets() -> None:
    fleet = FleetSpec(agents=(), help_policy=POLICY)
    own = HelpPolicy(expire_after_s=1.0)
    assert with_policy_of(fleet, role("a")).help_policy == POLICY
    assert with_policy_of(fleet, role("a", help_policy=own)).help_policy == own
    assert with_policy_of(FleetSpec(agents=()), role("a")).help_policy is None


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (HelpPolicy(remind_after_s=0.5), "'help_policy.remind_after_s' must be >= 1 second, got 0.5"),
        (HelpPolicy(remind_after_s=(5.0, 0.0)), "'help_policy.remind_after_s' must be > 0 seconds"),
        (HelpPolicy(expire_after_s=float("inf")), "'help_policy.expire_after_s' must be a finite number"),
        (HelpPolicy(escalate_after_s=5.0), "needs both escalate_after_s and escalate_to"),
        (HelpPolicy(escalate_to="ann"), "needs both escalate_after_s and escalate_to"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused(policy: HelpPolicy, words: str) -> None:
    with pytest.raises(InvalidArgument, match=words.replace("(", r"\(").replace(")", r"\)")):
        check_agent(AgentSpec(role="a", prompt="x", help_policy=policy))
    with pytest.raises(InvalidArgument):
        check_fleet(FleetSpec(agents=(role("a"),), help_policy=policy))
