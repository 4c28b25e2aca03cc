"""The examples that docstrings give, as tests. Pure but for `examples_in`, which reads the files of a work tree."""

import ast
import doctest
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

__all__ = ["Module", "examples_in", "tests_for"]

MAX_MODULES = 20
_MAX_BYTES = 500_000


class Module(Struct, frozen=True):
    """A module of the product with examples: pairs of an expression and what it shows."""

    path: str
    name: str
    examples: list[tuple[str, str]]


def examples_in(tree: str, paths: list[str]) -> list[Module]:
    """The modules among these files whose docstrings show what expressions give. Each example stands alone: what
    follows a statement in the same docstring is left out, as it may rest on it."""
    found = []
    for path in paths:
        file = Path(tree) / path
        if file.stat().st_size > _MAX_BYTES or (name := _module_name(path)) == "":
            continue
        try:
            parsed = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError):
            continue
        examples = list(dict.fromkeys(_examples(parsed)))
        if examples:
            found.append(Module(path, name, examples))
    return found[:MAX_MODULES]


def _module_name(path: str) -> str:
    parts = list(Path(path).with_suffix("").parts)
    if parts[0] in ("src", "lib"):
        parts = parts[1:]
    if parts and parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _examples(module: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
            yield from _of_docstring(text)


def _of_docstring(text: str) -> Iterator[tuple[str, str]]:
    try:
        examples = doctest.DocTestParser().get_examples(text)
    except ValueError:
        return
    for example in examples:
        if not example.want or example.exc_msg or not _is_expression(example.source):
            return
        if not example.options:
            yield example.source.strip(), example.want.strip()


def _is_expression(source: str) -> bool:
    try:
        ast.parse(source.strip(), mode="eval")
    except SyntaxError:
        return False
    return "\n" not in source.strip()


def tests_for(module: Module) -> str:
    """A test file for the examples of a module."""
    rows = "\n".join(f"    ({source!r}, {shown!r})," for source, shown in module.examples)
    return f'''"""What the docstrings of {module.name} show, as tests."""

import pytest

import {module.name} as module

EXAMPLES = [
{rows}
]


@pytest.mark.parametrize(("source", "shown"), EXAMPLES)
def test_the_example_holds(source, shown):
    assert repr(eval(source, dict(vars(module)))) == shown
'''
