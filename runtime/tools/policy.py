"""What one agent may do in its workspace, and the pure question whether that grants a call."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

__all__ = ["WorkspacePolicy", "allows", "widened"]

_GIB = 2**30
_ALWAYS = frozenset({"list_files", "read_file", "search_files"})
_WRITING = frozenset({"write_file", "edit_file"})


class WorkspacePolicy(msgspec.Struct, frozen=True):
    """Reading is always granted; the default grants nothing else.

    `commands` is the allow list: a program (`pytest`) or a program with its first arguments (`git status`,
    `python -m pytest`), compared word by word; `("*",)` is any. It says what is started by name, not what that does
    then: the bounds of a command are the sandbox's.
    `unsandboxed`: the operator allows commands where there is no sandbox. Such a command may read and write whatever
    this process may, `write` and `network` do not bind it, and a child that leaves its process group outlives it.
    `hidden`: paths, absolute or below the workspace, that no tool and no sandboxed command sees.
    `environment`: further variables a command gets; those that look like secrets are never passed.
    `approved`: single calls granted beyond that, as `widened` notes them.
    """

    write: bool = False
    commands: tuple[str, ...] = ()
    unsandboxed: bool = False
    network: bool = False
    hidden: tuple[str, ...] = (".fleetlog",)
    environment: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()
    max_file_bytes: int = 5_000_000
    max_output_chars: int = 30_000
    max_output_bytes: int = 16_000_000
    command_timeout_s: float = 600.0
    max_memory_bytes: int = 4 * _GIB
    """Resident memory of a command with all its children."""
    max_processes: int = 256
    """Processes and threads of a command together."""


def allows(policy: WorkspacePolicy, tool_name: str, arguments: Mapping[str, Any]) -> bool:
    """Does the policy grant this call as it is? A tool that is not of the workspace is never granted."""
    if tool_name in _ALWAYS:
        return True
    if _noted(tool_name, arguments) in policy.approved:
        return True
    if tool_name in _WRITING:
        return policy.write
    return tool_name == "run_command" and _is_listed(policy.commands, arguments)


def widened(policy: WorkspacePolicy, tool_name: str, arguments: Mapping[str, Any]) -> WorkspacePolicy:
    """The policy that also grants exactly this call: its tool and every argument. What a sandboxed command may
    write, and its limits, stay as they are."""
    return replace(policy, approved=(*policy.approved, _noted(tool_name, arguments)))


def _noted(tool_name: str, arguments: Mapping[str, Any]) -> str:
    return json.dumps([tool_name, dict(arguments)], sort_keys=True)


def _is_listed(allowed: tuple[str, ...], arguments: Mapping[str, Any]) -> bool:
    command = arguments.get("command")
    if not isinstance(command, list | tuple) or not command or not all(isinstance(word, str) for word in command):
        return False
    if "*" in allowed:
        return True
    if "/" in command[0] and not command[0].startswith("/") and arguments.get("cwd", ".") not in ("", "."):
        return False  # "./check" is the one in the workspace's root: elsewhere it is another program
    return any(_begins_with(command, entry.split()) for entry in allowed)


def _begins_with(command: list[str] | tuple[str, ...], words: list[str]) -> bool:
    return bool(words) and list(command[: len(words)]) == words
