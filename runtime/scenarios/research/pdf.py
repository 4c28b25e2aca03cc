"""The text of a PDF, page by page. The only room that knows pypdf."""

import io
import logging

from pypdf import PdfReader
from pypdf.errors import PyPdfError

__all__ = ["UnreadablePdf", "read_pdf"]

MAX_PAGES = 2_000
_DAMAGE = (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, NotImplementedError)
"""What pypdf raises for files that are damaged in ways it does not foresee."""


class UnreadablePdf(Exception):
    """The file is damaged, locked, or has no text; the message is a phrase that follows its name."""


def read_pdf(content: bytes) -> tuple[str, list[str]]:
    """(the title, each page's text). Raises `UnreadablePdf`."""
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # it warns of each flaw; what matters is raised
    try:
        reader = PdfReader(io.BytesIO(content))
        if reader.is_encrypted and not reader.decrypt(""):
            raise UnreadablePdf("is locked with a password")
        if len(reader.pages) > MAX_PAGES:
            raise UnreadablePdf(f"has {len(reader.pages):,} pages (limit {MAX_PAGES:,})")
        pages = [_plain(page.extract_text()) for page in reader.pages]
        title = str(reader.metadata.title or "") if reader.metadata else ""
    except _DAMAGE as error:
        raise UnreadablePdf(f"is damaged, or no PDF ({type(error).__name__})") from error
    if not any(page.strip() for page in pages):
        raise UnreadablePdf("has no text (scanned pages need OCR)")
    return _plain(title), pages


def _plain(text: str) -> str:
    """Without what UTF-8 cannot hold, and without control characters."""
    kept = text.encode("utf-8", "replace").decode()
    return "".join(char for char in kept if char in "\n\t" or char.isprintable())
