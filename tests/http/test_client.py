"""The client: what the facade says, it says; what is lost on the way is asked again, and nothing is made twice."""

import asyncio
import inspect
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fleetlog.runtime
from fleetlog.domain.errors import (
    DaemonUnreachable,
    FleetlogError,
    InvalidArgument,
    NotAllowed,
    NotFound,
    Refused,
    RuntimeClosed,
    Unauthenticated,
)
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec
from fleetlog.runtime.async_client import AsyncClient
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.client import Client
from fleetlog.runtime.error_kinds import error_of, kind_of
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.servers.daemon import ServerConfig
from fleetlog.runtime.servers.http.operations import operations
from tests.http.place import Place
from tests.servers.house import House, run

TABLE = operations()


def test_both_clients_have_every_operation_with_the_facades_signature() -> None:
    for name in TABLE:
        wanted = inspect.signature(getattr(Runtime, name))
        for client in (Client, AsyncClient):
            assert inspect.signature(getattr(client, name)) == wanted, f"{client.__name__}.{name}"
            assert inspect.iscoroutinefunction(getattr(client, name)) == (client is AsyncClient)


def test_the_clients_are_found_beside_the_runtime() -> None:
    assert (fleetlog.runtime.Client, fleetlog.runtime.AsyncClient) == (Client, AsyncClient)
    assert fleetlog.runtime.Runtime is Runtime
    with pytest.raises(AttributeError, match="no attribute 'Clint'"):
        _ = fleetlog.runtime.Clint


# --- the same as the facade ----------------------------------------------------------------------

Ask = Callable[[Any, Place, Any], Any]

READS: dict[str, Ask] = {
    "fleet_status": lambda c, p, x: c.fleet_status(x),
    "list_fleets": lambda c, p, x: c.list_fleets(query=x if isinstance(x, str) else "", archived=True),
    "list_fleets by page": lambda c, p, x: c.list_fleets(limit=x, cursor=None),
    "list_fleets by status": lambda c, p, x: c.list_fleets(status=x),
    "list_agents": lambda c, p, x: c.list_agents(x),
    "spend": lambda c, p, x: c.spend(x),
    "definitions": lambda c, p, x: c.definitions(x),
    "gates": lambda c, p, x: c.gates(),
    "drafts": lambda c, p, x: c.drafts(),
    "collect_results": lambda c, p, x: c.collect_results(x),
    "timeline": lambda c, p, x: c.timeline(p.fleet_id, after=x, limit=3),
    "timeline of a fleet": lambda c, p, x: c.timeline(x),
    "resolve_fleet": lambda c, p, x: c.resolve_fleet(x),
    "inbox": lambda c, p, x: c.inbox(x, all=True),
    "inbox since": lambda c, p, x: c.inbox(p.b, since=x),
    "unread": lambda c, p, x: c.unread(x),
    "list_help": lambda c, p, x: c.list_help(None, x),
    "help_requests": lambda c, p, x: c.help_requests(x),
    "doubts": lambda c, p, x: c.doubts(x),
    "verify_ledger": lambda c, p, x: c.verify_ledger(since=x),
    "artifact": lambda c, p, x: c.artifact(x),
}
CHANGES: dict[str, Ask] = {
    "pause_fleet": lambda c, p, x: c.pause_fleet(x, "why", idempotency_key="1"),
    "pause_agent": lambda c, p, x: c.pause_agent(x),
    "resume_agent": lambda c, p, x: c.resume_agent(x),
    "resume_fleet": lambda c, p, x: c.resume_fleet(x),
    "archive_fleet": lambda c, p, x: c.archive_fleet(x),
    "recover": lambda c, p, x: c.recover(x),
    "cancel_agent": lambda c, p, x: c.cancel_agent(p.help_id, x),
    "resolve_doubt": lambda c, p, x: c.resolve_doubt(p.a, x),
    "undo_compaction": lambda c, p, x: c.undo_compaction(p.a, x),
    "set_fleet_timeout": lambda c, p, x: c.set_fleet_timeout("fleet-x", x),
    "send_message": lambda c, p, x: c.send_message(p.a, x, p.fleet_id, "handoff", ""),
    "send_messages": lambda c, p, x: c.send_messages([Outgoing(p.a, p.b, p.fleet_id, "question", x)] * 1_001),
    "alert": lambda c, p, x: c.alert(p.fleet_id, x, ""),
    "answer_help": lambda c, p, x: c.answer_help(x, "answer"),
    "decide_approval": lambda c, p, x: c.decide_approval(p.help_id, True, x),
}
"""Calls that are refused, whatever they are given that is nobody's id: they can be made on both ways."""


def said(ask: Ask, client: Any, place: Place, given: Any) -> Any:
    """The reply, or what was raised."""
    try:
        return ask(client, place, given)
    except FleetlogError as error:
        return type(error), str(error)


def refused(answer: Any) -> bool:
    """What has the wrong type, or no form, is refused by either in its own words."""
    return isinstance(answer, tuple) and answer[:1] == (InvalidArgument,)


def test_the_client_answers_as_the_facade_does(place: Place, client: Client) -> None:
    digest = place.runtime.store_artifact(b"\0\xff").sha256
    own = st.sampled_from([place.fleet_id, place.a, place.b, place.message_id, place.help_id, digest])
    strange = (
        st.sampled_from(["fleet-x", "agent-1-2-3-x", "", "é", "open", "running", "*", "retry", "done", "info"])
        | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
        | st.integers(-2, 20)
        | st.sampled_from([2**63, 2**63 - 1, None])
    )
    reads = st.tuples(st.sampled_from(sorted(READS)), own | strange)
    changes = st.tuples(st.sampled_from(sorted(CHANGES)), strange)

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(reads | changes)
    def check(asked: tuple[str, Any]) -> None:
        ask = {**READS, **CHANGES}[asked[0]]
        mine, theirs = (said(ask, side, place, asked[1]) for side in (place.runtime, client))
        assert theirs == mine or (refused(mine) and refused(theirs)), asked

    before = place.settled()
    check()
    assert place.settled() == before


def test_changes_by_either_way_give_the_same_replies(place: Place, client: Client) -> None:
    policy = Budget(tokens=10, wall_s=2.5)
    spec = FleetSpec(
        agents=(
            AgentSpec(role="r", prompt="é\u2028", budget=policy, each=(1, {"a": None}), result_schema={"type": "null"}),
        ),
        keep_open=True,
    )
    outgoing = [Outgoing(place.a, "*", place.fleet_id, "handoff", "x" * 65_536)]
    calls: list[tuple[str, tuple[Any, ...]]] = [
        ("spawn_fleet", (spec,)),
        ("attach_agent", (place.fleet_id, AgentSpec(role="late", prompt="x"))),
        ("set_budget", (place.fleet_id, policy)),
        ("send_message", (place.a, place.b, place.fleet_id, "question", "\u2028é\U0001f600")),
        ("send_messages", (outgoing,)),
        ("alert", (place.fleet_id, "high", "fire")),
        ("ack", (place.b, place.message_id)),
        ("request_help", (place.b, "what now?")),
        ("cancel_help", (place.help_id,)),
        ("pause_agent", (place.a, "why")),
        ("submit_result", (place.b, {"deep": [1, 2.5, None, "x", {"y": True}]})),
        ("cancel_fleet", (place.fleet_id, "enough")),
    ]
    for name, arguments in calls:
        there = getattr(client, name)(*arguments, idempotency_key=f"there-{name}")
        again = getattr(place.runtime, name)(*arguments, idempotency_key=f"there-{name}")
        assert type(there) is type(again)
        assert without_position(there) == without_position(again), name


def without_position(reply: Any) -> dict[str, Any]:
    """The fields that a repeated call gives again; how far a message has come may have moved on."""
    return {f: getattr(reply, f) for f in reply.__struct_fields__ if f not in ("position", "deliveries")}


@pytest.mark.parametrize("output", [float("nan"), b"bytes", {1, 2}.__iter__(), "\ud800", {"x": float("inf")}])
def test_what_json_cannot_hold_is_refused_before_it_is_sent(output: object, place: Place, client: Client) -> None:
    with pytest.raises(InvalidArgument, match="cannot be sent as JSON"):
        client.submit_result(place.a, output)


@pytest.mark.parametrize("key", ["", " a", "a\r\nX-Evil: 1", "k" * 201])
def test_a_key_that_is_no_header_is_refused_before_it_is_sent(key: str, place: Place, client: Client) -> None:
    with pytest.raises(InvalidArgument, match="idempotency_key"):
        client.cancel_fleet(place.fleet_id, idempotency_key=key)


def test_a_wrong_call_is_a_type_error_as_everywhere_in_python(place: Place, client: Client) -> None:
    with pytest.raises(TypeError):
        client.fleet_status()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        client.fleet_status("fleet-x", surprise=1)  # type: ignore[call-arg]


def test_every_error_comes_back_as_it_was_raised() -> None:
    for raised in (NotFound, NotAllowed, InvalidArgument, Refused, RuntimeClosed, Unauthenticated, DaemonUnreachable):
        found = error_of(kind_of(raised), "why", 400)
        assert (type(found), str(found)) == (raised, "why")
    assert type(error_of("of_tomorrow", "why", 418)) is Refused
    assert not isinstance(error_of("of_tomorrow", "why", 500), Refused)


def test_a_token_that_is_not_known_is_refused_at_once(place: Place) -> None:
    with Client(place.house.url, token="fl_stolen") as client, pytest.raises(Unauthenticated):
        client.list_fleets()


def test_a_url_that_is_none_and_a_directory_without_a_daemon_are_refused(tmp_path: Path) -> None:
    for url in ("", "localhost:80", "ftp://x", "http://"):
        with pytest.raises(InvalidArgument, match="'url' must be"):
            Client(url)
    with pytest.raises(DaemonUnreachable, match="fleetlog serve --dir"):
        Client.of(tmp_path)


def test_a_daemon_that_is_gone_is_missed_after_the_patience(place: Place) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    with Client(url, patience_s=0.2) as client, pytest.raises(DaemonUnreachable, match="does not answer"):
        client.list_fleets()


def test_what_is_no_fleetlog_is_said_to_be_none(place: Place) -> None:
    with Client(f"{place.house.url}/mcp", patience_s=0) as client, pytest.raises(DaemonUnreachable, match="404"):
        client.list_fleets()


# --- waiting, and following ----------------------------------------------------------------------


def test_a_long_wait_is_made_of_short_ones(place: Place, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleetlog.runtime.client.SLICE_S", 0.05)
    assert client.collect_results(place.fleet_id, wait_s=0.3).is_final is False
    assert client.timeline(place.fleet_id, after=place.settled(), wait_s=0.3) == ()
    asked = threading.Thread(target=lambda: found.append(client.collect_results(place.fleet_id, wait_s=60)))
    found: list[Any] = []
    asked.start()
    place.runtime.submit_result(place.a, {"a": 1})
    place.runtime.submit_result(place.b, None)
    asked.join(20)
    assert found[0].results == place.runtime.collect_results(place.fleet_id).results
    assert found[0].is_final


def test_events_are_the_timeline_and_messages_the_inbox(place: Place, client: Client) -> None:
    entries = place.runtime.timeline(place.fleet_id)
    events = client.events(place.fleet_id, after=entries[1].position)
    assert tuple(next(events) for _ in entries[2:]) == entries[2:]
    messages = client.inbox_events(place.b)
    assert (next(messages),) == place.runtime.inbox(place.b).messages
    sent = place.send("more")
    assert (next(messages).id, next(events).position) == (sent.message_id, sent.position)


def test_following_what_is_not_there_is_refused(place: Place, client: Client) -> None:
    with pytest.raises(NotFound):
        next(client.events("fleet-x"))
    with pytest.raises(NotFound):
        next(client.inbox_events("agent-x/../../v1"))


# --- restarts ------------------------------------------------------------------------------------


class CuttingProxy:
    """A server between a client and the daemon that cuts connections: by turns before the request is passed on, and
    after the daemon has answered, so that the answer is lost."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}"
        self.taken = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            with closing(client):
                self.taken += 1
                if self.taken % 3:
                    request = whole(client)
                    if not request:
                        return
                if self.taken % 3 == 0:
                    continue
                with closing(socket.create_connection(("127.0.0.1", self._port))) as daemon:
                    daemon.sendall(request)
                    answer = whole(daemon)
                if self.taken % 3 == 2:
                    client.sendall(answer)

    def close(self) -> None:
        with closing(socket.create_connection(self._server.getsockname())):
            pass
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)


def whole(connection: socket.socket) -> bytes:
    """One request, or answer, with its body."""
    heard = b""
    while b"\r\n\r\n" not in heard and (chunk := connection.recv(65_536)):
        heard += chunk
    head, _, body = heard.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body if head else b""


@pytest.fixture
def proxy(place: Place) -> Iterator[CuttingProxy]:
    proxy = CuttingProxy(int(place.house.url.rpartition(":")[2]))
    yield proxy
    proxy.close()


def test_answers_that_are_lost_are_asked_for_again_and_nothing_is_made_twice(place: Place, proxy: CuttingProxy) -> None:
    with Client(proxy.url, patience_s=20) as client:
        sent = [
            client.send_message(place.a, place.b, place.fleet_id, "question", f"number {number}")
            for number in range(12)
        ]
    assert proxy.taken > 20
    inbox = place.runtime.inbox(place.b).messages[1:]
    assert [message.payload for message in inbox] == [f"number {number}" for number in range(12)]
    assert [message.id for message in inbox] == [reply.message_id for reply in sent]


def test_calls_and_streams_go_on_when_the_daemon_comes_back_at_another_port(tmp_path: Path) -> None:
    first = House(tmp_path / "d")
    place = Place(first)
    with Client.of(tmp_path / "d") as client:
        messages = client.inbox_events(place.b)
        assert next(messages).payload == "first"
        port = first.url.rpartition(":")[2]
        first.close()
        with closing(socket.create_server(("127.0.0.1", int(port)))):  # its port is another's now
            second = House(tmp_path / "d", ServerConfig(port=0))
        assert second.url != first.url
        sent = client.send_message(place.a, place.b, place.fleet_id, "question", "second")
        assert next(messages).id == sent.message_id
        second.close()


def test_a_wait_lasts_over_a_restart(tmp_path: Path) -> None:
    first = House(tmp_path / "d")
    place = Place(first)
    found: list[Any] = []
    with Client.of(tmp_path / "d") as client:
        asked = threading.Thread(target=lambda: found.append(client.collect_results(place.fleet_id, wait_s=60)))
        asked.start()
        first.close()
        second = House(tmp_path / "d")
        for agent_id in (place.a, place.b):
            second.runtime.submit_result(agent_id, "done")
        asked.join(30)
        assert [result.output for result in found[0].results] == ["done", "done"]
        second.close()


# --- async ---------------------------------------------------------------------------------------


def test_the_async_client_answers_the_same(place: Place) -> None:
    async def ask() -> None:
        async with AsyncClient.of(place.house.directory) as client:
            assert await client.fleet_status(place.fleet_id) == place.runtime.fleet_status(place.fleet_id)
            with pytest.raises(NotFound):
                await client.fleet_status("fleet-x")
            sends = (client.send_message(place.a, place.b, place.fleet_id, "question", f"{n}") for n in range(30))
            replies = await asyncio.gather(*sends)
            assert len({reply.message_id for reply in replies}) == 30
            messages = client.inbox_events(place.b)
            found = {(await anext(messages)).payload for _ in range(31)}
            assert found == {"first", *(f"{n}" for n in range(30))}
            entry = await anext(client.events(place.fleet_id))
            assert entry.what == "fleet.spawned"
            assert await client.timeline(place.fleet_id, after=entry.position, limit=1, wait_s=5)
            assert not (await client.collect_results(place.fleet_id, wait_s=0.1)).is_final
            await messages.aclose()  # type: ignore[attr-defined]

    run(ask())


def test_the_async_client_asks_again_too(place: Place, proxy: CuttingProxy) -> None:
    async def ask() -> None:
        async with AsyncClient(proxy.url, patience_s=20) as client:
            for number in range(6):
                await client.send_message(place.a, place.b, place.fleet_id, "question", f"{number}")

    run(ask())
    assert [message.payload for message in place.runtime.inbox(place.b).messages[1:]] == [f"{n}" for n in range(6)]
