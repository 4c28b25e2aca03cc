"""Which files there are: from git where there is a repository, else from a walk. Nothing is opened here."""

import os
import stat
from collections import Counter

from fleetlog.runtime.git import GitFailed, git_output
from fleetlog.runtime.scenarios.explore.facts import Listing

MAX_FILES = 20_000
_EXAMPLES = 5

_VENDORED = frozenset(
    {"node_modules", "bower_components", "vendor", "_vendor", "third_party", "site-packages", "vendored"}
)
_CACHES = frozenset(
    {
        ".git", ".hg", ".svn", ".fleetlog", "__pycache__", ".tox", ".nox", ".eggs", ".venv", ".idea", ".vscode",
        ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".gradle", ".next", ".terraform", ".cache",
    }
)  # fmt: skip
_BUILD_OUTPUTS = frozenset({"build", "dist", "target", "out", "htmlcov", "_build"})


class _Found:
    """What a listing collects on its way."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.files: list[str] = []
        self.left_out: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}

    def leave_out(self, reason: str, path: str) -> None:
        self.left_out[reason] += 1
        self.examples.setdefault(reason, []).append(ascii(path)[1:-1] if not path.isprintable() else printable(path))

    def take(self, path: str) -> None:
        reason = self._objection(path)
        if reason:
            self.leave_out(reason, path)
        else:
            self.files.append(path)

    def _objection(self, path: str) -> str:
        if reason := unquotable(path):
            return reason
        try:
            mode = os.lstat(os.path.join(self.root, path)).st_mode
        except FileNotFoundError:
            return "listed by git, not on disk"
        except OSError:
            return "unreadable"
        if stat.S_ISLNK(mode):
            return "symbolic link, not followed"
        if stat.S_ISDIR(mode):
            return "submodule or nested repository, not entered"
        return "" if stat.S_ISREG(mode) else "not a regular file"


def list_files(workspace: str) -> Listing:
    """The workspace's files, sorted, relative, with `/`. Raises nothing: what failed is in `trouble`."""
    name = os.path.basename(os.path.realpath(workspace)) or "/"
    if not os.path.isdir(workspace):
        return Listing(name=printable(name), source="none", trouble="the workspace is not a folder that exists")
    found = _Found(workspace)
    source = "git" if _from_git(found) else "walk"
    if source == "walk":
        _walk(found)
    found.files.sort()
    for path in found.files[MAX_FILES:]:
        found.leave_out(f"beyond the first {MAX_FILES} files", path)
    return Listing(
        name=printable(name),
        source=source,
        files=tuple(found.files[:MAX_FILES]),
        left_out=dict(sorted(found.left_out.items())),
        examples={reason: tuple(sorted(names)[:_EXAMPLES]) for reason, names in sorted(found.examples.items())},
    )


def printable(path: str) -> str:
    """The path, with bytes that are not UTF-8 spelled out, so that it can be stored."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def unquotable(path: str) -> str:
    """Why the name cannot stand in a message or a report; empty where it can."""
    if printable(path) != path:
        return "name is not UTF-8"
    if not path.isprintable():
        return "name has control characters"
    return "name has a backtick, which no report can quote" if "`" in path else ""


def _from_git(found: _Found) -> bool:
    try:
        listed = git_output(found.root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    except GitFailed:
        return False
    paths = sorted({os.fsdecode(name) for name in listed.split(b"\0") if name})
    for path in paths:
        folder = next((part for part in path.split("/")[:-1] if part in _VENDORED | _CACHES), None)
        if folder:
            found.leave_out(f"in a `{folder}` folder", path)
        else:
            found.take(path.rstrip("/"))
    # A folder that an outer repository ignores lists as empty; the reader asked for it, not for that repository.
    return bool(paths)


def _walk(found: _Found) -> None:
    def unreadable(error: OSError) -> None:
        found.leave_out("unreadable", os.path.relpath(str(error.filename), found.root))

    # One step of `os.walk` at a time: until Python 3.12 it calls itself for each level, and some trees are too deep.
    prefixes = [""]
    while prefixes:
        prefix = prefixes.pop()
        folder = os.path.join(found.root, prefix)
        _, below, names = next(os.walk(folder, onerror=unreadable), ("", [], []))
        for name in below:
            reason = _folder_objection(folder, name)
            if reason:
                found.leave_out(reason, prefix + name + "/")
            else:
                prefixes.append(prefix + name + "/")
        for name in names:
            found.take(prefix + name)


def _folder_objection(parent: str, name: str) -> str:
    path = os.path.join(parent, name)
    if os.path.islink(path):
        return "symbolic link, not followed"
    if name in _CACHES or name.endswith((".egg-info", ".dist-info")):
        return "folder of a tool or cache"
    if name in _VENDORED:
        return "vendored folder"
    if os.path.exists(os.path.join(path, "pyvenv.cfg")):
        return "virtual environment"
    # A Python package may well be called `build` or `dist`.
    is_output = name in _BUILD_OUTPUTS and not os.path.exists(os.path.join(path, "__init__.py"))
    return "build output folder" if is_output else ""
