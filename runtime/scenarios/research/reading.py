"""The only room that reads the corpus, and that writes the report that grows beside it."""

import os
from collections.abc import Sequence
from importlib import util
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.scenarios.explore.listing import list_files
from fleetlog.runtime.scenarios.research.documents import Document, passages_of_pages, passages_of_text, squeezed
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.tool import ToolError

__all__ = [
    "REPORT_MARK",
    "Sources",
    "check_report_file",
    "list_sources",
    "quote_stands",
    "read_sources",
    "write_report",
]

REPORT_MARK = "Researched by a fleet of agents"
"""Stands near the top of every report; a file that has it is no source, and may be written over by the next report."""
TEXTS = (".md", ".markdown", ".txt", ".text", ".rst")
MAX_FILE_BYTES = 32 * 1024 * 1024
_HEAD_BYTES = 4_000


class Sources(Struct, frozen=True):
    """What there is to read. `left_out`: reason -> how many files."""

    files: tuple[str, ...] = ()
    left_out: dict[str, int] = {}


def list_sources(workspace: str, report_file: str = "") -> Sources:
    """The files of the workspace that can be sources, sorted; not the report that grows there. Raises `InvalidArgument`
    when the workspace is no folder."""
    listing = list_files(workspace)
    if listing.trouble:
        raise InvalidArgument(f"'{workspace}' cannot be researched: {listing.trouble}")
    left_out = dict(listing.left_out)
    files = []
    for path in (one for one in listing.files if one != os.path.normpath(report_file)):
        reason = _objection(os.path.join(workspace, path))
        if reason:
            left_out[reason] = left_out.get(reason, 0) + 1
        else:
            files.append(path)
    return Sources(tuple(files), dict(sorted(left_out.items())))


def _objection(path: str) -> str:
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (*TEXTS, ".pdf"):
        return f"{suffix} is neither Markdown nor text nor PDF" if suffix else "no Markdown, text or PDF by its name"
    try:
        if os.path.getsize(path) > MAX_FILE_BYTES:
            return f"larger than {MAX_FILE_BYTES // 1024 // 1024} MiB"
        return "a report of an earlier research" if suffix in TEXTS and _is_report(path) else ""
    except OSError:
        return "unreadable"


def _is_report(path: str) -> bool:
    with open(path, "rb") as file:
        return REPORT_MARK.encode() in file.read(_HEAD_BYTES)


def read_sources(workspace: str, paths: Sequence[str]) -> list[Document]:
    """These files, read. What cannot be read is a document with its `trouble`; nothing is raised for a file."""
    folder = ConfinedFolder(Path(workspace))
    return [_read(folder, path) for path in paths]


def _read(folder: ConfinedFolder, path: str) -> Document:
    try:
        content, _ = folder.read(folder.locate(path), MAX_FILE_BYTES)
    except ToolError as error:
        return Document(path, trouble=f"could not be read: {error}")
    if path.lower().endswith(".pdf"):
        return _read_pdf(path, content)
    if b"\0" in content[:_HEAD_BYTES]:
        return Document(path, trouble="is not text: it holds zero bytes")
    passages = passages_of_text(content.decode("utf-8-sig", errors="replace").replace("\0", ""))
    title = next((passage.heading for passage in passages if passage.heading), "")
    return Document(path, title or _title_of(path), passages)


def _read_pdf(path: str, content: bytes) -> Document:
    if util.find_spec("pypdf") is None:
        return Document(path, trouble="PDF needs pypdf: pip install 'fleetlog[pdf]'")
    from fleetlog.runtime.scenarios.research.pdf import UnreadablePdf, read_pdf

    try:
        title, pages = read_pdf(content)
    except UnreadablePdf as error:
        return Document(path, trouble=str(error))
    return Document(path, title or _title_of(path), passages_of_pages(pages))


def _title_of(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0].replace("-", " ").replace("_", " ")


def quote_stands(workspace: str, path: str, quote: str, page: int = 0) -> bool:
    """Whether the quote stands in the file now, read anew: verbatim, but for line breaks and runs of spaces."""
    (document,) = read_sources(workspace, [path])
    return any(quote in squeezed(one.text) for one in document.passages if one.page == page or not page)


# --- the report that grows -----------------------------------------------------------------------


def check_report_file(workspace: str, path: str) -> None:
    """Raises `InvalidArgument` for a path that no report can be written to: outside the workspace, read-only, or
    taken by a file that is no report."""
    try:
        if trouble := _objection_to_writing(workspace, path):
            raise ToolError(trouble)
    except ToolError as error:
        raise InvalidArgument(f"'--report-file' cannot be written: {error} Name another, or - for none.") from error


def write_report(workspace: str, path: str, text: str) -> str:
    """Replace the report as a whole; the same text again changes nothing. Gives why it could not be, else nothing."""
    try:
        if trouble := _objection_to_writing(workspace, path):
            return trouble
        folder = ConfinedFolder(Path(workspace))
        folder.write(folder.locate(path), text.encode())
    except ToolError as error:
        return str(error)
    return ""


def _objection_to_writing(workspace: str, path: str) -> str:
    """Raises `ToolError` for a path that is not the workspace's."""
    folder = ConfinedFolder(Path(workspace))
    whole = os.path.join(folder.root, folder.locate(path))
    parent = os.path.dirname(whole)
    if not path.lower().endswith(".md"):
        return f'"{path}" is no name for a report in Markdown: it must end in .md.'
    if not os.path.isdir(parent):
        return f'The folder of "{path}" is not there; make it first.'
    if not os.access(parent, os.W_OK):
        return f'The folder of "{path}" is read-only.'
    if os.path.exists(whole) and not (os.path.isfile(whole) and _is_report(whole)):
        return f'"{path}" is there already and is no report of a research; it is left as it is.'
    return ""
