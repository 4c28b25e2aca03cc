"""The tools for an agent's workspace: one folder, seen and changed only as far as its policy goes."""

from pathlib import Path

from fleetlog.runtime.tools.commands import run_command_tool
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.listing import list_files_tool
from fleetlog.runtime.tools.policy import WorkspacePolicy, allows, widened
from fleetlog.runtime.tools.reading import read_file_tool
from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox
from fleetlog.runtime.tools.search import search_files_tool
from fleetlog.runtime.tools.tool import Tool
from fleetlog.runtime.tools.writing import edit_file_tool, write_file_tool

__all__ = ["WorkspacePolicy", "allows", "widened", "workspace_tools"]


def workspace_tools(
    root: Path, policy: WorkspacePolicy, sandbox: Sandbox | NoSandbox | None = None
) -> tuple[Tool, ...]:
    """All six, whatever the policy: those it does not grant say so when they are called. For a call that a person has
    approved, make them again with `widened(policy, ...)`.

    `sandbox` is what `find_sandbox` found; without it, it is looked for at the first command. Raises `InvalidArgument`
    for a root that is no folder, or one of the system's.
    """
    workspace = ConfinedFolder(root, policy.hidden)
    return (
        list_files_tool(workspace, policy),
        read_file_tool(workspace, policy),
        search_files_tool(workspace, policy),
        write_file_tool(workspace, policy),
        edit_file_tool(workspace, policy),
        run_command_tool(workspace, policy, sandbox),
    )
