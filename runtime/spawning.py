"""From a spec to the command that spawns it: can it run here, and what do its agent definitions say of it?"""

from fleetlog.domain import commands as c
from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime import arguments
from fleetlog.runtime.assembly import RuntimeConfig
from fleetlog.runtime.brains.result_schema import check_schema
from fleetlog.runtime.changes import Changes

__all__ = ["Spawning"]


class Spawning(Changes):
    """What spawning rests on, whoever asks for it. Any thread."""

    config: RuntimeConfig

    def _spawn_command(self, spec: FleetSpec) -> c.SpawnFleet:
        for agent in spec.agents:
            self._check_runnable(agent, spec.workspace)
        names = {agent.agent: agent for agent in spec.agents if agent.agent}
        described = {name: self._description(agent, spec.workspace) for name, agent in names.items()}
        return c.SpawnFleet(spec, self.config.max_agents, described)

    def _attach_command(self, fleet_id: str, spec: AgentSpec) -> c.AttachAgent:
        workspace = self._workspace_of(fleet_id) if spec.agent else ""
        self._check_runnable(spec, workspace)
        return c.AttachAgent(spec, self.config.max_agents, self._description(spec, workspace))

    def _workspace_of(self, fleet_id: str) -> str:
        self._catch_up()
        return self._parts.queries.fleet(arguments.fleet_id(fleet_id)).workspace

    def _check_runnable(self, spec: AgentSpec, workspace: str) -> None:
        if not spec.is_external:
            self._parts.engine.brains.find(spec.brain)
        if spec.brain in ("claude", "command") and spec.agent:
            self._parts.claude.definitions.check(spec.agent, workspace)
        if spec.result_schema is not None:
            check_schema(spec.result_schema)

    def _description(self, spec: AgentSpec, workspace: str) -> str:
        """What the agent definition says of itself; nothing where another brain gives the name a meaning of its own."""
        if not spec.agent:
            return ""
        try:
            found = self._parts.claude.definitions.find(spec.agent, workspace)
        except NotFound:
            return ""
        return " ".join((found.description, *found.skills))
