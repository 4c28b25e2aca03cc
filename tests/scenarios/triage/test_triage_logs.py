"""Logs as pytest really prints them, in its styles and as CI systems keep them: the same failures are read."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.scenarios.triage.facts import Failure
from fleetlog.runtime.scenarios.triage.junit import read_junit
from fleetlog.runtime.scenarios.triage.pytest_log import read_pytest_log
from fleetlog.runtime.scenarios.triage.reading import read_log

FILES = frozenset({"shop/__init__.py", "tests/test_a.py", "tests/test_b.py", "tests/deep/test_a.py"})
TESTS = {
    "tests/test_a.py::TestCart::test_one[1]",
    "tests/test_a.py::TestCart::test_one[a - b]",
    "tests/test_a.py::test_two",
    "tests/test_a.py::test_stops",
    "tests/test_a.py::test_database",
    "tests/test_b.py",
    "tests/deep/test_a.py::test_two",
}
SOURCES = {
    "shop/__init__.py": "def find(x):\n    try:\n        return {}[x]\n    except KeyError as error:\n"
    "        raise ValueError(f'bad {x}') from error\n",
    "tests/test_a.py": "import socket\n\nimport pytest\n\nfrom shop import find\n\n\nclass TestCart:\n"
    '    @pytest.mark.parametrize("n", [1, "a - b"])\n    def test_one(self, n):\n        assert find(n) == 2\n\n\n'
    'def test_two():\n    print("FAILED to be serious")\n    assert {"a": 1} == {"a": 2}, "no good"\n\n\n'
    'def test_stops():\n    pytest.fail("on purpose")\n\n\n@pytest.fixture\ndef database():\n'
    '    socket.create_connection(("127.0.0.1", 1))\n\n\ndef test_database(database):\n    pass\n\n\n'
    "def test_fine():\n    pass\n",
    "tests/deep/test_a.py": "def test_two():\n    assert [1] == [2]\n",
    "tests/test_b.py": "import not_installed_here\n",
}
STYLES = ("long", "short", "line", "native", "no")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    for name, text in SOURCES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def printed(project: Path, *options: str) -> str:
    words = ["-p", "no:cacheprovider", "--continue-on-collection-errors", "--import-mode=importlib", *options]
    command = ["env", "PYTHONPATH=.", sys.executable, "-m", "pytest", *words, "tests"]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).stdout


@pytest.fixture(scope="module")
def long_log(project: Path) -> str:
    return printed(project)


def names(failures: tuple[Failure, ...]) -> set[str]:
    return {failure.test for failure in failures}


def by_test(failures: tuple[Failure, ...]) -> dict[str, Failure]:
    return {failure.test: failure for failure in failures}


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("more", [(), ("-q",), ("-v", "--color=yes")])
def test_every_style_names_every_failing_test_once(project: Path, style: str, more: tuple[str, ...]) -> None:
    log = read_pytest_log(printed(project, f"--tb={style}", *more), FILES)
    assert names(log.failures) == TESTS
    assert log.counted == len(log.failures) == len(TESTS)
    said = by_test(log.failures)
    assert said["tests/test_a.py::TestCart::test_one[1]"].trace.exception == "ValueError"
    assert said["tests/test_a.py::test_two"].trace.exception == "AssertionError"
    assert said["tests/test_a.py::test_database"].trace.exception == "ConnectionRefusedError"


def test_xdist_says_the_same(project: Path, long_log: str) -> None:
    log = read_pytest_log(printed(project, "-p", "xdist", "-n", "1", "-v", "--color=yes"), FILES)
    assert names(log.failures) == TESTS
    alone = by_test(read_pytest_log(long_log, FILES).failures)
    for test, failure in by_test(log.failures).items():
        assert failure.trace.exception == alone[test].trace.exception
        assert failure.trace.frames == alone[test].trace.frames


def test_junit_xml_and_the_long_log_tell_the_same(project: Path, long_log: str) -> None:
    printed(project, "--junitxml=report.xml")
    xml = by_test(read_junit((project / "report.xml").read_bytes(), FILES).failures)
    text = by_test(read_pytest_log(long_log, FILES).failures)
    assert xml.keys() == text.keys() == TESTS
    for test in TESTS:
        assert xml[test].phase == text[test].phase
        assert xml[test].trace.exception == text[test].trace.exception
        assert xml[test].trace.frames == text[test].trace.frames


def test_a_chained_exception_ends_where_the_last_one_was_raised(long_log: str) -> None:
    trace = by_test(read_pytest_log(long_log, FILES).failures)["tests/test_a.py::TestCart::test_one[1]"].trace
    assert (trace.exception, trace.message) == ("ValueError", "bad 1")
    assert [(frame.path, frame.line, frame.function) for frame in trace.frames] == [
        ("tests/test_a.py", 11, "test_one"),
        ("shop/__init__.py", 5, "find"),
    ]


PREFIXES: dict[str, Callable[[int], str]] = {
    "GitHub": lambda n: f"2026-11-23T10:{n % 60:02d}:00.{n:07d}Z ",
    "gh": lambda n: f"test (3.11)\tRun pytest\t2026-11-23T10:{n % 60:02d}:00.{n:07d}Z ",
    "GitLab": lambda n: f"2026-11-23T10:{n % 60:02d}:00.{n:06d}Z 01O ",
    "Jenkins": lambda n: f"[2026-11-23T10:{n % 60:02d}:00.{n:03d}Z] ",
    "clock": lambda n: f"[10:{n % 60:02d}:00] ",
    "compose": lambda _: "tests-1  | ",
}


@pytest.mark.parametrize("system", PREFIXES)
def test_what_a_ci_system_puts_before_each_line_is_taken_off(long_log: str, system: str) -> None:
    lines = ["##[group]Run python -m pytest", *long_log.splitlines(), "##[error]Process completed with exit code 1."]
    kept = "\r\n".join(f"{PREFIXES[system](n)}{line}" for n, line in enumerate(lines))
    plain, wrapped = (by_test(read_pytest_log(text, FILES).failures) for text in (long_log, kept))
    assert wrapped == plain


def test_a_log_that_was_cut_off_before_its_summary_still_tells_what_it_has(long_log: str) -> None:
    cut = long_log[: long_log.index("short test summary info")]
    assert names(read_pytest_log(cut, FILES).failures) == TESTS


@given(st.text(alphabet=st.sampled_from("=_ -[]E>:.py\n\tFAILED123abc/"), max_size=400))
def test_no_text_makes_the_reader_fail(text: str) -> None:
    read_pytest_log(text, FILES)


@given(st.binary(max_size=200))
def test_bytes_that_are_no_xml_are_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(InvalidArgument, match="'LOG'"):
        read_junit(b"<" + content, FILES)


@pytest.mark.parametrize(
    ("xml", "error"),
    [
        ('<!DOCTYPE a [<!ENTITY b "1"><!ENTITY c "&b;&b;">]><testsuite>&c;</testsuite>', "document type declaration"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuite/>', "document type declaration"),
        ("<testsuite><testcase>", "no well-formed XML"),
        ("<html><body/></html>", "no JUnit report"),
        ("<testsuite>&b;</testsuite>", "no well-formed XML"),
    ],
)
def test_xml_that_is_dangerous_or_something_else_is_refused(xml: str, error: str) -> None:
    with pytest.raises(InvalidArgument, match=error):
        read_junit(xml.encode(), FILES)


def test_a_log_of_windows_powershell_is_read(tmp_path: Path) -> None:
    (tmp_path / "log.txt").write_text("FAILED tests/test_a.py::test_two - assert 1 == 2\n", encoding="utf-16")
    assert names(read_log(str(tmp_path / "log.txt"), FILES).failures) == {"tests/test_a.py::test_two"}
