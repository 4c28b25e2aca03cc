"""A runtime whose log is in PostgreSQL: it goes on from any machine, and none sees what is not there any more."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.errors import DirectoryOwned, StoreUnavailable
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.cli.visits import audited, reading
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.store import postgres_writer
from fleetlog.runtime.testing import wait_until
from tests.conftest import NewLog
from tests.postgres import PostgresServer

LARGE = "x" * 600_000
Machine = Callable[[str], None]


def work(ctx: Any) -> dict[str, Any]:
    large = ctx.step("make", "pure", lambda: LARGE)
    return {"size": len(large), "told": ctx.receive(types=("handoff",)).payload}


FLEET = FleetSpec(agents=(AgentSpec(role="a", prompt="b", brain="work"),))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """`machine("b")`: from now on this is another machine, with other local files."""

    def become(name: str) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))

    become("a")
    return become


@pytest.fixture
def url(new_log: NewLog) -> str:
    return new_log()


def started(url: str, **options: Any) -> tuple[Runtime, str, str]:
    runtime = Runtime.open(url, brains={"work": work}, **options)
    fleet = runtime.spawn_fleet(FLEET, idempotency_key="the job")
    wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
    return runtime, fleet.fleet_id, fleet.agent_ids[0]


def end_it(runtime: Runtime, fleet_id: str, agent_id: str) -> Any:
    runtime.send_message("operator", agent_id, fleet_id, "handoff", "go on")
    return runtime.collect_results(fleet_id, wait_s=30).results[0].output


def test_a_fleet_goes_on_from_another_machine_with_its_large_values_and_its_uptime(url: str, machine: Machine) -> None:
    clock = ManualClock()
    runtime, fleet_id, agent_id = started(url, clock=clock)
    clock.advance(90)
    runtime.close()
    machine("b")
    later = ManualClock()
    with Runtime.open(url, brains={"work": work}, clock=later) as runtime:
        assert later.now().uptime_s == 90
        assert runtime.spawn_fleet(FLEET, idempotency_key="the job").fleet_id == fleet_id
        assert end_it(runtime, fleet_id, agent_id) == {"size": len(LARGE), "told": "go on"}
        assert runtime.verify_ledger().findings == ()


def test_while_one_machine_has_the_log_others_look_at_it_as_it_is_and_change_nothing(
    url: str, machine: Machine
) -> None:
    runtime, fleet_id, agent_id = started(url)
    with runtime:
        machine("b")
        with pytest.raises(DirectoryOwned, match=f"is owned by process {os.getpid()} "):
            Runtime.open(url)
        with reading(url) as queries:
            assert queries.fleet(fleet_id).status == "running"
        end_it(runtime, fleet_id, agent_id)
        with reading(url) as queries:
            assert queries.fleet(fleet_id).status == "complete"
        assert audited(url).ok


def test_views_of_a_log_that_was_replaced_are_not_shown(postgres: PostgresServer, url: str, machine: Machine) -> None:
    started(url)[0].close()
    with postgres.connection() as connection:
        connection.execute(f"DROP SCHEMA {url.partition('schema=')[2]} CASCADE")
    with Runtime.open(url, brains={"work": work}) as runtime:
        assert runtime.list_fleets().fleets == ()
        assert runtime.position == 0


def test_views_that_are_ahead_of_a_restored_log_are_made_anew(
    postgres: PostgresServer, url: str, machine: Machine
) -> None:
    runtime, fleet_id, agent_id = started(url)
    kept = runtime.position
    end_it(runtime, fleet_id, agent_id)
    runtime.close()
    with postgres.connection() as connection:
        events = f"{url.partition('schema=')[2]}.fleetlog_events"
        connection.execute(f"DELETE FROM {events} WHERE notification_id > %s", (kept,))
    assert audited(url).findings[-1].endswith("its tail was cut off")
    with Runtime.open(url, brains={"work": work}) as runtime:
        wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "waiting")
        assert end_it(runtime, fleet_id, agent_id)["told"] == "go on"


def test_while_the_server_is_away_for_long_callers_are_told_and_agents_wait(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_writer, "PATIENCE_S", 0.3)
    server = PostgresServer()
    go_on = threading.Event()
    try:
        brains = {"work": lambda ctx: ctx.step("act", "effectful", lambda: str(go_on.wait(30)))}
        with Runtime.open(server.url(), brains=brains) as runtime:
            fleet = runtime.spawn_fleet(FLEET)
            (agent_id,) = fleet.agent_ids
            wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "running")
            server.stop()
            go_on.set()
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="cannot be reached"):
                    runtime.send_message("operator", agent_id, fleet.fleet_id, "alert", "hello?")
            assert runtime.list_fleets().fleets[0].status == "running"
            server.start()
            results = runtime.collect_results(fleet.fleet_id, wait_s=60)
            assert (results.status, results.results[0].output) == ("complete", "True")
            assert runtime.verify_ledger().findings == ()
    finally:
        server.close()


def test_a_fleet_goes_on_after_the_server_was_away(machine: Machine) -> None:
    server = PostgresServer()
    in_step, go_on, is_made = threading.Event(), threading.Event(), threading.Event()
    made: list[str] = []

    def act() -> str:
        in_step.set()
        assert go_on.wait(30)
        made.append("something")
        is_made.set()
        return LARGE

    def brain(ctx: Any) -> list[Any]:
        return [len(ctx.step("act", "effectful", act)), ctx.step("then", "effectful", lambda: "twice")]

    try:
        with Runtime.open(server.url(), brains={"work": brain}) as runtime:
            fleet_id = runtime.spawn_fleet(FLEET).fleet_id
            assert in_step.wait(30)
            server.stop()
            go_on.set()
            assert is_made.wait(30)
            server.start()
            assert runtime.collect_results(fleet_id, wait_s=60).results[0].output == [len(LARGE), "twice"]
            assert made == ["something"]
            assert runtime.fleet_status(fleet_id).agents[0].retry_count == 0
            assert runtime.verify_ledger().findings == ()
    finally:
        server.close()
