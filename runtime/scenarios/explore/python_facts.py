"""One pass over a Python syntax tree: functions, complexity, imports and warning signs. Reads no files.

Complexity is McCabe's cyclomatic number (A Complexity Measure, IEEE TSE 1976) as `radon` counts it, but without
`assert` and loop-`else`: 1 + each if, elif, for, while, except, conditional expression, `for` and `if` of a
comprehension, further operand of and/or, and each case of a match but a bare `_`. A nested function counts for itself,
a lambda for the function around it, class bodies for the module.
"""

import ast
import sys
import threading
import warnings
from typing import NamedTuple

import msgspec

from fleetlog.runtime.scenarios.explore import signs
from fleetlog.runtime.scenarios.explore.facts import (
    AS_SCRIPT,
    AT_IMPORT,
    DEFERRED,
    TYPES_ONLY,
    FunctionFact,
    ImportFact,
    Sign,
)

KEPT_FUNCTIONS = 8
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LEAVES = frozenset(
    {
        ast.Name, ast.Constant, ast.Load, ast.Store, ast.Del, ast.Pass, ast.Break, ast.Continue, ast.alias,
        ast.Global, ast.Nonlocal, str, int, float, bool, bytes, complex, type(None), type(Ellipsis),
    }
)  # fmt: skip
# Which fields can hold something to count. Anything not listed here is walked in full.
_PARTS: dict[type, tuple[str, ...]] = {
    ast.Attribute: ("value",),
    ast.Expr: ("value",),
    ast.Assign: ("value",),
    ast.AugAssign: ("value",),
    ast.Return: ("value",),
    ast.Call: ("func", "args", "keywords"),
    ast.Compare: ("left", "comparators"),
    ast.BinOp: ("left", "right"),
    ast.UnaryOp: ("operand",),
    ast.Subscript: ("value", "slice"),
    ast.keyword: ("value",),
    ast.AnnAssign: ("value",),
    ast.Tuple: ("elts",),
    ast.List: ("elts",),
}
_PLUS_ONE = frozenset({ast.For, ast.AsyncFor, ast.While, ast.IfExp})
# Filters of warnings are one list for the whole process: two parsers must not restore it across each other.
_WARNING_FILTERS = threading.Lock()


class PythonFacts(NamedTuple):
    complexity: int
    functions: int
    classes: int
    docstring_lines: int
    largest: tuple[FunctionFact, ...]
    imports: tuple[ImportFact, ...]
    signs: tuple[Sign, ...]
    main_line: int


class _Scope(NamedTuple):
    node: ast.AST
    name: str
    function: bool
    deferred: bool


def parse(source: str | bytes) -> ast.Module:
    """The syntax tree. Raises SyntaxError, ValueError, RecursionError or MemoryError, as `ast.parse` does."""
    with _WARNING_FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def python_facts(tree: ast.Module) -> PythonFacts:
    reader = _Reader()
    reader.read(tree)
    reader.found.sort(key=lambda found: (-found.complexity, -found.lines, found.line))
    return PythonFacts(
        complexity=reader.complexity,
        functions=len(reader.found),
        classes=reader.classes,
        docstring_lines=reader.docstring_lines,
        largest=_most_telling(reader.found),
        imports=tuple(sorted(reader.imports, key=lambda found: (found.line, found.module, found.names))),
        signs=tuple(sorted(reader.signs, key=lambda sign: (sign.line, sign.kind))),
        main_line=reader.main_line,
    )


def _most_telling(functions: list[FunctionFact]) -> tuple[FunctionFact, ...]:
    """The most complex ones, and the longest if they are others."""
    telling = functions[:KEPT_FUNCTIONS]
    longest = sorted(functions, key=lambda found: (-found.lines, found.line))[:2]
    return (*telling, *(found for found in longest if found not in telling and found.lines > 40))


class _Reader:
    """Walks scope by scope, each with its own stack: no recursion, so that no source is too deep."""

    def __init__(self) -> None:
        self.complexity = 0
        self.classes = 0
        self.docstring_lines = 0
        self.main_line = 0
        self.found: list[FunctionFact] = []
        self.imports: list[ImportFact] = []
        self.signs: list[Sign] = []
        self._scopes: list[_Scope] = []
        self._never_on_import: dict[int, int] = {}

    def read(self, tree: ast.Module) -> None:
        self._scopes.append(_Scope(tree, "", False, False))
        while self._scopes:
            scope = self._scopes.pop()
            decisions = self._decisions(scope)
            if scope.function:
                self.complexity += decisions + 1
                self._function(scope, decisions + 1)
            else:
                self.complexity += decisions
        self.imports = [self._timed(found) for found in self.imports]

    def _timed(self, found: ImportFact) -> ImportFact:
        when = self._never_on_import.get(found.line)
        return found if when is None else msgspec.structs.replace(found, when=when)

    def _function(self, scope: _Scope, complexity: int) -> None:
        node = scope.node
        assert isinstance(node, _FUNCTIONS)
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        self.found.append(FunctionFact(scope.name, node.lineno, lines, complexity))

    def _decisions(self, scope: _Scope) -> int:
        body: list[ast.AST] = list(scope.node.body)  # type: ignore[attr-defined]
        self._docstring(body)
        count = 0
        stack = body
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind in _LEAVES:
                if kind is ast.Global:
                    self._sign(signs.GLOBAL, node)
                continue
            if kind in _PLUS_ONE:
                count += 1
            elif kind in _SPECIAL:
                count += self._special(node, scope, stack)
                if kind in _CLOSED:
                    continue
            for field in _PARTS.get(kind) or kind._fields:
                value = getattr(node, field, None)
                if value.__class__ is list:
                    stack.extend(value)
                elif type(value) not in _LEAVES:
                    stack.append(value)  # type: ignore[arg-type]
        return count

    def _docstring(self, body: list[ast.AST]) -> None:
        first = body[0] if body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            self.docstring_lines += (first.end_lineno or first.lineno) - first.lineno + 1

    def _special(self, node: ast.AST, scope: _Scope, stack: list[ast.AST]) -> int:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._open(node, scope, stack)
            case ast.Import() | ast.ImportFrom():
                self._import(node, DEFERRED if scope.deferred else AT_IMPORT)
            case ast.Call():
                self._call(node)
            case ast.If():
                self._if(node)
                return 1
            case ast.ExceptHandler():
                self._handler(node)
                return 1
            case ast.BoolOp():
                return len(node.values) - 1
            case ast.comprehension():
                return 1 + len(node.ifs)
            case ast.Match():
                return sum(not _is_wildcard(case) for case in node.cases)
        return 0

    def _open(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, scope: _Scope, stack: list[ast.AST]
    ) -> None:
        function = not isinstance(node, ast.ClassDef)
        name = f"{scope.name}.{node.name}" if scope.name else node.name
        self._scopes.append(_Scope(node, name, function, scope.deferred or function))
        stack.extend(node.decorator_list)
        if isinstance(node, ast.ClassDef):
            self.classes += 1
            stack.extend(node.bases)
            return
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        stack.extend(defaults)
        for default in defaults:
            if isinstance(default, ast.List | ast.Dict | ast.Set):
                self._sign(signs.MUTABLE_DEFAULT, default)

    def _import(self, node: ast.Import | ast.ImportFrom, when: int) -> None:
        if isinstance(node, ast.Import):
            self.imports += [ImportFact(name.name, node.lineno, when=when) for name in node.names]
            return
        module = node.module or ""
        is_stdlib = not node.level and module.partition(".")[0] in sys.stdlib_module_names
        names = () if is_stdlib else tuple(_as_written(name) for name in node.names)
        self.imports.append(ImportFact(module, node.lineno, node.level, names, when))

    def _if(self, node: ast.If) -> None:
        match node.test:
            case ast.Compare(left=ast.Name(id="__name__")):
                self.main_line = node.lineno
                self._never_on_import |= dict.fromkeys(_body_lines(node), AS_SCRIPT)
        if _last_name(node.test) == "TYPE_CHECKING":
            self._never_on_import |= dict.fromkeys(_body_lines(node), TYPES_ONLY)

    def _call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Name(id="eval" | "exec"):
                self._sign(signs.EVAL, node)
            case ast.Name(id="__import__" | "import_module") | ast.Attribute(attr="import_module"):
                self._sign(signs.DYNAMIC_IMPORT, node)
            case ast.Attribute(
                value=ast.Attribute(value=ast.Name(id="sys"), attr="path"),
                attr="insert" | "append" | "extend",
            ):
                self._sign(signs.SYS_PATH, node)
        for keyword in node.keywords:
            if keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True:
                self._sign(signs.SHELL, node)

    def _handler(self, node: ast.ExceptHandler) -> None:
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if not any(name is None or _last_name(name) in ("Exception", "BaseException") for name in caught):
            return
        if all(isinstance(line, ast.Pass | ast.Continue) or _is_constant(line) for line in node.body):
            self._sign(signs.SWALLOWED, node)
        elif not any(isinstance(inner, ast.Raise) for line in node.body for inner in ast.walk(line)):
            self._sign(signs.BROAD_EXCEPT, node)

    def _sign(self, kind: str, node: ast.AST) -> None:
        self.signs.append(Sign(kind, node.lineno))  # type: ignore[attr-defined]


_CLOSED = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom})
_SPECIAL = _CLOSED | {ast.Call, ast.If, ast.ExceptHandler, ast.BoolOp, ast.comprehension, ast.Match}


def _as_written(name: ast.alias) -> str:
    return f"{name.name}={name.asname}" if name.asname and name.asname != name.name else name.name


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _is_constant(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def _is_wildcard(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def _body_lines(node: ast.If) -> range:
    return range(node.body[0].lineno, (node.body[-1].end_lineno or node.body[-1].lineno) + 1)
