"""Other languages, by their shape; what a repository declares of itself; and files made to take for ever."""

import json
import time
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from fleetlog.runtime.scenarios.explore.manifests import Manifests, read_manifests
from fleetlog.runtime.scenarios.explore.rough_facts import rough_facts
from tests.scenarios.explore.places import atlas_of, edges_of, report_of, write


@pytest.mark.parametrize(
    ("language", "source", "name", "lines", "complexity"),
    [
        ("JavaScript", "function f(a) {\n  if (a && b) { return 'if {' }\n}\n", "f", 3, 3),
        ("TypeScript", "export const f = async (a: number): number => {\n  for (;;) {}\n}\n", "f", 3, 2),
        ("TypeScript", "class A {\n  private run(a: B): void {\n    a ? b : c\n  }\n}\n", "run", 3, 2),
        ("Go", "func (s *S) Run(a int) error {\n\tif a > 0 {\n\t}\n\treturn nil\n}\n", "Run", 5, 2),
        ("Java", "class A {\n  public int run(int a) {\n    while (a) {} // if\n    return a;\n  }\n}\n", "run", 4, 2),
        ("Rust", 'fn run(a: u8) -> u8 {\n  match a { 1 => "}", _ => "" }\n}\n', "run", 3, 3),
        ("C", "static int run(int a)\n{\n  switch (a) { case 1: case 2: return '}'; }\n}\n", "run", 4, 3),
        ("C++", "void A::run(int a) {\n  /* if } */ if (a || b) {}\n}\n", "A::run", 3, 3),
    ],
)
def test_a_function_is_found_by_its_shape(language: str, source: str, name: str, lines: int, complexity: int) -> None:
    found = rough_facts(source, language).largest[0]
    assert (found.name, found.lines, found.complexity) == (name, lines, complexity)


@pytest.mark.parametrize(
    ("files", "edges"),
    [
        (
            {"a.ts": "import x from './b'\nimport y from 'react'\n", "b.tsx": "", "c/index.js": "",
             "d.js": "const c = require('./c')\n"},
            {("a.ts", "b.tsx"), ("d.js", "c/index.js")},
        ),
        (
            {"go.mod": "module x.org/app\n", "main.go": 'package main\nimport "x.org/app/in"\n',
             "in/a.go": "package in\n"},
            {("main.go", "in/a.go")},
        ),
        ({"src/a/B.java": "import a.C;\n", "src/a/C.java": ""}, {("src/a/B.java", "src/a/C.java")}),
        ({"src/main.rs": "mod a;\nuse crate::a::X;\n", "src/a.rs": ""}, {("src/main.rs", "src/a.rs")}),
        ({"a.c": '#include "inc/a.h"\n#include <stdio.h>\n', "inc/a.h": ""}, {("a.c", "inc/a.h")}),
    ],
)  # fmt: skip
def test_imports_of_other_languages_are_followed(
    tmp_path: Path, files: dict[str, str], edges: set[tuple[str, str]]
) -> None:
    assert edges_of(write(tmp_path, files)) == edges


def test_tests_are_found_by_the_conventions_of_each_language(tmp_path: Path) -> None:
    names = ["a_test.go", "b.spec.ts", "c.test.js", "CTest.java", "tests/test_d.py", "d_test.py"]
    write(tmp_path, dict.fromkeys([*names, "tests/helper.py", "e.py"], "x\n"))
    assert {file.path for file in atlas_of(tmp_path).tests} == set(names)


def test_a_language_that_is_only_counted_is_said_to_be(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, {"a.rb": "def f\nend\n", "b.go": "package b\n"}))
    assert "| Ruby | 1 | 2 | 0 | lines counted only |" in report
    assert "| Go | 1 | 1 | 0 | by regular expressions, rough |" in report
    assert "- functions and imports of Ruby: their lines were counted, nothing more" in report


def test_a_workspace_without_python_is_mapped_all_the_same(tmp_path: Path) -> None:
    body = "".join(f"function f{n}(a) {{\n  if (a && b || c) {{ return a ? b : c }}\n}}\n" for n in range(12))
    report = report_of(write(tmp_path, {"a.js": body, "README.md": "# x\n"}))
    assert "code lines: JavaScript 36" in report
    assert "What depends on `a.js`?" in report


_LINES = "x\n" * 2_000
_COUNT = 300_000
HOSTILE = {
    "a word without end": ("TypeScript", _LINES + "a" * 3 * _COUNT),
    "calls without end": ("TypeScript", "function(" * (_COUNT // 3) + _LINES),
    "comments without end": ("TypeScript", "/* " * _COUNT + _LINES),
    "escapes": ("Rust", '\\"' * _COUNT),
    "signatures without end": ("Rust", "fn a\n" * (_COUNT // 2)),
    "blocks without end": ("C++", "void f(){\n" * (_COUNT // 4)),
    "blocks in blocks": ("Java", "int f() { if (a) {\n" * (_COUNT // 6)),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_takes_for_ever(name: str) -> None:
    """Each took from minutes to hours when a pattern was tried again from each letter."""
    language, source = HOSTILE[name]
    started = time.process_time()
    rough_facts(source, language)
    assert time.process_time() - started < 20.0


# --- what a repository declares of itself ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("package.json", "{"),
        ("package.json", "[" * 100_000),
        ("pyproject.toml", "a = " + "[" * 100_000),
        ("pyproject.toml", "a ="),
        ("setup.cfg", "no section\n"),
    ],
)
def test_a_manifest_that_cannot_be_understood_is_said_to_be(tmp_path: Path, name: str, content: str) -> None:
    report = report_of(write(tmp_path, {name: content, "a.py": "x = 1\n"}))
    assert "manifest not understood" in report
    assert name in report.partition("## What was not seen")[2]


def test_a_manifest_cannot_write_into_the_report(tmp_path: Path) -> None:
    named = json.dumps({"scripts": {"a\n# Forged `x`": "", "\ud800": ""}, "bin": {"<b>": "x.js"}, "name": 5})
    report = report_of(write(tmp_path, {"package.json": named}))
    assert "\n# Forged" not in report
    assert "a # Forged 'x'" in report


_TEXTS = st.text(st.characters(), max_size=5)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=st.dictionaries(st.sampled_from(["bin", "name", "main", "scripts"]), _JSON))
def test_whatever_a_package_json_holds_its_figures_can_be_stored(tmp_path: Path, document: dict[str, Any]) -> None:
    write(tmp_path, {"package.json": json.dumps(document)})
    found = read_manifests(str(tmp_path), ["package.json"])
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(found))
    assert msgspec.convert(stored, Manifests) == found
