"""From bytes to text a model can read: encodings, binary files, and output that is cut but kept whole."""

import codecs
import os
from collections.abc import Sequence

import msgspec

from fleetlog.runtime.tools.tool import ToolOutput, ToolRun

__all__ = [
    "Text",
    "binary_kind",
    "cut_note",
    "decode",
    "fitted",
    "head_and_tail",
    "output",
    "path_shown",
    "shortened",
    "visible",
]

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_KINDS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file (sound, video or WebP image)"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (or a document or package made of one)"),
    (b"\x1f\x8b", "gzip data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x28\xb5\x2f\xfd", "zstd data"),
    (b"BZh", "bzip2 data"),
    (b"\x7fELF", "an ELF program or library"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\0asm", "a WebAssembly module"),
    (b"\xca\xfe\xba\xbe", "a Java class or a Mach-O program"),
)
_ALL_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_CONTROLS = {code: text for code, text in _ALL_CONTROLS.items() if chr(code) not in "\t\n\r"}


class Text(msgspec.Struct, frozen=True):
    """A file's text without its byte order mark. `damage` says that some of it was not text: then it cannot be
    written back."""

    text: str
    encoding: str = "utf-8"
    mark: bytes = b""
    damage: str = ""

    def encoded(self, text: str) -> bytes:
        """Another text as this one was. Raises `UnicodeEncodeError` for half a surrogate pair."""
        return self.mark + text.encode(self.encoding)


def binary_kind(content: bytes) -> str:
    """What the content is if it is not text, for a sentence; empty for text."""
    mark, _ = _mark(content)
    if mark:
        return ""
    kind = next((kind for start, kind in _KINDS if content.startswith(start)), "")
    if b"\0" in content:
        return kind or "binary data (it has NUL bytes)"
    return kind if content.startswith(b"%PDF") else ""


def decode(content: bytes) -> Text:
    """By its byte order mark, else as UTF-8; what does not fit is replaced, and said in `damage`."""
    mark, encoding = _mark(content)
    content = content[len(mark) :]
    try:
        return Text(content.decode(encoding), encoding, mark)
    except UnicodeDecodeError:
        text = content.decode(encoding, "replace")
        count = text.count("\ufffd")
        return Text(text, encoding, mark, f"not {encoding.upper()} throughout: {count} places are shown as \ufffd")


def _mark(content: bytes) -> tuple[bytes, str]:
    return next((found for found in _MARKS if content.startswith(found[0])), (b"", "utf-8"))


def visible(text: str) -> str:
    """With control characters (but tab and the ends of lines) spelled out."""
    return text.translate(_CONTROLS)


def path_shown(path: str) -> str:
    """The name of a file on one line, whatever its bytes."""
    return os.fsencode(path).decode(errors="backslashreplace").translate(_ALL_CONTROLS)


def shortened(line: str, limit: int) -> str:
    """The line, at most `limit` characters of it."""
    return line if len(line) <= limit else f"{line[:limit]} [... {len(line) - limit} more characters]"


def fitted(lines: Sequence[str], limit: int) -> tuple[str, int]:
    """The lines as text, as many as fit into `limit` characters, and how many do not. Of a first line that does not
    fit, its beginning is given."""
    text = "\n".join(lines)
    if len(text) <= limit:
        return text, 0
    kept = text.count("\n", 0, limit + 1)
    return (text[: text.rfind("\n", 0, limit + 1)], len(lines) - kept) if kept else (text[:limit], len(lines) - 1)


def cut_note(left_out: int) -> list[str]:
    """Said after what was fitted; nothing when all of it was."""
    return [f"[Cut here: {left_out} more lines. The whole is kept as an artifact.]"] if left_out else []


def output(run: ToolRun, text: str, whole: bytes | None) -> ToolOutput:
    """The text for the model; `whole` is stored when it is given."""
    return ToolOutput(text, whole_sha256="" if whole is None else run.artifacts.put(whole).sha256)


def head_and_tail(content: bytes, limit: int) -> str:
    """Half of `limit` characters from each end, and between them how much was left out."""
    if len(content) <= limit:
        return visible(content.decode(errors="replace"))
    half = limit // 2
    head = visible(content[:half].decode(errors="replace"))[:half]
    tail = visible(content[-half:].decode(errors="replace"))[-half:]
    return f"{head}\n[... {len(content) - 2 * half} bytes left out ...]\n{tail}"
