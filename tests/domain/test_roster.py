"""Who a message goes to."""

from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import OPERATOR
from tests.domain.given import FLEET, fleet_story, id_of, role


def roster() -> Roster:
    found: Roster = fleet_story(
        role("lead"), role("coder", skills=("python", "sql")), role("lawyer", skills=("law",))
    ).state.roster()
    return found


def ids(*names: str) -> tuple[str, ...]:
    return tuple(id_of(name) for name in names)


@pytest.mark.parametrize("sender", [OPERATOR, "lead", id_of("lead")])
@pytest.mark.parametrize("to", ["coder", id_of("coder")])
def test_a_message_goes_to_the_one_it_names_by_name_or_id(sender: str, to: str) -> None:
    assert roster().recipients(sender, to) == ids("coder")


def test_an_agent_may_write_to_itself_by_name() -> None:
    assert roster().recipients(id_of("lead"), "lead") == ids("lead")


@pytest.mark.parametrize("sender", ["lead", id_of("lead")])
def test_a_broadcast_goes_to_every_other_agent_in_the_order_of_the_fleet(sender: str) -> None:
    assert roster().recipients(sender, "*") == ids("coder", "lawyer")


def test_the_operators_broadcast_goes_to_everybody() -> None:
    assert roster().recipients(OPERATOR, "*") == ids("lead", "coder", "lawyer")


@pytest.mark.parametrize(
    ("skills", "reached"),
    [
        (("law",), ("lawyer",)),
        (("sql",), ("coder",)),
        (("law", "python"), ("coder", "lawyer")),
        (("cooking", "law"), ("lawyer",)),
    ],
)
def test_a_broadcast_for_skills_goes_to_those_who_have_one(skills: tuple[str, ...], reached: tuple[str, ...]) -> None:
    assert roster().recipients(OPERATOR, "*", skills) == ids(*reached)


def test_a_broadcast_for_a_skill_nobody_else_has_goes_to_every_other_agent() -> None:
    assert roster().recipients(OPERATOR, "*", ("cooking",)) == ids("lead", "coder", "lawyer")
    assert roster().recipients(id_of("lawyer"), "*", ("law",)) == ids("lead", "coder")


def test_a_broadcast_of_an_only_agent_reaches_nobody() -> None:
    assert fleet_story(role("alone")).state.roster().recipients(id_of("alone"), "*") == ()


@pytest.mark.parametrize(
    "stranger",
    ["nobody", "", "agent-", "agent-261123-014647-zzzzzz-lead", id_of("nobody"), id_of(""), "Lead"],
)
def test_a_stranger_is_not_found(stranger: str) -> None:
    words = f"^No such agent in fleet {FLEET}: {stranger}$"
    with pytest.raises(NotFound, match=words):
        roster().recipients(OPERATOR, stranger)
    with pytest.raises(NotFound, match=words):
        roster().recipients(stranger, "lead")
    with pytest.raises(NotFound, match=words):
        roster().recipients(stranger, "*")


def test_the_operator_is_no_recipient() -> None:
    with pytest.raises(NotFound):
        roster().recipients(id_of("lead"), OPERATOR)


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([c.CancelFleet()], "cancelled"),
        ([c.RecordAgentEnd("a", "complete")], "complete"),
        ([c.RecordAgentEnd("a", "failed")], "failed"),
        ([c.SetFleetTimeout(1.0), c.ExpireFleet()], "timed_out"),
    ],
)
def test_an_ended_fleet_refuses_messages(commands: list[Any], status: str) -> None:
    story = fleet_story(role("a"))
    for command in commands:
        story.when(command, 60.0)
    with pytest.raises(NotAllowed, match=f"^Fleet {FLEET} is {status}, not running$"):
        story.state.roster().recipients(OPERATOR, "a")


def test_a_roster_does_not_follow_the_fleet() -> None:
    story = fleet_story(role("a"))
    early = story.state.roster()
    story.when(c.AttachAgent(role("b")))
    story.when(c.CancelFleet())
    assert early.status == "running"
    assert list(early.members) == ["a"]
    assert early.recipients(OPERATOR, "*") == ids("a")
