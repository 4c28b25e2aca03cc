"""Who works an external agent's mailbox: given what happened, when a client comes, then this is recorded."""

from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, LeaseLost, NotAllowed
from tests.domain.given import Story, agent_story, at, value

TAKEN = e.LeaseTaken("lease-1", "editor/1.0", 60.0, at(0).wall_ms)


def external(*given: Any) -> Story:
    return agent_story(*given, brain="external")


def test_a_client_that_attaches_has_the_agent() -> None:
    story = external()
    assert story.when(c.AttachExternal("lease-1", "editor/1.0", 60.0)) == [TAKEN]
    assert story.state.lease == TAKEN


@pytest.mark.parametrize("brain", ["", "external"])
def test_an_agent_without_a_brain_is_external_whether_it_says_so_or_not(brain: str) -> None:
    story = agent_story(brain=brain)
    assert story.when(c.AttachExternal("lease-1", "editor/1.0", 60.0)) == [TAKEN]
    assert story.when(c.SubmitResult(-1, value())) == [e.AgentCompleted(0, value())]


def test_the_newest_client_wins_and_the_older_one_has_lost_the_agent() -> None:
    story = external(TAKEN)
    assert story.when(c.AttachExternal("lease-2", "other/2.0", 30.0), 5) == [
        e.LeaseLost("lease-1", "editor/1.0", "other/2.0 has attached"),
        e.LeaseTaken("lease-2", "other/2.0", 30.0, at(5).wall_ms),
    ]
    story.refuses(c.ReleaseLease("lease-1"), LeaseLost, "lease_lost: lease lease-1 of agent")
    assert story.when(c.ExpireLease("lease-1")) == []
    assert story.when(c.ReleaseLease("lease-2")) == [e.LeaseReleased("lease-2", "other/2.0")]
    assert story.state.lease is None


def test_silence_loses_the_lease_and_leaves_the_agent_as_it_is() -> None:
    story = external(TAKEN)
    assert story.when(c.ExpireLease("lease-1")) == [
        e.LeaseLost("lease-1", "editor/1.0", "it was not heard of for 60 seconds")
    ]
    assert story.when(c.ExpireLease("lease-1")) == []
    assert story.state.status == "running"
    assert len(story.when(c.AttachExternal("lease-2", "editor/1.0", 60.0))) == 1


def test_silence_after_the_result_is_no_loss() -> None:
    story = external(TAKEN, e.AgentCompleted(0, value()))
    assert story.when(c.ExpireLease("lease-1")) == [e.LeaseReleased("lease-1", "editor/1.0")]


def test_an_agent_that_can_still_be_asked_can_be_attached_to_and_one_that_is_gone_cannot() -> None:
    assert external(e.AgentCompleted(0, value())).when(c.AttachExternal("lease-1", "e/1", 60.0))
    gone = external(e.AgentCancelled("enough"))
    gone.refuses(c.AttachExternal("lease-1", "e/1", 60.0), NotAllowed, "is cancelled: there is nothing to attach to")


@pytest.mark.parametrize(
    ("client", "ttl_s", "words"),
    [(" ", 60.0, "'client' must be a non-empty string"), ("e/1", 0.0, "'ttl_s' must be > 0"), ("e/1", 1e9, "at most")],
)
def test_a_lease_names_its_client_and_has_a_sensible_time(client: str, ttl_s: float, words: str) -> None:
    external().refuses(c.AttachExternal("lease-1", client, ttl_s), InvalidArgument, words)


def test_a_note_stays_with_a_step_that_comes_into_doubt() -> None:
    story = agent_story(e.StepStarted(0, "run 1"))
    assert story.when(c.NoteStep(0, "session-1")) == [e.StepNoted(0, "session-1")]
    assert story.when(c.NoteStep(0, "session-1")) == []
    story.refuses(c.NoteStep(1, "session-1"), NotAllowed, "is not inside an effectful step 1")
    story.when(c.BeginRun(interrupted=True))
    assert (story.state.steps[0].state, story.state.steps[0].note) == ("doubted", "session-1")
    story.refuses(c.NoteStep(0, "session-2"), NotAllowed, "is not inside an effectful step 0")
