"""The tools one Claude agent has, put together from its spec: the mesh, the workspace, outside servers, the
provider's own. Which calls need a person's approval is decided here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain.values import AgentSpec
from fleetlog.runtime.tools.mesh import mesh_definitions
from fleetlog.runtime.tools.policy import WorkspacePolicy, allows, widened
from fleetlog.runtime.tools.tool import Tool
from fleetlog.runtime.tools.workspace import workspace_tools

__all__ = ["READING", "SERVER_TOOLS", "Toolbelt"]

READING = ("list_files", "read_file", "search_files")
"""What an agent with a workspace is offered when neither its spec nor its definition says more."""

SERVER_TOOLS: dict[str, dict[str, Any]] = {
    "web_search": {"type": "web_search_20260318", "name": "web_search", "max_uses": 10},
    "web_fetch": {"type": "web_fetch_20260318", "name": "web_fetch", "max_uses": 10},
    "code_execution": {"type": "code_execution_20260521", "name": "code_execution"},
}
"""The provider's own tools, by the names a spec switches them on with. They run there; their blocks are recorded."""


class Toolbelt:
    """One agent's tools. `outside` connects to its MCP servers and is called only when their tools are needed."""

    def __init__(
        self,
        spec: AgentSpec,
        workspace: str | None,
        defined: tuple[str, ...] | None,
        outside: Callable[[], tuple[Tool, ...]],
    ) -> None:
        self._spec, self._outside = spec, outside
        self._root = Path(workspace) if workspace else None
        offered = spec.tools if spec.tools is not None else defined
        self._offered = READING if offered is None else offered
        self._policy = _policy(spec)
        self._loaded: dict[str, Tool] | None = None

    def definitions(self) -> list[dict[str, Any]]:
        """All of them, in the API's form, in an order that never differs."""
        found = mesh_definitions(self._spec.result_schema)
        found += [_definition(tool) for tool in self._workspace(self._policy) if tool.name in self._offered]
        found += [_definition(tool) for tool in self._outside()]
        return found + [dict(SERVER_TOOLS[name]) for name in self._offered if name in SERVER_TOOLS]

    @property
    def files(self) -> list[str]:
        """The workspace tools it is offered."""
        return [tool.name for tool in self._workspace(self._policy) if tool.name in self._offered]

    @property
    def asks(self) -> list[str]:
        """Those of them that may need a person's approval."""
        return [name for name in self.files if name not in READING and not allows(self._policy, name, {"command": []})]

    def verify(self) -> dict[str, str]:
        """For each effectful tool: how to find out what a call did that was cut off."""
        tools = [*self._workspace(self._policy), *self._outside()]
        return {tool.name: tool.verify for tool in tools if tool.verify}

    def find(self, name: str, arguments: Mapping[str, Any], *, approved: bool) -> Tool | None:
        """The tool, made for this call when a person has approved it."""
        if approved and name not in READING:
            policy = widened(self._policy, name, arguments)
            return next((tool for tool in self._workspace(policy) if tool.name == name), None) or self._all().get(name)
        return self._all().get(name)

    def needs_approval(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """The call is one of the workspace's that the spec does not grant."""
        is_file_tool = any(tool.name == name for tool in self._workspace(self._policy))
        return is_file_tool and not allows(self._policy, name, arguments)

    def _all(self) -> dict[str, Tool]:
        if self._loaded is None:
            offered = [tool for tool in self._workspace(self._policy) if tool.name in self._offered]
            self._loaded = {tool.name: tool for tool in offered}
        if not self._spec.mcp_servers:
            return self._loaded
        return {**self._loaded, **{tool.name: tool for tool in self._outside()}}

    def _workspace(self, policy: WorkspacePolicy) -> tuple[Tool, ...]:
        return workspace_tools(self._root, policy) if self._root is not None else ()


def _policy(spec: AgentSpec) -> WorkspacePolicy:
    commands = tuple(grant[4:].strip() for grant in spec.grants if grant.startswith("run:"))
    return WorkspacePolicy(
        write="write" in spec.grants,
        commands=("*",) if "run" in spec.grants else commands,
        network="network" in spec.grants,
        unsandboxed="unsandboxed" in spec.grants,
    )


def _definition(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": msgspec.to_builtins(tool.input_schema),
    }
