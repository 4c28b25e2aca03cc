"""The runtime fixture: after every test it restarts from the log for free, and everything must be equal."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.template import Template
from fleetlog.projections.all import all_projections
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.fleet_actor import FleetActor
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import open_store
from fleetlog.runtime.template_actor import TemplateActor
from fleetlog.runtime.testing import folded, state_of
from fleetlog.runtime.views import ViewFile

OpenRuntime = Callable[..., Runtime]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def open_runtime(tmp_path: Path) -> Iterator[OpenRuntime]:
    """`open_runtime(brains=..., clock=...)` on `tmp_path / "d"`; checked and closed after the test."""
    before = set(threading.enumerate())
    opened: list[Runtime] = []
    directory = tmp_path / "d"

    def make(**options: Any) -> Runtime:
        config = options.pop("config", RuntimeConfig(close_timeout_s=3.0, linger_s=0))
        runtime = Runtime.open(directory, config=config, **options)
        opened.append(runtime)
        return runtime

    yield make
    live: dict[str, Agent | Fleet | Template] = {}
    for runtime in opened:
        runtime.close()
        live = resident_states(runtime) or live
    if opened:
        check_restart(directory, live)
    leftover = [t for t in set(threading.enumerate()) - before if t.name.startswith("fleetlog")]
    assert not [t for t in leftover if t.is_alive()]


def leave_the_memory(runtime: Runtime, clock: ManualClock, but: int = 0) -> None:
    """Let time pass, a little and slowly, until all actors but so many have been idle for too long."""
    while len(runtime._parts.engine.residents) > but:
        clock.advance(0.1)
        runtime.list_fleets(limit=1)


def resident_states(runtime: Runtime) -> dict[str, Agent | Fleet | Template]:
    """The aggregates in memory when the runtime was closed."""
    states: dict[str, Agent | Fleet | Template] = {}
    for actor in runtime._parts.engine.residents.last_actors:
        if (
            isinstance(actor, AgentActor | FleetActor | TemplateActor)
            and actor._state is not None
            and actor._state.exists
        ):
            states[actor.stream_id] = actor._state
    return states


def check_restart(directory: Path, live: dict[str, Agent | Fleet | Template]) -> None:
    """What the log says is what the actors held and what the views show."""
    with open_store(directory / "log.db") as store:
        stored = folded(store)
        for stream_id, aggregate in live.items():
            assert state_of(stored[stream_id]) == state_of(aggregate), stream_id
        rebuilt = directory / "rebuilt.db"
        projector = Projector(store, ViewFile(rebuilt, all_projections()), all_projections())
        projector.wait(store.head())
        projector.close()
    assert rows_of(rebuilt) == rows_of(directory / "views.db")


def rows_of(path: Path) -> dict[str, list[Any]]:
    connection = sqlite3.connect(path)
    try:
        tables = [table for projection in all_projections() for table in projection.tables]
        return {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in tables}
    finally:
        connection.close()
