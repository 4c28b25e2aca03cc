"""Tokens, and the door they open."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import Forbidden, InvalidArgument, NotFound, Unauthenticated
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.access.principal import OWNER, Principal
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SpawnReply
from tests.runtime.conftest import OpenRuntime

MAILBOXES = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="wait") for role in ("ann", "bob")), keep_open=True)
NOT_FOR_CALLERS = {"open", "close", "acting_as", "authenticate", "record_forgery", "listening", "position"}
NOT_FOR_CALLERS |= {"send_message_nowait"}  # for the host program alone


def spawned(runtime: Runtime) -> SpawnReply:
    return runtime.spawn_fleet(MAILBOXES)


def door_of(runtime: Runtime, agent_id: str) -> Door:
    token = runtime.issue_token("agent", agent_id=agent_id)
    return Door(runtime, runtime.authenticate(token.token))


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
