"""What is made from the log: actors that wake, views that are rebuilt, fleets that are spawned and reopened."""

import gc
import time
from pathlib import Path

import pytest

from benchmarks.conftest import Scale
from benchmarks.logs import write_log
from benchmarks.mailboxes import mailbox_fleet
from benchmarks.measuring import Benchmark, Line, report, timed
from fleetlog.projections.all import all_projections
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.assembly import Assembly, RuntimeConfig
from fleetlog.runtime.clock import SystemClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.places import Place
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import open_store
from fleetlog.runtime.views import ViewFile

SECTION = "From the log"
SPAWN_SECTION = "Many at once"
AGENTS_OF_THE_LOG = 100


@pytest.mark.parametrize("share", [0.05, 1.0], ids=["short", "long"])
def test_rehydrate(benchmark: Benchmark, scale: Scale, tmp_path: Path, share: float) -> None:
    """One agent's stream read, decoded and folded into its state."""
    events = round(scale.long_stream * share)
    (agent_id,) = write_log(tmp_path / "log.db", 1, events)
    parts = Assembly(Place(tmp_path), RuntimeConfig(), SystemClock())
    actors: list[AgentActor] = []

    def wake() -> None:
        state, fresh = actors[0].load()
        assert fresh
        assert state.progress_reports > 0

    def prepare() -> None:
        actors[:] = [AgentActor(parts.engine, agent_id)]
        gc.collect()

    try:
        seconds = timed(benchmark, wake, scale.rounds + 1, prepare)
    finally:
        parts.close()
    label = f"rehydrate an agent of {events:,} events"
    report(
        benchmark,
        Line(section=SECTION, label=label, unit="ms", values=tuple(s * 1e3 for s in seconds), less=True),
    )


@pytest.mark.parametrize("mail_only", [True, False], ids=["mail", "work"])
def test_rebuild_views(benchmark: Benchmark, scale: Scale, tmp_path: Path, mail_only: bool) -> None:
    """All views from an empty file to the log's last position."""
    write_log(tmp_path / "log.db", AGENTS_OF_THE_LOG, scale.log_events // AGENTS_OF_THE_LOG, mail_only=mail_only)
    with open_store(tmp_path / "log.db") as store:
        head = store.head()
        running: list[Projector] = []

        def stop() -> None:
            while running:
                running.pop().close()

        def rebuild() -> None:
            projections = all_projections()
            projector = Projector(store, ViewFile(tmp_path / "views.db", projections), projections)
            running.append(projector)
            projector.wait(head, timeout_s=120)

        def empty() -> None:
            stop()
            for file in tmp_path.glob("views.db*"):
                file.unlink()
            gc.collect()

        seconds = timed(benchmark, rebuild, scale.rounds, empty)
        stop()
    kind = "messages alone" if mail_only else "agents at work"
    report(
        benchmark,
        Line(
            section=SECTION,
            label=f"rebuild all views, {scale.log_events:,} events, {kind}",
            unit="events/s",
            values=tuple(head / s for s in seconds),
            prototype=85_000 if mail_only else None,
        ),
    )


def test_spawn(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """One call that spawns the largest fleet: until its reply, until the views show it."""
    in_views: list[float] = []
    started: list[float] = []
    with Runtime.open(tmp_path / "d") as runtime:
        spec = mailbox_fleet(scale.large_fleet)
        seconds = timed(benchmark, lambda: runtime.spawn_fleet(spec), 1, gc.collect)
        spawned = time.perf_counter()
        (fleet,) = runtime.list_fleets(limit=1).fleets
        in_views.append(seconds[0] + time.perf_counter() - spawned)
        while runtime.list_fleets(limit=1).fleets[0].agents.get("running", 0) < fleet.agent_count:
            runtime._parts.projector.wait_past(runtime.position, 0.05)
        started.append(seconds[0] + time.perf_counter() - spawned)
    label = f"spawn {scale.large_fleet:,} agents in one call"
    report(
        benchmark,
        _seconds(f"{label}: the reply", seconds),
        _seconds(f"{label}: all of them in the views", in_views),
        _seconds(f"{label}: all of them started, in the views", started),
    )


def test_reopen(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """A directory full of running fleets of three: until `open` returns, until the last of them answers."""
    with Runtime.open(tmp_path / "d") as runtime:
        fleets = [runtime.spawn_fleet(mailbox_fleet(3)) for _ in range(scale.fleets)]
    opened: list[float] = []

    def reopen() -> None:
        begun = time.perf_counter()
        with Runtime.open(tmp_path / "d") as runtime:
            opened.append(time.perf_counter() - begun)
            last = fleets[-1]
            runtime.send_message("operator", last.agent_ids[-1], last.fleet_id, "result", "are you there?")
            answered.append(time.perf_counter() - begun)

    answered: list[float] = []
    timed(benchmark, reopen, scale.rounds, gc.collect)
    label = f"reopen a directory of {scale.fleets:,} fleets"
    report(
        benchmark,
        _seconds(f"{label}: open returns", opened),
        _seconds(f"{label}: an agent of the last one has answered", answered),
    )


def _seconds(label: str, values: list[float]) -> Line:
    return Line(section=SPAWN_SECTION, label=label, unit="s", values=tuple(values), less=True)
