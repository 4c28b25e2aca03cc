"""An agent's steps: what is recorded of them, and what an error, a doubt or a cut does to them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import BACKOFF_BASE_S, BACKOFF_MAX_S, StepRecord, backoff_s
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import Effect, Stored
from tests.domain.given import agent_story, agent_that_is, at, done, value

STARTED = e.StepStarted(0, "write")
DOUBTED = e.StepDoubted(0, "write")
SUSPENDED_IN_DOUBT = e.AgentSuspended(0, "write", doubt=True)


def failed(index: int, name: str = "call", effect: Effect = "pure") -> e.StepFailed:
    return e.StepFailed(index, name, effect, "OSError", "gone")


def rejected(index: int) -> e.AgentResultRejected:
    return e.AgentResultRejected(index, ("$: wrong",))


def states(story: Any) -> list[str]:
    return [step.state for step in story.state.steps]


# --- recording -----------------------------------------------------------------------------------


def test_a_step_is_recorded_with_what_it_returned() -> None:
    story = agent_story()
    assert story.when(c.CompleteStep(0, "look", "pure", value(b"\x07"))) == [
        e.StepCompleted(0, "look", "pure", Stored(b"\x07"))
    ]
    assert story.state.steps == [StepRecord("look", "pure", "completed", value=Stored(b"\x07"))]


def test_a_step_that_raised_is_recorded_with_its_error() -> None:
    story = agent_story(done(0))
    assert story.when(c.FailStep(1, "call", "idempotent", "TimeoutError", "too slow")) == [
        e.StepFailed(1, "call", "idempotent", "TimeoutError", "too slow")
    ]
    assert story.state.steps[1] == StepRecord(
        "call", "idempotent", "failed", error_type="TimeoutError", error="too slow"
    )


def test_an_effectful_step_is_started_before_it_is_made_and_then_completed_in_its_place() -> None:
    story = agent_story()
    assert story.when(c.StartStep(0, "write")) == [STARTED]
    assert story.state.steps == [StepRecord("write", "effectful", "started")]
    story.when(c.CompleteStep(0, "write", "effectful", value()))
    assert story.state.steps == [StepRecord("write", "effectful", "completed", value=value())]


def test_an_effectful_step_that_raised_is_failed_in_its_place() -> None:
    story = agent_story(STARTED)
    story.when(c.FailStep(0, "write", "effectful", "OSError", "disk full"))
    assert states(story) == ["failed"]


@pytest.mark.parametrize("index", [-1, 0, 1, 3, 99])
def test_a_step_out_of_turn_is_refused_because_another_run_went_on(index: int) -> None:
    story = agent_story(done(0), done(1))
    for command in (
        c.CompleteStep(index, "look", "pure", value()),
        c.StartStep(index, "look"),
        c.FailStep(index, "look", "pure", "OSError", "gone"),
        c.RecordSend(index, "send", "message-1", 1),
        c.TakeMessage(index, "receive"),
    ):
        story.refuses(command, NotAllowed, f"is at step 2, not {index}: another run went on")


def test_a_step_that_is_open_is_ended_by_its_own_name_only() -> None:
    story = agent_story(STARTED)
    story.refuses(c.CompleteStep(0, "read", "effectful", value()), NotAllowed, "another run went on")
    story.refuses(c.CompleteStep(0, "", "effectful", value()), NotAllowed, "another run went on")
    story.refuses(c.StartStep(0, "write"), NotAllowed, "another run went on")


def test_nothing_is_recorded_behind_a_step_that_is_open() -> None:
    story = agent_story(done(0), e.StepStarted(1, "write"))
    words = "is inside its step 1 'write': it must end first"
    story.refuses(c.CompleteStep(2, "look", "pure", value()), NotAllowed, words)
    story.refuses(c.SubmitResult(2, value()), NotAllowed, words)


def test_a_completed_step_is_never_recorded_again() -> None:
    story = agent_story(done(0))
    story.refuses(c.CompleteStep(0, "look", "pure", value(b"\x02")), NotAllowed, "is at step 1, not 0")
    story.refuses(c.FailStep(0, "look", "pure", "OSError", "gone"), NotAllowed, "is at step 1, not 0")
    assert story.state.steps == [StepRecord("look", "pure", "completed", value=value())]


# --- attempts ------------------------------------------------------------------------------------


def test_a_failed_run_is_tried_again_after_a_backoff() -> None:
    story = agent_story()
    assert story.when(c.FailRun("it broke", jitter=0.5), 100.0) == [
        e.AgentAttemptFailed(1, "it broke", 100.0 + backoff_s(1, 0.5))
    ]
    assert not story.state.is_due(at(100.7))
    assert story.state.is_due(at(100.75))
    story.refuses(c.BeginRun(), NotAllowed, "is waiting for its next attempt", 100.7)
    story.refuses(c.BeginRun(interrupted=True), NotAllowed, "is waiting for its next attempt", 100.7)
    assert story.when(c.BeginRun(), 100.75) == [e.AgentResumed(0)]
    assert story.state.status == "running"


def test_a_restart_during_a_backoff_is_not_counted_as_an_interruption() -> None:
    story = agent_that_is("backing off", max_interruptions=1)
    assert story.when(c.BeginRun(interrupted=True), 60.0) == [e.AgentResumed(0)]


def test_an_agent_fails_with_all_its_reasons_when_its_attempts_are_used_up() -> None:
    story = agent_story(max_attempts=3)
    story.when(c.FailRun("first"))
    story.when(c.FailRun("second"))
    assert story.when(c.FailRun("third")) == [e.AgentFailed(("first", "second", "third"))]
    assert story.state.reasons == ("first", "second", "third")


def test_an_agent_with_one_attempt_fails_at_once() -> None:
    assert agent_story(max_attempts=1).when(c.FailRun("it broke")) == [e.AgentFailed(("it broke",))]


def test_steps_do_not_give_attempts_back() -> None:
    story = agent_story(e.AgentAttemptFailed(1, "first", 0.0), e.AgentResumed(0), done(0), max_attempts=2)
    assert story.when(c.FailRun("second")) == [e.AgentFailed(("first", "second"))]


def test_an_error_that_cannot_be_retried_ends_the_agent_at_its_first_attempt() -> None:
    story = agent_story(max_attempts=9)
    assert story.when(c.FailRun("changed code", retryable=False)) == [e.AgentFailed(("changed code",))]


@pytest.mark.parametrize(
    ("given_steps", "left"),
    [
        ([done(0), failed(1)], ["completed"]),
        ([done(0), failed(1), failed(2)], ["completed"]),
        ([done(0), rejected(1), failed(2)], ["completed"]),
        ([failed(0), done(1)], ["failed", "completed"]),
        ([done(0), failed(1), done(2), failed(3)], ["completed", "failed", "completed"]),
        ([STARTED], ["started"]),
        ([STARTED, DOUBTED], ["doubted"]),
        ([STARTED, DOUBTED, failed(1)], ["doubted"]),
        ([failed(0)], []),
        ([], []),
    ],
)
def test_a_retry_makes_the_last_failed_steps_again_and_no_others(given_steps: list[Any], left: list[str]) -> None:
    story = agent_story(*given_steps)
    story.when(c.FailRun("it broke"))
    assert states(story) == left


def test_a_step_that_failed_can_complete_at_the_next_attempt_in_the_same_place() -> None:
    story = agent_story(done(0), failed(1))
    story.when(c.FailRun("it broke"))
    story.when(c.BeginRun(), 500.0)
    story.when(c.CompleteStep(1, "call", "pure", value()))
    assert states(story) == ["completed", "completed"]


@given(
    attempt=st.integers(1, 10_000) | st.just(2**62),
    jitter=st.floats(0.0, 1.0),
)
@settings(deadline=None)
def test_a_backoff_lies_between_half_and_all_of_a_doubling_bounded_time(attempt: int, jitter: float) -> None:
    full = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** min(attempt - 1, 20))
    assert full / 2 <= backoff_s(attempt, jitter) <= full


def test_a_backoff_grows_until_it_is_five_minutes() -> None:
    assert [backoff_s(attempt, 1.0) for attempt in (1, 2, 3, 4, 9, 10, 11)] == [1, 2, 4, 8, 256, 300, 300]
    assert backoff_s(1, 0.0) == 0.5


# --- cuts ----------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_goes_on_and_is_counted() -> None:
    story = agent_story()
    assert story.when(c.BeginRun(interrupted=True)) == [e.AgentResumed(1)]
    assert story.when(c.BeginRun(interrupted=True)) == [e.AgentResumed(2)]


def test_a_recorded_step_begins_the_count_of_interruptions_anew() -> None:
    story = agent_story(e.AgentResumed(2), done(0))
    assert story.when(c.BeginRun(interrupted=True)) == [e.AgentResumed(1)]


def test_an_agent_that_is_cut_off_too_often_without_a_step_fails() -> None:
    story = agent_story(e.AgentAttemptFailed(1, "it broke", 0.0), e.AgentResumed(2), max_interruptions=2)
    assert story.when(c.BeginRun(interrupted=True)) == [
        e.AgentFailed(("it broke", "it was interrupted 3 times in a row without recording a step"))
    ]


def test_a_complete_agent_that_is_cut_off_too_often_keeps_its_result_and_returns() -> None:
    story = agent_story(e.AgentCompleted(0, value()), e.AgentResumed(2), max_interruptions=2)
    assert story.when(c.BeginRun(interrupted=True)) == [
        e.AgentReturned("it was interrupted 3 times in a row without recording a step")
    ]
    assert story.state.status == "complete"
    assert story.state.output == value()


def test_a_restart_while_the_agent_waits_is_no_interruption() -> None:
    story = agent_that_is("waiting", max_interruptions=1)
    for _ in range(5):
        assert story.when(c.BeginRun(interrupted=True)) == []
    assert story.state.wait is not None


# --- doubt ---------------------------------------------------------------------------------------


def test_a_run_that_was_cut_inside_an_effectful_step_leaves_it_in_doubt() -> None:
    story = agent_story(done(0), e.StepStarted(1, "write"))
    assert story.when(c.BeginRun(interrupted=True)) == [e.AgentResumed(1), e.StepDoubted(1, "write")]
    assert states(story) == ["completed", "doubted"]


def test_a_step_is_doubted_once() -> None:
    story = agent_story(STARTED, DOUBTED)
    assert story.when(c.BeginRun(interrupted=True)) == [e.AgentResumed(1)]


def test_a_failed_attempt_inside_an_effectful_step_leaves_it_in_doubt_for_the_next_one() -> None:
    story = agent_story(STARTED)
    story.when(c.FailRun("it broke"))
    assert story.when(c.BeginRun(), 500.0) == [e.AgentResumed(0), DOUBTED]


def test_a_brain_that_handles_its_doubt_goes_on_behind_the_doubted_step() -> None:
    story = agent_story(STARTED, DOUBTED)
    story.when(c.CompleteStep(1, "verify", "pure", value()))
    assert states(story) == ["doubted", "completed"]
    story.refuses(c.SuspendInDoubt(0), NotAllowed, "is not its last step, or not in doubt")


def test_a_brain_that_does_not_handle_its_doubt_waits_for_a_person() -> None:
    story = agent_story(STARTED, DOUBTED)
    assert story.when(c.SuspendInDoubt(0)) == [SUSPENDED_IN_DOUBT]
    assert story.state.status == "waiting"
    assert not story.state.is_due(at(1e9))
    assert story.when(c.SuspendInDoubt(0)) == []


@pytest.mark.parametrize("index", [-1, 1, 2])
def test_a_wait_for_a_decision_is_about_the_last_step(index: int) -> None:
    story = agent_story(STARTED, DOUBTED)
    story.refuses(c.SuspendInDoubt(index), NotAllowed, "is not its last step, or not in doubt")


def test_a_step_that_is_not_in_doubt_needs_no_decision() -> None:
    agent_story(done(0)).refuses(c.SuspendInDoubt(0), NotAllowed, "or not in doubt")
    agent_story().refuses(c.SuspendInDoubt(-1), NotAllowed, "or not in doubt")


def test_a_person_decides_that_the_step_was_done_and_what_it_returned() -> None:
    story = agent_story(STARTED, DOUBTED, SUSPENDED_IN_DOUBT)
    assert story.when(c.ResolveDoubt("done", "ann", value(b"\x05"))) == [
        e.StepDoubtResolved(0, "done", value(b"\x05"), "ann")
    ]
    assert story.state.steps == [StepRecord("write", "effectful", "completed", value=value(b"\x05"))]
    assert story.state.status == "running"
    assert story.state.is_due(at(0.0))


def test_a_person_decides_that_the_step_is_made_again() -> None:
    story = agent_story(done(0), e.StepStarted(1, "write"), e.StepDoubted(1, "write"))
    story.when(c.SuspendInDoubt(1))
    assert story.when(c.ResolveDoubt("retry", "ann")) == [e.StepDoubtResolved(1, "retry", by="ann")]
    assert states(story) == ["completed"]
    assert story.state.is_due(at(0.0))
    assert story.when(c.StartStep(1, "write")) == [e.StepStarted(1, "write")]


def test_a_doubt_is_resolved_once() -> None:
    story = agent_story(STARTED, DOUBTED, SUSPENDED_IN_DOUBT)
    story.when(c.ResolveDoubt("done", "ann"))
    story.refuses(c.ResolveDoubt("retry", "ben"), NotAllowed, "does not wait for a decision")


def test_a_person_decides_nothing_while_the_brain_may_handle_the_doubt_itself() -> None:
    agent_story(STARTED, DOUBTED).refuses(
        c.ResolveDoubt("done", "ann"), NotAllowed, "does not wait for a decision about a step in doubt"
    )


def test_a_complete_agent_can_be_in_doubt_too_and_stays_complete() -> None:
    story = agent_story(e.AgentCompleted(0, value()), e.StepStarted(1, "write"), e.StepDoubted(1, "write"))
    story.when(c.SuspendInDoubt(1))
    assert story.state.status == "complete"
    assert not story.state.is_due(at(1e9))
    story.when(c.ResolveDoubt("done", "ann"))
    assert story.state.status == "complete"
    assert story.state.is_due(at(0.0))
