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
from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox
from fleetlog.runtime.tools.tool import Tool
from fleetlog.runtime.tools.workspace import workspace_tools

__all__ = ["READING", "SERVER_TOOLS", "Surroundings", "Toolbelt"]

READING = ("list_files", "read_file", "search_files")
"""What an agent with a workspace is offered when neither its spec nor its definition says more."""

FILE_TOOLS = (*READING, "write_file", "edit_file", "run_command")

SERVER_TOOLS: dict[str, dict[str, Any]] = {
    "web_search": {"type": "web_search_20260318", "name": "web_search", "max_uses": 10},
    "web_fetch": {"type": "web_fetch_20260318", "name": "web_fetch", "max_uses": 10},
    "code_execution": {"type": "code_execution_20260521", "name": "code_execution"},
}
"""The provider's own tools, by the names a spec switches them on with. They run there; their blocks are recorded."""


class Surroundings(msgspec.Struct, frozen=True):
    """What the tools of all agents of a runtime share. `hidden` are paths no tool may see (the runtime's directory);
    `outside` gives the tools of the agent's MCP servers, and connects to them when it is called; `guests` are those the
    embedding program has brought."""

    hidden: tuple[str, ...]
    sandbox: Callable[[], Sandbox | NoSandbox]
    outside: Callable[[], tuple[Tool, ...]]
    guests: tuple[Tool, ...] = ()


class Toolbelt:
    """One agent's tools, for one run. `defined` are those its definition names."""

    def __init__(
        self, spec: AgentSpec, workspace: str | None, defined: tuple[str, ...] | None, around: Surroundings
    ) -> None:
        self._spec, self._around = spec, around
        self._root = Path(workspace) if workspace else None
        offered = spec.tools if spec.tools is not None else defined
        self._offered = READING if offered is None else offered
        self._policy = _policy(spec, around.hidden)
        self._files: dict[str, Tool] | None = None

    def definitions(self) -> list[dict[str, Any]]:
        """All of them, in the API's form, in an order that never differs."""
        found = mesh_definitions(self._spec.result_schema, self._offered)
        found += [_definition(tool) for tool in (*self._file_tools.values(), *self._outside())]
        return found + [dict(SERVER_TOOLS[name]) for name in self._offered if name in SERVER_TOOLS]

    @property
    def files(self) -> list[str]:
        """The workspace tools it is offered."""
        return list(self._file_tools)

    @property
    def asks(self) -> list[str]:
        """Those of them that may need a person's approval."""
        granted = {"write_file": self._policy.write, "edit_file": self._policy.write}
        granted["run_command"] = "*" in self._policy.commands
        return [name for name in self.files if not granted.get(name, True)]

    def verify(self) -> dict[str, str]:
        """For each effectful tool: how to find out what a call did that was cut off."""
        tools = (*self._file_tools.values(), *self._outside())
        return {tool.name: tool.verify for tool in tools if tool.verify}

    def needs_approval(self, name: str, arguments: Mapping[str, Any]) -> bool:
        """The call is one of the workspace's that the spec does not grant."""
        return name in self._file_tools and not allows(self._policy, name, arguments)

    def find(self, name: str, arguments: Mapping[str, Any], *, approved: bool) -> Tool | None:
        """The tool; made for exactly this call when a person has approved it."""
        if approved and name in self._file_tools:
            return self._made(widened(self._policy, name, arguments))[name]
        if name in self._file_tools:
            return self._file_tools[name]
        return next((tool for tool in self._outside() if tool.name == name), None)

    def _outside(self) -> tuple[Tool, ...]:
        """Those that are not the workspace's: an agent has the program's that it was given by name."""
        guests = tuple(tool for tool in self._around.guests if tool.name in self._offered)
        return guests + (self._around.outside() if self._spec.mcp_servers else ())

    @property
    def _file_tools(self) -> dict[str, Tool]:
        if self._files is None:
            self._files = self._made(self._policy)
        return self._files

    def _made(self, policy: WorkspacePolicy) -> dict[str, Tool]:
        if self._root is None or not any(name in FILE_TOOLS for name in self._offered):
            return {}
        sandbox = self._around.sandbox() if "run_command" in self._offered else None
        tools = workspace_tools(self._root, policy, sandbox)
        return {tool.name: tool for tool in tools if tool.name in self._offered}


def _policy(spec: AgentSpec, hidden: tuple[str, ...]) -> WorkspacePolicy:
    commands = tuple(grant[4:].strip() for grant in spec.grants if grant.startswith("run:"))
    return WorkspacePolicy(
        write="write" in spec.grants,
        commands=("*",) if "run" in spec.grants else commands,
        network="network" in spec.grants,
        unsandboxed="unsandboxed" in spec.grants,
        hidden=hidden,
    )


def _definition(tool: Tool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "input_schema": msgspec.to_builtins(tool.input_schema),
    }
