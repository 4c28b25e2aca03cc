"""Tests turned around: each assertion demands the opposite. A test that still passes then asserts nothing. Pure."""

import ast
from collections.abc import Iterator

import libcst as cst

__all__ = ["asserting", "turned_around"]


class _Turner(cst.CSTTransformer):
    def leave_Assert(self, original_node: cst.Assert, updated_node: cst.Assert) -> cst.Assert:
        test = updated_node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        return updated_node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def turned_around(source: str) -> str:
    """The same tests, demanding the opposite."""
    return cst.parse_module(source).visit(_Turner()).code


def asserting(source: str) -> frozenset[str]:
    """The tests that have an assertion, as `Class::name`, or `module::name` outside of classes."""
    return frozenset(_asserting(ast.parse(source)))


def _asserting(module: ast.Module) -> Iterator[str]:
    for node in module.body:
        owner, parts = (node.name, node.body) if isinstance(node, ast.ClassDef) else ("", [node])
        for part in parts:
            if isinstance(part, ast.FunctionDef) and any(isinstance(inner, ast.Assert) for inner in ast.walk(part)):
                yield f"{owner}::{part.name}"
