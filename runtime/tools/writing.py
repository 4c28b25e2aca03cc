"""Files made, replaced and edited: at once or not at all, and only where the policy grants it."""

import difflib
import hashlib
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.misses import nearest
from fleetlog.runtime.tools.policy import WorkspacePolicy, allows
from fleetlog.runtime.tools.reading import content_of, lines_of
from fleetlog.runtime.tools.texts import Text, cut_note, decode, fitted, output, path_shown, shortened, visible
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun

__all__ = ["edit_file_tool", "write_file_tool"]

_SHOWN_LINE_CHARS = 500
_CONTEXT, _MAX_COMPARED_LINES = 2, 4_000
_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")
_PATH = {"type": "string", "description": "The file, from the workspace's root: 'src/main.py'."}


def write_file_tool(workspace: ConfinedFolder, policy: WorkspacePolicy) -> Tool:
    """See `workspace.workspace_tools`."""
    return Tool(
        name="write_file",
        description=(
            "Make a text file of the workspace, or replace all of one; folders that are missing are made. For a change "
            "in a file that exists, edit_file is safer. The answer has the size and the sha256 of what was written."
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["path", "content"],
            "properties": {
                "path": _PATH,
                "content": {"type": "string", "description": "All of the file, as it shall be; written as UTF-8."},
            },
        },
        effect="effectful",
        call=partial(_write, workspace, policy),
        verify=(
            "Read the file with read_file: if its sha256 is that of the content given, or its text is the same, it was "
            "written. A file is never half written; if it was not, call write_file again."
        ),
    )


def edit_file_tool(workspace: ConfinedFolder, policy: WorkspacePolicy) -> Tool:
    """See `workspace.workspace_tools`."""
    return Tool(
        name="edit_file",
        description=(
            "Replace a piece of text in a file of the workspace. `old` must be the file's text to the letter, with its "
            "white space but without read_file's line numbers, and long enough to occur exactly once, unless `all` is "
            "true. The answer is the difference that was made."
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["path", "old", "new"],
            "properties": {
                "path": _PATH,
                "old": {"type": "string", "minLength": 1, "description": "The text that is there now."},
                "new": {"type": "string", "description": "The text that shall be there instead; may be empty."},
                "all": {"type": "boolean", "description": "Replace every occurrence. Default: false."},
            },
        },
        effect="effectful",
        call=partial(_edit, workspace, policy),
        verify=(
            "Read the part of the file with read_file: if `new` stands where `old` stood, the edit was done. A file is "
            "never half edited; if it was not done, call edit_file again."
        ),
    )


def _write(
    workspace: ConfinedFolder, policy: WorkspacePolicy, run: ToolRun, arguments: Mapping[str, Any]
) -> ToolOutput:
    _check_granted(policy, "write_file", arguments)
    located = _writable(workspace, arguments["path"])
    content = _encoded(Text(""), arguments["content"], policy)
    run.check()
    is_new = workspace.write(located, content)
    lines = len(lines_of(arguments["content"]))
    done = "Created" if is_new else "Replaced"
    digest = hashlib.sha256(content).hexdigest()
    return ToolOutput(f"{done} {path_shown(located)}: {len(content)} bytes, {lines} lines, sha256 {digest}")


def _edit(workspace: ConfinedFolder, policy: WorkspacePolicy, run: ToolRun, arguments: Mapping[str, Any]) -> ToolOutput:
    _check_granted(policy, "edit_file", arguments)
    located = _writable(workspace, arguments["path"])
    content, seen = content_of(workspace, located, policy.max_file_bytes)
    before = decode(content)
    if before.damage:
        raise ToolError(f'"{located}" is {before.damage}; an edit would damage them. Change it with a command.')
    after, count = _replaced(located, before.text, arguments)
    changed = _encoded(before, after, policy)
    run.check()
    workspace.write(located, changed, seen)
    heading = f"Edited {path_shown(located)}: {count} replaced, sha256 {hashlib.sha256(changed).hexdigest()}"
    difference = _difference(before.text, after)
    text, left_out = fitted([heading, *difference], policy.max_output_chars)
    text = "\n".join([text, *cut_note(left_out)])
    return output(run, text, "\n".join(difference).encode() if left_out else None)


def _check_granted(policy: WorkspacePolicy, tool_name: str, arguments: Mapping[str, Any]) -> None:
    if not allows(policy, tool_name, arguments):
        raise ToolError(
            f"{tool_name} is not granted: this agent may only read. Ask for approval, or report the change."
        )


def _writable(workspace: ConfinedFolder, path: str) -> str:
    located = workspace.locate(path)
    if ".git" in located.split("/"):
        raise ToolError(f'"{located}" belongs to git, which runs what it finds there; use git commands instead.')
    return located


def _encoded(like: Text, text: str, policy: WorkspacePolicy) -> bytes:
    try:
        content = like.encoded(text)
    except UnicodeEncodeError as error:
        raise ToolError(
            "The text has half a surrogate pair, which cannot be written; write that character anew."
        ) from error
    if len(content) > policy.max_file_bytes:
        raise ToolError(
            f"The file would have {len(content)} bytes; at most {policy.max_file_bytes} are allowed. Split it."
        )
    return content


def _replaced(located: str, text: str, arguments: Mapping[str, Any]) -> tuple[str, int]:
    """The text with the replacement made, and how often. Raises `ToolError` when it is not clear where."""
    old, new = _with_ends_of(text, arguments["old"], arguments["new"])
    if not old:
        raise ToolError("'old' is empty; give the text to replace. write_file writes a whole file.")
    if old == new:
        raise ToolError("'old' and 'new' are the same; there is nothing to do.")
    first = text.find(old)
    if first < 0:
        raise ToolError(f"'old' does not occur in \"{located}\". {nearest(lines_of(text), lines_of(old))}")
    if arguments.get("all", False):
        return text.replace(old, new), text.count(old)
    second = text.find(old, first + 1)
    if second >= 0:
        numbers = [text.count("\n", 0, at) + 1 for at in (first, second)]
        raise ToolError(
            f"'old' occurs more than once in \"{located}\" (at lines {numbers[0]} and {numbers[1]}, perhaps more); "
            "give more of the text around it, or set all to true."
        )
    return text[:first] + new + text[first + len(old) :], 1


def _with_ends_of(text: str, old: str, new: str) -> tuple[str, str]:
    """In a file whose lines all end with CR LF, as read_file does not show, plain line feeds mean those."""
    is_crlf = "\r\n" in text and text.count("\n") == text.count("\r\n")
    if not is_crlf or "\r" in old + new:
        return old, new
    return old.replace("\n", "\r\n"), new.replace("\n", "\r\n")


def _difference(before: str, after: str) -> list[str]:
    """A unified difference. Only the part between the first and the last change is compared: the comparison takes the
    square of its length."""
    old, new = lines_of(before), lines_of(after)
    if old == new:
        return ["[Only the ends of lines changed.]"]
    start = next(
        (at for at, (one, other) in enumerate(zip(old, new, strict=False)) if one != other), min(len(old), len(new))
    )
    start = max(0, start - _CONTEXT)
    end = _same_at_end(old[start:], new[start:])
    old, new = old[start : len(old) - end], new[start : len(new) - end]
    if len(old) + len(new) > _MAX_COMPARED_LINES:
        return [f"[{len(old)} lines from line {start + 1} on became {len(new)}: too many to show.]"]
    lines = list(difflib.unified_diff(old, new, n=_CONTEXT, lineterm=""))[2:]
    return [visible(shortened(_moved(line, start), _SHOWN_LINE_CHARS)) for line in lines]


def _same_at_end(old: list[str], new: list[str]) -> int:
    """How many lines at the end are the same, without the context that is shown."""
    pairs = zip(reversed(old), reversed(new), strict=False)
    same = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
    return max(0, same - _CONTEXT)


def _moved(line: str, by: int) -> str:
    """A hunk's heading with the line numbers of the whole file."""
    found = _HUNK.match(line)
    return f"@@ -{int(found[1]) + by}{found[2] or ''} +{int(found[3]) + by}{found[4] or ''} @@" if found else line
