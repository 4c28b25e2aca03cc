"""Disks fill, files vanish, others write: a clear error, nothing lost, nothing half there."""

import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain import errors
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.store import NewEvent, RecorderStore, open_store
from fleetlog.runtime.testing import wait_until
from tests.runtime.stores import ForgetfulStore

OpenRuntime = Callable[..., Runtime]


def mailbox(name: str, **options: Any) -> AgentSpec:
    return AgentSpec(role=name, prompt="worked from outside", **options)


class FullDisk:
    """A real store on a disk that can be full."""

    def __init__(self, store: RecorderStore) -> None:
        self._store = store
        self.is_full = threading.Event()
        self.refused = threading.Event()
        self.read, self.head, self.subscribe, self.close = (
            store.read,
            store.head,
            store.subscribe,
            store.close,
        )

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        if self.is_full.is_set():
            self.refused.set()
            raise errors.StoreUnavailable("the event store could not append: database or disk is full")
        return self._store.append(events)


def test_on_a_full_disk_callers_get_an_error_and_a_brain_keeps_what_it_has(
    open_runtime: OpenRuntime, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    store = FullDisk(open_store(tmp_path / "d" / "log.db"))
    calls: list[int] = []

    def brain(ctx: Any) -> int:
        def paid() -> int:
            calls.append(1)
            store.is_full.set()
            return 42

        return int(ctx.step("paid", "pure", paid))

    runtime = open_runtime(brains={"a": brain}, store=store)
    fleet = runtime.spawn_fleet(
        FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"), mailbox("box")), keep_open=True)
    )
    assert store.refused.wait(10)
    with pytest.raises(errors.StoreUnavailable, match="disk is full"):
        runtime.send_message("operator", "box", fleet.fleet_id, "alert", "lost?")
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "running"
    store.is_full.clear()
    status = wait_until(runtime, fleet.fleet_id, lambda s: s.agents[0].status == "complete")
    assert status.agents[0].retry_count == 0
    assert calls == [1], "the step was paid for twice"
    runtime.send_message("operator", "box", fleet.fleet_id, "alert", "again")
    assert [message.payload for message in runtime.inbox(fleet.agent_ids[1]).messages] == ["again"]
    assert runtime.verify_ledger().findings == ()


def test_views_deleted_while_running_are_made_again(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"),)))
    for path in (tmp_path / "d").glob("views.db*"):
        path.unlink()
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "x")
    assert len(runtime.inbox(fleet.agent_ids[0]).messages) == 1
    assert runtime.fleet_status(fleet.fleet_id).fleet.agent_count == 1


def test_views_deleted_between_runs_are_made_again(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"),)))
    runtime.close()
    for path in (tmp_path / "d").glob("views.db*"):
        path.unlink()
    runtime = open_runtime()
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "running"


def test_damaged_views_are_made_again(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"),)))
    runtime.close()
    for path in (tmp_path / "d").glob("views.db-*"):
        path.unlink()
    (tmp_path / "d" / "views.db").write_bytes(b"this is no database at all" * 100)
    runtime = open_runtime()
    assert runtime.fleet_status(fleet.fleet_id).fleet.status == "running"


INTRUDER = """
import sys
from pathlib import Path
from fleetlog.domain.events import MessageAcknowledged
from fleetlog.runtime import codec
from fleetlog.runtime.store import NewEvent, open_store

log, stream = Path(sys.argv[1]), sys.argv[2]
with open_store(log) as store:
    last = store.read(stream)[-1]
    version = last.originator_version + 1
    chain = codec.decode(last.topic, last.state).chain
    origin = (0, "intruder", "")
    topic, state, _ = codec.encode(MessageAcknowledged("m"), stream, version, chain, origin)
    store.append([NewEvent(stream, version, topic, state)])
"""


def test_another_process_that_writes_to_the_log_does_no_harm(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"), mailbox("b"))))
    a = fleet.agent_ids[0]
    runtime.send_message("operator", "*", fleet.fleet_id, "alert", "before")
    script = textwrap.dedent(INTRUDER)
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "d" / "log.db"), a], check=True)
    with pytest.raises(errors.VersionConflict):
        runtime.send_message("operator", "a", fleet.fleet_id, "alert", "refused")
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "after")
    payloads = [message.payload for message in runtime.inbox(a).messages]
    assert payloads == ["before", "after"]
    assert runtime.verify_ledger().findings == ()


def test_a_broadcast_of_which_one_part_conflicts_reaches_nobody(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"), mailbox("b"), mailbox("c"))))
    runtime.send_message("operator", "*", fleet.fleet_id, "alert", "before")
    script = textwrap.dedent(INTRUDER)
    log = str(tmp_path / "d" / "log.db")
    subprocess.run([sys.executable, "-c", script, log, fleet.agent_ids[1]], check=True)
    with pytest.raises(errors.VersionConflict):
        runtime.send_message("operator", "*", fleet.fleet_id, "alert", "refused")
    runtime.send_message("operator", "*", fleet.fleet_id, "alert", "after")
    for agent_id in fleet.agent_ids:
        assert [m.payload for m in runtime.inbox(agent_id).messages] == ["before", "after"]


def test_a_changed_event_is_found(open_runtime: OpenRuntime, tmp_path: Path) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(FleetSpec(agents=(mailbox("a"),)))
    runtime.send_message("operator", "a", fleet.fleet_id, "alert", "pay 1 to bob")
    runtime.fleet_status(fleet.fleet_id)  # the views have seen it as it was
    connection = sqlite3.connect(tmp_path / "d" / "log.db")
    try:
        rowid, state = connection.execute(
            "SELECT rowid, state FROM stored_events WHERE topic='message.delivered'"
        ).fetchone()
        changed = state.replace(b"pay 1", b"pay 9")
        connection.execute("UPDATE stored_events SET state=? WHERE rowid=?", (changed, rowid))
        connection.commit()
        verdict = runtime.verify_ledger()
        connection.execute("UPDATE stored_events SET state=? WHERE rowid=?", (state, rowid))
        connection.commit()
    finally:
        connection.close()
    assert not verdict.ok
    assert "digest does not follow" in verdict.findings[0]


def test_an_agent_that_could_not_be_read_and_leaves_the_memory_is_read_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    is_cut, blocked = threading.Event(), threading.Event()

    def brain(ctx: Any) -> str:
        if not is_cut.is_set():
            ctx.step("begin", "pure", blocked.wait, 30)
        return "done"

    config = RuntimeConfig(linger_s=0, idle_after_s=0.2, close_timeout_s=0.1)
    fleet = FleetSpec(agents=(AgentSpec(role="a", prompt="x", brain="a"),))
    with Runtime.open(tmp_path / "d", brains={"a": brain}, config=config) as runtime:
        fleet_id = runtime.spawn_fleet(fleet).fleet_id
        wait_until(runtime, fleet_id, lambda status: status.agents[0].status == "running")
    is_cut.set()
    store = ForgetfulStore(open_store(tmp_path / "d" / "log.db"), "agent-")
    with Runtime.open(tmp_path / "d", brains={"a": brain}, config=config, clock=clock, store=store) as runtime:
        assert store.has_failed.wait(10)
        while any(isinstance(actor, AgentActor) for actor in runtime._parts.engine.residents.all()):
            clock.advance(0.001)  # not yet when it would be read again
            runtime._parts.sweep_idle()
        clock.advance(1.0)
        assert runtime.collect_results(fleet_id, wait_s=10).results[0].output == "done"
    blocked.set()
