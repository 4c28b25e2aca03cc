"""An agent's messages: deliveries, waits, questions and their answers, requests for help."""

from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import StepRecord, matches
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.tickets import Ticket
from fleetlog.domain.values import Message
from tests.domain.given import agent_story, agent_that_is, at, done, id_of, message, value

RISK = id_of("risk")


def delivered(*messages: Message) -> list[e.MessageDelivered]:
    return [e.MessageDelivered(each) for each in messages]


def unread(story: Any) -> list[str]:
    return list(story.state.unread)


# --- deliveries ----------------------------------------------------------------------------------


def test_a_message_is_delivered_once_however_often_it_is_sent() -> None:
    story = agent_story()
    assert story.when(c.DeliverMessage(message())) == delivered(message())
    assert story.when(c.DeliverMessage(message())) == []
    assert unread(story) == ["message-1"]


@pytest.mark.parametrize(
    "after",
    [e.MessageSeen(0, "receive", "message-1"), e.MessageAcknowledged("message-1"), e.AgentFailed(("x",))],
)
def test_a_message_that_is_repeated_late_is_dropped_silently(after: Any) -> None:
    story = agent_story(*delivered(message()), after)
    assert story.when(c.DeliverMessage(message())) == []


@pytest.mark.parametrize(("state", "status"), [("failed", "failed"), ("timed out", "timed_out")])
def test_an_ended_agent_refuses_messages(state: str, status: str) -> None:
    agent_that_is(state).refuses(c.DeliverMessage(message()), NotAllowed, f"is {status} and takes no messages")


def test_a_delivery_goes_from_queued_to_seen_to_acknowledged() -> None:
    story = agent_story(*delivered(message()))
    assert story.state.deliveries == {"message-1": "queued"}
    story.when(c.TakeMessage(0, "receive"))
    assert story.state.deliveries == {"message-1": "seen"}
    story.when(c.AcknowledgeMessage("message-1"))
    assert story.state.deliveries == {"message-1": "acknowledged"}


def test_a_message_that_was_acknowledged_unread_is_never_taken() -> None:
    story = agent_story(*delivered(message()))
    assert story.when(c.AcknowledgeMessage("message-1")) == [e.MessageAcknowledged("message-1")]
    assert story.when(c.AcknowledgeMessage("message-1")) == []
    assert story.when(c.TakeMessage(0, "receive")) == [e.AgentSuspended(0, "receive")]


def test_acknowledging_a_message_nobody_sent_changes_nothing() -> None:
    assert agent_story().when(c.AcknowledgeMessage("message-9")) == []


def test_an_ended_agents_messages_can_be_acknowledged() -> None:
    story = agent_story(*delivered(message()), e.AgentCancelled())
    assert story.when(c.AcknowledgeMessage("message-1")) == [e.MessageAcknowledged("message-1")]


# --- taking --------------------------------------------------------------------------------------


def test_the_oldest_unread_message_is_taken_first() -> None:
    story = agent_story(*delivered(message("message-b"), message("message-a")))
    assert story.when(c.TakeMessage(0, "receive")) == [e.MessageSeen(0, "receive", "message-b")]
    assert story.when(c.TakeMessage(1, "receive")) == [e.MessageSeen(1, "receive", "message-a")]
    assert unread(story) == []


def test_a_taken_message_is_kept_with_its_step() -> None:
    story = agent_story(*delivered(message()))
    story.when(c.TakeMessage(0, "receive"))
    assert story.state.steps == [StepRecord("receive", "pure", "completed", message=message())]


@pytest.mark.parametrize(
    ("wish", "taken"),
    [
        ({}, "message-1"),
        ({"types": ("alert",)}, "message-2"),
        ({"types": ("result", "alert")}, "message-2"),
        ({"sender": id_of("explorer")}, "message-3"),
        ({"correlation_id": "message-0"}, "message-3"),
        ({"types": ("result",), "sender": id_of("explorer"), "correlation_id": "message-0"}, "message-3"),
        ({"types": ("alert",), "sender": id_of("explorer")}, ""),
        ({"correlation_id": "message-7"}, ""),
        ({"types": ("question",)}, ""),
    ],
)
def test_only_a_message_that_fits_is_taken(wish: dict[str, Any], taken: str) -> None:
    story = agent_story(
        *delivered(
            message("message-1"),
            message("message-2", "alert"),
            message("message-3", "result", id_of("explorer"), "message-0"),
        )
    )
    expected = e.MessageSeen(0, "receive", taken) if taken else e.AgentSuspended(0, "receive", **wish)
    assert story.when(c.TakeMessage(0, "receive", **wish)) == [expected]


def test_a_message_can_be_acknowledged_as_it_is_taken() -> None:
    story = agent_story(*delivered(message()))
    assert story.when(c.TakeMessage(0, "receive", acknowledge=True)) == [
        e.MessageSeen(0, "receive", "message-1", acknowledged=True)
    ]
    assert story.state.deliveries == {"message-1": "acknowledged"}


def test_a_message_is_seen_by_one_step_only() -> None:
    story = agent_story(*delivered(message()), e.MessageSeen(0, "receive", "message-1"))
    assert story.when(c.TakeMessage(1, "receive")) == [e.AgentSuspended(1, "receive")]


# --- waiting -------------------------------------------------------------------------------------


def test_an_agent_without_a_fitting_message_waits_and_is_woken_by_one() -> None:
    story = agent_story()
    assert story.when(c.TakeMessage(0, "receive", ("alert",))) == [e.AgentSuspended(0, "receive", ("alert",))]
    assert story.state.status == "waiting"
    story.when(c.DeliverMessage(message("message-1", "handoff")))
    assert not story.state.is_due(at(1e9))
    story.when(c.DeliverMessage(message("message-2", "alert")))
    assert story.state.is_due(at(0.0))
    assert story.when(c.BeginRun()) == []
    story.when(c.TakeMessage(0, "receive", ("alert",)))
    assert story.state.status == "running"
    assert story.state.wait is None


def test_a_run_that_asks_again_for_what_it_waits_for_goes_on_waiting() -> None:
    story = agent_story()
    story.when(c.TakeMessage(0, "receive", timeout_s=10.0), 5.0)
    assert story.when(c.TakeMessage(0, "receive", timeout_s=10.0), 9.0) == []
    assert story.state.wait.until_uptime_s == 15.0


def test_a_run_that_asks_for_something_else_in_the_same_place_waits_for_that() -> None:
    story = agent_story()
    story.when(c.TakeMessage(0, "receive alert", ("alert",), timeout_s=5.0))
    story.when(c.DeliverMessage(message("message-1", "alert")))
    assert story.when(c.TakeMessage(0, "receive handoff", ("handoff",))) == [
        e.AgentSuspended(0, "receive handoff", ("handoff",))
    ]
    assert not story.state.is_due(at(1e9)), "it would be called again and again for a message it does not want"


@pytest.mark.parametrize(("uptime_s", "is_over"), [(0.0, False), (14.9, False), (15.0, True), (99.0, True)])
@pytest.mark.parametrize("command", [c.ExpireWait(), c.TakeMessage(0, "receive", timeout_s=10.0)])
def test_a_wait_ends_when_its_seconds_of_uptime_are_over(command: Any, uptime_s: float, is_over: bool) -> None:
    story = agent_story()
    assert story.when(c.TakeMessage(0, "receive", timeout_s=10.0), 5.0) == [
        e.AgentSuspended(0, "receive", until_uptime_s=15.0)
    ]
    assert story.when(command, uptime_s) == ([e.WaitTimedOut(0, "receive")] if is_over else [])


def test_a_wait_that_timed_out_is_a_step_without_a_message() -> None:
    story = agent_that_is("waiting")
    story.when(c.ExpireWait(), 50.0)
    assert story.state.steps == [StepRecord("receive", "pure", "completed")]
    assert story.state.status == "running"
    assert story.when(c.ExpireWait(), 51.0) == []


def test_a_wait_without_a_timeout_never_ends_by_itself() -> None:
    story = agent_story()
    story.when(c.TakeMessage(0, "receive"))
    assert story.when(c.ExpireWait(), 1e12) == []


def test_a_wait_of_no_seconds_looks_once() -> None:
    story = agent_story()
    story.when(c.TakeMessage(0, "receive", timeout_s=0.0), 5.0)
    assert story.when(c.ExpireWait(), 5.0) == [e.WaitTimedOut(0, "receive")]


def test_a_message_that_came_in_time_is_taken_although_the_wait_is_over() -> None:
    story = agent_that_is("waiting")
    story.when(c.DeliverMessage(message()))
    assert story.when(c.ExpireWait(), 99.0) == []
    assert story.when(c.TakeMessage(0, "receive"), 99.0) == [e.MessageSeen(0, "receive", "message-1")]


def test_a_complete_agent_waits_for_questions_and_stays_complete() -> None:
    story = agent_that_is("complete")
    story.when(c.TakeMessage(1, "receive question", ("question",)))
    assert story.state.status == "complete"
    assert not story.state.is_due(at(1e9))
    story.when(c.DeliverMessage(message(type="question")))
    assert story.state.is_due(at(0.0))


@pytest.mark.parametrize(
    ("wait", "fits"),
    [
        (e.AgentSuspended(0, "w"), True),
        (e.AgentSuspended(0, "w", types=("result",)), True),
        (e.AgentSuspended(0, "w", types=("alert",)), False),
        (e.AgentSuspended(0, "w", sender=RISK), True),
        (e.AgentSuspended(0, "w", sender=id_of("other")), False),
        (e.AgentSuspended(0, "w", correlation_id="q"), True),
        (e.AgentSuspended(0, "w", correlation_id="p"), False),
        (e.AgentSuspended(0, "w", types=("result",), sender=RISK, correlation_id="p"), False),
    ],
)
def test_a_message_fits_a_wait_when_everything_the_wait_names_fits(wait: Any, fits: bool) -> None:
    assert matches(wait, message("m", "result", RISK, "q")) is fits


# --- questions -----------------------------------------------------------------------------------


def test_a_question_is_open_until_it_is_answered() -> None:
    story = agent_story(*delivered(message("message-q", "question")))
    assert story.state.open_questions == {"message-q": RISK}
    story.when(c.TakeMessage(0, "receive"))
    assert story.state.open_questions == {"message-q": RISK}
    story.when(c.RecordSend(1, "send result to risk", "message-a", 1, "message-q"))
    assert story.state.open_questions == {}
    assert story.state.deliveries == {"message-q": "acknowledged"}


def test_an_answer_to_an_unread_question_takes_it_out_of_the_inbox() -> None:
    story = agent_story(*delivered(message("message-q", "question")))
    story.when(c.RecordSend(0, "send", "message-a", 1, "message-q"))
    assert unread(story) == []


def test_a_message_that_answers_nothing_here_acknowledges_nothing() -> None:
    story = agent_story(*delivered(message("message-q", "question")))
    story.when(c.RecordSend(0, "send", "message-a", 1, "message-of-another"))
    assert story.state.deliveries == {"message-q": "queued"}
    assert story.state.open_questions == {"message-q": RISK}


def test_a_question_that_was_acknowledged_is_not_open_any_more() -> None:
    story = agent_story(*delivered(message("message-q", "question")))
    story.when(c.AcknowledgeMessage("message-q"))
    assert story.state.open_questions == {}


@pytest.mark.parametrize("type", ["handoff", "result", "alert", "request_help"])
def test_only_questions_are_open(type: Any) -> None:
    assert agent_story(*delivered(message(type=type))).state.open_questions == {}


def test_a_broadcast_question_is_owed_no_answer() -> None:
    story = agent_story(*delivered(message(type="question", broadcast_size=3)))
    assert story.state.open_questions == {}


@pytest.mark.parametrize(
    "end",
    [
        e.AgentFailed(("it broke",)),
        e.AgentCancelled(),
        e.AgentTimedOut(),
        e.AgentCompleted(0, value(), returned=True),
    ],
)
def test_the_questions_of_an_agent_that_is_over_will_not_be_answered(end: Any) -> None:
    story = agent_story(*delivered(message("message-q", "question")))
    assert story.state.unanswered() == []
    over = agent_story(*delivered(message("message-q", "question")), end)
    assert over.state.unanswered() == [("message-q", RISK)]


def test_a_complete_agent_whose_function_goes_on_may_still_answer() -> None:
    story = agent_story(*delivered(message("message-q", "question")), e.AgentCompleted(0, value()))
    assert story.state.unanswered() == []
    story.when(c.FinishRun())
    assert story.state.unanswered() == [("message-q", RISK)]


def test_a_question_to_a_function_that_has_returned_is_refused() -> None:
    agent_that_is("returned").refuses(
        c.DeliverMessage(message(type="question")), NotAllowed, "is complete and answers no more questions"
    )


def test_a_broadcast_question_reaches_a_function_that_has_returned() -> None:
    asked = message(type="question", broadcast_size=2)
    assert agent_that_is("returned").when(c.DeliverMessage(asked)) == delivered(asked)


def test_a_declined_answer_is_delivered_and_taken_like_an_answer() -> None:
    story = agent_story(e.MessageSent(0, "send question to risk", "message-q", 1))
    story.when(c.TakeMessage(1, "answer from risk", ("result",), "", "message-q"))
    declined = message("message-q-declined", "result", correlation_id="message-q", declined=True)
    story.when(c.DeliverMessage(declined))
    assert story.state.is_due(at(0.0))
    story.when(c.TakeMessage(1, "answer from risk", ("result",), "", "message-q", acknowledge=True))
    assert story.state.steps[1].message == declined


# --- sends ---------------------------------------------------------------------------------------


def test_a_send_is_a_step_with_the_text_only_when_the_operator_gets_it() -> None:
    story = agent_story()
    assert story.when(c.RecordSend(0, "send alert to operator", "message-1", 0, "", "look here")) == [
        e.MessageSent(0, "send alert to operator", "message-1", 0, to_operator="look here")
    ]
    assert story.state.steps == [StepRecord("send alert to operator", "idempotent", "completed")]


# --- help ----------------------------------------------------------------------------------------


def test_a_brain_that_requests_help_records_it_as_its_step() -> None:
    story = agent_story(done(0))
    assert story.when(c.RequestHelp("help-1", "stuck", "all", 1_700_000_000_000, 1)) == [
        e.HelpRequested("help-1", "stuck", "all", 1_700_000_000_000, 1)
    ]
    assert story.state.steps[1] == StepRecord("request_help help-1", "idempotent", "completed")
    assert story.state.tickets == {"help-1": Ticket()}


def test_help_requested_from_outside_is_no_step_and_does_not_wake_the_agent() -> None:
    story = agent_that_is("waiting")
    story.when(c.RequestHelp("help-1", "stuck"))
    assert story.state.steps == []
    assert story.state.status == "waiting"


def test_help_is_requested_once() -> None:
    story = agent_story()
    story.when(c.RequestHelp("help-1", "stuck", index=0))
    assert story.when(c.RequestHelp("help-1", "stuck", index=0)) == []
    assert story.when(c.RequestHelp("help-1", "stuck")) == []


def test_help_out_of_turn_is_refused() -> None:
    agent_story(done(0)).refuses(c.RequestHelp("help-1", "stuck", index=3), NotAllowed, "is at step 1, not 3")


def test_a_complete_agent_whose_function_goes_on_may_request_help() -> None:
    story = agent_that_is("complete")
    assert story.when(c.RequestHelp("help-1", "stuck", index=1)) == [e.HelpRequested("help-1", "stuck", index=1)]


@pytest.mark.parametrize("state", ["returned", "failed", "cancelled", "timed out"])
def test_nobody_would_use_the_answer_of_an_agent_that_is_over(state: str) -> None:
    agent_that_is(state).refuses(c.RequestHelp("help-1", "stuck"), NotAllowed, "nobody would use the answer")


def test_an_answer_reaches_the_agent_as_a_message_in_the_same_decision() -> None:
    story = agent_story(e.HelpRequested("help-1", "stuck", index=0))
    story.when(c.TakeMessage(1, "answer to help-1", correlation_id="help-1"))
    answer = Message("help-1-answer", "ann", "result", "try the door", correlation_id="help-1")
    assert story.when(c.AnswerHelp("help-1", "try the door", "ann")) == [
        e.HelpAnswered("help-1", "try the door", "ann"),
        e.MessageDelivered(answer),
    ]
    assert story.state.is_due(at(0.0))
    story.when(c.TakeMessage(1, "answer to help-1", correlation_id="help-1", acknowledge=True))
    assert story.state.steps[1].message == answer


def test_a_request_is_answered_once() -> None:
    story = agent_story(e.HelpRequested("help-1", "stuck"))
    story.when(c.AnswerHelp("help-1", "yes", "ann"))
    story.refuses(c.AnswerHelp("help-1", "no", "ben"), NotAllowed, "help-1 has been answered already")


def test_a_request_nobody_made_cannot_be_answered() -> None:
    agent_story().refuses(c.AnswerHelp("help-9", "yes", "ann"), NotFound, "No such help request: help-9")
