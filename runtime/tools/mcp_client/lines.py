"""Bytes cut into lines, holding no more of one line than a limit. Pure."""

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

__all__ = ["LineCutter", "Tail", "TooLong"]

_ENDS_BYTES = 256


class TooLong(Struct, frozen=True):
    """A line above the limit: its first and its last 256 bytes, and how many it had."""

    head: bytes
    tail: bytes
    size_bytes: int


class LineCutter:
    """Feed it what was read; it gives each line once it is whole."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._parts: list[bytes] = []
        self._size = 0
        self._head = self._last = b""

    def feed(self, data: bytes) -> Iterator[bytes | TooLong]:
        """The lines that end in `data`, without their line breaks."""
        *ended, rest = data.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._taken()
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        self._last = (self._last + piece[-_ENDS_BYTES:])[-_ENDS_BYTES:]
        if len(self._head) < _ENDS_BYTES:
            self._head += piece[: _ENDS_BYTES - len(self._head)]
        if self._size <= self._limit:
            self._parts.append(piece)
        else:
            self._parts.clear()

    def _taken(self) -> bytes | TooLong:
        is_whole = self._size <= self._limit
        line = b"".join(self._parts) if is_whole else TooLong(self._head, self._last, self._size)
        self._parts, self._size, self._head, self._last = [], 0, b"", b""
        return line


class Tail:
    """The last bytes of a stream, at most `limit_bytes` of them."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._pieces: deque[bytes] = deque()
        self._size = 0

    def add(self, data: bytes) -> None:
        """What was read now."""
        self._pieces.append(data[-self._limit :])
        self._size += len(self._pieces[-1])
        while self._size - len(self._pieces[0]) >= self._limit:
            self._size -= len(self._pieces.popleft())

    def text(self) -> str:
        """What was read last, for people."""
        return b"".join(self._pieces)[-self._limit :].decode(errors="replace").strip()
