"""The tool that searches files. They are opened here, confined; the matching is done by a child that can be killed."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from fleetlog.runtime.tools.children import Bounds, Child, supervise
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.globs import Glob
from fleetlog.runtime.tools.listing import Entry, Walk
from fleetlog.runtime.tools.policy import WorkspacePolicy
from fleetlog.runtime.tools.texts import binary_kind, cut_note, decode, fitted, output, path_shown, visible
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun

__all__ = ["search_files_tool"]

_SHOWN, _MAX_SHOWN = 100, 2_000
_FILE_S, _TIMEOUT_S = 2.0, 30.0
_MAX_PATTERN_CHARS = 1_000
_BOUNDS = Bounds(
    timeout_s=_TIMEOUT_S, max_output_bytes=64_000_000, max_tasks=16, max_memory_bytes=2_000_000_000, grace_s=0.0
)

_ARGUMENTS: dict[str, Any] = {
    "pattern": {
        "type": "string",
        "minLength": 1,
        "maxLength": _MAX_PATTERN_CHARS,
        "description": "Such as 'def \\w+_test' or 'TODO|FIXME'. Escape what is meant to the letter.",
    },
    "path": {"type": "string", "description": "A folder or one file to search. Default: the whole root."},
    "glob": {
        "type": "string",
        "description": "Only files whose path (from the root) matches, such as '*.py' or 'src/**/*.ts'.",
    },
    "ignore_case": {"type": "boolean", "description": "Default: false."},
    "context": {
        "type": "integer",
        "minimum": 0,
        "maximum": 10,
        "description": "Lines shown before and after each match; default 0.",
    },
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": _MAX_SHOWN,
        "description": f"At most so many matching lines; default {_SHOWN}.",
    },
    "include_ignored": {"type": "boolean", "description": "Leave no folder out. Default: false."},
}


def search_files_tool(workspace: ConfinedFolder, policy: WorkspacePolicy) -> Tool:
    """See `workspace.workspace_tools`."""
    return Tool(
        name="search_files",
        description=(
            "Search the text files of the workspace by a regular expression (Python's syntax). `^` and `$` are the "
            "ends of a line. Each matching line comes as path:number: text, context lines as path-number- text. Binary "
            "files, version control, virtual environments, caches and what git ignores are left out."
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["pattern"],
            "properties": _ARGUMENTS,
        },
        effect="pure",
        call=partial(_search, workspace, policy),
    )


def _search(
    workspace: ConfinedFolder, policy: WorkspacePolicy, run: ToolRun, arguments: Mapping[str, Any]
) -> ToolOutput:
    if not 1 <= len(arguments["pattern"]) <= _MAX_PATTERN_CHARS:
        raise ToolError(f"'pattern' must have 1 to {_MAX_PATTERN_CHARS} characters.")
    sources = _Sources(workspace, policy, run, arguments)
    limit = arguments.get("limit", _SHOWN)
    answer = _matched(run, sources, _request(arguments, limit))
    if answer["error"]:
        raise ToolError(f"The pattern is not a regular expression of Python's: {answer['error']}.")
    if answer["slow"] and not answer["count"]:
        raise ToolError(_too_slow(answer["slow"][0]))
    lines = list(_shown(answer["lines"]))
    text, left_out = fitted(lines, policy.max_output_chars)
    text = "\n".join([*filter(None, [text]), *cut_note(left_out), *_notes(answer, limit), *sources.notes()])
    return output(run, text, "\n".join(lines).encode() if left_out else None)


def _request(arguments: Mapping[str, Any], limit: int) -> bytes:
    request = {
        "pattern": arguments["pattern"],
        "ignore_case": arguments.get("ignore_case", False),
        "context": arguments.get("context", 0),
        "limit": limit,
        "file_s": _FILE_S,
    }
    return json.dumps(request).encode() + b"\n"


class _Sources:
    """The files to search, opened one after the other as the child takes them."""

    def __init__(
        self, workspace: ConfinedFolder, policy: WorkspacePolicy, run: ToolRun, arguments: Mapping[str, Any]
    ) -> None:
        self._workspace, self._max_bytes, self._run = workspace, policy.max_file_bytes, run
        self._start = workspace.locate(arguments.get("path") or ".")
        self._glob = Glob(arguments["glob"]) if "glob" in arguments else None
        self._walk = Walk(workspace, self._start, arguments.get("include_ignored", False))
        self._left_out = Counter[str]()
        self._count = 0

    def fields(self) -> Iterator[bytes]:
        """As the child reads them."""
        for entry in self._entries():
            content = self._content(entry)
            if content is not None:
                self._count += 1
                name = path_shown(entry.path).encode()
                yield b"".join([len(name).to_bytes(4, "big"), name, len(content).to_bytes(4, "big"), content])

    def notes(self) -> list[str]:
        """What a reader should know of them."""
        named = ", ".join(f"{count} {reason}" for reason, count in sorted(self._left_out.items()))
        notes = [f"[Searched {self._count} files{f'; left out: {named}' if named else ''}.]"]
        return [*notes, "[There are too many files: not all were looked at.]"] if self._walk.is_cut else notes

    def _entries(self) -> Iterator[Entry]:
        if os.path.isfile(os.path.join(self._workspace.root, self._start)):
            return iter([Entry(self._start, "file")])
        found = (one for one in self._walk.entries(self._run) if one.kind == "file")
        return (one for one in found if self._glob is None or self._glob.matches(one.path))

    def _content(self, entry: Entry) -> bytes | None:
        try:
            content, _ = self._workspace.read(entry.path, self._max_bytes + 1)
        except ToolError:
            if entry.path == self._start:
                raise
            self._left_out["could not be read"] += 1
            return None
        if len(content) > self._max_bytes:
            self._left_out[f"larger than {self._max_bytes} bytes"] += 1
            return None
        if binary_kind(content):
            self._left_out["binary"] += 1
            return None
        text = decode(content) if content[:1] in (b"\xef", b"\xff", b"\xfe", b"\0") else None
        return content if text is None else text.text.encode(errors="replace")


def _matched(run: ToolRun, sources: _Sources, request: bytes) -> dict[str, Any]:
    def feed() -> Iterator[bytes]:
        yield request
        yield from sources.fields()

    ending, said = supervise(run, Child(_matcher()), feed(), _BOUNDS)
    with said:
        if ending.cause == "ended" and ending.exit_code == 0:
            said.seek(0)
            answer: dict[str, Any] = json.load(said)
            return answer
    if ending.cause == "time":
        raise ToolError(_too_slow())
    raise ToolError("The search took too much memory; use a simpler pattern, or narrow `path` or `glob`.")


def _matcher() -> subprocess.Popen[bytes]:
    program = Path(__file__).with_name("matching.py")
    return subprocess.Popen(
        [os.path.realpath(sys.executable), "-I", "-S", program],
        env={},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _too_slow(path: str = "") -> str:
    where = f'in "{path}"' if path else "in the workspace"
    return (
        f"The pattern takes too long {where}: nested repetitions such as (a+)+ try every way to match. "
        "Simplify it, or narrow `path` or `glob`."
    )


def _shown(lines: list[tuple[str, int, bool, str]]) -> Iterator[str]:
    """With a line of dashes where something lies between, if there is context."""
    has_context = any(not is_match for _, _, is_match, _ in lines)
    last: tuple[str, int] | None = None
    for path, number, is_match, text in lines:
        if has_context and last is not None and (path, number) != (last[0], last[1] + 1):
            yield "--"
        mark = ":" if is_match else "-"
        yield f"{path}{mark}{number}{mark} {visible(text)}"
        last = path, number


def _notes(answer: dict[str, Any], limit: int) -> list[str]:
    notes = [] if answer["count"] else ["[No match.]"]
    if answer["count"] >= limit:
        notes.append(f"[Stopped at {limit} matching lines: there may be more. Narrow the search, or raise `limit`.]")
    if answer["slow"]:
        notes.append(f"[The pattern was too slow for {', '.join(answer['slow'])}; files may be unsearched.]")
    return notes
