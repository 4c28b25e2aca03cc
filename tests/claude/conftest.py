"""A runtime whose agents are driven by scripts behind a fake Messages API: strict, on loopback, the real client."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec, fleet_id_of
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import Results
from fleetlog.runtime.rows import TimelineEntry
from tests.fakes.messages_api.replies import Script
from tests.fakes.messages_api.server import FakeMessagesApi


class Stage:
    """One runtime directory, one fake server. An agent's script is the one of its own name."""

    def __init__(self, directory: Path, scripts: Mapping[str, Script]) -> None:
        self.directory = directory
        self.api = FakeMessagesApi(scripts)
        self.api.__enter__()
        self.runtime = self._open()

    def _open(self, **settings: Any) -> Runtime:
        claude = ClaudeSettings(api_key=self.api.api_key, base_url=self.api.url, idle_timeout_s=2.0, **settings)
        return Runtime.open(self.directory / "d", config=RuntimeConfig(claude=claude, linger_s=0.05))

    def restart(self, **settings: Any) -> Runtime:
        """Close the runtime and open it again."""
        self.runtime.close()
        self.runtime = self._open(**settings)
        return self.runtime

    def spawn(self, *agents: AgentSpec, **options: Any) -> str:
        """A fleet of these agents; its id."""
        return self.runtime.spawn_fleet(FleetSpec(agents=agents, **options)).fleet_id

    def run(self, *agents: AgentSpec, **options: Any) -> dict[str, Any]:
        """Run a fleet of these agents to its end; name -> output (or why it failed)."""
        return self.outputs(self.spawn(*agents, **options))

    def outputs(self, fleet_id: str, wait_s: float = 30) -> dict[str, Any]:
        """name -> output, or why there is none; once the fleet has ended."""
        found: Results = self.runtime.collect_results(fleet_id, wait_s=wait_s)
        assert found.is_final, found
        return {
            row.name: row.output if row.status == "complete" else f"{row.status}: {row.error}" for row in found.results
        }

    def until(self, fleet_id: str, found: Callable[[list[TimelineEntry]], bool]) -> list[TimelineEntry]:
        """The fleet's timeline, once `found` says so of it; looked at after every event."""
        entries: list[TimelineEntry] = []
        while not found(entries):
            after = entries[-1].position if entries else 0
            more = self.runtime.timeline(fleet_id, after=after, wait_s=10)
            assert more, f"it never came: {[(entry.what, entry.summary) for entry in entries[-20:]]}"
            entries += more
        return entries

    def steps(self, agent_id: str) -> list[str]:
        """The names of an agent's finished steps, in order."""
        fleet = self.runtime.timeline(fleet_id_of(agent_id), limit=1_000)
        return [entry.summary for entry in fleet if entry.agent_id == agent_id and entry.what == "step.completed"]

    def close(self) -> None:
        """Close both; no request may have been one that the API refuses."""
        self.runtime.close()
        violations = self.api.violations
        self.api.__exit__(None, None, None)
        assert violations == []


class Play:
    """A script told as a list: what to answer to the first request, the second, ...; the last one for ever. An entry
    may be a function of the request. It keeps the bodies it was asked with."""

    def __init__(self, *lines: Any) -> None:
        self.lines, self.bodies = lines, list[dict[str, Any]]()

    def __call__(self, request: Any) -> Any:
        self.bodies.append(request.body)
        line = self.lines[min(request.turn, len(self.lines) - 1)]
        return line(request) if callable(line) else line


MakeStage = Callable[..., Stage]


@pytest.fixture
def make_stage(tmp_path: Path) -> Iterator[MakeStage]:
    """`make_stage(name=script, ...)`; after the test no request may have been one that the API refuses."""
    made: list[Stage] = []

    def make(**scripts: Script) -> Stage:
        stage = Stage(tmp_path, {name.replace("_", "-"): script for name, script in scripts.items()})
        made.append(stage)
        return stage

    yield make
    for stage in made:
        stage.close()


def agent(name: str, prompt: str = "Do your part.", **fields: Any) -> AgentSpec:
    """An agent driven by the script of its name."""
    return AgentSpec(role=name, name=name, prompt=f"[script:{name}] {prompt}", brain="claude", **fields)
