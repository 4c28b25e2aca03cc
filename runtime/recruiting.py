"""From a spec to the command that makes agents: can they run here, and what do their definitions say of them?"""

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.function import Brains
from fleetlog.runtime.brains.result_schema import check_schema
from fleetlog.runtime.definitions.catalogs import Catalogs

__all__ = ["Recruiting"]


class Recruiting:
    """What spawning and attaching rest on, whoever asks for it: a caller of the facade, or a brain. Any thread."""

    def __init__(self, brains: Brains, definitions: Catalogs, max_agents: int) -> None:
        self._brains, self._definitions, self._max_agents = brains, definitions, max_agents

    def spawn_command(self, spec: FleetSpec) -> c.SpawnFleet:
        """Raises `InvalidArgument` or `NotFound` when an agent of the fleet could not run here."""
        checks.text("workspace", spec.workspace)  # its definitions are looked for before the domain sees it
        for agent in spec.agents:
            self._check_runnable(agent, spec.workspace)
        names = {agent.agent: agent for agent in spec.agents if agent.agent}
        described = {name: self._description(agent, spec.workspace) for name, agent in names.items()}
        return c.SpawnFleet(spec, self._max_agents, described)

    def attach_command(self, spec: AgentSpec, workspace: str) -> c.AttachAgent:
        """The same for one agent of a fleet with this workspace."""
        self._check_runnable(spec, workspace)
        return c.AttachAgent(spec, self._max_agents, self._description(spec, workspace))

    def _check_runnable(self, spec: AgentSpec, workspace: str) -> None:
        if not spec.is_external:
            self._brains.find(spec.brain)
        if spec.brain in ("claude", "command") and spec.agent:
            self._definitions.check(spec.agent, workspace)
        if spec.result_schema is not None:
            check_schema(spec.result_schema)

    def _description(self, spec: AgentSpec, workspace: str) -> str:
        """What the agent definition says of itself; nothing where another brain gives the name a meaning of its own."""
        if not spec.agent:
            return ""
        try:
            found = self._definitions.find(spec.agent, workspace)
        except NotFound:
            return ""
        return " ".join((found.description, *found.skills))
