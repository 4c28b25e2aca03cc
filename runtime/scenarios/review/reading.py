"""Reads what is reviewed, and looks up what it refers to. The one module of the scenario that touches files and git."""

import difflib
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.git import GitFailed, git_output
from fleetlog.runtime.scenarios.review.diffs import is_diff, parse_diff
from fleetlog.runtime.scenarios.review.document import Document
from fleetlog.runtime.scenarios.review.markdown import parse, slug_of
from fleetlog.runtime.scenarios.review.subject import Subject, Target

__all__ = [
    "MAX_BYTES",
    "check_revisions",
    "digest_of",
    "fate_of",
    "read_subject",
    "repository_of",
    "target_path",
    "text_of",
]

MAX_BYTES = 2_000_000
DIFF_SUFFIXES = (".diff", ".patch")
_MAX_NEIGHBOURS = 2_000
_EXTERNAL = re.compile(r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|//)")


def read_subject(workspace: str, file: str, revisions: str) -> Subject:
    """The file of the workspace, or the change between the revisions. Raises `InvalidArgument`."""
    text = text_of(workspace, file, revisions)
    name, digest = revisions or file, digest_of(text)
    if revisions or file.endswith(DIFF_SUFFIXES):
        if text.strip() and not is_diff(text):
            raise InvalidArgument(f"'{name}' must be a unified diff (as `git diff` writes it): it has no hunk")
        return Subject("diff", name, digest, change=parse_diff(text))
    document = parse(text)
    return Subject("spec", name, digest, text, document, targets=tuple(_targets(Path(workspace), file, document)))


def text_of(workspace: str, file: str, revisions: str) -> str:
    """The text that is reviewed. Raises `InvalidArgument` when it cannot be read, or is too large, or no text."""
    if bool(file) == bool(revisions):
        raise InvalidArgument("give either a file of the workspace ('file') or two git revisions of it ('diff')")
    if revisions:
        return _decoded(revisions, _diff(workspace, revisions))
    path = Path(workspace, file)
    try:
        if not path.resolve().is_relative_to(Path(workspace).resolve()):
            raise InvalidArgument(f"'file' must be in the workspace, got {file}")
        if path.stat().st_size > MAX_BYTES:
            raise InvalidArgument(f"'{file}' has {path.stat().st_size:,} bytes (limit {MAX_BYTES:,})")
        return _decoded(file, path.read_bytes())
    except OSError as error:
        raise InvalidArgument(f"'{file}' must be a file that can be read: {error.strerror}") from error


def digest_of(text: str) -> str:
    """What the reviewers compare."""
    return hashlib.sha256(text.encode()).hexdigest()


def repository_of(file: str) -> str:
    """The git repository a file lies in, or its folder."""
    folder = Path(file).expanduser().absolute().parent
    return str(next((one for one in (folder, *folder.parents) if (one / ".git").exists()), folder))


def check_revisions(workspace: str, revisions: str) -> None:
    """Raises `InvalidArgument` for revisions that git does not know, or that would be options."""
    try:
        git_output(workspace, "rev-list", "--max-count=1", _span(revisions), "--")
    except GitFailed as error:
        raise InvalidArgument(f"'--diff' must be revisions of the workspace: {revisions}: {error}") from error


def fate_of(workspace: str, path: str) -> tuple[str, str]:
    """What git knows of a path that is not there: ("ignored", the pattern), ("removed", the commit's subject), or
    ("", "") when it knows nothing."""
    try:
        said = git_output(workspace, "check-ignore", "--verbose", "--no-index", "--", path).decode("utf-8", "replace")
        return "ignored", said.split("\t")[0]
    except GitFailed:
        pass  # not ignored; or there is no git, which the next question finds as well
    try:
        found = git_output(workspace, "log", "-1", "--diff-filter=D", "--format=%h %s", "--", path)
    except GitFailed:
        return "", ""
    subject = found.decode("utf-8", "replace").strip()
    return ("removed", subject) if subject else ("", "")


def target_path(file: str, href: str) -> str:
    """The path in the workspace that a file's link leads to."""
    place = unquote(href).partition("#")[0].partition("?")[0]
    folder = "" if place.startswith("/") else os.path.dirname(file)
    return os.path.normpath(os.path.join(folder, place.lstrip("/")))


def _span(revisions: str) -> str:
    """Two commits: comparing one with the working tree could run filters that the repository's configuration names.
    Raises `InvalidArgument` for what git would take as an option."""
    if revisions.startswith("-") or not revisions.strip():
        raise InvalidArgument(f"'--diff' must be revisions, as in main...HEAD or HEAD~3, got {revisions!r}")
    return revisions if ".." in revisions else f"{revisions}..HEAD"


def _diff(workspace: str, revisions: str) -> bytes:
    span = _span(revisions)
    try:
        found = git_output(workspace, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "-M", span, "--")
    except GitFailed as error:
        raise InvalidArgument(f"the change {revisions} cannot be read: {error}") from error
    if len(found) > MAX_BYTES:
        raise InvalidArgument(f"the change {revisions} has {len(found):,} bytes (limit {MAX_BYTES:,})")
    return found


def _decoded(name: str, data: bytes) -> str:
    if b"\0" in data[:8_000]:
        raise InvalidArgument(f"'{name}' must be text: it holds zero bytes")
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _targets(workspace: Path, file: str, document: Document) -> list[Target]:
    hrefs = sorted({link.href for link in document.links if link.href and not _EXTERNAL.match(link.href)})
    return [_target(workspace, file, document, href) for href in hrefs]


def _target(workspace: Path, file: str, document: Document, href: str) -> Target:
    place, _, anchor = unquote(href.partition("?")[0] if "#" not in href else href).partition("#")
    place = place.partition("?")[0]
    if not place:
        return _anchored(href, document, anchor)
    base = workspace if place.startswith("/") else (workspace / file).parent
    path = Path(os.path.normpath(base / place.lstrip("/")))
    if not path.is_relative_to(os.path.normpath(workspace)):
        return Target(href, "outside")
    if not os.path.lexists(path):
        return Target(href, "missing", _near(workspace, path))
    if anchor and path.suffix.lower() in (".md", ".markdown") and path.stat().st_size <= MAX_BYTES:
        return _anchored(href, parse(path.read_text(encoding="utf-8", errors="replace")), anchor)
    return Target(href, "there")


def _anchored(href: str, document: Document, anchor: str) -> Target:
    known = [section.slug for section in document.sections] + list(document.anchors)
    if not anchor or anchor == "top" or anchor in known:
        return Target(href, "there")
    wanted = slug_of(anchor)
    near = difflib.get_close_matches(wanted, known, 1, 0.6) or [slug for slug in known if slug and slug in wanted]
    return Target(href, "no anchor", f"#{near[0]}" if near else "")


def _near(workspace: Path, path: Path) -> str:
    """A file of the same name elsewhere, or one of a like name in the same folder."""
    names: dict[str, str] = {}
    for number, (folder, folders, files) in enumerate(os.walk(workspace)):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "node_modules")
        if number > _MAX_NEIGHBOURS:
            break
        for name in sorted(files):
            relative = Path(folder, name).relative_to(workspace).as_posix()
            if name == path.name or Path(folder) == path.parent:
                names.setdefault(name, relative)
    found = difflib.get_close_matches(path.name, sorted(names), 1, 0.75)
    return names[found[0]] if found else ""
