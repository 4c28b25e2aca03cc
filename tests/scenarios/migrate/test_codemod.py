"""The codemod alone: what it converts means the same, what it cannot is left with line and reason, nothing half-way."""

import ast
import functools
import textwrap
import unittest
from collections.abc import Callable
from types import CodeType

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from fleetlog.runtime.scenarios.migrate.codemod import convert
from fleetlog.runtime.scenarios.migrate.sabotage import asserting, turned_around

HEAD = "import unittest\n\n\nclass TestIt(unittest.TestCase):\n    def test_it(self):\n"


def converted(body: str) -> str:
    """The body of a test method, converted."""
    found = convert(HEAD + textwrap.indent(body, " " * 8) + "\n")
    assert not found.left, found.left
    return textwrap.dedent(found.source.partition("def test_it(self):\n")[2]).strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.assertEqual(a, b)", "assert a == b"),
        ("self.assertEqual(first=a, second=b, msg='no')", "assert a == b, 'no'"),
        ("self.assertEqual(a or b, c)", "assert (a or b) == c"),
        ("self.assertEqual(a == b, True)", "assert (a == b) == True"),
        ("self.assertEqual((1, 2), x)", "assert (1, 2) == x"),
        ("self.assertEqual(lambda: 1, x)", "assert (lambda: 1) == x"),
        ("self.assertTrue(a if b else c)", "assert a if b else c"),
        ("self.assertTrue(a, 'no')", "assert a, 'no'"),
        ("self.assertFalse(a or b)", "assert not (a or b)"),
        ("self.assertIs(a, b)", "assert a is b"),
        ("self.assertNotIn(a, b)", "assert a not in b"),
        ("self.assertIsNotNone(a)", "assert a is not None"),
        ("self.assertNotIsInstance(a, (B, C))", "assert not isinstance(a, (B, C))"),
        ("self.assertLessEqual(a, b)", "assert a <= b"),
        ("self.assertNotRegex(a, 'b')", "assert not re.search('b', a)"),
        ("self.assertSequenceEqual(a, b)", "assert list(a) == list(b)"),
        ("self.assertAlmostEqual(a, b, places=2)", "assert a == pytest.approx(b, rel=0, abs=5e-03)"),
        ("self.assertAlmostEqual(a, b, delta=0.5)", "assert a == pytest.approx(b, rel=0, abs=0.5)"),
        ("self.fail('no')", "pytest.fail('no')"),
        ("self.skipTest('no')", "pytest.skip('no')"),
        ("self.assertRaises(E, f, 1, x=2)", "with pytest.raises(E):\n    f(1, x=2)"),
        (
            "with self.assertRaises(E) as c:\n    f()\nprint(c.exception)",
            "with pytest.raises(E) as c:\n    f()\nprint(c.value)",
        ),
        (
            "with self.assertRaisesRegex(E, 'x'), open(f) as g:\n    f()",
            "with pytest.raises(E, match='x'), open(f) as g:\n    f()",
        ),
        ("with self.assertWarns(W):\n    f()", "with pytest.warns(W):\n    f()"),
        ("if a:\n    self.assertTrue(b)  # why", "if a:\n    assert b  # why"),
        ("self.assertTrue(a); self.assertTrue(b)", "assert a; assert b"),
        ("self.maxDiff = None\nself.assertTrue(a)", "assert a"),
    ],
)  # fmt: skip
def test_an_assertion_is_converted(before: str, after: str) -> None:
    assert converted(before) == after


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("self.addCleanup(f)", "self.addCleanup"),
        ("with self.assertLogs():\n    f()", "self.assertLogs"),
        ("check = self.assertEqual\ncheck(1, 1)", "self.assertEqual"),
        ("self.assertEqual(*pair)", "self.assertEqual"),
        ("self.assertAlmostEqual(a, b, places=n)", "self.assertAlmostEqual"),
        ("with self.assertWarns(W) as w:\n    f()", "self.assertWarns"),
        ("for x in xs:\n    with self.subTest(x=x):\n        self.assertTrue(x)", "subTest"),
        ("f(self.assertEqual)", "self.assertEqual"),
        ("return self.assertTrue(1)", "self.assertTrue"),
        ("f(self.id())", "self.id"),
    ],
)
def test_what_has_no_certain_equivalent_leaves_the_class_as_it_was(body: str, what: str) -> None:
    source = HEAD + textwrap.indent(body, " " * 8) + "\n"
    found = convert(source)
    assert (found.source, found.renamed) == (source, {})
    assert what in [left.what for left in found.left]
    assert all(left.line >= 4 and left.why for left in found.left)


def test_a_family_is_converted_together_or_not_at_all() -> None:
    source = (
        "import unittest\nclass Base(unittest.TestCase):\n    def setUp(self):\n        self.addCleanup(print)\n"
        "class One(Base):\n    def test_a(self):\n        self.assertTrue(1)\n"
        "class Other(unittest.TestCase):\n    def test_b(self):\n        self.assertTrue(1)\n"
    )
    found = convert(source)
    assert found.renamed == {"Other": "TestOther"}
    assert [(left.line, left.what) for left in found.left] == [(4, "self.addCleanup"), (5, "class One")]
    assert "class One(Base):\n    def test_a(self):\n        self.assertTrue(1)" in found.source
    assert "import unittest" in found.source
    assert convert(source, ("Other",)).source == source


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import unittest\nfrom other import Base\nclass A(Base, unittest.TestCase):\n    pass\n", "not of this file"),
        ("import unittest\nclass A(unittest.TestCase):\n    def __init__(self):\n        pass\n", "constructor"),
        ("import unittest\ndef load_tests(a, b, c):\n    pass\nclass A(unittest.TestCase):\n    pass\n", "load_tests"),
        ("import unittest\nclass A(unittest.TestCase):\n    async def test_a(self):\n        pass\n", "asynchronous"),
        ("import unittest\nclass A(:\n", "cannot be parsed"),
    ],
)
def test_a_class_that_pytest_would_not_collect_is_left(source: str, why: str) -> None:
    found = convert(source)
    assert (found.source, found.renamed) == (source, {})
    assert why in " ".join(left.why for left in found.left)


def test_a_file_without_unittest_comes_back_as_it_is() -> None:
    source = "class TestCase:\n    def test_a(self):\n        self.assertTrue(1)\n\n\nclass A(TestCase):\n    pass\n"
    assert convert(source).source == source


def test_a_name_that_is_taken_is_not_taken_twice() -> None:
    source = (
        "from unittest import TestCase as T\nclass TestA:\n    pass\n"
        "class A(T):\n    def test_a(self):\n        self.assertTrue(A)\n"
    )
    found = convert(source)
    assert found.renamed == {"A": "TestAClass"}
    assert "assert TestAClass" in found.source


VALUES = st.one_of(st.integers(-3, 3), st.floats(-1, 1), st.text("ab", max_size=2), st.none(), st.booleans())
ALIKE = ("assertEqual", "assertNotEqual", "assertIs", "assertIsNot", "assertCountEqual", "assertAlmostEqual",
         "assertNotAlmostEqual", "assertIn", "assertNotIn", "assertGreater", "assertLessEqual")  # fmt: skip


@functools.cache
def statement_of(method: str) -> CodeType:
    statement = converted(f"self.{method}(first, second)")
    return compile(ast.parse(f"import collections, pytest, re\n{statement}"), "statement", "exec")


@given(
    method=st.sampled_from(ALIKE),
    first=st.lists(VALUES, max_size=3) | VALUES,
    second=st.lists(VALUES, max_size=3) | VALUES,
)
@settings(deadline=None)
def test_the_statement_passes_exactly_when_the_method_did(method: str, first: object, second: object) -> None:
    def passes(check: Callable[[], object]) -> "bool | str":
        try:
            check()
        except AssertionError:
            return False
        except TypeError:
            return "it cannot be compared"
        return True

    code = statement_of(method)
    before = passes(lambda: getattr(unittest.TestCase(), method)(first, second))
    after = passes(lambda: exec(code, {"first": first, "second": second}))
    if before != after:
        assert "it cannot be compared" in (before, after)  # which the verifier sees, and rolls back
        assert method in ("assertCountEqual", "assertAlmostEqual", "assertNotAlmostEqual")


def test_turned_around_every_assertion_demands_the_opposite() -> None:
    source = "class TestA:\n    def test_a(self):\n        assert 1 == 1, 'm'\n    def test_b(self):\n        pass\n"
    assert "assert not (1 == 1), 'm'" in turned_around(source)
    assert asserting(source) == {"TestA::test_a"}
