"""External agents in a running runtime: who works them, whether they are alive, and who may act for a fleet."""

import threading
from typing import Any

import pytest

from fleetlog.domain.errors import InvalidArgument, LeaseLost, NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.rows import LeaseRow
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime, leave_the_memory


def external(name: str = "worker", **more: Any) -> AgentSpec:
    return AgentSpec(role=name, prompt="work", brain="external", **more)


def spawned(runtime: Runtime, *more: AgentSpec, **spec: Any) -> tuple[str, str]:
    """(fleet id, agent id) of a fleet with an external agent."""
    reply = runtime.spawn_fleet(FleetSpec(agents=(external(), *more), **spec))
    return reply.fleet_id, reply.agent_ids[0]


def lease_of(runtime: Runtime, fleet_id: str) -> LeaseRow | None:
    return runtime.fleet_status(fleet_id).agents[0].lease


def said_when(runtime: Runtime, fleet_id: str, what: str) -> str:
    """The timeline's words for this event, once it is there."""
    after = 0
    while True:
        entries = runtime.timeline(fleet_id, after=after, wait_s=10)
        assert entries, f"{what} never came"
        after = entries[-1].position
        if found := [entry.summary for entry in entries if entry.what == what]:
            return found[-1]


def test_a_client_is_shown_as_alive_as_long_as_it_is_heard_of(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(clock=clock)
    fleet_id, agent_id = spawned(runtime)
    assert lease_of(runtime, fleet_id) is None
    reply = runtime.attach_external(agent_id, "editor/1.0", 60)
    since = clock.now().wall_ms
    for _ in range(5):
        clock.advance(50)
        renewed = runtime.renew_lease(agent_id, reply.lease_id)
        assert renewed == LeaseRow(reply.lease_id, "editor/1.0", 60.0, since, clock.now().wall_ms, alive=True)
        assert lease_of(runtime, fleet_id) == renewed
    assert runtime.list_agents(fleet_id).agents[0].lease == renewed


def test_a_call_without_the_leases_id_renews_whoever_is_there(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(clock=clock)
    fleet_id, agent_id = spawned(runtime)
    assert runtime.renew_lease(agent_id) is None
    runtime.attach_external(agent_id, "editor/1.0", 60)
    clock.advance(50)
    assert runtime.renew_lease(agent_id) is not None
    clock.advance(50)
    lease = lease_of(runtime, fleet_id)
    assert lease is not None
    assert lease.alive


def test_renewing_writes_nothing(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    _, agent_id = spawned(runtime)
    reply = runtime.attach_external(agent_id, "editor/1.0")
    before = runtime.position
    for _ in range(1_000):
        runtime.renew_lease(agent_id, reply.lease_id)
    assert runtime.position == before


def test_silence_is_an_alert_and_the_agent_can_be_attached_again(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(clock=clock)
    fleet_id, agent_id = spawned(runtime)
    first = runtime.attach_external(agent_id, "editor/1.0", 60)
    clock.advance(61)
    said = said_when(runtime, fleet_id, "lease.lost")
    assert said == "alert: editor/1.0 has lost the agent, it was not heard of for 60 seconds"
    assert lease_of(runtime, fleet_id) is None
    with pytest.raises(LeaseLost, match=r"lease_lost: .* nobody has the agent now; attach again"):
        runtime.renew_lease(agent_id, first.lease_id)
    second = runtime.attach_external(agent_id, "other/2.0", 60)
    assert runtime.renew_lease(agent_id, second.lease_id) is not None
    assert runtime.fleet_status(fleet_id).agents[0].status == "running"
    runtime.submit_result(agent_id, "done")
    assert runtime.collect_results(fleet_id, wait_s=10).results[0].output == "done"


def test_the_newest_client_wins_and_the_older_one_is_told(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet_id, agent_id = spawned(runtime)
    older = runtime.attach_external(agent_id, "editor/1.0")
    newer = runtime.attach_external(agent_id, "other/2.0")
    with pytest.raises(LeaseLost, match=r"lease_lost: .* other/2\.0 has the agent now"):
        runtime.renew_lease(agent_id, older.lease_id)
    with pytest.raises(LeaseLost, match="lease_lost"):
        runtime.release_lease(agent_id, older.lease_id)
    lease = lease_of(runtime, fleet_id)
    assert lease is not None
    assert (lease.client, lease.alive) == ("other/2.0", True)
    runtime.release_lease(agent_id, newer.lease_id)
    assert lease_of(runtime, fleet_id) is None
    with pytest.raises(LeaseLost, match="nobody has the agent now"):
        runtime.renew_lease(agent_id, newer.lease_id)


def test_of_many_clients_at_once_one_has_the_agent(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet_id, agent_id = spawned(runtime)
    replies = []

    def attach(number: int) -> None:
        replies.append(runtime.attach_external(agent_id, f"client/{number}"))

    threads = [threading.Thread(target=attach, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    last = max(replies, key=lambda reply: reply.position)
    lease = lease_of(runtime, fleet_id)
    assert lease is not None
    assert (lease.lease_id, lease.alive) == (last.lease_id, True)
    assert runtime.renew_lease(agent_id, last.lease_id) is not None


def test_a_restart_gives_everyone_a_fresh_time(open_runtime: OpenRuntime) -> None:
    early = ManualClock()
    first = open_runtime(clock=early)
    fleet_id, agent_id = spawned(first)
    reply = first.attach_external(agent_id, "editor/1.0", 60)
    early.advance(50)
    first.close()
    late = ManualClock(early.now().wall_ms + 3_600_000)
    second = open_runtime(clock=late)
    lease = lease_of(second, fleet_id)
    assert lease is not None
    assert lease.alive
    late.advance(50)
    assert second.renew_lease(agent_id, reply.lease_id) is not None
    second.close()
    third = open_runtime(clock=(clock := ManualClock(late.now().wall_ms)))
    clock.advance(61)
    assert "editor/1.0 has lost the agent" in said_when(third, fleet_id, "lease.lost")


def test_a_repeated_attachment_is_one(open_runtime: OpenRuntime) -> None:
    first = open_runtime()
    fleet_id, agent_id = spawned(first)
    reply = first.attach_external(agent_id, "editor/1.0", 60, idempotency_key="attach")
    assert first.attach_external(agent_id, "editor/1.0", 60, idempotency_key="attach").lease_id == reply.lease_id
    first.close()
    second = open_runtime()
    assert second.attach_external(agent_id, "editor/1.0", 60, idempotency_key="attach").lease_id == reply.lease_id
    assert second.renew_lease(agent_id, reply.lease_id) is not None
    assert [entry.what for entry in second.timeline(fleet_id)].count("lease.taken") == 1


def test_a_repeated_attachment_takes_nothing_from_a_newer_client(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    _, agent_id = spawned(runtime)
    older = runtime.attach_external(agent_id, "editor/1.0", idempotency_key="attach")
    newer = runtime.attach_external(agent_id, "other/2.0")
    assert runtime.attach_external(agent_id, "editor/1.0", idempotency_key="attach").lease_id == older.lease_id
    assert runtime.renew_lease(agent_id, newer.lease_id) is not None
    with pytest.raises(LeaseLost):
        runtime.renew_lease(agent_id, older.lease_id)


def test_a_lease_outlives_its_agents_stay_in_memory(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(clock=clock, config=RuntimeConfig(idle_after_s=0.2, linger_s=0))
    fleet_id, agent_id = spawned(runtime)
    reply = runtime.attach_external(agent_id, "editor/1.0", 3_600)
    leave_the_memory(runtime, clock)
    assert runtime.renew_lease(agent_id, reply.lease_id) is not None
    clock.advance(3_601)
    assert said_when(runtime, fleet_id, "lease.lost")


def test_an_agent_that_is_done_loses_no_lease(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(clock=clock)
    fleet_id, agent_id = spawned(runtime, keep_open=True)
    runtime.attach_external(agent_id, "editor/1.0", 60)
    runtime.submit_result(agent_id, "done")
    clock.advance(61)
    assert said_when(runtime, fleet_id, "lease.released") == "editor/1.0"
    assert "lease.lost" not in [entry.what for entry in runtime.timeline(fleet_id)]


def test_who_cannot_be_attached_to(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"a": lambda ctx: ctx.receive(sender="operator")})
    spec = FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"), external()))
    reply = runtime.spawn_fleet(spec)
    driven, worker = reply.agent_ids
    with pytest.raises(NotAllowed, match="driven by its brain 'a'"):
        runtime.attach_external(driven, "editor/1.0")
    with pytest.raises(InvalidArgument, match="'client' must be a non-empty string"):
        runtime.attach_external(worker, " ")
    with pytest.raises(InvalidArgument, match="'ttl_s' must be > 0"):
        runtime.attach_external(worker, "editor/1.0", 0)
    with pytest.raises(NotFound):
        runtime.attach_external(worker[:-1], "editor/1.0")
    runtime.cancel_agent(worker)
    with pytest.raises(NotAllowed, match="is cancelled: there is nothing to attach to"):
        runtime.attach_external(worker, "editor/1.0")


def test_a_fleet_with_an_external_agent_is_never_stuck(open_runtime: OpenRuntime, clock: ManualClock) -> None:
    runtime = open_runtime(
        brains={"asks": lambda ctx: ctx.ask("worker", "which?").payload},
        clock=clock,
        config=RuntimeConfig(linger_s=0, stuck_after_s=1.0),
    )
    fleet_id, worker = spawned(runtime, AgentSpec(role="asker", prompt="x", brain="asks"))
    wait_until(runtime, fleet_id, lambda status: status.agents[1].status == "waiting")
    for _ in range(5):
        clock.advance(1.0)
        assert runtime.fleet_status(fleet_id).fleet.stuck == ""
    (question,) = runtime.inbox(worker).messages
    runtime.send_message(worker, question.from_agent_id, fleet_id, "result", "left", correlation_id=question.id)
    runtime.submit_result(worker, "answered")
    outputs = {result.name: result.output for result in runtime.collect_results(fleet_id, wait_s=10).results}
    assert outputs == {"worker": "answered", "asker": "left"}


def test_no_function_can_be_called_external(open_runtime: OpenRuntime) -> None:
    with pytest.raises(InvalidArgument, match="'brains' names \"external\""):
        open_runtime(brains={"external": lambda ctx: None})
