"""The program that matches a regular expression: a process of its own, because a match cannot be interrupted.

Only the standard library: it is run by its path, without site-packages. On stdin: a JSON line (pattern, ignore_case,
context, limit, file_s), then for each file its name and its content (UTF-8), each after its length in 4 bytes. On
stdout: one JSON object (error, slow, count, lines: path, number, is it a match, text).
"""

import json
import re
import resource
import signal
import sys
from types import FrameType
from typing import IO, Any

_MAX_MEMORY_BYTES = 1_000_000_000
_MAX_SLOW = 3
_SHOWN_CHARS, _BEFORE_CHARS = 300, 100


class _TooSlow(Exception):
    pass


class _Search:
    def __init__(self, request: dict[str, Any]) -> None:
        flags = re.MULTILINE | (re.IGNORECASE if request["ignore_case"] else 0)
        self.pattern = re.compile(request["pattern"], flags)
        self.context, self.limit, self.file_s = request["context"], request["limit"], request["file_s"]
        self.lines: list[tuple[str, int, bool, str]] = []
        self.slow: list[str] = []
        self.count = 0

    @property
    def is_wanted(self) -> bool:
        """Does another file make sense?"""
        return self.count < self.limit and len(self.slow) < _MAX_SLOW

    def add(self, path: str, text: str) -> None:
        """Search one file, for at most `file_s` seconds."""
        signal.setitimer(signal.ITIMER_REAL, self.file_s)
        try:
            found = self._found(text)
        except _TooSlow:
            self.slow.append(path)
            return
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if found:
            self._note(path, text, found)

    def _found(self, text: str) -> dict[int, int]:
        """The lines (from 0) in which a match begins, with the column. One match a line is enough."""
        found: dict[int, int] = {}
        at = number = counted = 0
        while len(found) < self.limit - self.count and (match := self.pattern.search(text, at)):
            start = match.start()
            if start == len(text) and (not text or text[-1] == "\n"):
                break  # behind the last line
            number += text.count("\n", counted, start)
            counted = start
            found[number] = start - (text.rfind("\n", 0, start) + 1)
            end = text.find("\n", start)
            if end < 0:
                break
            at = end + 1
        return found

    def _note(self, path: str, text: str, found: dict[int, int]) -> None:
        self.count += len(found)
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        near = {at for hit in found for at in range(hit - self.context, hit + self.context + 1)}
        for at in sorted(at for at in near if 0 <= at < len(lines)):
            self.lines.append((path, at + 1, at in found, _shown(lines[at], found.get(at, 0))))


def _shown(line: str, column: int) -> str:
    """The line, or what is around the column."""
    if len(line) <= _SHOWN_CHARS:
        return line
    start = max(0, column - _BEFORE_CHARS)
    end = start + _SHOWN_CHARS
    return f"{'[...] ' if start else ''}{line[start:end]}{' [...]' if end < len(line) else ''}"


def _too_slow(_number: int, _frame: FrameType | None) -> None:
    raise _TooSlow


def _field(source: IO[bytes]) -> str | None:
    length = source.read(4)
    if len(length) < 4:
        return None
    return source.read(int.from_bytes(length, "big")).decode("utf-8", "replace")


def _answer(source: IO[bytes]) -> dict[str, Any]:
    try:
        search = _Search(json.loads(source.readline()))
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return {"error": str(error) or type(error).__name__}
    while search.is_wanted and (path := _field(source)) is not None:
        content = _field(source)
        if content is None:
            break
        search.add(path, content.replace("\r\n", "\n"))
    return {"error": "", "slow": search.slow, "count": search.count, "lines": search.lines}


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY_BYTES, _MAX_MEMORY_BYTES))
    signal.signal(signal.SIGALRM, _too_slow)
    json.dump(_answer(sys.stdin.buffer), sys.stdout)
