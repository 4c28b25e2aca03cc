"""Figures of one file: complexity, functions, lines and warning signs of known snippets."""

import pytest

from fleetlog.runtime.scenarios.explore import signs
from fleetlog.runtime.scenarios.explore.python_facts import PythonFacts, parse, python_facts


def facts(source: str) -> PythonFacts:
    return python_facts(parse(source))


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass", 2),
        ("if a: pass\n    elif b: pass\n    else: pass", 3),
        ("for x in a: pass\n    else: pass", 2),
        ("while a: pass", 2),
        ("async for x in a: pass", 2),
        ("try: pass\n    except A: pass\n    except B: pass\n    finally: pass", 3),
        ("with a: pass", 1),
        ("assert a", 1),
        ("return a if b else c", 2),
        ("return a and b and c", 3),
        ("return a and b or c", 3),
        ("return not a", 1),
        ("return [x for x in a]", 2),
        ("return [x for x in a if x if y]", 4),
        ("return {x: y for x in a for y in b}", 3),
        ("return lambda: a if b else c", 2),
        ("match a:\n        case 1: pass\n        case 2 | 3: pass\n        case _: pass", 3),
        ("match a:\n        case 1: pass\n        case x if x: pass", 3),
        ("match a:\n        case [1, x]: pass\n        case other: pass", 2),
    ],
)
def test_complexity_counts_what_mccabe_counts(body: str, complexity: int) -> None:
    found = facts(f"async def f(a, b, c):\n    {body}\n")
    assert found.largest[0].complexity == complexity
    assert found.complexity == complexity


def test_a_nested_function_counts_for_itself_and_a_class_body_for_the_module() -> None:
    found = facts(
        "class A:\n"
        "    x = 1 if y else 2\n"
        "    def method(self):\n"
        "        def inner():\n"
        "            if a: pass\n"
        "        for x in y: pass\n"
    )
    assert {(f.name, f.line, f.lines, f.complexity) for f in found.largest} == {
        ("A.method", 3, 4, 2),
        ("A.method.inner", 4, 2, 2),
    }
    assert (found.functions, found.classes) == (2, 1)
    assert found.complexity == 5


def test_a_decorators_and_a_defaults_branches_count_for_the_place_they_stand_in() -> None:
    found = facts("@(a if b else c)\ndef f(x=1 if y else 2):\n    pass\n")
    assert found.largest[0].complexity == 1
    assert found.complexity == 3


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("try: pass\nexcept: pass", signs.SWALLOWED),
        ("try: pass\nexcept Exception: ...", signs.SWALLOWED),
        ("try: pass\nexcept (ValueError, Exception): print(1)", signs.BROAD_EXCEPT),
        ("def f(a=[]): pass", signs.MUTABLE_DEFAULT),
        ("def f(*, a={}): pass", signs.MUTABLE_DEFAULT),
        ("eval('1')", signs.EVAL),
        ("import importlib\nimportlib.import_module(x)", signs.DYNAMIC_IMPORT),
        ("import sys\nsys.path.insert(0, x)", signs.SYS_PATH),
        ("run(x, shell=True)", signs.SHELL),
        ("def f():\n    global a", signs.GLOBAL),
    ],
)
def test_a_warning_sign_is_found_at_its_line(source: str, kind: str) -> None:
    assert [(sign.kind, sign.line) for sign in facts(f"\n{source}\n").signs] == [(kind, 2 + source.count("\n"))]


@pytest.mark.parametrize(
    "source",
    [
        "try: pass\nexcept Exception:\n    raise",
        "try: pass\nexcept ValueError: pass",
        "def f(a=(), b=None): pass",
        "run(x, shell=False)",
        "obj.eval('1')",
        "a.path.insert(0, x)",
    ],
)
def test_what_only_looks_like_a_warning_sign_is_none(source: str) -> None:
    assert facts(source).signs == ()


def test_the_main_block_is_found_and_its_imports_do_not_count_as_loading() -> None:
    found = facts("import a\nif __name__ == '__main__':\n    import b\n")
    assert found.main_line == 2
    assert [(imported.module, imported.when) for imported in found.imports] == [("a", 0), ("b", 2)]


@pytest.mark.parametrize(
    "source",
    [
        "x = " + "a." * 900 + "b\n",
        "".join("    " * depth + "if a:\n" for depth in range(90)) + "    " * 90 + "pass\n",
        "x = " + " + ".join(["1"] * 900) + "\n",
    ],
)
def test_source_that_is_deep_but_parses_is_read_without_recursion(source: str) -> None:
    assert facts(source).complexity == source.count("if a")
