"""Functions, imports and branches of languages other than Python, by regular expressions.

Rough, and reported as such: strings and comments are blanked out, functions are found by their shape, and complexity
is the number of branching words and operators, which is comparable inside one language only.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from fleetlog.runtime.scenarios.explore.facts import FunctionFact, ImportFact

KEPT_FUNCTIONS = 6

_JS_IMPORT = re.compile(r"""(?:\bfrom\s*|\brequire\s*\(\s*|\bimport\s*\(?\s*)["']([^"'\n]+)["']""")
_GO_IMPORT = re.compile(r'^\s*(?:import\s+)?(?:[\w.]+\s+)?"([^"\n]+)"\s*$', re.MULTILINE)
_JAVA_IMPORT = re.compile(r"^\s*import\s+(?:static\s+)?([\w.]+)", re.MULTILINE)
_RUST_IMPORT = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:use\s+((?:crate|self|super)(?:::\w+)*)|mod\s+(\w+)\s*;)", re.MULTILINE
)
_C_IMPORT = re.compile(r'^\s*#\s*include\s*"([^"\n]+)"', re.MULTILINE)

_NOT_NAMES = r"(?!(?:if|for|while|switch|catch|return|else|do|with|sizeof|synchronized|using|lock|new)\b)"
_JS_FUNCTION = re.compile(
    r"\bfunction\b\s*\*?\s*(?P<a>\w*)\s*\([^)]*\)[^{;\n]*\{"
    r"|(?P<b>\w+)\s*[:=]\s*(?:async\s*)?(?:\([^()]*\)|\w+)(?:\s*:\s*[^=\n]+)?\s*=>\s*\{"
    rf"|^[ \t]+(?:(?:public|private|protected|static|async|get|set|override)\s+)*{_NOT_NAMES}(?P<c>[\w#$]+)"
    r"\s*\([^()]*\)(?:\s*:\s*[^{;\n]+)?\s*\{",
    re.MULTILINE,
)
_GO_FUNCTION = re.compile(r"^func\s+(?:\([^)]*\)\s*)?(?P<a>\w+)[^\n]*\{[ \t]*$", re.MULTILINE)
_RUST_FUNCTION = re.compile(r"\bfn\s+(?P<a>\w+)[^{;]*\{")
_C_FUNCTION = re.compile(
    rf"^[ \t]*(?:[\w:<>,\[\]~]+[ \t*&]+)+{_NOT_NAMES}(?P<a>[\w:~]+)\s*\([^;{{}}()]*(?:\([^()]*\)[^;{{}}()]*)*\)"
    r"[^;{}()=]*\{",
    re.MULTILINE,
)
_BRANCH = re.compile(r"\b(?:if|for|while|case|catch)\b|&&|\|\||\?(?=\s)")
_RUST_BRANCH = re.compile(r"\b(?:if|for|while)\b|&&|\|\||=>")
_NOISE = re.compile(
    r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`|'(?:\\.|[^'\\\n]){1,120}?'", re.DOTALL
)
_RUST_NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)
_NOT_NEWLINE = re.compile(r"[^\n]+")


class Grammar(NamedTuple):
    imports: re.Pattern[str]
    function: re.Pattern[str]
    branch: re.Pattern[str] = _BRANCH
    noise: re.Pattern[str] = _NOISE


class RoughFacts(NamedTuple):
    complexity: int
    functions: int
    largest: tuple[FunctionFact, ...]
    imports: tuple[ImportFact, ...]


_GRAMMARS = {
    **dict.fromkeys(("JavaScript", "TypeScript", "Vue", "Svelte"), Grammar(_JS_IMPORT, _JS_FUNCTION)),
    **dict.fromkeys(("Java", "Kotlin", "Scala"), Grammar(_JAVA_IMPORT, _C_FUNCTION)),
    "C": Grammar(_C_IMPORT, _C_FUNCTION),
    "C++": Grammar(_C_IMPORT, _C_FUNCTION),
    "Go": Grammar(_GO_IMPORT, _GO_FUNCTION),
    "Rust": Grammar(_RUST_IMPORT, _RUST_FUNCTION, _RUST_BRANCH, _RUST_NOISE),
}


def is_roughly_known(language: str) -> bool:
    return language in _GRAMMARS


def rough_facts(text: str, language: str) -> RoughFacts:
    grammar = _GRAMMARS[language]
    bare = grammar.noise.sub(_blank, text)
    functions = sorted(_functions(bare, grammar), key=lambda found: (-found.complexity, -found.lines, found.line))
    return RoughFacts(
        complexity=len(grammar.branch.findall(bare)) + len(functions),
        functions=len(functions),
        largest=tuple(functions[:KEPT_FUNCTIONS]),
        imports=tuple(_imports(text, grammar)),
    )


def _blank(noise: re.Match[str]) -> str:
    return _NOT_NEWLINE.sub(" ", noise.group())


def _imports(text: str, grammar: Grammar) -> Iterator[ImportFact]:
    count = _LineCounter(text)
    for match in grammar.imports.finditer(text):
        written = next(group for group in match.groups() if group)
        module = f"mod {written}" if grammar.imports is _RUST_IMPORT and match.group(2) else written
        yield ImportFact(module, count.line_of(match.end()))


def _functions(bare: str, grammar: Grammar) -> Iterator[FunctionFact]:
    count = _LineCounter(bare)
    for match in grammar.function.finditer(bare):
        end = _closing(bare, match.end())
        name = next((group for group in match.groups() if group), "") or "(anonymous)"
        first = count.line_of(match.start() + len(match.group()) - len(match.group().lstrip()))
        lines = bare.count("\n", match.start(), end) + 1
        yield FunctionFact(name, first, lines, 1 + len(grammar.branch.findall(bare, match.end(), end)))


def _closing(bare: str, start: int) -> int:
    """Where the block that was opened just before `start` ends."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(bare, start):
        depth += 1 if brace.group() == "{" else -1
        if depth == 0:
            return brace.end()
    return len(bare)


class _LineCounter:
    """Line numbers of ascending offsets, each newline counted once."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._offset = 0
        self._line = 1

    def line_of(self, offset: int) -> int:
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._text.count("\n", self._offset, offset)
        self._offset = offset
        return self._line
