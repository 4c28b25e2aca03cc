"""From the text of a traceback, in any of pytest's styles, to the exception and its frames. Pure."""

import re

from fleetlog.runtime.scenarios.triage.facts import Frame, Trace

__all__ = ["trace_of"]

MAX_FRAMES, MAX_SAID, MAX_CHARS = 60, 12, 400

_PYTEST_PLACE = re.compile(
    r"(?P<path>(?:[A-Za-z]:)?[^\s:\"'>|][^:\"]*\.pyx?):(?P<line>\d+): ?"
    r"(?:in (?P<function>\S.*)|(?P<exc>[A-Za-z_][\w.]*))?$"
)
_NATIVE_PLACE = re.compile(r'\s*File "(?P<path>[^"]+)", line (?P<line>\d+), in (?P<function>.+)$')
_DEFINED = re.compile(r"[>E]?\s*(?:async )?def (\w+)\(")
_SAID = re.compile(r"E\s+(\S.*)$")
_RAISED = re.compile(r"((?:[A-Za-z_]\w*\.)*[A-Z_]\w*)(?::\s*(.*))?$", re.DOTALL)
_WRAPPED = re.compile(r'failed on (?:setup|teardown) with "(.*)"?', re.DOTALL)
_CHAINED = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)


class _Reader:
    """What has been read of one traceback so far."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.said: list[str] = []
        self.first_of_group = ""
        self.named = ""
        self._defined = ""
        self._in_group = False

    def read(self, line: str) -> None:
        """Take the next line."""
        if line in _CHAINED:
            self.frames.clear()
            self.first_of_group = self.named = ""
        said = _SAID.match(line)
        if said:
            self._hear(said[1])
        elif place := _PYTEST_PLACE.match(line) or _NATIVE_PLACE.match(line):
            self._stop_at(place)
        elif defined := _DEFINED.match(line):
            self._defined = self._defined or defined[1]
        self._in_group = line == "E" or line.startswith("E ")

    def _hear(self, words: str) -> None:
        if not self._in_group:
            self.first_of_group = words
        self.said.append(words[:MAX_CHARS])

    def _stop_at(self, place: re.Match[str]) -> None:
        found = place.groupdict()
        function = found["function"] or self._defined
        self.frames.append(Frame(found["path"], int(found["line"]), function.strip()))
        self.named = found.get("exc") or ""
        self._defined = ""


def trace_of(text: str, summary: str = "") -> Trace:
    """The trace in this text; `summary` is what the log says of the failure in a line, for logs without tracebacks."""
    reader = _Reader()
    for line in text.splitlines():
        reader.read(line)
    words = reader.first_of_group or _summary(summary)
    exception, message = _raised(words, reader.named)
    said = tuple(dict.fromkeys([*reader.said, *([words[:MAX_CHARS]] if words else [])]))
    return Trace(exception, message[:MAX_CHARS], tuple(reader.frames[-MAX_FRAMES:]), said[-MAX_SAID:])


def _summary(summary: str) -> str:
    wrapped = _WRAPPED.match(summary)
    words = wrapped[1].removesuffix('"') if wrapped else summary
    return words.split("\n")[0].strip()


def _raised(words: str, named: str) -> tuple[str, str]:
    """(exception, message) of the line that says what was raised."""
    found = _RAISED.match(words)
    if found and (found[2] is not None or found[1] == words) and (named in ("", found[1]) or _is_error(found[1])):
        return found[1].rpartition(".")[2], (found[2] or "").strip()
    if named and words.startswith((f"{named}: ", f"{named.rpartition('.')[2]}: ")):
        return named.rpartition(".")[2], words.partition(": ")[2]
    if words.startswith("assert "):
        return "AssertionError", words
    return named.rpartition(".")[2], words


def _is_error(name: str) -> bool:
    return name.endswith(("Error", "Exception", "Exit", "Interrupt", "Failed", "Timeout", "Warning", "NotFound"))
