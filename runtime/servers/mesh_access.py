"""The way in that a daemon gives to its command agents: the mesh's tools over MCP, as one agent and nobody else.

A grant is a token of the agent's own. It counts as long as the run it was made for: a token that a crash has left
behind is revoked when its agent is given another.
"""

import json
import sys
import threading
from contextlib import suppress
from pathlib import Path

from fleetlog.domain.errors import Fault, RuntimeClosed
from fleetlog.domain.values import fleet_id_of
from fleetlog.runtime.brains.command.mesh import MeshGrant
from fleetlog.runtime.host import Runtime

__all__ = ["DaemonMesh"]

LABEL = "its program"
READY_TIMEOUT_S = 30.0


class DaemonMesh:
    """Any thread. Agents may ask before the daemon listens: they wait for `open`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._opened = threading.Event()
        self._runtime: Runtime
        self._url = ""

    def open(self, runtime: Runtime, url: str) -> None:
        """The daemon is there."""
        self._runtime, self._url = runtime, url
        self._opened.set()

    def grant(self, agent_id: str) -> MeshGrant:
        """See `MeshAccess`."""
        if not self._opened.wait(READY_TIMEOUT_S):
            raise Fault("the daemon did not begin to listen")
        for token in self._runtime.list_tokens().tokens:
            if token.agent_id == agent_id and token.label == LABEL and token.revoked_at is None:
                self._runtime.revoke_token(token.token_id, "its run was cut off")
        issued = self._runtime.issue_token("agent", agent_id=agent_id, label=LABEL)
        environment = {
            "FLEETLOG_URL": self._url,
            "FLEETLOG_TOKEN": issued.token,
            "FLEETLOG_AGENT_ID": agent_id,
            "FLEETLOG_FLEET_ID": fleet_id_of(agent_id),
            "FLEETLOG_DIR": str(self._directory),
        }
        words = ["-m", "fleetlog.runtime.entry", "mcp", "--dir", str(self._directory)]
        server = {"command": sys.executable, "args": words, "env": {"FLEETLOG_TOKEN": issued.token}}
        return MeshGrant(environment, json.dumps({"mcpServers": {"fleetlog": server}}), issued.token_id)

    def revoke(self, grant: MeshGrant) -> None:
        """See `MeshAccess`. Of a runtime that is closing: the next grant does it."""
        with suppress(RuntimeClosed):
            self._runtime.revoke_token(grant.token_id, "its run is over")
