"""What an import means, who ties whom into a ring, where it is cut best, and where execution starts."""

from pathlib import Path

import pytest

from fleetlog.runtime.scenarios.explore.answers import answer
from fleetlog.runtime.scenarios.explore.questions import what_route, what_ties, who_depends_on
from fleetlog.runtime.scenarios.explore.survey import survey_workspace
from tests.scenarios.explore.places import atlas_of, edges_of, report_of, write


@pytest.mark.parametrize(
    ("files", "edges"),
    [
        pytest.param(
            {"app/__init__.py": "", "app/a.py": "from . import b\nfrom .sub.c import X\n", "app/b.py": "",
             "app/sub/__init__.py": "", "app/sub/c.py": "from ..b import Y\n"},
            {("app/a.py", "app/b.py"), ("app/a.py", "app/sub/c.py"), ("app/sub/c.py", "app/b.py")},
            id="relative",
        ),
        pytest.param(
            {"__init__.py": "from .a import A\n", "a.py": "from .sub.b import B\n",
             "sub/__init__.py": "", "sub/b.py": "from .. import a\n"},
            {("__init__.py", "a.py"), ("a.py", "sub/b.py"), ("sub/b.py", "a.py")},
            id="the workspace is a package itself",
        ),
        pytest.param(
            {"src/app/__init__.py": "", "src/app/a.py": "import app.b\n", "src/app/b.py": "",
             "tests/test_a.py": "from app import a\n"},
            {("src/app/a.py", "src/app/b.py"), ("tests/test_a.py", "src/app/a.py")},
            id="src layout",
        ),
        pytest.param(
            {"space/part/a.py": "from space.part.b import X\n", "space/part/b.py": ""},
            {("space/part/a.py", "space/part/b.py")},
            id="namespace package",
        ),
        pytest.param(
            {"pyproject.toml": '[tool.setuptools.package-dir]\n"big.core" = "core"\n',
             "core/__init__.py": "", "core/a.py": "from big.core import b\n", "core/b.py": ""},
            {("core/a.py", "core/b.py")},
            id="package-dir",
        ),
        pytest.param(
            {"app/__init__.py": "from app.deep import Thing\n", "app/deep.py": "", "use.py": "from app import Thing\n"},
            {("app/__init__.py", "app/deep.py"), ("use.py", "app/__init__.py"), ("use.py", "app/deep.py")},
            id="re-export",
        ),
        pytest.param(
            {"logging.py": "", "a.py": "import os\nimport requests\n", "lib/b.py": "import json\n"},
            set(),
            id="standard library and what is from outside",
        ),
    ],
)  # fmt: skip
def test_an_import_reaches_the_file_it_means(
    tmp_path: Path, files: dict[str, str], edges: set[tuple[str, str]]
) -> None:
    assert edges_of(write(tmp_path, files)) == edges


def test_a_workspace_that_is_a_package_is_known_by_its_name(tmp_path: Path) -> None:
    files = {"__init__.py": "", "a.py": "from app.sub import b\nimport app\n", "sub/__init__.py": "", "sub/b.py": ""}
    write(tmp_path / "app", {**files, "__main__.py": "from app.a import run\n"})
    assert edges_of(tmp_path / "app") == {
        ("a.py", "sub/b.py"), ("a.py", "__init__.py"), ("__main__.py", "a.py"),
    }  # fmt: skip
    survey = survey_workspace(str(tmp_path / "app"))
    assert [(entry.kind, entry.name) for entry in survey.entries] == [("python -m", "app")]


def test_a_relative_import_beyond_the_top_reaches_nothing(tmp_path: Path) -> None:
    assert edges_of(write(tmp_path, {"a.py": "from .... import b\n", "b.py": ""})) == set()


def test_an_import_for_types_only_makes_no_ring(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.py": "import b\n", "b.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import a\n"}
    )
    assert edges_of(tmp_path) == {("a.py", "b.py"), ("b.py", "a.py")}
    assert atlas_of(tmp_path).knots == []
    text = answer(atlas_of(tmp_path), who_depends_on("a.py")).text
    assert text == "1 module: `b.py:3`. Of these 1 for type checking only."


def test_packages_from_outside_are_counted_by_files(tmp_path: Path) -> None:
    write(
        tmp_path, {"a.py": "import requests\nimport requests.adapters\n", "b.py": "from requests import x\nimport os\n"}
    )
    assert survey_workspace(str(tmp_path)).links.externals == {"requests": 2}


# --- rings -----------------------------------------------------------------------------------------


RING = {"a.py": "import b\n", "b.py": "\nimport c\n", "c.py": "import a\n", "free.py": "import a\n"}


def test_a_ring_is_told_with_its_lines_and_the_import_to_cut(tmp_path: Path) -> None:
    [knot] = atlas_of(write(tmp_path, RING)).knots
    assert knot.members == ("a.py", "b.py", "c.py")
    assert knot.cycle == ("a.py:1 -> b.py", "b.py:2 -> c.py", "c.py:1 -> a.py")
    assert (knot.cuts, knot.left, knot.deferred) == (("a.py:1 -> b.py",), (0,), False)
    said = answer(atlas_of(tmp_path), what_ties(knot.members)).text
    assert said.endswith("Without `a.py:1 -> b.py` no ring is left.")


def test_the_cut_is_the_import_that_all_rings_share(tmp_path: Path) -> None:
    """Two rings, b-a-c and b-a-d, hang on one import."""
    write(tmp_path, {"a.py": "import c\nimport d\n", "b.py": "import a\n", "c.py": "import b\n", "d.py": "import b\n"})
    [knot] = atlas_of(tmp_path).knots
    assert knot.cuts == ("b.py:1 -> a.py",)


def test_a_package_that_passes_names_on_is_not_where_a_ring_is_cut(tmp_path: Path) -> None:
    write(tmp_path, {"app/__init__.py": "from app.core import X\n", "app/core.py": "import app\nX = 1\n"})
    [knot] = atlas_of(tmp_path).knots
    assert knot.cuts == ("app/core.py:1 -> app/__init__.py",)


def test_a_ring_through_an_import_inside_a_function_is_told_as_deferred(tmp_path: Path) -> None:
    [knot] = atlas_of(write(tmp_path, {"a.py": "import b\n", "b.py": "def f():\n    import a\n"})).knots
    assert knot.deferred


def test_a_ring_among_tests_is_no_ring_of_the_product(tmp_path: Path) -> None:
    write(tmp_path, {"tests/test_a.py": "import test_b\n", "tests/test_b.py": "import test_a\n", "a.py": ""})
    assert len(edges_of(tmp_path)) == 2
    assert atlas_of(tmp_path).knots == []


def test_a_ring_is_in_the_report_and_in_the_plan(tmp_path: Path) -> None:
    report = report_of(write(tmp_path, RING))
    assert "3 modules import each other while loading" in report
    assert "Which imports tie `a.py`, `b.py`, `c.py` into a ring, and where is it cut best?" in report
    assert "`a.py:1 -> b.py`" in report.partition("## Plan")[2]


# --- entry points ----------------------------------------------------------------------------------


def test_entry_points_are_found_where_they_are_declared(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "pyproject.toml": '[project]\nname = "app"\n[project.scripts]\nrun-app = "app.cli:main"\n',
            "app/__init__.py": "",
            "app/cli.py": "from app import core\n",
            "app/core.py": "",
            "app/__main__.py": "from app.cli import main\n",
            "tool.py": "\n\nif __name__ == '__main__':\n    pass\n",
            "setup.cfg": "[options.entry_points]\nconsole_scripts =\n    old = app.core:go\n",
            "package.json": '{"bin": {"web": "./web.js"}, "scripts": {"build": "x"}}',
            "web.js": "",
            "Dockerfile": "FROM x\nCMD run-app --now\n",
            "Makefile": "test:\n\ttrue\n",
            ".github/workflows/ci.yml": "on: push\n",
        },
    )
    found = {(e.kind, e.name, e.path, e.line, e.target) for e in survey_workspace(str(tmp_path)).entries}
    assert found == {
        ("console script", "run-app = app.cli:main", "pyproject.toml", 4, "app/cli.py"),
        ("console script", "old = app.core:go", "setup.cfg", 3, "app/core.py"),
        ("python -m", "app", "app/__main__.py", 1, "app/__main__.py"),
        ("__main__ block", "tool.py", "tool.py", 3, "tool.py"),
        ("npm bin", "web", "package.json", 1, "web.js"),
        ("npm script", "build", "package.json", 1, ""),
        ("container", "run-app --now", "Dockerfile", 2, ""),
        ("make", "test", "Makefile", 1, ""),
        ("CI", "ci.yml", ".github/workflows/ci.yml", 1, ""),
    }
    way = answer(atlas_of(tmp_path), what_route("app/core.py")).text
    assert way == "It is an entry point itself."


def test_a_workspace_without_entry_points_is_told_to_be_a_library(tmp_path: Path) -> None:
    assert "Entry points: none found; it is used as a library." in report_of(write(tmp_path, {"a.py": "x = 1\n"}))
