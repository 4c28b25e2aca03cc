"""What the brain called `claude` needs in one runtime: its provider, its gates, the prices, the outside servers.

Its rule: nothing is imported, read or started before an agent needs it, and everything is closed with the runtime.
"""

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from fleetlog.domain.errors import NotFound
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.drafts import Drafts
from fleetlog.runtime.brains.gate import Gates
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.definitions.catalogs import Catalogs
from fleetlog.runtime.tools.mcp_servers import McpServers
from fleetlog.runtime.tools.tool import Tool

if TYPE_CHECKING:
    from fleetlog.runtime.brains.claude import ClaudeBrain, Words
    from fleetlog.runtime.brains.toolbelt import Surroundings
    from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox

__all__ = ["ClaudeRoom"]

logger = logging.getLogger("fleetlog.claude")


class ClaudeRoom:
    """One runtime's. Any thread."""

    def __init__(
        self,
        settings: ClaudeSettings,
        directory: Path | None,
        gates: Gates,
        jitter: Callable[[], float],
        tools: tuple[Tool, ...] = (),
    ) -> None:
        self._settings, self._directory, self._jitter, self._tools = settings, directory, jitter, tools
        self.gates, self.drafts, self.servers, self.definitions = gates, Drafts(), McpServers(), Catalogs()
        self._lock = threading.Lock()  # guards all below
        self._sandbox: Sandbox | NoSandbox | None = None
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

        prices = Prices.load(self._directory / "prices.toml" if self._directory else None)
        calls = ModelCalls(Provider(self._settings), self.gates, prices, self.drafts, self._jitter)
        return ClaudeBrain(calls, self._words, self._around)

    def _words(self, name: str, workspace: str | None) -> "Words":
        """What the agent's definition gives. One that has gone since the agent was spawned is missed by no agent that
        has its briefing already."""
        from fleetlog.runtime.brains.claude import Words

        if not name:
            return Words()
        try:
            found = self.definitions.find(name, workspace)
        except NotFound as error:
            logger.warning("action=definition_gone error=%s", error)
            return Words()
        return Words(found.prompt, found.model, found.tools)

    def prompt_of(self, name: str, workspace: str | None) -> str:
        """The prompt of an agent's definition; empty without one."""
        return self._words(name, workspace).prompt

    def _around(self, ctx: Context) -> "Surroundings":
        from fleetlog.runtime.brains.toolbelt import Surroundings

        hidden = (".fleetlog", *([str(self._directory)] if self._directory else []))
        return Surroundings(hidden, self._found_sandbox, lambda: self._outside(ctx), self._tools)

    def _found_sandbox(self) -> "Sandbox | NoSandbox":
        from fleetlog.runtime.tools.sandbox import find_sandbox

        with self._lock:
            if self._sandbox is None:
                self._sandbox = find_sandbox()
            return self._sandbox

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
