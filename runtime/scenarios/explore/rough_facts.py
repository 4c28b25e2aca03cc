"""Functions, imports and branches of languages other than Python, by regular expressions.

Rough, and reported as such: strings and comments are blanked out, functions are found by their shape, and complexity
is the number of branching words and operators, which is comparable inside one language only.
"""

import re
from bisect import bisect_left
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
    r"\bfunction\b\s*\*?\s*(?P<a>\w*)\s*\([^)]{0,1000}\)[^{;\n]*\{"
    r"|\b(?P<b>\w+)\s*[:=]\s*(?:async\s*)?(?:\([^()]*\)|\w+)(?:\s*:\s*[^=\n]+)?\s*=>\s*\{"
    rf"|^[ \t]+(?:(?:public|private|protected|static|async|get|set|override)\s+)*{_NOT_NAMES}(?P<c>[\w#$]+)"
    r"\s*\([^()]*\)(?:\s*:\s*[^{;\n]+)?\s*\{",
    re.MULTILINE,
)
_GO_FUNCTION = re.compile(r"^func\s+(?:\([^)]*\)\s*)?(?P<a>\w+)[^\n]*\{[ \t]*$", re.MULTILINE)
_RUST_FUNCTION = re.compile(r"\bfn\s+(?P<a>\w+)[^{;]{0,1000}\{")
_C_FUNCTION = re.compile(
    rf"^[ \t]*(?:[\w:<>,\[\]~]+[ \t*&]+)+{_NOT_NAMES}(?P<a>[\w:~]+)\s*\([^;{{}}()]*(?:\([^()]*\)[^;{{}}()]*)*\)"
    r"[^;{}()=]*\{",
    re.MULTILINE,
)
_BRANCH = re.compile(r"\b(?:if|for|while|case|catch)\b|&&|\|\||\?(?=\s)")
_RUST_BRANCH = re.compile(r"\b(?:if|for|while)\b|&&|\|\||=>")
# An escape outside of strings is noise, and so is the rest after a comment that nobody closed: what does not match must
# not be looked at from each of its letters again.
_NOISE = re.compile(
    r"\\.|//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"|`(?:\\.|[^`\\])*`|'(?:\\.|[^'\\\n]){1,120}?'", re.DOTALL
)
_RUST_NOISE = re.compile(r"\\.|//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)
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
    lines = _Offsets(text, re.compile("\n"))
    for match in grammar.imports.finditer(text):
        written = next(group for group in match.groups() if group)
        module = f"mod {written}" if grammar.imports is _RUST_IMPORT and match.group(2) else written
        yield ImportFact(module, 1 + lines.between(0, match.end()))


def _functions(bare: str, grammar: Grammar) -> Iterator[FunctionFact]:
    lines, branches, ends = _Offsets(bare, re.compile("\n")), _Offsets(bare, grammar.branch), _block_ends(bare)
    for match in grammar.function.finditer(bare):
        end = ends[bare.rindex("{", 0, match.end())]
        name = next((group for group in match.groups() if group), "") or "(anonymous)"
        start = match.start() + len(match.group()) - len(match.group().lstrip())
        size = 1 + lines.between(match.start(), end)
        yield FunctionFact(name, 1 + lines.between(0, start), size, 1 + branches.between(match.end(), end))


def _block_ends(bare: str) -> dict[int, int]:
    """For each opening brace where its block ends; with the text, if it is never closed."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    for brace in re.finditer(r"[{}]", bare):
        if brace.group() == "{":
            opened.append(brace.start())
        elif opened:
            ends[opened.pop()] = brace.end()
    return ends | dict.fromkeys(opened, len(bare))


class _Offsets:
    """Where a pattern is found, read once and counted often: a file may be one function inside the other."""

    def __init__(self, text: str, pattern: re.Pattern[str]) -> None:
        self._found = [match.start() for match in pattern.finditer(text)]

    def between(self, start: int, end: int) -> int:
        return bisect_left(self._found, end) - bisect_left(self._found, start)
