"""Who may call what: every method of the facade, for every scope."""

import inspect
from typing import Any

import pytest

from fleetlog.domain.access import MAX_FORGERIES
from fleetlog.domain.errors import Forbidden, Refused
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import OWNER
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.rows import TimelineEntry
from tests.runtime.conftest import OpenRuntime

MAILBOXES = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="wait") for role in ("ann", "bob")), keep_open=True)

READS = {"artifact", "definitions", "get_fleet_template", "health", "list_fleet_templates"}
READS_OWN_FLEET = {
    "collect_results",
    "doubts",
    "fleet_status",
    "help_requests",
    "list_agents",
    "list_help",
    "route_work",
}
READS_OWN_FLEET |= {"spend", "timeline"}
READS_OF_OWN_FLEET = {"discussion", "ratification", "receipts"}
READS_OWN_MAIL = {"inbox", "unread"}
READS_ALL = {"drafts", "gates", "list_fleets", "resolve_fleet", "verify_ledger"}
LOOKS = READS | READS_OWN_FLEET | READS_OF_OWN_FLEET | READS_OWN_MAIL | READS_ALL
ACTS = {"ack", "attach_external", "cast_vote", "give_receipt", "release_lease", "renew_lease", "reply_discussion"}
ACTS |= {"request_help", "submit_result"}
ACTS_IN_FLEET = {"alert", "ask_peer", "begin_send_message", "open_ratification", "register_capability", "send_message"}
ACTS_IN_FLEET |= {"send_messages"}
OPERATES = {
    "answer_help",
    "archive_fleet",
    "attach_agent",
    "cancel_agent",
    "cancel_fleet",
    "cancel_help",
    "close_fleet",
}
OPERATES |= {
    "decide_approval",
    "delete_fleet_template",
    "fork_fleet",
    "issue_token",
    "list_tokens",
    "pause_agent",
    "pause_fleet",
}
OPERATES |= {"record_routing_outcome", "recover", "resolve_doubt", "resume_agent", "resume_fleet", "revoke_token"}
OPERATES |= {"save_fleet_template", "set_budget", "set_fleet_timeout", "spawn_fleet", "spawn_from_template"}
OPERATES |= {"store_artifact", "sweep_ratifications", "undo_compaction"}
WAKES = {"wake_agent"}


class House:
    """Two fleets of two; in the second something was asked, sent and proposed."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.own, self.other = runtime.spawn_fleet(MAILBOXES), runtime.spawn_fleet(MAILBOXES)
        self.ann, self.bob = self.own.agent_ids
        asker, peer = self.other.agent_ids
        fleet_id = self.other.fleet_id
        self.sent = runtime.send_message(asker, peer, fleet_id, "question", "x").message_id
        self.council = runtime.open_ratification(asker, fleet_id, "more pay", 1).message_id
        bounds: dict[str, Any] = {"max_turns": 2, "timeout_s": 60, "turn_timeout_s": 60, "wake_peer": False}
        self.discussion = runtime.ask_peer(asker, peer, fleet_id, "1", **bounds).discussion_id
        runtime.give_receipt(peer, self.sent, "read")

    def door(self, scope: str) -> Door:
        if scope == "owner":
            return Door(self.runtime, OWNER)
        agent_id = self.ann if scope == "agent" else ""
        token = self.runtime.issue_token(scope, agent_id=agent_id)  # type: ignore[arg-type]
        return Door(self.runtime, self.runtime.authenticate(token.token))

    def given(self, name: str, who: str, fleet_id: str) -> dict[str, Any]:
        """Arguments of a method that name this agent and this fleet; the rest is made up."""
        known: dict[str, Any] = {
            "agent_id": who,
            "from_agent_id": who,
            "proposer": who,
            "fleet_id": fleet_id,
            "to_agent_id": self.bob,
        }
        known |= {"type": "question", "message_id": "message-1", "messages": self.outgoing(who, fleet_id)}
        parameters = list(inspect.signature(getattr(Door, name)).parameters.values())[1:]
        return {
            one.name: known.get(one.name, "x")
            for one in parameters
            if one.default is one.empty or one.name in ("fleet_id", "from_agent_id")
        }

    def outgoing(self, who: str, fleet_id: str) -> list[Outgoing]:
        as_itself = Outgoing(self.ann, self.bob, self.own.fleet_id, "alert", "x")
        return [as_itself, Outgoing(who, self.bob, fleet_id, "alert", "x")]


def refusal(door: Door, name: str, given: dict[str, Any]) -> str:
    """Why the door is shut; empty when it is open, whatever is then said to the arguments."""
    try:
        getattr(door, name)(**given)
    except Forbidden as error:
        return str(error)
    except Refused:
        pass
    return ""


def forgeries(house: House) -> list[TimelineEntry]:
    return [entry for entry in house.runtime.timeline(limit=1_000) if entry.what == "token.forgery_refused"]


def called(name: str) -> str:
    """A method as refusals name it: without waiting or with, it is the same."""
    return name.removeprefix("begin_")


@pytest.fixture
def house(open_runtime: OpenRuntime) -> House:
    return House(open_runtime())


def test_the_table_has_every_method_once() -> None:
    rows = [READS, READS_OWN_FLEET, READS_OF_OWN_FLEET, READS_OWN_MAIL, READS_ALL, ACTS, ACTS_IN_FLEET, OPERATES, WAKES]
    named = sorted(name for row in rows for name in row)
    assert named == sorted(name for name in dir(Door) if not name.startswith("_"))


@pytest.mark.parametrize("scope", ["owner", "operator"])
def test_an_operator_is_let_in_everywhere(house: House, scope: str) -> None:
    door = house.door(scope)
    for name in sorted(LOOKS | ACTS | ACTS_IN_FLEET | OPERATES | WAKES):
        assert refusal(door, name, house.given(name, house.ann, house.own.fleet_id)) == "", name


def test_a_reader_looks_everywhere_and_changes_nothing(house: House) -> None:
    door = house.door("read")
    for name in sorted(LOOKS):
        assert refusal(door, name, house.given(name, house.bob, house.other.fleet_id)) == "", name
    before = house.runtime.position
    for name in sorted(ACTS | ACTS_IN_FLEET | OPERATES | WAKES):
        refused = refusal(door, name, house.given(name, house.ann, house.own.fleet_id))
        assert refused == f"this token may only read: {called(name)} is for operators and agents"
    assert house.runtime.position == before


def test_an_agent_is_let_in_as_itself(house: House) -> None:
    door = house.door("agent")
    for name in sorted(READS | READS_OWN_FLEET | READS_OWN_MAIL | ACTS | ACTS_IN_FLEET):
        assert refusal(door, name, house.given(name, house.ann, house.own.fleet_id)) == "", name


def test_an_agent_neither_operates_nor_looks_beyond_its_fleet(house: House) -> None:
    door = house.door("agent")
    before = house.runtime.position
    for name in sorted(OPERATES | READS_ALL):
        assert f"token is {house.ann}'s" in refusal(door, name, house.given(name, house.ann, house.own.fleet_id)), name
    for name in sorted(READS_OWN_FLEET | ACTS_IN_FLEET):
        refused = refusal(door, name, house.given(name, house.ann, house.other.fleet_id))
        assert refused.endswith(f"it sees no fleet but {house.own.fleet_id}"), name
    for name in sorted(READS_OWN_MAIL):
        for other in (house.bob, *house.other.agent_ids):
            assert "no other agent's mail" in refusal(door, name, house.given(name, other, house.own.fleet_id)), name
    assert house.runtime.position == before


def test_an_agent_that_names_no_fleet_does_not_see_all_of_them(house: House) -> None:
    door = house.door("agent")
    for name in sorted(READS_OWN_FLEET - {"collect_results", "fleet_status", "list_agents", "spend"}):
        given = {key: value for key, value in house.given(name, house.ann, "").items() if key != "fleet_id"}
        assert refusal(door, name, given).endswith(f"it sees no fleet but {house.own.fleet_id}"), name


def test_an_agent_does_not_see_what_is_said_and_decided_in_another_fleet(house: House) -> None:
    door = house.door("agent")
    peer = house.other.agent_ids[1]
    for name, given in (
        ("receipts", {"message_id": house.sent}),
        ("ratification", {"message_id": house.council}),
        ("discussion", {"discussion_id": house.discussion}),
        ("wake_agent", {"agent_id": peer, "discussion_id": house.discussion, "expected_head_message_id": "x"}),
        ("cast_vote", {"agent_id": peer, "message_id": house.council, "approve": True}),
    ):
        assert f"token is {house.ann}'s" in refusal(door, name, given), name
        assert refusal(house.door("operator"), name, given) == "", name


def test_every_act_as_another_is_refused_and_recorded(house: House) -> None:
    door = house.door("agent")
    others = (house.bob, house.other.agent_ids[0])
    for other in others:
        for name in sorted((ACTS | ACTS_IN_FLEET) - {"begin_send_message"}):
            refused = refusal(door, name, house.given(name, other, house.own.fleet_id))
            assert refused == f'{name} as "{other}": this token is {house.ann}\'s'
    entries = forgeries(house)
    names = sorted((ACTS | ACTS_IN_FLEET) - {"begin_send_message"})
    tried = [f"{name} as {other}" for other in others for name in names]
    assert [entry.summary for entry in entries] == tried[:MAX_FORGERIES]
    assert len(tried) > MAX_FORGERIES
    assert {entry.by for entry in entries} == {house.ann}
    assert house.runtime.inbox(house.bob).messages == ()


def test_a_forgery_is_not_begun_without_waiting_but_refused_by_the_call_that_may_wait(house: House) -> None:
    door = house.door("agent")
    begun = door.begin_send_message(house.ann, house.bob, house.own.fleet_id, "question", "mine")
    assert begun is not None
    assert begun.reply().recipients == (house.bob,)
    forged = (house.bob, house.ann, house.own.fleet_id, "question", "x")
    before = house.runtime.position
    assert door.begin_send_message(*forged) is None  # type: ignore[arg-type]
    assert house.runtime.position == before
    assert refusal(door, "send_message", house.given("send_message", house.bob, house.own.fleet_id))
    assert [entry.summary for entry in forgeries(house)] == [f"send_message as {house.bob}"]
