"""A loop of sub-tests over literals as a parametrized test. Pure."""

from typing import Any

import libcst as cst
import libcst.matchers as m

__all__ = ["parametrized"]

_CONSTANTS = ("True", "False", "None")
_SUB_TEST = m.With(items=[m.WithItem(item=m.Call(m.Attribute(m.Name("self"), m.Name("subTest"))), asname=None)])
_LOOP = m.For(body=m.IndentedBlock([_SUB_TEST]), orelse=None)


def parametrized(function: cst.FunctionDef) -> cst.FunctionDef | None:
    """The test with its loop taken apart, if it is nothing but a loop over literals with a sub-test; else None."""
    body = list(function.body.body)
    if body and m.matches(body[0], m.SimpleStatementLine([m.Expr(m.SimpleString() | m.ConcatenatedString())])):
        head, body = body[:1], body[1:]
    else:
        head = []
    if len(body) != 1 or not m.matches(body[0], _LOOP) or not function.name.value.startswith("test"):
        return None
    loop: Any = body[0]
    names = _names(loop.target)
    if names is None or not _is_literal(loop.iter) or len(function.params.params) != 1:
        return None
    inner = loop.body.body[0].body
    if m.findall(inner, m.Attribute(m.Name("self"), m.Name("subTest")) | m.Continue() | m.Break()):
        return None
    params = [*function.params.params, *(cst.Param(cst.Name(name)) for name in names)]
    return function.with_changes(
        decorators=[*function.decorators, cst.Decorator(_parametrize(names, loop.iter))],
        params=function.params.with_changes(params=params),
        body=inner.with_changes(body=[*head, *inner.body]),
    )


def _names(target: cst.BaseExpression) -> list[str] | None:
    parts = [element.value for element in target.elements] if isinstance(target, cst.Tuple) else [target]
    names = [part.value for part in parts if isinstance(part, cst.Name)]
    return names if len(names) == len(parts) and "self" not in names else None


def _is_literal(node: cst.BaseExpression) -> bool:
    """A list or tuple of which nothing must be looked up: it can stand above the class's methods."""
    if not isinstance(node, cst.List | cst.Tuple) or not node.elements:
        return False
    looked_up = m.findall(node, m.Call() | m.Attribute() | m.Subscript() | m.StarredElement() | m.Name())
    return all(isinstance(found, cst.Name) and found.value in _CONSTANTS for found in looked_up)


def _parametrize(names: list[str], values: cst.BaseExpression) -> cst.Call:
    mark = cst.Attribute(cst.Attribute(cst.Name("pytest"), cst.Name("mark")), cst.Name("parametrize"))
    bare = isinstance(values, cst.Tuple) and not values.lpar
    if bare:
        values = values.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    return cst.Call(mark, [cst.Arg(cst.SimpleString(f'"{", ".join(names)}"')), cst.Arg(values)])
