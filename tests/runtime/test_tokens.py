"""Tokens, and the door they open."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import Forbidden, GivenUp, InvalidArgument, NotAllowed, NotFound, Unauthenticated
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.known_tokens import MANY
from fleetlog.runtime.access.principal import OWNER, Principal
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SpawnReply
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

MAILBOXES = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="wait") for role in ("ann", "bob")), keep_open=True)
NOT_FOR_CALLERS = {
    "open",
    "close",
    "acting_as",
    "authenticate",
    "check_acts",
    "record_forgery",
    "counted_keys",
    "listening",
    "position",
}
NOT_FOR_CALLERS |= {"send_message_nowait", "query_view"}  # for the host program alone


def spawned(runtime: Runtime) -> SpawnReply:
    return runtime.spawn_fleet(MAILBOXES)


def door_of(runtime: Runtime, agent_id: str) -> Door:
    token = runtime.issue_token("agent", agent_id=agent_id)
    return Door(runtime, runtime.authenticate(token.token))


def acts_of(runtime: Runtime, agent_id: str) -> list[str]:
    """What was recorded as done by an agent, but for its own life, which is recorded as its doing too."""
    life = ("agent.", "fleet.")
    entries = runtime.timeline(limit=10_000)
    return [entry.what for entry in entries if entry.by == agent_id and not entry.what.startswith(life)]


def test_a_token_says_who_its_bearer_is(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    ann = spawned(runtime).agent_ids[0]
    mine = runtime.issue_token("agent", agent_id=ann)
    reader = runtime.issue_token("read", label="dashboard")
    operator = runtime.issue_token("operator")
    assert runtime.authenticate(mine.token) == Principal(ann, "agent", ann, mine.token_id)
    assert runtime.authenticate(reader.token) == Principal("dashboard", "read", "", reader.token_id)
    assert runtime.authenticate(operator.token).name == operator.token_id
    assert len({mine.token, reader.token, operator.token}) == 3
    with pytest.raises(Unauthenticated, match="not known"):
        runtime.authenticate("fl_guessed")
    with pytest.raises(Unauthenticated, match="not known"):
        runtime.authenticate("")


def test_tokens_survive_a_restart_and_so_do_revocations(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    kept, gone = runtime.issue_token("read"), runtime.issue_token("read")
    runtime.revoke_token(gone.token_id, "lost")
    with pytest.raises(Unauthenticated, match="was revoked"):
        runtime.authenticate(gone.token)
    runtime.close()
    again = open_runtime()
    assert again.authenticate(kept.token).token_id == kept.token_id
    with pytest.raises(Unauthenticated, match="was revoked"):
        again.authenticate(gone.token)


def test_a_token_expires(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock)
    token = runtime.issue_token("read", expires_at=clock.now().wall_ms + 60_000)
    runtime.authenticate(token.token)
    clock.advance(61)
    with pytest.raises(Unauthenticated, match="has expired"):
        runtime.authenticate(token.token)


def test_a_secret_is_shown_once_and_is_nowhere_on_disk(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    first = runtime.issue_token("operator", label="x", idempotency_key="k")
    again = runtime.issue_token("operator", label="x", idempotency_key="k")
    assert (again.token_id, again.token) == (first.token_id, "")
    assert len(runtime.list_tokens().tokens) == 1
    runtime.close()
    for path in (tmp_path / "d").rglob("*"):
        assert not path.is_file() or first.token.encode() not in path.read_bytes(), path


def test_a_token_for_nobody_is_refused(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    with pytest.raises(NotFound):
        runtime.issue_token("agent", agent_id=fleet.agent_ids[0] + "x")
    with pytest.raises(InvalidArgument, match="'agent_id' is for tokens of the scope agent"):
        runtime.issue_token("agent")
    with pytest.raises(NotFound, match="No such token: token-none"):
        runtime.revoke_token("token-none")
    with pytest.raises(NotFound, match="No such token: fleet"):
        runtime.revoke_token("fleet")


def test_every_method_of_the_facade_is_at_the_door_or_is_not_for_callers() -> None:
    methods = {name for name in dir(Runtime) if not name.startswith("_")}
    doors = {name for name in dir(Door) if not name.startswith("_")}
    assert methods - NOT_FOR_CALLERS == doors
    for name in doors:
        assert inspect.signature(getattr(Door, name)) == inspect.signature(getattr(Runtime, name)), name


def test_an_agent_acts_as_itself_alone_and_forgeries_are_recorded(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    ann, bob = fleet.agent_ids
    door = door_of(runtime, ann)
    sent = door.send_message(ann, bob, fleet.fleet_id, "question", "it is me")
    bobs = runtime.send_message("operator", bob, fleet.fleet_id, "question", "for bob").message_id

    def letter(sender: str, to: str) -> Outgoing:
        return Outgoing(sender, to, fleet.fleet_id, "alert", "x")

    forged: list[tuple[str, tuple[Any, ...]]] = [
        ("send_message", (bob, ann, fleet.fleet_id, "question", "it is bob")),
        ("send_message", ("operator", bob, fleet.fleet_id, "question", "it is the boss")),
        (
            "send_messages",
            ([Outgoing(ann, bob, fleet.fleet_id, "alert", "x"), Outgoing(bob, ann, fleet.fleet_id, "alert", "x")],),
        ),
        ("ack", (bob, bobs)),
        ("request_help", (bob, "help")),
        ("submit_result", (bob, 1)),
        ("alert", (fleet.fleet_id, "high", "x")),
    ]
    before = runtime.inbox(ann).messages, runtime.inbox(bob).messages
    for operation, arguments in forged:
        with pytest.raises(Forbidden, match=f"{operation} as .*this token is {ann}'s"):
            getattr(door, operation)(*arguments)
    assert (runtime.inbox(ann).messages, runtime.inbox(bob).messages) == before
    assert [message.id for message in before[1]] == [sent.message_id, bobs]
    recorded = [entry for entry in runtime.timeline(fleet.fleet_id) if entry.what == "token.forgery_refused"]
    assert [entry.summary for entry in recorded] == [
        f"send_message as {bob}",
        "send_message as operator",
        f"send_messages as {bob}",
        f"ack as {bob}",
        f"request_help as {bob}",
        f"submit_result as {bob}",
        "alert as operator",
    ]
    for _ in range(50):
        with pytest.raises(Forbidden):
            door.ack(bob, bobs)
    assert runtime.list_tokens().tokens[0].forgeries == len(forged)


@pytest.mark.parametrize("claimed", ["\ud800", "a\0b", "x" * 10_000, "", " ", "\u202e"])
def test_whatever_an_agent_claims_to_be_is_refused_and_recorded(open_runtime: OpenRuntime, claimed: str) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    door = door_of(runtime, fleet.agent_ids[0])
    with pytest.raises(Forbidden) as refused:
        door.ack(claimed, "message-1")
    assert str(refused.value).encode()
    (entry,) = [entry for entry in runtime.timeline(fleet.fleet_id) if entry.what == "token.forgery_refused"]
    assert entry.by == fleet.agent_ids[0]


def test_an_agent_sees_its_own_fleet_and_its_own_mail(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet, other = spawned(runtime), spawned(runtime)
    ann, bob = fleet.agent_ids
    door = door_of(runtime, ann)
    assert door.fleet_status(fleet.fleet_id).fleet.id == fleet.fleet_id
    assert door.inbox(ann).messages == ()
    for refused in (
        lambda: door.inbox(bob),
        lambda: door.fleet_status(other.fleet_id),
        lambda: door.timeline(),
        lambda: door.list_fleets(),
        lambda: door.list_help(),
        lambda: door.verify_ledger(),
        lambda: door.cancel_fleet(fleet.fleet_id),
        lambda: door.spawn_fleet(MAILBOXES),
        lambda: door.answer_help("help-1", "yes"),
        lambda: door.issue_token("operator"),
        lambda: door.send_message(ann, other.agent_ids[0], other.fleet_id, "question", "x"),
    ):
        with pytest.raises(Forbidden, match=f"{ann}'s"):
            refused()


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_an_agent_that_has_ended_looks_and_does_nothing(open_runtime: OpenRuntime, how: str) -> None:
    def fails(context: Context) -> None:
        raise GivenUp("no way")

    runtime = open_runtime(brains={"fails": fails})
    fleet = spawned(runtime)
    ann, bob = fleet.agent_ids
    if how == "failed":
        (ann,) = runtime.attach_agent(fleet.fleet_id, AgentSpec(role="eve", prompt="try", brain="fails")).agent_ids
        wait_until(runtime, fleet.fleet_id, lambda status: status.agents[-1].status == "failed")
    door = door_of(runtime, ann)
    if how == "cancelled":
        door.send_message(ann, bob, fleet.fleet_id, "question", "before")
        runtime.cancel_agent(ann)
    statuses = {agent.id: agent.status for agent in door.fleet_status(fleet.fleet_id).agents}
    assert statuses[ann] == how
    before = acts_of(runtime, ann)
    for refused in (
        lambda: door.send_message(ann, bob, fleet.fleet_id, "question", "x"),
        lambda: door.send_messages([Outgoing(ann, bob, fleet.fleet_id, "alert", "x")]),
        lambda: door.alert(fleet.fleet_id, "high", "x", from_agent_id=ann),
        lambda: door.open_ratification(ann, fleet.fleet_id, "more pay", 1),
        lambda: door.register_capability(ann, fleet.fleet_id, "x", ["y"]),
    ):
        with pytest.raises(NotAllowed, match=f"Agent {ann} is {how}: its token may only look"):
            refused()
    assert acts_of(runtime, ann) == before == (["message.delivered"] if how == "cancelled" else [])


def test_a_complete_agent_may_still_answer(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    ann, bob = fleet.agent_ids
    door = door_of(runtime, ann)
    door.submit_result(ann, "done")
    assert door.fleet_status(fleet.fleet_id).agents[0].status == "complete"
    assert door.send_message(ann, bob, fleet.fleet_id, "result", "as I said").recipients == (bob,)


def test_only_who_takes_part_in_a_discussion_has_its_turns_reserved(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    three = tuple(AgentSpec(role=role, prompt="talk") for role in ("ann", "bob", "cid"))
    fleet = runtime.spawn_fleet(FleetSpec(agents=three, keep_open=True))
    ann, bob, cid = fleet.agent_ids
    asked = door_of(runtime, ann).ask_peer(
        ann, bob, fleet.fleet_id, "1", max_turns=2, timeout_s=60, turn_timeout_s=60, wake_peer=False
    )
    with pytest.raises(Forbidden, match=f"{cid} does not take part in discussion {asked.discussion_id}"):
        door_of(runtime, cid).wake_agent(bob, asked.discussion_id, asked.message_id)
    assert door_of(runtime, ann).wake_agent(bob, asked.discussion_id, asked.message_id).status == "active"


def test_folders_of_this_machine_are_for_operators_to_name(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    reader = Door(runtime, runtime.authenticate(runtime.issue_token("read").token))
    for door in (reader, door_of(runtime, spawned(runtime).agent_ids[0])):
        assert door.definitions().count > 0
        for folder in (tmp_path, tmp_path / "missing"):
            with pytest.raises(Forbidden, match="'workspace' is for operators; leave it out"):
                door.definitions(workspace=str(folder))
    assert Door(runtime, OWNER).definitions(workspace=str(tmp_path)).count > 0


@pytest.mark.parametrize("count", [1, 3 * MANY])
def test_tokens_count_and_end_at_once_however_many_change(open_runtime: OpenRuntime, count: int) -> None:
    runtime = open_runtime()
    first = runtime.issue_token("operator")
    runtime.authenticate(first.token)
    issued = [runtime.issue_token("read") for _ in range(count)]
    assert {runtime.authenticate(one.token).token_id for one in issued} == {one.token_id for one in issued}
    for one in issued:
        runtime.revoke_token(one.token_id)
        with pytest.raises(Unauthenticated, match="was revoked"):
            runtime.authenticate(one.token)
    assert runtime.authenticate(first.token).token_id == first.token_id


def test_a_reader_changes_nothing(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    ann, bob = fleet.agent_ids
    door = Door(runtime, runtime.authenticate(runtime.issue_token("read").token))
    assert len(door.list_fleets().fleets) == 1
    assert door.inbox(bob).messages == ()
    for refused in (
        lambda: door.send_message(ann, bob, fleet.fleet_id, "question", "x"),
        lambda: door.cancel_fleet(fleet.fleet_id),
        lambda: door.ack(bob, "message-1"),
        lambda: door.issue_token("operator"),
        lambda: door.list_tokens(),
    ):
        with pytest.raises(Forbidden, match="may only read"):
            refused()


def test_what_a_principal_changes_is_recorded_as_its_own(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawned(runtime)
    ann, bob = fleet.agent_ids
    door_of(runtime, ann).send_message(ann, bob, fleet.fleet_id, "question", "x")
    boss = runtime.authenticate(runtime.issue_token("operator", label="ci").token)
    Door(runtime, boss).pause_fleet(fleet.fleet_id)
    Door(runtime, OWNER).resume_fleet(fleet.fleet_id)
    by = {entry.what: entry.by for entry in runtime.timeline(fleet.fleet_id)}
    assert by["message.delivered"] == ann
    assert by["fleet.paused"] == "ci"
    assert by["fleet.resumed"] == "operator"
