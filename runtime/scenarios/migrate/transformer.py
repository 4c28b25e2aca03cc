"""The one pass over a file's tree that converts the classes of a plan, and notes what stands against it."""

from collections.abc import Mapping, Sequence
from typing import Any

import libcst as cst
import libcst.matchers as m
from libcst.metadata import PositionProvider
from msgspec import Struct

from fleetlog.runtime.scenarios.migrate.assertions import Untold, assertion, context_manager
from fleetlog.runtime.scenarios.migrate.changes import Left
from fleetlog.runtime.scenarios.migrate.names import API, Family, Names
from fleetlog.runtime.scenarios.migrate.subtests import parametrized

__all__ = ["Plan", "Transformer"]

HOOKS = {
    "setUp": "setup_method",
    "tearDown": "teardown_method",
    "setUpClass": "setup_class",
    "tearDownClass": "teardown_class",
}
_SETTINGS = ("maxDiff", "longMessage")
_REMOVED: Any = cst.RemoveFromParent()


class Plan(Struct, frozen=True):
    """What is to be converted: whole families; `renamed` has the new name of each of their classes. `is_whole`: no test
    case of the file is left."""

    names: Names
    families: tuple[Family, ...]
    renamed: Mapping[str, str]
    is_whole: bool = True

    @property
    def classes(self) -> frozenset[str]:
        """All of them."""
        return frozenset(self.renamed)


class Transformer(cst.CSTTransformer):
    """`problems` by class; `modules` are what the new source must import."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self._plan, self._names = plan, plan.names
        self.problems: dict[str, list[Left]] = {}
        self.modules: set[str] = set()
        self._class = ""
        self._defined: set[str] = set()
        self._caught: set[str] = set()
        self._depth = 0

    # --- where we are ------------------------------------------------------------------------

    def visit_ClassDef(self, node: cst.ClassDef) -> bool | None:
        self._depth += 1
        if self._depth == 1:
            self._class = node.name.value if node.name.value in self._plan.classes else ""
            self._defined = self._methods_of(node.name.value)
            if self._class:
                self._look_at(node)
        return True

    def _methods_of(self, name: str) -> set[str]:
        """What the class defines, or inherits from a class of this file."""
        found = [family for family in self._plan.families if name in family.classes]
        return {method for family in found for one in family.lines[name] for method in family.methods[one]}

    def _look_at(self, node: cst.ClassDef) -> None:
        if "__init__" in self._defined:
            self._problem(node, "__init__", "pytest collects no class that has a constructor")
        if node.keywords:
            self._problem(node, "its metaclass", "what it does to the class is not known")

    def _problem(self, node: cst.CSTNode, what: str, why: str) -> None:
        line = self.get_metadata(PositionProvider, node).start.line
        self.problems.setdefault(self._class, []).append(Left(line, what, why))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        self._depth -= 1
        if self._depth or not self._class:
            return updated_node
        self._look_for_leftovers(original_node, updated_node)
        kept = [base for base in updated_node.bases if self._names.of(base.value) != "TestCase"]
        changes: dict[str, Any] = {"bases": _without_last_comma(kept)}
        if not kept:
            changes |= {"lpar": cst.MaybeSentinel.DEFAULT, "rpar": cst.MaybeSentinel.DEFAULT}
        name, self._class = self._class, ""
        changes["name"] = cst.Name(self._plan.renamed[name])
        made: cst.ClassDef = _with_body(updated_node.with_changes(**changes))
        return made

    def _look_for_leftovers(self, original: cst.ClassDef, made: cst.ClassDef) -> None:
        """What was to be converted, and stands where no rule has found it."""
        for found in m.findall(made, m.Attribute(m.Name("self"), m.Name())):
            name = found.attr.value  # type: ignore[attr-defined]
            told = any(left.what == f"self.{name}" for left in self.problems.get(self._class, ()))
            if name in _HANDLED - set(HOOKS) and name not in self._defined and not told:
                self._problem(original, f"self.{name}", "it is used in a way that is not known")

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.Name:
        new = self._plan.renamed.get(updated_node.value)
        return updated_node.with_changes(value=new) if new else updated_node

    # --- methods -----------------------------------------------------------------------------

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool | None:
        if self._class and node.asynchronous:
            self._problem(node, node.name.value, "it is asynchronous")
        if self._class and self._depth == 1:
            self._caught = _caught_names(node)
        return True

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        if not self._class:
            return updated_node
        name = updated_node.name.value
        made = updated_node.with_changes(name=cst.Name(HOOKS.get(name, name)))
        if (spread := parametrized(made)) is not None:
            self.modules.add("pytest")
            made = spread
        elif m.findall(updated_node, m.Attribute(m.Name("self"), m.Name("subTest"))):
            self._problem(original_node, "subTest", "it is not a plain loop over literals that could be parametrized")
        filled: cst.FunctionDef = _with_body(made)
        return filled

    def leave_Decorator(self, original_node: cst.Decorator, updated_node: cst.Decorator) -> cst.Decorator:
        if not self._class:
            return updated_node
        node = updated_node.decorator
        called = node if isinstance(node, cst.Call) else None
        name = self._names.of(called.func if called else node)
        mark = _mark(name, [argument.value for argument in called.args] if called else None)
        if mark is None:
            return updated_node
        self.modules.add("pytest")
        return updated_node.with_changes(decorator=mark)

    # --- statements --------------------------------------------------------------------------

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> Any:
        if not self._class:
            return updated_node
        body = [one for one in updated_node.body if not (_is_setting(one) or self._is_idle_super(one))]
        if not body:
            return _REMOVED
        line = updated_node.with_changes(body=body) if len(body) < len(updated_node.body) else updated_node
        if len(body) == 1:
            return self._converted(original_node, line, body[0])
        parts = [self._converted(original_node, line.with_changes(body=[one]), one) for one in body]
        if not all(isinstance(part, cst.SimpleStatementLine) for part in parts):
            self._problem(original_node, "this line", "it has several statements, of which one becomes a block")
            return updated_node
        return line.with_changes(
            body=[part.body[0].with_changes(semicolon=old.semicolon) for part, old in zip(parts, body, strict=True)]
        )

    def _converted(
        self, original: cst.CSTNode, line: cst.SimpleStatementLine, statement: cst.BaseSmallStatement
    ) -> Any:
        """The line with this one statement, by pytest's means."""
        call = _own_call(statement)
        if call is None or (method := _method(call)) in self._defined:
            return line
        try:
            return self._statement(line, method, call)
        except Untold as reason:
            self._problem(original, f"self.{method}", str(reason))
            return line

    def _statement(self, line: cst.SimpleStatementLine, method: str, call: cst.Call) -> cst.BaseStatement:
        if method in ("fail", "skipTest"):
            self.modules.add("pytest")
            function = cst.Attribute(cst.Name("pytest"), cst.Name("fail" if method == "fail" else "skip"))
            arguments = [argument.with_changes(keyword=None) for argument in call.args]
            return line.with_changes(body=[cst.Expr(cst.Call(function, arguments or [_text("failed")]))])
        if method in ("assertRaises", "assertRaisesRegex") and len(call.args) > (2 if "Regex" in method else 1):
            return self._called_within(line, method, call)
        found = assertion(method, call)
        if found is None:
            return line
        needs, message = found
        self.modules |= needs.modules
        return line.with_changes(body=[cst.Assert(_on_one_line(needs.node), message)])

    def _called_within(self, line: cst.SimpleStatementLine, method: str, call: cst.Call) -> cst.With:
        """`assertRaises(E, function, ...)`, as a block."""
        size = 2 if "Regex" in method else 1
        if any(argument.star or argument.keyword for argument in call.args[: size + 1]):
            raise Untold("what it calls is not given by place")
        manager = context_manager(method, call.with_changes(args=_without_last_comma(call.args[:size])))
        assert manager is not None
        self.modules |= manager.modules
        inner = cst.Call(call.args[size].value, _without_last_comma(call.args[size + 1 :]))
        body = cst.IndentedBlock([cst.SimpleStatementLine([cst.Expr(inner)])])
        return cst.With([cst.WithItem(manager.node)], body, leading_lines=line.leading_lines)

    def leave_WithItem(self, original_node: cst.WithItem, updated_node: cst.WithItem) -> cst.WithItem:
        call = updated_node.item
        if not self._class or not m.matches(call, m.Call(m.Attribute(m.Name("self"), m.Name()))):
            return updated_node
        assert isinstance(call, cst.Call)
        method = _method(call)
        try:
            manager = context_manager(method, call)
            if manager is not None and method.startswith("assertWarns") and updated_node.asname:
                raise Untold("pytest's record of warnings has other fields")
        except Untold as reason:
            self._problem(original_node, f"self.{method}", str(reason))
            return updated_node
        if manager is None:
            return updated_node
        self.modules |= manager.modules
        return updated_node.with_changes(item=manager.node)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        if not self._class:
            return updated_node
        name, value = updated_node.attr.value, updated_node.value
        if name == "exception" and isinstance(value, cst.Name) and value.value in self._caught:
            return updated_node.with_changes(attr=cst.Name("value"))
        if name in HOOKS and (_is_self(value) or m.matches(value, m.Call(m.Name("super")))):
            return updated_node.with_changes(attr=cst.Name(HOOKS[name]))
        return updated_node

    def visit_Attribute(self, node: cst.Attribute) -> bool | None:
        """What is TestCase's, and none of ours: it must be gone when the class is no TestCase any more."""
        name = node.attr.value
        if self._class and _is_self(node.value) and name in API - _HANDLED and name not in self._defined:
            self._problem(node, f"self.{name}", "it has no equivalent that is certain")
        return True

    def visit_Lambda(self, node: cst.Lambda) -> bool | None:
        return self._no_assertions_in(node, "a lambda")

    def visit_Return(self, node: cst.Return) -> bool | None:
        return self._no_assertions_in(node, "a return")

    def visit_Assign(self, node: cst.Assign) -> bool | None:
        return self._no_assertions_in(node, "an assignment")

    def _no_assertions_in(self, node: cst.CSTNode, where: str) -> bool:
        """An assertion is a statement in pytest: as a value it cannot be converted."""
        if self._class:
            for found in m.findall(node, m.Attribute(m.Name("self"), m.Name())):
                name = found.attr.value  # type: ignore[attr-defined]
                if name in _HANDLED and name.startswith("assert") and name not in self._defined:
                    self._problem(node, f"self.{name}", f"it is used as a value, in {where}")
        return True

    def _is_idle_super(self, statement: cst.BaseSmallStatement) -> bool:
        """`super().setUp()` where nothing above has one any more."""
        hook = m.Expr(m.Call(m.Attribute(m.Call(m.Name("super")), m.Name())))
        if not m.matches(statement, hook):
            return False
        name = statement.value.func.attr.value  # type: ignore[attr-defined]
        family = next(family for family in self._plan.families if self._class in family.classes)
        old = next((old for old, new in HOOKS.items() if new == name), "")
        return bool(old) and not family.inherits(self._class, old)

    # --- the file ----------------------------------------------------------------------------

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:
        """`if __name__ == "__main__": unittest.main()` runs nothing any more."""
        body = updated_node.body.body
        runs = m.SimpleStatementLine([m.Expr(m.Call())])
        if self._depth or updated_node.orelse or len(body) != 1 or not m.matches(body[0], runs):
            return updated_node
        call = body[0].body[0].value  # type: ignore[union-attr]
        return _REMOVED if self._names.of(call.func) == "main" and self._plan.is_whole else updated_node


_HANDLED = frozenset(
    {
        "assertEqual", "assertEquals", "assertNotEqual", "assertIs", "assertIsNot", "assertIn", "assertNotIn",
        "assertGreater", "assertGreaterEqual", "assertLess", "assertLessEqual", "assertDictEqual", "assertListEqual",
        "assertTupleEqual", "assertSetEqual", "assertMultiLineEqual", "assertSequenceEqual", "assertCountEqual",
        "assertTrue", "assert_", "assertFalse", "assertIsNone", "assertIsNotNone", "assertIsInstance",
        "assertNotIsInstance", "assertRegex", "assertNotRegex", "assertAlmostEqual", "assertNotAlmostEqual",
        "assertRaises", "assertRaisesRegex", "assertWarns", "assertWarnsRegex", "fail", "skipTest", "subTest",
        *HOOKS, *_SETTINGS,
    }
)  # fmt: skip


def _is_self(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.Name) and node.value in ("self", "cls")


def _is_setting(statement: cst.BaseSmallStatement) -> bool:
    if not isinstance(statement, cst.Assign) or len(statement.targets) != 1:
        return False
    target = statement.targets[0].target
    name = target.attr if isinstance(target, cst.Attribute) and _is_self(target.value) else target
    return isinstance(name, cst.Name) and name.value in _SETTINGS


def _own_call(statement: cst.BaseSmallStatement) -> cst.Call | None:
    """The call, if the statement is `self.METHOD(...)`."""
    if not m.matches(statement, m.Expr(m.Call(m.Attribute(m.Name("self"), m.Name())))):
        return None
    assert isinstance(statement, cst.Expr)
    assert isinstance(statement.value, cst.Call)
    return statement.value


def _method(call: cst.Call) -> str:
    assert isinstance(call.func, cst.Attribute)
    return call.func.attr.value


def _caught_names(node: cst.FunctionDef) -> set[str]:
    """What `with self.assertRaises(...) as NAME` binds in this method."""
    raises = m.Call(m.Attribute(m.Name("self"), m.Name("assertRaises") | m.Name("assertRaisesRegex")))
    items = m.findall(node, m.WithItem(item=raises, asname=m.AsName(name=m.Name())))
    return {item.asname.name.value for item in items}  # type: ignore[attr-defined]


def _mark(name: str, arguments: Sequence[cst.BaseExpression] | None) -> cst.BaseExpression | None:
    """pytest's mark for a decorator of unittest's; None for any other decorator."""
    if name == "expectedFailure":
        return _call("xfail", [_keyword("strict", cst.Name("True"))])
    if name == "skip" and arguments:
        return _call("skip", [_keyword("reason", arguments[0])])
    if name in ("skipIf", "skipUnless") and arguments is not None and len(arguments) == 2:
        condition = arguments[0]
        if name == "skipUnless":
            parenthesised = condition.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
            plain = isinstance(condition, cst.Name | cst.Attribute | cst.Call)
            condition = cst.UnaryOperation(cst.Not(), condition if plain else parenthesised)
        return _call("skipif", [cst.Arg(condition), _keyword("reason", arguments[1])])
    return None


def _call(mark: str, arguments: list[cst.Arg]) -> cst.Call:
    return cst.Call(cst.Attribute(cst.Attribute(cst.Name("pytest"), cst.Name("mark")), cst.Name(mark)), arguments)


def _keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    plain = cst.SimpleWhitespace("")
    return cst.Arg(value, keyword=cst.Name(name), equal=cst.AssignEqual(plain, plain))


def _text(text: str) -> cst.Arg:
    return cst.Arg(cst.SimpleString(f'"{text}"'))


def _without_last_comma(arguments: Sequence[cst.Arg]) -> list[cst.Arg]:
    """The arguments, the last without the comma and the line break behind it."""
    return [
        argument.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=cst.SimpleWhitespace(""))
        if argument is arguments[-1]
        else argument
        for argument in arguments
    ]


def _on_one_line(node: cst.BaseExpression) -> cst.BaseExpression:
    """In parentheses if the statement would otherwise break in the middle."""
    if "\n" not in cst.Module([]).code_for_node(node) or node.lpar:
        return node
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _with_body(node: Any) -> Any:
    """The node, with a `pass` where nothing is left in it."""
    if node.body.body:
        return node
    return node.with_changes(body=cst.IndentedBlock([cst.SimpleStatementLine([cst.Pass()])]))
