"""Which files a workspace has, and the tool that lists them. Links are named and never followed."""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from fleetlog.runtime.git import GitFailed, git_output
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.globs import Glob
from fleetlog.runtime.tools.policy import WorkspacePolicy
from fleetlog.runtime.tools.texts import cut_note, fitted, output, path_shown
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun

__all__ = ["Entry", "Walk", "list_files_tool"]

_MAX_SEEN = 200_000
_MAX_SHOWN, _SHOWN = 5_000, 500
_SKIPPED = frozenset(
    {
        ".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__", ".tox", ".nox", ".eggs", ".gradle",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".next", ".terraform",
    }
)  # fmt: skip


class Entry(msgspec.Struct, frozen=True):
    """One thing in a folder. `path` is relative to the workspace; `kind` is file, folder, link or special."""

    path: str
    kind: str
    size_bytes: int = 0

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


class Walk:
    """The entries below a located folder, and what was passed over on the way."""

    def __init__(self, workspace: ConfinedFolder, start: str, include_ignored: bool = False) -> None:
        self._workspace, self._start, self._include_ignored = workspace, start, include_ignored
        self._ignored = frozenset[str]() if include_ignored else _ignored(workspace.root)
        self.passed_over: list[str] = []
        self.is_cut = False

    def entries(self, run: ToolRun, recursive: bool = True) -> Iterator[Entry]:
        """Folder by folder; folders themselves only when they are not entered. Raises `ToolError` for the start."""
        pending, seen = [self._start], 0
        while pending:
            run.check()
            for entry in self._folder(pending.pop()):
                seen += 1
                if seen > _MAX_SEEN:
                    self.is_cut = True
                    return
                if entry.kind == "folder" and recursive:
                    pending.append(entry.path)
                else:
                    yield entry

    def _folder(self, folder: str) -> list[Entry]:
        kept = []
        try:
            with self._workspace.folder(folder) as fd, os.scandir(fd) as found:
                for entry in (_entry(folder, one) for one in found):
                    if self._is_passed_over(entry, fd):
                        self.passed_over.append(entry.path)
                    else:
                        kept.append(entry)
        except ToolError:
            if folder == self._start:
                raise
            self.passed_over.append(folder)  # gone or forbidden since it was found
        return kept

    def _is_passed_over(self, entry: Entry, fd: int) -> bool:
        if f"{self._workspace.root}/{entry.path}" in self._workspace.hidden:
            return True
        if self._include_ignored:
            return False
        if entry.path in self._ignored:
            return True
        return entry.kind == "folder" and (entry.name in _SKIPPED or _is_environment(entry.name, fd))


def _entry(folder: str, found: os.DirEntry[str]) -> Entry:
    path = f"{folder}/{found.name}" if folder else found.name
    if found.is_symlink():
        return Entry(path, "link")
    if found.is_dir(follow_symlinks=False):
        return Entry(path, "folder")
    if not found.is_file(follow_symlinks=False):
        return Entry(path, "special")
    with suppress(FileNotFoundError):
        return Entry(path, "file", found.stat(follow_symlinks=False).st_size)
    return Entry(path, "file")


def _is_environment(name: str, fd: int) -> bool:
    """Is it a Python virtual environment, whatever its name?"""
    try:
        os.stat(f"{name}/pyvenv.cfg", dir_fd=fd, follow_symlinks=False)
    except OSError:
        return False
    return True


def _ignored(root: str) -> frozenset[str]:
    """What git ignores, folders as wholes; nothing where there is no repository or no git."""
    try:
        listed = git_output(
            root, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", timeout_s=10.0
        )
    except GitFailed:
        return frozenset()
    return frozenset(os.fsdecode(path).rstrip("/") for path in listed.split(b"\0") if path)


# --- the tool --------------------------------------------------------------------------------


def list_files_tool(workspace: ConfinedFolder, policy: WorkspacePolicy) -> Tool:
    """See `workspace.workspace_tools`."""
    return Tool(
        name="list_files",
        description=(
            "List what a folder of the workspace holds, sorted, one path a line with the size in bytes; folders end "
            "with '/'. With `recursive` or `glob`, the files of all folders below. Version control, virtual "
            "environments, caches and what git ignores are left out unless `include_ignored` is true."
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "path": {"type": "string", "description": "The folder, from the workspace's root. Default: the root."},
                "glob": {
                    "type": "string",
                    "description": "Only files whose path (from the root) matches: '*.py' at any depth, 'src/**/*.ts', "
                    "'*.{yml,yaml}'. Implies recursive.",
                },
                "recursive": {"type": "boolean", "description": "Also the folders below. Default: false."},
                "include_ignored": {"type": "boolean", "description": "Leave nothing out. Default: false."},
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": _MAX_SHOWN,
                    "description": f"At most so many lines; default {_SHOWN}. What is left out is counted.",
                },
            },
        },
        effect="pure",
        call=partial(_list, workspace, policy.max_output_chars),
    )


def _list(workspace: ConfinedFolder, max_chars: int, run: ToolRun, arguments: Mapping[str, Any]) -> ToolOutput:
    start = workspace.locate(arguments.get("path") or ".")
    glob = Glob(arguments["glob"]) if "glob" in arguments else None
    walk = Walk(workspace, start, arguments.get("include_ignored", False))
    recursive = glob is not None or arguments.get("recursive", False)
    entries = [one for one in walk.entries(run, recursive) if glob is None or glob.matches(one.path)]
    entries.sort(key=lambda one: one.path)
    limit = arguments.get("limit", _SHOWN)
    lines = [_line(workspace, one) for one in entries[:limit]]
    text, left_out = fitted(lines, max_chars)
    text = "\n".join([*filter(None, [text]), *cut_note(left_out), *_closing(walk, len(entries), limit)])
    is_cut = left_out or len(entries) > limit
    return output(run, text, "\n".join(_line(workspace, one) for one in entries).encode() if is_cut else None)


def _line(workspace: ConfinedFolder, entry: Entry) -> str:
    path = path_shown(entry.path)
    match entry.kind:
        case "file":
            return f"{path}  {entry.size_bytes}"
        case "folder":
            return f"{path}/"
        case "link":
            return f"{path}  (symbolic link{_target(workspace, entry.path)})"
    return f"{path}  (not a regular file)"


def _target(workspace: ConfinedFolder, path: str) -> str:
    try:
        return " to " + (workspace.locate(path) or "the workspace itself")
    except ToolError:
        return " that leads out of the workspace"


def _closing(walk: Walk, found: int, limit: int) -> list[str]:
    notes = []
    if found > limit:
        notes.append(f"[{found - limit} more left out; narrow `path` or `glob`, or raise `limit`.]")
    if not found:
        notes.append("[Nothing found.]")
    if walk.is_cut:
        notes.append(f"[Stopped after {_MAX_SEEN} entries: there are more.]")
    if walk.passed_over:
        names = sorted({path.rpartition("/")[2] for path in walk.passed_over})
        named = ", ".join(map(path_shown, names[:8]))
        notes.append(f"[Passed over as ignored: {len(walk.passed_over)} ({named}{', ...' if names[8:] else ''}).]")
    return notes
