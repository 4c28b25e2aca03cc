"""Globs, as people know them; and no pattern takes long."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.runtime.tools.globs import Glob
from fleetlog.runtime.tools.tool import ToolError


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ("*.py", "a.py"),
        ("*.py", "deep/down/a.py"),
        ("src/*.py", "src/a.py"),
        ("./src/*.py", "src/a.py"),
        ("src/**/*.py", "src/a.py"),
        ("src/**/*.py", "src/x/y/a.py"),
        ("**/test_*.py", "test_a.py"),
        ("src/", "src/x/y"),
        ("src/**", "src/x/y"),
        ("**/x/**/y", "a/x/b/c/y"),
        ("*.{ts,tsx}", "a/b.tsx"),
        ("{a,b}/{c,d}.txt", "b/c.txt"),
        ("[ab].txt", "b.txt"),
        ("[!ab].txt", "c.txt"),
        ("a?.txt", "ab.txt"),
    ],
)
def test_it_matches(pattern: str, path: str) -> None:
    assert Glob(pattern).matches(path)


@pytest.mark.parametrize(
    ("pattern", "path"),
    [("*.py", "a.pyc"), ("src/*.py", "src/x/a.py"), ("src/*.py", "lib/src/a.py"), ("*.PY", "a.py"), ("a.c", "abc")],
)
def test_it_does_not_match(pattern: str, path: str) -> None:
    assert not Glob(pattern).matches(path)


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_any_pattern_can_be_asked(pattern: str, path: str) -> None:
    try:
        assert Glob(pattern).matches(path) in (True, False)
    except ToolError as error:
        assert "braces" in str(error)  # noqa: PT017


@pytest.mark.parametrize("pattern", ["*a" * 100 + "b", "**/" * 100 + "b", "{a,b}" * 5 + "*" * 400])
def test_no_pattern_takes_long(pattern: str) -> None:
    glob = Glob(pattern)
    begin = time.process_time()
    glob.matches("/".join(["a" * 200] * 20))
    assert time.process_time() - begin < 1.0


@pytest.mark.parametrize("pattern", ["", "x" * 501, "{a,b}" * 20])
def test_a_pattern_that_is_too_much_is_refused(pattern: str) -> None:
    with pytest.raises(ToolError, match="The glob"):
        Glob(pattern)
