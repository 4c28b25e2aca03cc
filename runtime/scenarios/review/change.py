"""Checks a change: only what it adds, and the tests it takes away. Pure."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.languages import is_aside, is_code, is_test, language_of, line_comment
from fleetlog.runtime.scenarios.review.diffs import Change, ChangedFile, Line
from fleetlog.runtime.scenarios.review.findings import CONSIDER, SHOULD, Finding
from fleetlog.runtime.scenarios.review.patterns import Pattern, patterns

__all__ = [
    "CHECK_REMOVED",
    "MAX_LINE_CHARS",
    "NO_TEST",
    "SWALLOWED",
    "TEST_REMOVED",
    "check_patterns",
    "check_tests",
    "code_of",
]

TEST_REMOVED, CHECK_REMOVED, NO_TEST, SWALLOWED = "test removed", "checks removed", "no test", "swallowed error"
_MIN_UNTESTED_LINES = 10
_RENAMED = 0.85
MAX_LINE_CHARS = 1_000
"""Of a line of code; what is longer was made by a program."""
_STRING = re.compile(
    r"(?P<prefix>(?:\b[rbfu]{1,2})?)(?P<quote>\"\"\"|'''|[\"'`])(?P<text>(?:\\.|(?!(?P=quote)).)*)(?P=quote)",
    re.IGNORECASE,
)
_TEST = re.compile(
    r"^\s*(?:async\s+)?def\s+(?P<py>test_\w+)|^\s*func\s+(?P<go>Test\w+)|"
    r"\b(?:it|test)(?:\.\w+)?\(\s*([\"'`])(?P<js>.+?)\3\s*,|@Test\b.*?\bvoid\s+(?P<java>\w+)"
)
_ASSERT = re.compile(
    r"^\s*assert\b|\bassert\w*\s*[(!]|\bself\.assert\w+\(|\bexpect\s*\(|\b(?:require|assert)\.\w+\(|\bt\.(?:Error|Fatal)f?\("
)
_PASSED_OVER = re.compile(r"^\s*(?:pass|\.\.\.|continue)\s*(?:#.*)?$")
_EXCEPT = re.compile(r"^\s*except\s+(?:\(?\s*)?(?:Base)?Exception\b[^:]*:\s*(?:#.*)?$")


def check_patterns(change: Change, owner: str) -> Iterator[Finding]:
    """What the added lines have of this reviewer's patterns; one finding a line and kind."""
    looked_for = [pattern for pattern in patterns() if pattern.owner == owner]
    for file in change.files:
        language = language_of(file.path)
        if language in ("Markdown", "reStructuredText", "text") or file.is_binary:
            continue
        fitting = [one for one in looked_for if not one.languages or language in one.languages]
        quoted = _inside_strings(file, language)
        for line in file.added:
            if line.number not in quoted:
                yield from _in_line(file.path, language, Line(line.number, line.text[:MAX_LINE_CHARS]), fitting)


def _in_line(path: str, language: str, line: Line, looked_for: list[Pattern]) -> Iterator[Finding]:
    code = code_of(line.text, language)
    comment = line_comment(language)
    is_comment = bool(comment and line.text.lstrip().startswith(comment)) or line.text.lstrip().startswith(("* ", "/*"))
    seen: set[str] = set()
    for pattern in looked_for:
        looked_at = line.text if pattern.is_raw else code
        if pattern.is_raw and is_comment and pattern.kind not in ("unfinished", "merge conflict"):
            continue
        harmless = pattern.unless is not None and pattern.unless.search(line.text)
        if pattern.kind not in seen and not harmless and pattern.fits.search(looked_at):
            seen.add(pattern.kind)
            yield Finding(pattern.kind, pattern.severity, path, line.number, pattern.title, pattern.why, pattern.fix,
                          subject=pattern.kind, quote=line.text.strip()[:160])  # fmt: skip


def code_of(text: str, language: str) -> str:
    """The line with the contents of its strings and its comment blanked."""
    bare = _STRING.sub(
        lambda found: f"{found['prefix']}{found['quote']}{' ' * len(found['text'])}{found['quote']}", text
    )
    comment = line_comment(language)
    return bare.partition(comment)[0] if comment else bare


def _inside_strings(file: ChangedFile, language: str) -> set[int]:
    """The lines of Python that lie inside a string of several lines, as far as the diff shows it."""
    if language != "Python":
        return set()
    inside: set[int] = set()
    delimiter, before = "", -1
    for line in sorted((*file.added, *file.kept), key=lambda one: one.number):
        if line.number != before + 1:
            delimiter = ""
        before = line.number
        if delimiter:
            inside.add(line.number)
        rest = line.text.partition("#")[0] if not delimiter and line.text.lstrip().startswith("#") else line.text
        for mark in re.findall(r"\"\"\"|'''", rest):
            delimiter = "" if mark == delimiter else delimiter or mark
    return inside


def check_tests(change: Change) -> Iterator[Finding]:
    """Tests and checks that are gone, errors that are passed over, and code that comes without a test."""
    added = {name for file in change.files for line in file.added if (name := _test_name(line.text))}
    gone = [file for file in change.files if file.is_deleted and not is_test(file.path)]
    for file in change.files:
        yield from _passed_over(file)
        if is_test(file.path):
            yield from _removed(file, added, gone)
    yield from _untested(change)


def _test_name(text: str) -> str:
    found = _TEST.search(text)
    return next((found[kind] for kind in ("py", "go", "js", "java") if found[kind]), "") if found else ""


def _removed(file: ChangedFile, added: set[str], gone: list[ChangedFile]) -> Iterator[Finding]:
    names = [(line, name) for line in file.removed if (name := _test_name(line.text)) and not _is_kept(name, added)]
    if file.is_deleted and gone:
        return  # with the code it tested, as far as can be told
    for line, name in names:
        yield Finding(TEST_REMOVED, SHOULD, file.path, line.number, f"The test `{name}` is taken away",
                      "what it guarded is unguarded", "keep it, or say what covers it now",
                      subject=name, quote="the line is the old file's")  # fmt: skip
    lost = Counter(line.text.strip() for line in file.removed if _ASSERT.search(line.text))
    kept = Counter(line.text.strip() for line in file.added if _ASSERT.search(line.text))
    missing = sum(lost.values()) - sum(kept.values())
    if missing > 0 and not names and not file.is_deleted:
        first = next(line for line in file.removed if line.text.strip() in lost - kept)
        yield Finding(CHECK_REMOVED, SHOULD, file.path, first.number,
                      f"{counted(missing, 'check')} fewer than before",
                      "the test passes where it failed before", "keep them, or say why they were wrong",
                      subject=file.path, quote=first.text.strip()[:120])  # fmt: skip


def _is_kept(name: str, added: set[str]) -> bool:
    """Under its own name, here or elsewhere, or under one much like it."""
    return any(name in other or other in name or _likeness(name, other) >= _RENAMED for other in added)


def _likeness(name: str, other: str) -> float:
    return difflib.SequenceMatcher(None, name, other).ratio()


def _passed_over(file: ChangedFile) -> Iterator[Finding]:
    if language_of(file.path) != "Python":
        return
    lines = {line.number: line.text for line in (*file.kept, *file.added)}
    new = {line.number for line in file.added}
    for number in sorted(new):
        following = lines.get(number + 1, "")
        if _EXCEPT.match(lines[number]) and _PASSED_OVER.match(following):
            yield Finding(SWALLOWED, SHOULD, file.path, number, "Every error is thrown away",
                          "a failure goes on as if nothing had been",
                          "name the exceptions that are expected; log or raise the rest",
                          subject=SWALLOWED, quote=f"{lines[number].strip()} {following.strip()}")  # fmt: skip


def _untested(change: Change) -> Iterator[Finding]:
    if any(is_test(file.path) and file.added for file in change.files):
        return
    product = [
        file
        for file in change.files
        if is_code(language_of(file.path)) and not is_aside(file.path) and not is_test(file.path)
    ]
    lines = sum(bool(line.text.strip()) for file in product for line in file.added)
    if lines >= _MIN_UNTESTED_LINES:
        largest = max(product, key=lambda file: (len(file.added), file.path))
        yield Finding(NO_TEST, CONSIDER, largest.path, 0, f"{lines} lines of code come without a test",
                      "nobody notices when they stop working",
                      "add a test of the new behaviour, and one of its failure",
                      subject=NO_TEST)  # fmt: skip
