"""Who is in a fleet: spawning, `each`, groups, attaching."""

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import spec as specs
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import AgentSpec, FleetSpec, agent_id_for, fleet_id_of, stamp_of
from tests.domain.given import FLEET, at, fleet_story, id_of, member, role

# --- spawning ------------------------------------------------------------------------------------


def test_a_fleet_is_spawned_with_its_members_and_those_who_need_nobody_may_start() -> None:
    spec = FleetSpec(agents=(role("a"), role("b", "a"), role("c")), name="trio", goal="win")
    assert fleet_story().when(c.SpawnFleet(spec), 7.0) == [
        e.FleetSpawned(spec, (member("a"), member("b", "a"), member("c")), 7.0),
        e.AgentsAdmitted(("a", "c")),
    ]


def test_a_fleet_is_spawned_once() -> None:
    fleet_story(role("a")).refuses(
        c.SpawnFleet(FleetSpec(agents=(role("a"),))), NotAllowed, f"Fleet {FLEET} exists already"
    )


@pytest.mark.parametrize(
    "command",
    [
        c.AttachAgent(role("a")),
        c.RecordAgentEnd("a", "complete"),
        c.SetFleetTimeout(5.0),
        c.ExpireFleet(),
        c.CloseFleet(),
        c.CancelFleet(),
        c.ArchiveFleet(),
    ],
)
def test_a_fleet_that_was_never_spawned_is_not_found(command: c.FleetCommand) -> None:
    with pytest.raises(NotFound, match=f"^Fleet {FLEET} not found$"):
        Fleet(FLEET).decide(command, at(0.0))


def test_a_refused_spawn_leaves_no_fleet() -> None:
    story = fleet_story()
    story.refuses(c.SpawnFleet(FleetSpec(agents=())), InvalidArgument, "must name at least one agent")
    assert not story.state.exists


def test_a_member_knows_its_role_and_skills() -> None:
    story = fleet_story(AgentSpec(role="Risk Finder", prompt="look", skills=("sql", "law")))
    assert story.state.members == {"risk-finder": member("risk-finder", role="Risk Finder", skills=("sql", "law"))}


# --- each ----------------------------------------------------------------------------------------


def test_each_makes_one_agent_for_each_item_in_order() -> None:
    story = fleet_story(role("reader", each=("a.py", "b.py")))
    assert list(story.state.members) == ["reader-1", "reader-2"]
    assert story.state.admitted == {"reader-1", "reader-2"}


def test_the_items_go_to_the_agents_and_not_into_the_fleets_event() -> None:
    spec = FleetSpec(agents=(role("reader", each=("a.py", {"b": 1})),))
    spawned = fleet_story().when(c.SpawnFleet(spec))[0]
    assert spawned.spec.agents[0].each == ()
    seats = specs.seats(specs.check_fleet(spec), FLEET)
    assert [(seat.member.name, seat.item) for seat in seats] == [("reader-1", "a.py"), ("reader-2", {"b": 1})]
    assert [(seat.spec.name, seat.spec.each) for seat in seats] == [("reader-1", None), ("reader-2", None)]


def test_each_with_no_items_makes_nobody_and_holds_nobody_up() -> None:
    story = fleet_story(role("reader", each=()), role("editor", "reader"))
    assert list(story.state.members) == ["editor"]
    assert story.state.admitted == {"editor"}


def test_an_agent_that_depends_on_each_waits_for_all_of_them() -> None:
    story = fleet_story(role("reader", each=(1, 2, 3)), role("editor", "reader"))
    story.when(c.RecordAgentEnd("reader-2", "complete"))
    story.when(c.RecordAgentEnd("reader-1", "complete"))
    assert "editor" not in story.state.admitted
    assert story.when(c.RecordAgentEnd("reader-3", "complete")) == [
        e.AgentEnded("reader-3", "complete"),
        e.AgentsAdmitted(("editor",)),
    ]


def test_agents_made_by_each_can_depend_on_agents_made_by_each() -> None:
    story = fleet_story(role("read", each=(1, 2)), role("check", "read", each=(1, 2)))
    story.when(c.RecordAgentEnd("read-1", "complete"))
    assert story.when(c.RecordAgentEnd("read-2", "complete"))[1:] == [e.AgentsAdmitted(("check-1", "check-2"))]


def test_an_agent_whose_name_only_looks_as_if_made_by_each_stands_for_itself() -> None:
    story = fleet_story(role("b-1"), role("b-2"), role("editor", "b-1"))
    story.when(c.RecordAgentEnd("b-2", "failed"))
    assert story.state.doomed == []
    assert story.when(c.RecordAgentEnd("b-1", "complete"))[1:] == [e.AgentsAdmitted(("editor",))]


def test_a_name_with_a_number_beside_an_each_stands_for_itself() -> None:
    story = fleet_story(role("b", each=(1, 2)), role("b-3"), role("editor", "b"))
    story.when(c.RecordAgentEnd("b-1", "complete"))
    assert story.when(c.RecordAgentEnd("b-2", "complete"))[1:] == [e.AgentsAdmitted(("editor",))]


@pytest.mark.parametrize(
    ("agents", "name"),
    [
        ((role("b", each=(1,)), role("b-1")), "b-1"),
        ((role("b", each=(1,)), role("b-1", each=(1,))), "b-1"),
        ((role("b", each=(1,)), role("b")), "b"),
        ((role("b"), role("b", each=())), "b"),
        ((role("b", each=()), role("b", each=(1,))), "b"),
        ((role("b"), role("b")), "b"),
    ],
)
def test_a_name_means_one_agent_or_one_each(agents: tuple[AgentSpec, ...], name: str) -> None:
    fleet_story().refuses(
        c.SpawnFleet(FleetSpec(agents=agents)),
        InvalidArgument,
        f"'agents' names \"{name}\" twice; names are unique within a fleet",
    )


# --- attaching -----------------------------------------------------------------------------------


def test_an_attached_agent_that_needs_nobody_may_start() -> None:
    story = fleet_story(role("a"))
    assert story.when(c.AttachAgent(role("b"))) == [e.AgentAttached(member("b")), e.AgentsAdmitted(("b",))]
    assert list(story.state.members) == ["a", "b"]


def test_an_attached_agent_waits_for_what_it_depends_on() -> None:
    story = fleet_story(role("a", each=(1, 2)))
    assert story.when(c.AttachAgent(role("b", "a"))) == [e.AgentAttached(member("b", "a"))]
    story.when(c.RecordAgentEnd("a-1", "complete"))
    assert story.when(c.RecordAgentEnd("a-2", "complete"))[1:] == [e.AgentsAdmitted(("b",))]


def test_an_attached_agent_may_depend_on_one_that_has_completed_or_was_attached() -> None:
    story = fleet_story(role("a"), role("z"))
    story.when(c.RecordAgentEnd("a", "complete"))
    assert story.when(c.AttachAgent(role("b", "a")))[1:] == [e.AgentsAdmitted(("b",))]
    assert story.when(c.AttachAgent(role("c", "b")))[1:] == []


def test_an_attached_agent_that_depends_on_a_failed_one_is_doomed() -> None:
    story = fleet_story(role("a"), role("z"))
    story.when(c.RecordAgentEnd("a", "failed"))
    story.when(c.AttachAgent(role("b", "a")))
    assert story.state.doomed == [(member("b", "a"), "it depends on a: a ended as failed")]


def test_an_attached_agent_needs_a_name_of_its_own() -> None:
    story = fleet_story(role("a"), role("b", each=(1,)), role("n", each=()))
    for taken in ("a", "b", "b-1", "n"):
        story.refuses(
            c.AttachAgent(role(taken)),
            InvalidArgument,
            f"'name': fleet {FLEET} has an agent called \"{taken}\" already",
        )


def test_an_attached_agents_name_may_look_as_if_made_by_each() -> None:
    story = fleet_story(role("b", each=(1,)), role("editor", "b"))
    story.when(c.AttachAgent(role("b-2")))
    assert story.when(c.RecordAgentEnd("b-1", "complete"))[1:] == [e.AgentsAdmitted(("editor",))]


@pytest.mark.parametrize("needed", ["nobody", "b"])
def test_an_attached_agent_depends_on_agents_of_its_fleet(needed: str) -> None:
    fleet_story(role("a")).refuses(
        c.AttachAgent(role("b", needed)),
        InvalidArgument,
        f"'depends_on' names \"{needed}\", which is not in fleet {FLEET}",
    )


def test_each_is_for_spawning() -> None:
    fleet_story(role("a")).refuses(c.AttachAgent(role("b", each=(1,))), InvalidArgument, "attach them one by one")


def test_a_fleet_takes_only_so_many_agents() -> None:
    story = fleet_story(role("a"), role("b"))
    story.refuses(c.AttachAgent(role("c"), 2), NotAllowed, f"Fleet {FLEET} has 2 agents (limit 2)")
    assert story.when(c.AttachAgent(role("c"), 3)) != []


def test_an_attached_agents_spec_is_checked() -> None:
    story = fleet_story(role("a"))
    story.refuses(c.AttachAgent(AgentSpec(role="b", prompt=" ")), InvalidArgument, "'prompt' must be a non-empty")


def test_nobody_is_attached_to_a_closed_fleet() -> None:
    story = fleet_story(role("a"))
    story.when(c.CloseFleet())
    story.refuses(c.AttachAgent(role("b")), NotAllowed, "is closed: no agent can be attached any more")


def test_nobody_is_attached_to_a_fleet_that_has_ended() -> None:
    story = fleet_story(role("a"))
    story.when(c.RecordAgentEnd("a", "complete"))
    story.refuses(c.AttachAgent(role("b")), NotAllowed, f"Fleet {FLEET} is complete, not running")


# --- ids -----------------------------------------------------------------------------------------


def test_an_agents_id_holds_its_fleets_stamp_and_its_name() -> None:
    assert id_of("risk-finder-2") == "agent-261123-014647-k3f2q7-risk-finder-2"
    assert stamp_of(id_of("risk-finder-2")) == stamp_of(FLEET) == "261123-014647-k3f2q7"
    assert fleet_id_of(id_of("risk-finder-2")) == fleet_id_of(FLEET) == FLEET
    assert agent_id_for(FLEET, "a") == id_of("a")


@pytest.mark.parametrize("other", ["", "operator", "fleet", "fleet-1-2", "cloud-1-2-3", "message-1-2-3-4"])
def test_an_id_of_another_form_has_no_stamp(other: str) -> None:
    assert stamp_of(other) == ""
