"""What a test file calls things: what it imported from unittest, and which of its classes hang together. Pure."""

import unittest
from collections.abc import Iterator, Mapping

import libcst as cst
from libcst.helpers import get_full_name_for_node
from msgspec import Struct

__all__ = ["API", "Family", "Names", "families", "names_of"]

API = frozenset(name for name in dir(unittest.TestCase) if not name.startswith("__")) | {"assertEquals", "assert_"}
"""What a class has from TestCase, also what newer Pythons took away."""


_CASES = ("TestCase", "IsolatedAsyncioTestCase")


class Names(Struct, frozen=True):
    """`known` maps what this file writes to what unittest calls it: {"unittest.skip": "skip", "TC": "TestCase"}."""

    known: Mapping[str, str]
    prefixes: tuple[str, ...]

    def of(self, node: cst.CSTNode) -> str:
        """unittest's name of what the node names; empty for anything else."""
        written = get_full_name_for_node(node) or ""
        if written in self.known:
            return self.known[written]
        prefix, _, name = written.rpartition(".")
        return name if prefix in self.prefixes else ""


def names_of(module: cst.Module) -> Names:
    """The names under which this module has unittest, wherever it imports it."""
    known: dict[str, str] = {}
    prefixes: list[str] = []
    for statement in _small_statements(module):
        if isinstance(statement, cst.Import):
            for alias in statement.names:
                if get_full_name_for_node(alias.name) in ("unittest", "unittest.case"):
                    prefixes += [_written(alias)]
        elif isinstance(statement, cst.ImportFrom) and not isinstance(statement.names, cst.ImportStar):
            source = get_full_name_for_node(statement.module) if statement.module else ""
            if source in ("unittest", "unittest.case"):
                known |= {_written(alias): str(alias.name.value) for alias in statement.names}
    return Names(known, tuple(prefixes))


def _written(alias: cst.ImportAlias) -> str:
    named = alias.asname.name if alias.asname else alias.name
    return get_full_name_for_node(named) or ""


def _small_statements(module: cst.Module) -> Iterator[cst.BaseSmallStatement]:
    for line in module.body:
        if isinstance(line, cst.SimpleStatementLine):
            yield from line.body


class Family(Struct, frozen=True):
    """Classes of a file that inherit from each other, in their order. `lines` has for each of them itself and all
    above it in this file; `methods` what each defines; `cases` are those that come from TestCase; `strangers` are
    bases that come from elsewhere, with the class that has them."""

    classes: tuple[str, ...]
    lines: Mapping[str, frozenset[str]]
    methods: Mapping[str, frozenset[str]]
    cases: frozenset[str]
    strangers: Mapping[str, str]

    def has_tests(self, name: str) -> bool:
        """A test case with tests, of its own or inherited."""
        return name in self.cases and any(
            method.startswith("test") for one in self.lines[name] for method in self.methods[one]
        )

    def inherits(self, name: str, method: str) -> bool:
        """Some class above it, in this file, defines the method."""
        return any(method in self.methods[one] for one in self.lines[name] - {name})


def families(module: cst.Module, names: Names) -> list[Family]:
    """The file's classes, those together that hang together."""
    nodes = {node.name.value: node for node in module.body if isinstance(node, cst.ClassDef)}
    parents = {name: _written_bases(node) for name, node in nodes.items()}
    lines = {name: frozenset(_line(name, parents)) for name in nodes}
    groups: list[set[str]] = []
    for line in lines.values():
        joined = [group for group in groups if group & line]
        groups = [group for group in groups if not group & line] + [set(line).union(*joined)]
    return [_family([nodes[name] for name in nodes if name in group], lines, names) for group in groups]


def _written_bases(node: cst.ClassDef) -> list[str]:
    return [get_full_name_for_node(base.value) or "an expression" for base in node.bases]


def _line(name: str, parents: Mapping[str, list[str]]) -> Iterator[str]:
    yield name
    for parent in parents[name]:
        if parent in parents and parent != name:
            yield from _line(parent, parents)


def _family(nodes: list[cst.ClassDef], lines: Mapping[str, frozenset[str]], names: Names) -> Family:
    own = {node.name.value for node in nodes}
    direct = {node.name.value for node in nodes if any(names.of(base.value) in _CASES for base in node.bases)}
    strangers = {
        node.name.value: written
        for node in nodes
        for base, written in zip(node.bases, _written_bases(node), strict=True)
        if names.of(base.value) != "TestCase" and written not in (own | {"object", "ABC", "abc.ABC"})
    }
    return Family(
        tuple(node.name.value for node in nodes),
        {name: lines[name] for name in own},
        {node.name.value: frozenset(_methods(node)) for node in nodes},
        frozenset(name for name in own if lines[name] & direct),
        strangers,
    )


def _methods(node: cst.ClassDef) -> Iterator[str]:
    return (part.name.value for part in node.body.body if isinstance(part, cst.FunctionDef))
