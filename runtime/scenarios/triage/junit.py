"""Reads JUnit XML. Pure.

A report comes from a build that anybody may have influenced, and XML can name entities that grow without end or files
of this machine. JUnit needs none of that: a document type declaration, without which there are no entities, is refused,
so that no dependency is needed. (expat resolves nothing outside by itself.)
"""

from xml.parsers import expat

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.scenarios.triage.facts import Failure, Log
from fleetlog.runtime.scenarios.triage.log_lines import clean_lines
from fleetlog.runtime.scenarios.triage.nodes import node_of_class
from fleetlog.runtime.scenarios.triage.traces import trace_of

__all__ = ["read_junit"]

MAX_TEXT_CHARS = 200_000


class _Reader:
    """What has been read so far; the methods are expat's handlers."""

    def __init__(self, files: frozenset[str]) -> None:
        self._files = files
        self.failures: list[Failure] = []
        self.is_junit = False
        self._case: dict[str, str] = {}
        self._trouble: dict[str, str] | None = None
        self._kind = ""
        self._text: list[str] = []
        self._size = 0

    def start(self, name: str, given: dict[str, str]) -> None:
        self.is_junit |= name in ("testsuite", "testsuites", "testcase")
        if name == "testcase":
            self._case = given
        elif name in ("failure", "error") and self._case:
            self._trouble, self._kind, self._text, self._size = given, name, [], 0

    def end(self, name: str) -> None:
        if name == "testcase":
            self._case = {}
        elif name in ("failure", "error") and self._trouble is not None:
            self.failures.append(self._failure(self._trouble, "".join(self._text)))
            self._trouble = None

    def characters(self, text: str) -> None:
        if self._trouble is not None and self._size < MAX_TEXT_CHARS:
            self._text.append(text)
            self._size += len(text)

    def _failure(self, trouble: dict[str, str], text: str) -> Failure:
        message = trouble.get("message", "")
        trace = trace_of("\n".join(clean_lines(text)), message)
        phase = _phase(self._kind, message)
        node = node_of_class(self._case.get("classname", ""), self._case.get("name", ""), self._case, self._files)
        return Failure(node, phase, trace)


def _phase(kind: str, message: str) -> str:
    if kind == "failure":
        return "call"
    if message.startswith("collection"):
        return "collection"
    return "teardown" if "on teardown" in message else "setup"


def read_junit(content: bytes, files: frozenset[str]) -> Log:
    """The failures of a report. Raises `InvalidArgument` for what is no JUnit XML, or has a document type."""
    reader, parser = _Reader(files), expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = _refuse_doctype
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise InvalidArgument(f"'LOG' is no well-formed XML: {error}; is the report cut off?") from error
    if not reader.is_junit:
        raise InvalidArgument(
            "'LOG' is XML but no JUnit report: it has no <testsuite>; pytest writes one by --junitxml"
        )
    return Log("JUnit XML", tuple(_once(reader.failures)))


def _once(failures: list[Failure]) -> list[Failure]:
    """A test whose teardown failed too is one failing test."""
    return list({failure.test: failure for failure in reversed(failures)}.values())[::-1]


def _refuse_doctype(name: str, *_: object) -> None:
    raise InvalidArgument(
        f"'LOG' has a document type declaration (<!DOCTYPE {name}>): JUnit XML has none, and it may be an attack; "
        "take it out if you trust the file"
    )
