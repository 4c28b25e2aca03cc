"""Copies of the workspace, one for each deed, as it is or at an older commit: tests run there, whatever they write. The
workspace is only read: a git repository is cloned by reference, with what is not committed laid over it.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fleetlog.runtime.git import GitFailed, git_output

__all__ = ["Copy", "copy_of"]

MAX_COPIED_BYTES = 500_000_000
_LEFT_OUT = (".git", ".venv", "venv", "node_modules", "__pycache__", ".fleetlog", ".tox", ".nox", ".pytest_cache")
_AUTHOR = ("-c", "user.name=fleetlog", "-c", "user.email=fleetlog@localhost", "-c", "commit.gpgsign=false")


class Copy:
    """`folder` is where the workspace is in the copy."""

    def __init__(self, top: Path, folder: Path, *, is_git: bool) -> None:
        self.top, self.folder, self._is_git = top, folder, is_git

    def reset(self) -> None:
        """Take back what a run has written, where the copy can tell."""
        if self._is_git:
            git_output(str(self.top), "reset", "--quiet", "--hard", timeout_s=120)
            git_output(str(self.top), "clean", "-ffdxq", timeout_s=120)


@contextmanager
def copy_of(workspace: str, tag: str, revision: str = "", carried: Mapping[str, str] | None = None) -> Iterator[Copy]:
    """A copy that is gone afterwards; what a killed process of the same `tag` has left is cleared away too. `carried`
    are texts of files (by their path in the workspace) that it has, whatever the revision. Raises `GitFailed`."""
    scratch = Path(tempfile.gettempdir())
    for left in scratch.glob(f"fleetlog.{tag}.*"):
        shutil.rmtree(left, ignore_errors=True)
    root = Path(tempfile.mkdtemp(prefix=f"fleetlog.{tag}.", dir=scratch))
    try:
        yield _made(workspace, root / "copy", revision, carried or {})
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _made(workspace: str, top: Path, revision: str, carried: Mapping[str, str]) -> Copy:
    try:
        source = git_output(workspace, "rev-parse", "--show-toplevel").decode().rstrip("\n")
        commit = git_output(workspace, "rev-parse", "--verify", f"{revision or 'HEAD'}^{{commit}}").decode().strip()
    except GitFailed:
        if revision:
            raise
        return _copied(Path(workspace), top)
    prefix = git_output(workspace, "rev-parse", "--show-prefix").decode().rstrip("\n")
    clone = ("clone", "--quiet", "--shared", "--no-checkout", "--no-tags", source, str(top))
    git_output(source, "-c", "protocol.file.allow=always", *clone, timeout_s=300)
    git_output(str(top), "checkout", "--quiet", "--force", "--detach", commit, timeout_s=300)
    if not revision:
        _lay_over(Path(source), top)
    for path, text in carried.items():
        place = top / prefix / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    git_output(str(top), "add", "--all", "--force", timeout_s=120)
    git_output(str(top), *_AUTHOR, "commit", "--quiet", "--allow-empty", "--message", "as it is", timeout_s=120)
    return Copy(top, top / prefix, is_git=True)


def _lay_over(source: Path, top: Path) -> None:
    """What is changed, and what is new and not ignored."""
    patch = git_output(str(source), "diff", "--binary", "--no-ext-diff", "HEAD", timeout_s=120)
    if patch.strip():
        place = top.with_name("changes.patch")
        place.write_bytes(patch)
        git_output(str(top), "apply", "--whitespace=nowarn", str(place))
    new = git_output(str(source), "ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
    size = 0
    for name in filter(None, new):
        place = source / name.decode(errors="surrogateescape")
        size += place.lstat().st_size
        if size > MAX_COPIED_BYTES:
            raise GitFailed("the files that are not committed are too large to copy")
        _take(place, top / place.relative_to(source))


def _take(source: Path, target: Path) -> None:
    if source.is_file() or source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)


def _copied(workspace: Path, top: Path) -> Copy:
    """The copy of what is no git repository."""
    ignore = shutil.ignore_patterns(*_LEFT_OUT)
    size = sum(path.lstat().st_size for path in workspace.rglob("*") if not {*path.parts} & {*_LEFT_OUT})
    if size > MAX_COPIED_BYTES:
        raise GitFailed(f"the workspace is no git repository, and too large to copy ({size // 1_000_000} MB)")
    shutil.copytree(workspace, top, symlinks=True, ignore=ignore)
    return Copy(top, top, is_git=False)
