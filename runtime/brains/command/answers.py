"""What a program's output says: its result, and, where it tells them, its session, its usage, what it is doing.

Its rule: output is foreign. Whatever comes - garbage, half a line, a line of a gigabyte - is read past, and none of it
is held beyond a bound.
"""

import json
from typing import Any, Protocol

from msgspec import Struct

from fleetlog.domain.command_spec import OutputKind
from fleetlog.domain.values import Usage
from fleetlog.runtime.brains.command.events import Telling
from fleetlog.runtime.tools.mcp_client.lines import LineCutter, TooLong

__all__ = ["Answer", "Reader", "reader_for"]

MAX_TEXT_BYTES = 1_048_576
"""Of a longer text the beginning and the end are the result."""
MAX_VALUE_BYTES = 16 * 1024 * 1024
"""JSON beyond that is none."""
_SAID_CHARS = 200


class Answer(Struct, frozen=True):
    """What a run has said in the end: an `output`, or an `error`."""

    output: Any = None
    error: str = ""


class Reader(Protocol):
    """Reads one run's stdout."""

    @property
    def session(self) -> str:
        """The session's id, as soon as it was said."""

    @property
    def said(self) -> str:
        """What it is doing, as far as can be seen."""

    @property
    def usage(self) -> Usage | None:
        """What it says it has used."""

    def feed(self, data: bytes) -> None:
        """What was read now."""

    def answer(self) -> Answer:
        """After the end."""


def reader_for(kind: OutputKind) -> Reader:
    """A fresh one."""
    match kind:
        case "text":
            return _Text()
        case "json":
            return _Json()
        case "last_line_json":
            return _LastLine()
        case "stream_json":
            return _Stream()


class _Quiet:
    """What tells neither a session nor a usage: its last line is what it is doing."""

    def __init__(self) -> None:
        self.session = self.said = ""
        self.usage: Usage | None = None

    def _say(self, data: bytes) -> None:
        """The last whole line of a piece; only its end is looked at."""
        lines = [line for line in data[-4_096:].split(b"\n")[:-1] if line.strip()]
        if lines:
            self.said = _plain(lines[-1])


class _Text(_Quiet):
    def __init__(self) -> None:
        super().__init__()
        self._head, self._tail, self._size = bytearray(), bytearray(), 0

    def feed(self, data: bytes) -> None:
        """See `Reader`."""
        self._size += len(data)
        room = MAX_TEXT_BYTES // 2 - len(self._head)
        self._head += data[: max(0, room)]
        self._tail += data[max(0, room) :]
        if len(self._tail) > MAX_TEXT_BYTES:
            del self._tail[: -MAX_TEXT_BYTES // 2]
        self._say(data)

    def answer(self) -> Answer:
        """See `Reader`."""
        tail = self._tail[-MAX_TEXT_BYTES // 2 :]
        left_out = self._size - len(self._head) - len(tail)
        middle = f"\n... {left_out} bytes left out ...\n".encode() if left_out else b""
        return Answer(
            (bytes(self._head) + middle + bytes(tail)).decode(errors="replace").replace("\0", "\ufffd").strip()
        )


class _Json(_Quiet):
    def __init__(self) -> None:
        super().__init__()
        self._data = bytearray()
        self._size = 0

    def feed(self, data: bytes) -> None:
        """See `Reader`."""
        self._size += len(data)
        self._data += data[: max(0, MAX_VALUE_BYTES - len(self._data))]
        self._say(data)

    def answer(self) -> Answer:
        """See `Reader`."""
        if self._size > MAX_VALUE_BYTES:
            return Answer(error=f"its output has {self._size} bytes, too many for one JSON value ({MAX_VALUE_BYTES})")
        return _value(bytes(self._data), "its output")


class _LastLine(_Quiet):
    def __init__(self) -> None:
        super().__init__()
        self._lines = LineCutter(MAX_VALUE_BYTES)
        self._last: bytes | TooLong = b""

    def feed(self, data: bytes) -> None:
        """See `Reader`."""
        for line in self._lines.feed(data):
            if isinstance(line, TooLong) or line.strip():
                self._last = line
        self._say(data)

    def answer(self) -> Answer:
        """See `Reader`."""
        self.feed(b"\n")
        if isinstance(self._last, TooLong):
            return Answer(error=f"the last line of its output has {self._last.size_bytes} bytes, too many for JSON")
        return _value(self._last, "the last line of its output")


class _Stream:
    def __init__(self) -> None:
        self._lines = LineCutter(MAX_VALUE_BYTES)
        self._telling = Telling()

    @property
    def session(self) -> str:
        """See `Reader`."""
        return self._telling.session

    @property
    def said(self) -> str:
        """See `Reader`."""
        return self._telling.said[:_SAID_CHARS]

    @property
    def usage(self) -> Usage | None:
        """See `Reader`."""
        return self._telling.usage

    def feed(self, data: bytes) -> None:
        """See `Reader`."""
        for line in self._lines.feed(data):
            if not isinstance(line, TooLong) and line.lstrip().startswith(b"{"):
                self._tell(line)

    def _tell(self, line: bytes) -> None:
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            return  # a line that only looks like an event
        if isinstance(event, dict):
            self._telling.hear(event)

    def answer(self) -> Answer:
        """See `Reader`."""
        self.feed(b"\n")
        telling = self._telling
        if telling.error:
            return Answer(telling.output, telling.error)
        if not telling.has_output:
            return Answer(error="it ended without saying a result")
        return Answer(telling.output)


def _value(data: bytes, what: str) -> Answer:
    if not data.strip():
        return Answer(error=f"{what} is empty; it must be JSON")
    try:
        return Answer(json.loads(data))
    except (ValueError, RecursionError) as error:
        return Answer(error=f"{what} is no JSON ({error}): {_plain(data)}")


def _plain(data: bytes) -> str:
    """The beginning, as a line for people."""
    text = data[: 4 * _SAID_CHARS].decode(errors="replace").strip()
    return "".join(character if character.isprintable() else " " for character in text)[:_SAID_CHARS].strip()
