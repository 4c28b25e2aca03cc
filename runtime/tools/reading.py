"""Files as text: a part of one, with numbered lines."""

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from typing import Any

from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.policy import WorkspacePolicy
from fleetlog.runtime.tools.texts import Text, binary_kind, decode, fitted, output, path_shown, shortened, visible
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun

__all__ = ["content_of", "lines_of", "read_file_tool"]

_SHOWN_LINES, _MAX_LINES = 2_000, 20_000
_SHOWN_LINE_CHARS = 2_000


def read_file_tool(workspace: ConfinedFolder, policy: WorkspacePolicy) -> Tool:
    """See `workspace.workspace_tools`."""
    return Tool(
        name="read_file",
        description=(
            "Read a text file of the workspace. Each line comes with its number and a tab before it, which are not "
            "part of the file. The first line says how long the whole file is. Binary files are refused."
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["path"],
            "properties": {
                "path": {"type": "string", "description": "The file, from the workspace's root: 'src/main.py'."},
                "offset": {"type": "integer", "minimum": 1, "description": "The first line wanted; default 1."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": _MAX_LINES,
                    "description": f"How many lines; default {_SHOWN_LINES}.",
                },
            },
        },
        effect="pure",
        call=partial(_read, workspace, policy),
    )


def content_of(workspace: ConfinedFolder, located: str, max_bytes: int) -> tuple[bytes, os.stat_result]:
    """All of a text file, and its status. Raises `ToolError` when it is too large or not text."""
    content, status = workspace.read(located, max_bytes + 1)
    if len(content) > max_bytes:
        raise ToolError(
            f'"{located}" has {status.st_size} bytes; at most {max_bytes} can be read or edited here. '
            "search_files and commands such as head and tail show parts of it."
        )
    if kind := binary_kind(content):
        raise ToolError(f'"{located}" is {kind} of {status.st_size} bytes, not text; it cannot be read here.')
    return content, status


def _read(workspace: ConfinedFolder, policy: WorkspacePolicy, run: ToolRun, arguments: Mapping[str, Any]) -> ToolOutput:
    located = workspace.locate(arguments["path"])
    content, _ = content_of(workspace, located, policy.max_file_bytes)
    text = decode(content)
    lines = lines_of(text.text)
    first, limit = arguments.get("offset", 1), arguments.get("limit", _SHOWN_LINES)
    if first > max(1, len(lines)):
        raise ToolError(f'"{located}" has {len(lines)} lines; there is no line {first}.')
    part = lines[first - 1 : first - 1 + limit]
    shown, left_out = fitted(
        [_heading(located, content, lines, text), *_numbered(part, first)], policy.max_output_chars
    )
    following = first + len(part) - left_out
    if following <= len(lines):
        shown += f"\n[{len(lines) + 1 - following} more lines; go on with offset {following}.]"
    is_whole_part = "limit" in arguments or first + len(part) > len(lines)  # what was not asked for is not cut
    is_cut = left_out or not is_whole_part or any(len(line) > _SHOWN_LINE_CHARS for line in part)
    return output(run, shown, content if is_cut else None)


def lines_of(text: str) -> list[str]:
    """Without their ends; only line feeds end lines, as for editors and for search_files."""
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _heading(located: str, content: bytes, lines: list[str], text: Text) -> str:
    notes = [f"{len(lines)} lines", f"{len(content)} bytes", f"sha256 {hashlib.sha256(content).hexdigest()}"]
    if text.mark:
        notes.append(f"{text.encoding} with byte order mark")
    return f"{path_shown(located)}: {', '.join(filter(None, [*notes, text.damage]))}"


def _numbered(lines: list[str], first: int) -> list[str]:
    return [f"{number:>6}\t{visible(shortened(line, _SHOWN_LINE_CHARS))}" for number, line in enumerate(lines, first)]
