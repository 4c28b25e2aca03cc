"""What is recorded of an agent's abilities, and what is refused."""

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, NotAllowed
from tests.domain.given import agent_story, agent_that_is, snapshot


def test_a_registration_and_an_outcome_are_recorded_and_leave_nothing_in_the_agents_state() -> None:
    story = agent_story()
    before = snapshot(story.state)
    assert story.when(c.RegisterCapability("reviewer", ("audit",), "m", 1_000)) == [
        e.CapabilityRegistered("reviewer", ("audit",), "m", 1_000)
    ]
    assert story.when(c.RecordRoutingOutcome("audit", False)) == [e.RoutingOutcomeRecorded("audit", False)]
    assert snapshot(story.state) == before


def test_what_is_said_twice_is_recorded_twice() -> None:
    story = agent_story()
    for _ in range(2):
        assert story.when(c.RecordRoutingOutcome("audit", True)) == [e.RoutingOutcomeRecorded("audit", True)]


def test_an_agent_that_has_ended_is_registered_for_nothing_but_its_outcomes_count() -> None:
    story = agent_that_is("failed")
    story.refuses(c.RegisterCapability("reviewer", ()), NotAllowed, "is failed and gets no more work")
    assert story.when(c.RecordRoutingOutcome("audit", True))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (c.RegisterCapability("", ()), "'role' must be a non-empty string"),
        (c.RegisterCapability("r", ("",)), "'skills' must be a non-empty string"),
        (c.RegisterCapability("r", ("x",) * 101), "'skills' holds 101 skills (limit 100)"),
        (c.RegisterCapability("r", (), "m" * 201), "'model' has 201 characters"),
        (c.RegisterCapability("r", (), "", 0), "'context_window' must be >= 1, got 0"),
        (c.RecordRoutingOutcome(" ", True), "'capability_key' must be a non-empty string"),
        (c.RecordRoutingOutcome("x", 1), "'success' must be a boolean, got 1 (int)"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_capability_is_refused(command: c.AgentCommand, said: str) -> None:
    agent_story().refuses(command, InvalidArgument, said)
