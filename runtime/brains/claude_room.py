"""What the brain called `claude` needs in one runtime: its provider, its gates, the prices, the outside servers.

Its rule: nothing is imported, read or started before an agent needs it, and everything is closed with the runtime.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.drafts import Drafts
from fleetlog.runtime.brains.gate import Gates
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.tools.mcp_servers import McpServers
from fleetlog.runtime.tools.tool import Tool

if TYPE_CHECKING:
    from fleetlog.runtime.brains.claude import ClaudeBrain, Words

__all__ = ["ClaudeRoom"]


class ClaudeRoom:
    """One runtime's. Any thread."""

    def __init__(
        self, settings: ClaudeSettings, prices: Path | None, gates: Gates, jitter: Callable[[], float]
    ) -> None:
        self._settings, self._prices, self._jitter = settings, prices, jitter
        self.gates, self.drafts, self.servers = gates, Drafts(), McpServers()
        self._lock = threading.Lock()  # guards _brain
        self._brain: ClaudeBrain | None = None

    def brain(self) -> "ClaudeBrain":
        """The brain, made at the first call. Raises `InvalidArgument` when the table of prices cannot be read."""
        with self._lock:
            if self._brain is None:
                self._brain = self._made()
            return self._brain

    def _made(self) -> "ClaudeBrain":
        from fleetlog.runtime.brains.claude import ClaudeBrain
        from fleetlog.runtime.brains.model_calls import ModelCalls
        from fleetlog.runtime.brains.prices import Prices
        from fleetlog.runtime.brains.provider import Provider

        prices = Prices.load(self._prices)
        calls = ModelCalls(Provider(self._settings), self.gates, prices, self.drafts, self._jitter)
        return ClaudeBrain(calls, self._words, self._outside)

    def _words(self, definition: str, workspace: str | None) -> "Words":
        from fleetlog.runtime.brains.claude import Words

        return Words()

    def _outside(self, ctx: Context) -> tuple[Tool, ...]:
        """The tools of the agent's outside servers, in the order of its spec."""
        found: list[Tool] = []
        for spec in ctx.spec.mcp_servers:
            found += self.servers.tools(ctx.fleet_id, spec, ctx.tool_run.check)
        return tuple(found)

    def fleet_ended(self, fleet_id: str) -> None:
        """What was started for the fleet is not needed any more."""
        self.servers.release(fleet_id)

    def close(self, timeout_s: float) -> None:
        """Give up the calls that are under way, and stop the servers."""
        with self._lock:
            brain = self._brain
        if brain is not None:
            brain.calls.provider.close(timeout_s)
        self.servers.close(timeout_s)
