"""A fleet of Claude agents in a process that may be killed: it opens a directory, spawns or resumes, waits for the end.

It is forked from a server that has imported this module: importing takes longer than a kill should wait.
"""

import multiprocessing
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import anthropic  # noqa: F401 - imported at the first model call else
import msgspec

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.brains import claude, model_calls  # noqa: F401 - the same
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from tests.fakes.messages_api.control import Controls

__all__ = ["Outcome", "outcome_of", "run_until_paused", "start"]

_DEADLINE_S = 100.0


class Outcome(msgspec.Struct, frozen=True):
    """What the job leaves behind: the results by the agents' names, and the timeline's count of doubts."""

    results: dict[str, Any]
    doubts: int


def start(directory: Path, spec: FleetSpec, api: Controls, *, until_paused: bool = False) -> ForkServerProcess:
    """Start the fleet, or go on with it, in a process of its own; until it has ended, or is paused."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    settings = ClaudeSettings(api_key=api.api_key, base_url=api.url)
    child = context.Process(target=run_until_paused if until_paused else run, args=(directory, spec, settings))
    child.start()
    return child


def run_until_paused(directory: Path, spec: FleetSpec, settings: ClaudeSettings) -> None:
    """In the child: until the fleet is paused and no call is under way."""
    with Runtime.open(directory, config=RuntimeConfig(claude=settings)) as runtime:
        fleet_id = runtime.spawn_fleet(spec, idempotency_key="the job").fleet_id
        after = 0
        while _is_busy(runtime, fleet_id):
            entries = runtime.timeline(fleet_id, after=after, wait_s=0.2)
            after = entries[-1].position if entries else after


def run(directory: Path, spec: FleetSpec, settings: ClaudeSettings) -> None:
    """In the child: to the fleet's end."""
    with Runtime.open(directory, config=RuntimeConfig(claude=settings)) as runtime:
        fleet_id = runtime.spawn_fleet(spec, idempotency_key="the job").fleet_id
        found = runtime.collect_results(fleet_id, wait_s=_DEADLINE_S)
        assert (found.status, found.lost) == ("complete", 0), runtime.fleet_status(fleet_id)
        assert runtime.verify_ledger().findings == ()
        results = {result.name: result.output for result in found.results}
        doubts = sum(entry.what == "step.doubted" for entry in runtime.timeline(fleet_id, limit=100_000))
    (directory / "outcome.json").write_bytes(msgspec.json.encode(Outcome(results, doubts)))


def _is_busy(runtime: Runtime, fleet_id: str) -> bool:
    is_running = runtime.fleet_status(fleet_id).fleet.status == "running"
    return is_running or any(gate.in_flight for gate in runtime.gates())


def outcome_of(child: ForkServerProcess, directory: Path) -> Outcome:
    """Wait for the end."""
    child.join(_DEADLINE_S)
    assert child.exitcode == 0
    child.close()
    return msgspec.json.decode((directory / "outcome.json").read_bytes(), type=Outcome)
