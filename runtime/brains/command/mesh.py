"""How a program gets at the mesh: the servers' side gives it a way in, for as long as its run lasts."""

from typing import Protocol

from msgspec import Struct

__all__ = ["MeshAccess", "MeshGrant"]


class MeshGrant(Struct, frozen=True):
    """One run's way in. `env` is added to its environment (`FLEETLOG_URL`, `FLEETLOG_TOKEN`, ...); `mcp_config_json` is
    an MCP configuration as `{"mcpServers": {NAME: {"command": ..., "args": [...], "env": {...}}}}`."""

    env: dict[str, str]
    mcp_config_json: str
    token_id: str = ""


class MeshAccess(Protocol):
    """What a runtime's servers offer to its command agents. Any thread."""

    def grant(self, agent_id: str) -> MeshGrant:
        """A way in that acts as this agent and as nobody else."""

    def revoke(self, grant: MeshGrant) -> None:
        """The run is over; the way in is closed."""
