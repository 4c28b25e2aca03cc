"""Reads what pytest prints, whole or in parts: tracebacks in any style, the short summary, the lines of `-v` and of
xdist. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable

from msgspec import Struct

from fleetlog.runtime.scenarios.triage.facts import Failure, Log
from fleetlog.runtime.scenarios.triage.log_lines import clean_lines
from fleetlog.runtime.scenarios.triage.nodes import file_of, node_of_title, own_path
from fleetlog.runtime.scenarios.triage.traces import trace_of

__all__ = ["read_pytest_log"]

_NODE = r"(?P<node>[^\s:][^:\n]*?\.py(?:::[^\[\n]*?(?:\[.*?\])?)?)"
_SUMMARY = re.compile(rf"(?P<word>FAILED|ERROR) {_NODE}(?: - (?P<said>.*))?$")
_VERBOSE = re.compile(rf"{_NODE} (?P<word>FAILED|ERROR)(?: +\[ *\d+%\])?$")
_XDIST = re.compile(rf"\[gw\d+\] \[ *\d+%\] (?P<word>FAILED|ERROR) {_NODE}$")
_SECTION = re.compile(r"={2,} (\S.*?) ={2,}$")
_TITLE = re.compile(r"_+ (\S.*?) _+$")
_CAPTURED = re.compile(r"-{3,} (Captured .*|generated .*|coverage.*) -{3,}$")
_ENDED = re.compile(r"(?:=+ )?(?=.*\bin [\d.:]+s?\b).*?\b\d+ (?:failed|errors?|passed)\b")
_COUNTS = re.compile(r"(\d+) (failed|errors?)\b")
_PHASES = (("ERROR at setup of ", "setup"), ("ERROR at teardown of ", "teardown"), ("ERROR collecting ", "collection"))


class _Block(Struct, frozen=True):
    """A traceback under its headline."""

    title: str
    phase: str
    text: str


class _Entry(Struct, frozen=True):
    """A failing test as a line names it."""

    node: str
    word: str
    said: str


def read_pytest_log(text: str, files: frozenset[str]) -> Log:
    """The failures that are told of, each once; none when this is no log of pytest, or nothing failed."""
    lines = clean_lines(text)
    entries = _entries(lines)
    blocks: dict[str, list[_Block]] = defaultdict(list)
    for block in _blocks(lines):
        blocks[block.title].append(block)
    failures = [_failure(entry, _taken(blocks, entry), files) for entry in entries]
    failures += [_untold(block, files) for rest in blocks.values() for block in rest]
    unique = {failure.test: failure for failure in reversed(failures)}
    return Log("pytest log", tuple(list(unique.values())[::-1]), _counted(lines))


def _entries(lines: Iterable[str]) -> list[_Entry]:
    """By the short summary where it is, else by the lines of `-v`; one for each test."""
    found: dict[str, _Entry] = {}
    for line in lines:
        match = _SUMMARY.match(line) or _XDIST.match(line) or _VERBOSE.match(line)
        if match is None:
            continue
        said = match.groupdict().get("said") or ""
        known = found.get(match["node"])
        if known is None or (said and not known.said):
            found[match["node"]] = _Entry(match["node"], match["word"], said)
    return list(found.values())


def _blocks(lines: Iterable[str]) -> list[_Block]:
    found: list[_Block] = []
    section, title, text, captured = "", "", list[str](), False

    def close() -> None:
        if title:
            found.append(_block(title, text))

    for line in lines:
        if headline := _SECTION.match(line):
            close()
            section, title = headline[1], ""
        elif section in ("FAILURES", "ERRORS") and (headline := _TITLE.match(line)) and headline[1].strip("_ "):
            close()
            title, text, captured = headline[1], [], False
        elif _CAPTURED.match(line):
            captured = True
        elif title and not captured:
            text.append(line)
    close()
    return found


def _block(title: str, text: list[str]) -> _Block:
    for words, phase in _PHASES:
        if title.startswith(words):
            return _Block(title.removeprefix(words), phase, "\n".join(text))
    return _Block(title, "call", "\n".join(text))


def _taken(blocks: dict[str, list[_Block]], entry: _Entry) -> _Block | None:
    """The traceback of this test: of several tests with one name, the one that names the test's file."""
    name = entry.node.partition("::")[2]
    head, bracket, parameters = name.partition("[")
    found = blocks.get(head.replace("::", ".") + bracket + parameters if name else entry.node)
    if not found:
        return None
    path = file_of(entry.node)
    chosen = next((block for block in found if path in block.text), found[0])
    found.remove(chosen)
    return chosen


def _failure(entry: _Entry, block: _Block | None, files: frozenset[str]) -> Failure:
    path = file_of(entry.node)
    test = (own_path(path, files) or path) + entry.node.removeprefix(path)
    if block is None:
        phase = "call" if entry.word == "FAILED" else ("setup" if "::" in entry.node else "collection")
        return Failure(test, phase, trace_of("", entry.said))
    return Failure(test, block.phase, trace_of(block.text, entry.said))


def _untold(block: _Block, files: frozenset[str]) -> Failure:
    """A traceback that no other line names: its test's file is where it begins in the workspace."""
    trace = trace_of(block.text)
    if block.phase == "collection":
        return Failure(own_path(block.title, files) or block.title, block.phase, trace)
    places = [own_path(frame.path, files) or frame.path for frame in trace.frames]
    return Failure(node_of_title(block.title, places[0] if places else ""), block.phase, trace)


def _counted(lines: list[str]) -> int | None:
    ends = [line for line in lines if _ENDED.match(line)]
    if not ends:
        return None
    return sum(int(count) for count, _ in _COUNTS.findall(ends[-1]))
