"""An agent's life: its birth, its result, its ends, and the agents that are worked from outside."""

import ast
import inspect
from typing import Any

import pytest

from fleetlog.domain import agent_state
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent, StepRecord
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import AgentSpec, Budget, Usage
from tests.domain.given import FLEET, NAME, Story, agent_story, agent_that_is, at, done, id_of, message, value

# --- birth ---------------------------------------------------------------------------------------


def test_an_agent_is_what_its_birth_says() -> None:
    spec = AgentSpec(role="Plan Maker", prompt="plan", name=NAME, brain="plan")
    born = e.AgentSpawned(FLEET, NAME, spec, "win", "/work", {"file": "a.py"})
    agent = Story(lambda: Agent(id_of(NAME)), [born]).state
    assert (agent.id, agent.fleet_id, agent.name) == (id_of(NAME), FLEET, NAME)
    assert (agent.spec, agent.goal, agent.workspace, agent.item) == (spec, "win", "/work", {"file": "a.py"})
    assert agent.status == "pending"
    assert agent.exists


def test_a_first_run_starts_the_agent_once() -> None:
    story = agent_that_is("pending")
    assert story.when(c.BeginRun(), 7.0) == [e.AgentStarted(7.0)]
    assert story.when(c.BeginRun()) == []


def test_a_first_run_after_a_restart_is_a_start_and_no_interruption() -> None:
    assert agent_that_is("pending").when(c.BeginRun(interrupted=True)) == [e.AgentStarted(0.0)]


def test_messages_may_come_before_the_first_run() -> None:
    story = agent_that_is("pending")
    story.when(c.DeliverMessage(message()))
    assert story.state.status == "pending"
    assert list(story.state.unread) == ["message-1"]


# --- results -------------------------------------------------------------------------------------


def test_a_result_completes_the_agent_and_is_its_step() -> None:
    story = agent_story(done(0))
    assert story.when(c.SubmitResult(1, value(b"\x09"), returned=True)) == [
        e.AgentCompleted(1, value(b"\x09"), returned=True)
    ]
    assert story.state.output == value(b"\x09")
    assert story.state.steps[1] == StepRecord("submit_result", "idempotent", "completed")
    assert story.state.has_ended
    assert not story.state.can_run


def test_an_agent_may_go_on_after_its_result_until_its_function_returns() -> None:
    story = agent_story()
    story.when(c.SubmitResult(0, value()))
    assert story.state.has_ended
    assert story.state.can_run
    story.when(c.CompleteStep(1, "tidy", "pure", value()))
    assert story.when(c.FinishRun()) == [e.AgentReturned()]
    assert story.when(c.FinishRun()) == []
    assert not story.state.can_run
    assert story.state.is_reachable
    story.refuses(c.CompleteStep(2, "more", "pure", value()), NotAllowed, "it records no more steps")


def test_a_result_is_submitted_once() -> None:
    agent_that_is("complete").refuses(c.SubmitResult(1, value()), NotAllowed, "has submitted its result already")
    agent_that_is("returned").refuses(c.SubmitResult(-1, value()), NotAllowed, "has submitted its result already")


def test_a_result_from_outside_stands_for_the_next_step() -> None:
    assert mailbox(done(0), done(1)).when(c.SubmitResult(-1, value())) == [e.AgentCompleted(2, value())]


def test_a_result_ends_the_wait_the_agent_was_in() -> None:
    story = agent_that_is("waiting")
    story.when(c.SubmitResult(0, value()))
    assert story.state.wait is None
    assert story.state.status == "complete"


def test_a_result_that_does_not_fit_is_rejected_with_the_places() -> None:
    story = agent_story()
    assert story.when(c.SubmitResult(0, value(), ("$.a: missing", "$.b: wrong"))) == [
        e.AgentResultRejected(0, ("$.a: missing", "$.b: wrong"))
    ]
    assert story.state.steps[0].state == "rejected"
    assert story.state.steps[0].reasons == ("$.a: missing", "$.b: wrong")
    assert story.state.output is None
    assert story.when(c.SubmitResult(1, value())) == [e.AgentCompleted(1, value())]


@pytest.mark.parametrize("max_rejections", [0, 1, 3])
def test_a_result_may_be_rejected_only_so_often(max_rejections: int) -> None:
    story = agent_story(max_rejections=max_rejections)
    for index in range(max_rejections):
        made = story.when(c.SubmitResult(index, value(), ("$: wrong",)))
        assert made == [e.AgentResultRejected(index, ("$: wrong",))]
    assert story.when(c.SubmitResult(max_rejections, value(), ("$: wrong", "$.a: too"))) == [
        e.AgentResultRejected(max_rejections, ("$: wrong", "$.a: too")),
        e.AgentFailed((f"its result was rejected {max_rejections + 1} times: $: wrong; $.a: too",)),
    ]


def test_a_retry_gives_no_rejections_back() -> None:
    story = agent_story(e.AgentResultRejected(0, ("$: wrong",)), max_rejections=1)
    story.when(c.FailRun("it gave up"))
    assert story.state.steps == []
    story.when(c.BeginRun(), 500.0)
    made = story.when(c.SubmitResult(0, value(), ("$: wrong",)))
    assert made[-1] == e.AgentFailed(("it gave up", "its result was rejected 2 times: $: wrong"))


def test_a_complete_agent_whose_function_breaks_is_tried_again_and_stays_complete() -> None:
    story = agent_story(e.AgentCompleted(0, value()), max_attempts=2)
    assert story.when(c.FailRun("it broke", jitter=1.0), 10.0) == [e.AgentAttemptFailed(1, "it broke", 11.0)]
    assert story.state.status == "complete"
    assert not story.state.is_due(at(10.5))
    story.when(c.BeginRun(), 11.0)
    assert story.when(c.FailRun("again"), 12.0) == [e.AgentReturned("again")]
    assert story.state.status == "complete"
    assert story.state.output == value()


# --- ends ----------------------------------------------------------------------------------------


def test_a_cancelled_agent_has_its_reason() -> None:
    story = agent_story()
    assert story.when(c.CancelAgent("not needed")) == [e.AgentCancelled("not needed")]
    assert story.state.reasons == ("not needed",)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("complete", "complete"),
        ("returned", "complete"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
        ("timed out", "timed_out"),
    ],
)
def test_an_agent_that_has_ended_cannot_be_cancelled(state: str, status: str) -> None:
    agent_that_is(state).refuses(c.CancelAgent(), NotAllowed, f"is {status} already")


@pytest.mark.parametrize(
    ("status", "event"),
    [("cancelled", e.AgentCancelled("its fleet ended")), ("timed_out", e.AgentTimedOut("its fleet ended"))],
)
def test_a_fleets_end_stops_an_agent_in_the_same_way(status: str, event: Any) -> None:
    story = agent_story()
    assert story.when(c.StopAgent(status, "its fleet ended")) == [event]
    assert story.state.status == status
    assert story.when(c.StopAgent(status, "its fleet ended")) == []


def test_a_fleets_end_stops_the_function_of_a_complete_agent_and_keeps_its_result() -> None:
    story = agent_that_is("complete")
    assert story.when(c.StopAgent("cancelled", "its fleet is cancelled")) == [e.AgentReturned("its fleet is cancelled")]
    assert story.state.status == "complete"
    assert story.when(c.StopAgent("cancelled", "its fleet is cancelled")) == []


@pytest.mark.parametrize("state", ["waiting", "waiting in doubt", "backing off"])
@pytest.mark.parametrize("command", [c.CancelAgent(), c.StopAgent("timed_out")])
def test_an_end_leaves_nothing_to_wait_for(state: str, command: Any) -> None:
    story = agent_that_is(state)
    story.when(command)
    assert story.state.wait is None
    assert story.state.retry_uptime_s is None
    assert not story.state.is_due(at(1e9))


# --- progress ------------------------------------------------------------------------------------


def test_a_progress_report_that_is_recorded_is_dropped_when_a_run_repeats_it() -> None:
    story = agent_story()
    assert story.when(c.ReportProgress("a", 0.1, 0)) == [e.ProgressReported("a", 0.1)]
    assert story.when(c.ReportProgress("b", None, 1)) == [e.ProgressReported("b")]
    assert story.when(c.ReportProgress("a", 0.1, 0)) == []
    assert story.when(c.ReportProgress("b", None, 1)) == []
    assert story.when(c.ReportProgress("c", 1.0, 2)) == [e.ProgressReported("c", 1.0)]


def test_progress_is_no_step_and_does_not_count_against_interruptions() -> None:
    story = agent_story(e.AgentResumed(1))
    story.when(c.ReportProgress("half"))
    assert story.state.steps == []
    assert story.state.interruptions == 1


def test_an_agent_that_was_stopped_reports_no_more_progress() -> None:
    agent_that_is("cancelled").refuses(c.ReportProgress("half"), NotAllowed, "it reports no more progress")


# --- agents without a brain ----------------------------------------------------------------------


def mailbox(*given: Any) -> Story:
    return agent_story(*given, brain="")


def test_a_mailbox_is_worked_from_outside() -> None:
    story = mailbox()
    story.when(c.DeliverMessage(message()))
    story.when(c.AcknowledgeMessage("message-1"))
    assert story.when(c.SubmitResult(-1, value())) == [e.AgentCompleted(0, value())]
    assert story.state.has_ended


def test_a_mailbox_goes_on_taking_messages_and_questions_after_its_result() -> None:
    story = mailbox(e.AgentCompleted(0, value()))
    story.when(c.DeliverMessage(message("message-1")))
    story.when(c.DeliverMessage(message("message-2", "question")))
    assert list(story.state.unread) == ["message-1", "message-2"]


@pytest.mark.parametrize("end", [e.AgentCompleted(0, value()), e.AgentCompleted(0, value(), returned=True)])
def test_a_mailboxs_questions_stay_open_as_long_as_it_is_reachable(end: Any) -> None:
    story = mailbox(e.MessageDelivered(message("message-q", "question")), end)
    assert story.state.unanswered() == []


@pytest.mark.parametrize("end", [e.AgentCancelled(), e.AgentTimedOut(), e.AgentFailed(("x",))])
def test_a_mailbox_that_is_gone_answers_no_questions(end: Any) -> None:
    story = mailbox(e.MessageDelivered(message("message-q", "question")), end)
    assert story.state.unanswered() == [("message-q", id_of("risk"))]


# --- the fold ------------------------------------------------------------------------------------


def test_every_agent_event_is_folded_by_some_case() -> None:
    folded = {
        pattern.attr
        for node in ast.walk(ast.parse(inspect.getsource(agent_state)))
        if isinstance(node, ast.MatchClass) and isinstance(pattern := node.cls, ast.Attribute)
    }
    missing = {event.__name__ for event in e.AgentEvent.__args__} - folded
    assert not missing


_ONE_OF_EACH = (
    e.AgentStarted(),
    e.AgentResumed(1),
    e.AgentSuspended(0, "receive"),
    e.AgentAttemptFailed(1, "it broke", 5.0),
    e.AgentCompleted(0, value()),
    e.AgentReturned("x"),
    e.AgentResultRejected(0, ("x",)),
    e.AgentFailed(("x",)),
    e.AgentCancelled("x"),
    e.AgentTimedOut("x"),
    e.ProgressReported("x", 0.5),
    e.StepStarted(0, "write"),
    done(0),
    e.StepFailed(0, "call", "pure", "OSError", "gone"),
    e.StepDoubted(0, "write"),
    e.StepDoubtResolved(0, "retry"),
    e.CompactionUndone(0, "ann"),
    e.WaitTimedOut(0, "receive"),
    e.WaitAbandoned(0, "receive", "everyone waits"),
    e.MessageDelivered(message()),
    e.MessageSent(0, "send", "message-1", 1, "message-0"),
    e.MessageSeen(0, "receive", "message-1"),
    e.MessageAcknowledged("message-1"),
    e.HelpRequested("help-1", "stuck", index=0),
    e.HelpAnswered("help-1", "yes", "ann"),
    e.CallStarted(0, "ask the model", 1, Usage(calls=1)),
    e.CallReleased(0, 1),
    e.CallLost(0, 1, Usage(calls=1)),
    e.AgentPaused("enough"),
    e.AgentUnpaused(),
    e.AgentBudgetSet(Budget(turns=1)),
    e.HelpReminded("help-1", 2),
    e.HelpEscalated("help-1", "ann@example.org"),
    e.HelpExpired("help-1"),
    e.HelpCancelled("help-1", "solved"),
    e.StepNoted(0, "session-1"),
    e.LeaseTaken("lease-1", "editor/1.0", 60.0, 5),
    e.ReceiptGiven("message-1", "read"),
    e.AgentParked(),
    e.LeaseLost("lease-1", "editor/1.0", "silent"),
    e.LeaseReleased("lease-1", "editor/1.0"),
    e.CapabilityRegistered("reviewer", ("audit",)),
    e.RoutingOutcomeRecorded("audit", False),
)


@pytest.mark.parametrize("event", _ONE_OF_EACH, ids=lambda event: e.stored_name(type(event)))
@pytest.mark.parametrize("state", ["pending", "running", "waiting", "complete", "cancelled"])
def test_folding_any_agent_event_into_any_state_raises_nothing(state: str, event: Any) -> None:
    given = agent_that_is(state).events
    Story(lambda: Agent(id_of(NAME)), [*given, event])


def test_the_list_of_one_of_each_is_complete() -> None:
    assert {type(event) for event in _ONE_OF_EACH} | {e.AgentSpawned} == set(e.AgentEvent.__args__)
