"""From a spec to the command that spawns it, for callers of the facade."""

from fleetlog.domain import commands as c
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime import arguments
from fleetlog.runtime.assembly import RuntimeConfig
from fleetlog.runtime.changes import Changes

__all__ = ["Spawning"]


class Spawning(Changes):
    """What spawning rests on, whoever asks for it. Any thread."""

    config: RuntimeConfig

    def _spawn_command(self, spec: FleetSpec) -> c.SpawnFleet:
        return self._parts.engine.recruiting.spawn_command(spec)

    def _attach_command(self, fleet_id: str, spec: AgentSpec) -> c.AttachAgent:
        workspace = self._workspace_of(fleet_id) if spec.agent else ""
        return self._parts.engine.recruiting.attach_command(spec, workspace)

    def _workspace_of(self, fleet_id: str) -> str:
        self._catch_up()
        return self._parts.queries.fleet(arguments.fleet_id(fleet_id)).workspace
