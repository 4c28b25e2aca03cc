"""The facade: what it promises its callers, and what it refuses. No refused call records an event."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain import errors
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.aio import AsyncRuntime
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import FleetStatus, SpawnReply
from fleetlog.runtime.testing import wait_until

OpenRuntime = Callable[..., Runtime]


def mailbox(role: str, **options: Any) -> AgentSpec:
    return AgentSpec(role=role, prompt="worked from outside", **options)


def spawn(runtime: Runtime, *names: str, **options: Any) -> SpawnReply:
    return runtime.spawn_fleet(FleetSpec(agents=tuple(mailbox(name) for name in names), **options))


# --- messages ------------------------------------------------------------------------------------


def test_a_message_is_in_the_inbox_until_it_is_acknowledged(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a", "b")
    a, b = fleet.agent_ids
    sent = runtime.send_message(a, "b", fleet.fleet_id, "question", "why?", correlation_id="c-1")
    (message,) = runtime.inbox(b).messages
    assert (message.id, message.from_agent_id, message.payload) == (sent.message_id, a, "why?")
    assert (message.correlation_id, message.state) == ("c-1", "queued")
    assert runtime.ack(b, sent.message_id).ok
    assert runtime.inbox(b).messages == ()
    assert runtime.inbox(b, all=True).messages[0].state == "acknowledged"


def test_an_inbox_is_read_page_by_page_behind_a_position(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a", "b")
    a, b = fleet.agent_ids
    sent = [runtime.send_message(a, "b", fleet.fleet_id, "handoff", str(number)) for number in range(7)]
    runtime.ack(b, sent[4].message_id)
    seen: list[str] = []
    position = 0
    while page := runtime.inbox(b, after=position, limit=2).messages:
        assert [message.position for message in page] == sorted({message.position for message in page})
        seen += [message.payload for message in page]
        position = page[-1].position
    assert seen == ["0", "1", "2", "3", "5", "6"]
    assert len(runtime.inbox(b, all=True, after=0).messages) == 7
    for wrong in ({"after": -1}, {"limit": 0}, {"after": True}, {"all": 1}):
        with pytest.raises(errors.InvalidArgument):
            runtime.inbox(b, **wrong)


def test_an_acknowledgement_by_one_who_was_not_addressed_changes_nothing(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a", "b", "c")
    sent = runtime.send_message(fleet.agent_ids[0], "b", fleet.fleet_id, "alert", "x")
    wait_until(runtime, fleet.fleet_id, is_settled)
    before = runtime.verify_ledger().events
    assert not runtime.ack(fleet.agent_ids[2], sent.message_id).ok
    assert runtime.verify_ledger().events == before
    assert len(runtime.inbox(fleet.agent_ids[1]).messages) == 1


def test_a_broadcast_reaches_every_other_agent_in_one_commit(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a", "b", "c")
    sent = runtime.send_message(fleet.agent_ids[0], "*", fleet.fleet_id, "handoff", "all of you")
    assert set(sent.recipients) == set(fleet.agent_ids[1:])
    assert runtime.inbox(fleet.agent_ids[0]).messages == ()
    for agent_id in sent.recipients:
        (message,) = runtime.inbox(agent_id).messages
        assert (message.id, message.broadcast_size) == (sent.message_id, 2)


def test_broadcasts_and_single_messages_at_once_leave_no_gap(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, *"abcdefgh")

    def send(number: int) -> None:
        sender = fleet.agent_ids[number % 8]
        to = "*" if number % 3 == 0 else fleet.agent_ids[(number + 1) % 8]
        runtime.send_message(sender, to, fleet.fleet_id, "alert", str(number))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(200)))
    assert runtime.verify_ledger().findings == ()
    delivered = sum(len(runtime.inbox(agent_id).messages) for agent_id in fleet.agent_ids)
    assert delivered == 67 * 7 + 133


def test_a_repeated_send_tells_what_became_of_the_message(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a", "b", "c")

    def send() -> Any:
        return runtime.send_message("operator", "*", fleet.fleet_id, "alert", "x", idempotency_key="k-1")

    first = send()
    assert set(first.deliveries.values()) == {"queued"}
    runtime.ack(fleet.agent_ids[1], first.message_id)
    again = send()
    assert again.message_id == first.message_id
    assert again.deliveries[fleet.agent_ids[1]] == "acknowledged"
    assert again.deliveries[fleet.agent_ids[0]] == "queued"
    assert len(runtime.inbox(fleet.agent_ids[0]).messages) == 1


def test_an_alert_goes_to_those_who_can_help_or_else_to_all(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(
        FleetSpec(agents=(mailbox("db", skills=("database",)), mailbox("net", skills=("network",))))
    )
    assert runtime.alert(fleet.fleet_id, "high", "slow", skills=["database"]).recipients == (fleet.agent_ids[0],)
    assert len(runtime.alert(fleet.fleet_id, "high", "odd", skills=["auth"]).recipients) == 2


def test_messages_from_many_threads_arrive_once_and_in_each_senders_order(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "box", *(f"s{number}" for number in range(8)))
    box, *senders = fleet.agent_ids

    def send_all(sender: str) -> None:
        for number in range(50):
            runtime.send_message(sender, box, fleet.fleet_id, "alert", f"{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send_all, senders))
    messages = runtime.inbox(box).messages
    assert len({message.id for message in messages}) == len(messages) == 400
    for sender in senders:
        assert [m.payload for m in messages if m.from_agent_id == sender] == [str(n) for n in range(50)]


# --- idempotency keys ----------------------------------------------------------------------------


def test_a_repeated_call_gives_the_first_result_also_after_a_restart(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    spec = FleetSpec(agents=(mailbox("a"),), name="once")
    first = runtime.spawn_fleet(spec, idempotency_key="spawn-1")
    assert runtime.spawn_fleet(spec, idempotency_key="spawn-1").fleet_id == first.fleet_id
    runtime.close()
    runtime = open_runtime()
    assert runtime.spawn_fleet(spec, idempotency_key="spawn-1").agent_ids == first.agent_ids
    assert len(runtime.list_fleets().fleets) == 1


def test_a_key_used_for_another_call_is_refused(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a")
    runtime.cancel_fleet(fleet.fleet_id, "first", idempotency_key="k")
    runtime.cancel_fleet(fleet.fleet_id, "first", idempotency_key="k")
    with pytest.raises(errors.NotAllowed, match="was used for another call"):
        runtime.cancel_fleet(fleet.fleet_id, "second", idempotency_key="k")


def test_callers_with_the_same_key_at_the_same_time_make_one_call(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    spec = FleetSpec(agents=(mailbox("a"),))
    with ThreadPoolExecutor(16) as pool:
        futures = [pool.submit(runtime.spawn_fleet, spec, idempotency_key="one") for _ in range(16)]
        assert len({future.result().fleet_id for future in futures}) == 1
    assert len(runtime.list_fleets().fleets) == 1


def test_counted_keys_hold_as_others_do_also_where_new_ones_are_not_looked_up(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a")

    def send(number: int) -> str:
        key = f"stem-{number}"
        return runtime.send_message("operator", "a", fleet.fleet_id, "alert", "x", idempotency_key=key).message_id

    first = send(1)
    with runtime.counted_keys("stem", 1):
        assert send(1) == first
        third, second = send(3), send(2)
        assert (send(3), send(2)) == (third, second)
    assert send(3) == third
    assert len(runtime.inbox(fleet.agent_ids[0]).messages) == 3


def test_a_key_that_is_wrongly_said_to_be_new_makes_nothing_twice(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a")

    def send() -> str:
        return runtime.send_message("operator", "a", fleet.fleet_id, "alert", "x", idempotency_key="stem-1").message_id

    first = send()
    with runtime.counted_keys("stem", 0):
        with pytest.raises(errors.VersionConflict):
            send()
        assert send() == first
    assert len(runtime.inbox(fleet.agent_ids[0]).messages) == 1


# --- fleets --------------------------------------------------------------------------------------


def test_fleets_are_listed_filtered_paged_and_archived(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleets = [spawn(runtime, "a", name=f"job {number}") for number in range(5)]
    runtime.cancel_fleet(fleets[0].fleet_id)
    runtime.cancel_fleet(fleets[1].fleet_id)
    runtime.archive_fleet(fleets[1].fleet_id)
    assert len(runtime.list_fleets(archived=True).fleets) == 5
    assert [fleet.name for fleet in runtime.list_fleets(status="cancelled").fleets] == ["job 0"]
    assert [fleet.name for fleet in runtime.list_fleets(query="JOB 3").fleets] == ["job 3"]
    seen, cursor = [], None
    while True:
        page = runtime.list_fleets(limit=2, cursor=cursor)
        seen += [fleet.id for fleet in page.fleets]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert sorted(seen) == sorted(fleet.fleet_id for n, fleet in enumerate(fleets) if n != 1)


def test_a_mailbox_agent_ends_with_the_result_given_from_outside(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = spawn(runtime, "a")
    runtime.submit_result(fleet.agent_ids[0], {"answer": 42})
    found = runtime.collect_results(fleet.fleet_id, wait_s=10)
    assert (found.status, found.results[0].output) == ("complete", {"answer": 42})
    with pytest.raises(errors.NotAllowed, match="submitted its result already"):
        runtime.submit_result(fleet.agent_ids[0], 43)


def test_a_result_given_from_outside_must_fit_the_schema(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive(("alert",)).payload})
    clerk = mailbox("clerk", result_schema={"type": "integer"})
    driven = AgentSpec(role="driven", prompt="x", brain="a")
    fleet = runtime.spawn_fleet(FleetSpec(agents=(clerk, driven)))
    before = wait_until(
        runtime, fleet.fleet_id, lambda s: [a.status for a in s.agents] == ["running", "waiting"]
    ).position
    with pytest.raises(errors.InvalidArgument, match=r"does not fit the agent's result schema: \$: 'ten' is not"):
        runtime.submit_result(fleet.agent_ids[0], "ten")
    with pytest.raises(errors.NotAllowed, match="is driven by its brain 'a'"):
        runtime.submit_result(fleet.agent_ids[1], 10)
    assert runtime.verify_ledger().events == before
    runtime.submit_result(fleet.agent_ids[0], 10)
    assert runtime.collect_results(fleet.fleet_id).results[0].output == 10


def test_ten_thousand_agents_are_spawned_in_one_call(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a", each=tuple(range(10_000))),)))
    assert len(fleet.agent_ids) == 10_000
    assert runtime.fleet_status(fleet.fleet_id).fleet.agent_count == 10_000
    with pytest.raises(errors.InvalidArgument, match="makes 10001 agents in one call"):
        runtime.spawn_fleet(FleetSpec(agents=(mailbox("a", each=tuple(range(10_001))),)))


# --- bad input -----------------------------------------------------------------------------------

UNKNOWN_FLEET = "fleet-260101-000000-nosuch"
UNKNOWN_AGENT = "agent-260101-000000-nosuch-a"


def bad_calls(fleet: SpawnReply, other: SpawnReply, ended: SpawnReply) -> dict[str, Callable[[Runtime], Any]]:
    f, a = fleet.fleet_id, fleet.agent_ids[0]
    b = fleet.agent_ids[1]

    def send(*arguments: Any, **options: Any) -> Callable[[Runtime], Any]:
        return lambda rt: rt.send_message(*arguments, **options)

    def spawned(**options: Any) -> Callable[[Runtime], Any]:
        return lambda rt: rt.spawn_fleet(FleetSpec(**options))

    loop = (mailbox("x", depends_on=("y",)), mailbox("y", depends_on=("x",)))
    return {
        "empty payload": send(a, b, f, "alert", ""),
        "blank payload": send(a, b, f, "alert", "  "),
        "payload too large": send(a, b, f, "alert", "x" * 65_537),
        "payload too large in UTF-8": send(a, b, f, "alert", "ä" * 40_000),
        "payload of another type": send(a, b, f, "alert", {"x": 1}),
        "NUL in the payload": send(a, b, f, "alert", "a\0b"),
        "lone surrogate": send(a, b, f, "alert", "\ud800"),
        "unknown type": send(a, b, f, "gossip", "x"),
        "unknown recipient": send(a, "nobody", f, "alert", "x"),
        "unknown sender": send("nobody", b, f, "alert", "x"),
        "sender of another fleet": send(other.agent_ids[0], b, f, "alert", "x"),
        "recipient of another fleet": send(a, other.agent_ids[0], f, "alert", "x"),
        "unknown fleet": send(a, b, UNKNOWN_FLEET, "alert", "x"),
        "an ended fleet": send(ended.agent_ids[0], "*", ended.fleet_id, "alert", "x"),
        "control character in the correlation": send(a, b, f, "alert", "x", correlation_id="a\nb"),
        "control character in the key": send(a, b, f, "alert", "x", idempotency_key="a\x1bb"),
        "recipient of another type": send(a, 7, f, "alert", "x"),
        "fleet of another type": send(a, b, None, "alert", "x"),
        "no agents": spawned(agents=()),
        "agents of another type": spawned(agents="a"),
        "an agent of another type": spawned(agents=({"prompt": "x"},)),
        "duplicated names": spawned(agents=(mailbox("a"), mailbox("a"))),
        "circular dependencies": spawned(agents=loop),
        "unknown dependency": spawned(agents=(mailbox("x", depends_on=("z",)),)),
        "negative timeout": spawned(agents=(mailbox("a"),), timeout_s=-1),
        "NaN timeout": spawned(agents=(mailbox("a"),), timeout_s=float("nan")),
        "no concurrency": spawned(agents=(mailbox("a"),), max_concurrency=0),
        "bool as a number": spawned(agents=(mailbox("a"),), max_concurrency=True),
        "empty prompt": spawned(agents=(AgentSpec(role="a", prompt=""),)),
        "bad name": spawned(agents=(mailbox("a", name="A B"),)),
        "name with a newline": spawned(agents=(mailbox("a", name="a\nb"),)),
        "unknown brain": spawned(agents=(mailbox("a", brain="nobody"),)),
        "unimportable brain": spawned(agents=(mailbox("a", brain="no.such.module:x"),)),
        "schema that is none": spawned(agents=(mailbox("a", result_schema={"type": "nonsense"}),)),
        "attach to an unknown fleet": lambda rt: rt.attach_agent(UNKNOWN_FLEET, mailbox("c")),
        "attach to an ended fleet": lambda rt: rt.attach_agent(ended.fleet_id, mailbox("c")),
        "attach a taken name": lambda rt: rt.attach_agent(f, mailbox("a")),
        "attach a name like a fleet id": lambda rt: rt.attach_agent("", mailbox("c")),
        "status of an unknown fleet": lambda rt: rt.fleet_status(UNKNOWN_FLEET),
        "status of nothing": lambda rt: rt.fleet_status(""),
        "results of an unknown fleet": lambda rt: rt.collect_results(UNKNOWN_FLEET),
        "negative wait": lambda rt: rt.collect_results(f, wait_s=-1),
        "wait that is no number": lambda rt: rt.collect_results(f, wait_s="soon"),
        "inbox of an unknown agent": lambda rt: rt.inbox(UNKNOWN_AGENT),
        "ack by an unknown agent": lambda rt: rt.ack(UNKNOWN_AGENT, "m"),
        "ack of nothing": lambda rt: rt.ack(a, ""),
        "zero timeout": lambda rt: rt.set_fleet_timeout(f, 0),
        "timeout of an ended fleet": lambda rt: rt.set_fleet_timeout(ended.fleet_id, 10),
        "cancel an unknown fleet": lambda rt: rt.cancel_fleet(UNKNOWN_FLEET),
        "cancel an ended fleet": lambda rt: rt.cancel_fleet(ended.fleet_id),
        "cancel an unknown agent": lambda rt: rt.cancel_agent(UNKNOWN_AGENT),
        "cancel a fleet as an agent": lambda rt: rt.cancel_agent(f),
        "archive a running fleet": lambda rt: rt.archive_fleet(f),
        "reason of another type": lambda rt: rt.cancel_fleet(f, reason=5),
        "help for an unknown agent": lambda rt: rt.request_help(UNKNOWN_AGENT, "x"),
        "help without a blocker": lambda rt: rt.request_help(a, ""),
        "answer to nothing": lambda rt: rt.answer_help("help-none", "x"),
        "severity unknown": lambda rt: rt.alert(f, "meh", "x"),
        "alert without text": lambda rt: rt.alert(f, "high", ""),
        "status filter unknown": lambda rt: rt.list_fleets(status="done"),
        "page of nothing": lambda rt: rt.list_fleets(limit=0),
        "page too large": lambda rt: rt.list_fleets(limit=10**9),
        "result that cannot be stored": lambda rt: rt.submit_result(a, object()),
        "doubt where there is none": lambda rt: rt.resolve_doubt(a, "done"),
        "doubt with another outcome": lambda rt: rt.resolve_doubt(a, "maybe"),
        "artifact unknown": lambda rt: rt.artifact("0" * 64),
        "artifact by path": lambda rt: rt.artifact("../../etc/passwd"),
    }


def test_bad_input_is_refused_in_one_sentence_and_records_nothing(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet, other, ended = spawn(runtime, "a", "b"), spawn(runtime, "a"), spawn(runtime, "a")
    runtime.cancel_fleet(ended.fleet_id)
    wait_until(runtime, ended.fleet_id, lambda s: s.agents[0].status == "cancelled")
    for settling in (fleet, other):
        wait_until(runtime, settling.fleet_id, is_settled)
    seen = 0
    while "fleet.agent_ended" not in {entry.what for entry in runtime.timeline(ended.fleet_id, limit=100)}:
        seen = runtime.timeline(after=seen, limit=1_000, wait_s=5)[-1].position
    before = runtime.verify_ledger().events
    for what, call in bad_calls(fleet, other, ended).items():
        with pytest.raises(errors.Refused) as caught:
            call(runtime)
        assert str(caught.value), what
        assert "\n" not in str(caught.value), what
        assert runtime.verify_ledger().events == before, what


def is_settled(status: FleetStatus) -> bool:
    """Every agent has begun or ended: nothing more is recorded by itself."""
    return not status.fleet.agents.get("pending") and len(status.agents) == status.fleet.agent_count


# --- embedding -----------------------------------------------------------------------------------


def test_several_runtimes_live_in_one_process_and_close_apart(tmp_path: Path) -> None:
    with (
        Runtime.open(tmp_path / "one", brains={"a": lambda ctx: "one"}) as one,
        Runtime.open(tmp_path / "two", brains={"a": lambda ctx: "two"}) as two,
    ):
        agent = AgentSpec(role="a", prompt="x", brain="a")
        fleet_one = one.spawn_fleet(FleetSpec(agents=(agent,)))
        assert one.collect_results(fleet_one.fleet_id, wait_s=10).results[0].output == "one"
        one.close()
        fleet_two = two.spawn_fleet(FleetSpec(agents=(agent,)))
        assert two.collect_results(fleet_two.fleet_id, wait_s=10).results[0].output == "two"
        with pytest.raises(errors.RuntimeClosed):
            one.list_fleets()


def test_one_directory_has_one_owner_also_within_a_process(tmp_path: Path) -> None:
    with Runtime.open(tmp_path), pytest.raises(errors.DirectoryOwned, match="is owned by process"):
        Runtime.open(tmp_path)
    Runtime.open(tmp_path).close()


@pytest.mark.parametrize("directory", ["http://x", "", 5, "a\0b"])
def test_a_directory_that_is_none_is_refused(directory: Any) -> None:
    with pytest.raises(errors.InvalidArgument, match="'directory' must be"):
        Runtime.open(directory)


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(errors.FleetlogError, match="file"):
        Runtime.open(path)


def test_closing_ends_within_seconds_whatever_a_brain_does(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def stuck(ctx: Context) -> None:
        entered.set()
        leave.wait(600)

    runtime = Runtime.open(tmp_path, brains={"a": stuck}, config=RuntimeConfig(close_timeout_s=0.3))
    runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"),)))
    assert entered.wait(10)
    started = time.monotonic()
    runtime.close()
    assert time.monotonic() - started < 5
    leave.set()


def test_any_number_of_asyncio_callers_wait_at_once(tmp_path: Path) -> None:
    async def host() -> list[str]:
        async with AsyncRuntime.open(tmp_path, brains={"a": lambda ctx: ctx.receive().payload}) as runtime:
            agent = AgentSpec(role="a", prompt="x", brain="a")
            fleet = await runtime.spawn_fleet(FleetSpec(agents=(agent,)))
            waiting = [asyncio.create_task(runtime.collect_results(fleet.fleet_id, wait_s=20)) for _ in range(200)]
            early = await runtime.timeline(after=1_000, wait_s=0.1)
            assert early == ()
            await runtime.send_message("operator", "a", fleet.fleet_id, "alert", "done")
            return [results.status for results in await asyncio.gather(*waiting)]

    assert asyncio.run(host()) == ["complete"] * 200


def test_an_asyncio_host_is_never_blocked(tmp_path: Path) -> None:
    async def host() -> tuple[str, int]:
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.01)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with AsyncRuntime.open(tmp_path, brains={"a": lambda ctx: ctx.receive().payload}) as runtime:
            agent = AgentSpec(role="a", prompt="x", brain="a")
            fleet = await runtime.spawn_fleet(FleetSpec(agents=(agent,)))
            waiting = asyncio.create_task(runtime.collect_results(fleet.fleet_id, wait_s=20))
            await asyncio.sleep(0.3)
            receipt = await (await runtime.send_message_nowait("operator", "a", fleet.fleet_id, "alert", "hello"))
            assert receipt.position > 0
            found = await waiting
        ticking.cancel()
        return found.results[0].output, ticks

    output, ticks = asyncio.run(host())
    assert output == "hello"
    assert ticks >= 10


def test_a_workspace_that_is_no_path_is_refused_before_definitions_are_looked_for_in_it(
    open_runtime: OpenRuntime,
) -> None:
    runtime = open_runtime()
    agent = AgentSpec(role="a", prompt="b", agent="code-reviewer", brain="external")
    with pytest.raises(errors.InvalidArgument, match="'workspace' holds a NUL"):
        runtime.spawn_fleet(FleetSpec(agents=(agent,), workspace="a\0b"))
