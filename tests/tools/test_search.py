"""Searching: what is found, what is left out, and that no pattern can hold a thread."""

import threading
import time

import pytest

from tests.tools.desk import Desk, Stopped
from tests.tools.test_listing import make

CODE = "import os\n\n\ndef first():\n    return os.name\n\n\ndef second():\n    return 2\n"


@pytest.fixture
def searched(desk: Desk) -> Desk:
    (desk.root / "src").mkdir()
    (desk.root / "src" / "a.py").write_text(CODE)
    (desk.root / "b.txt").write_text("def in a text\r\nDEF\r\n")
    return desk


def found(text: str) -> list[str]:
    return [line for line in text.split("\n") if not line.startswith("[")]


def test_matching_lines_come_with_file_and_number(searched: Desk) -> None:
    text = searched.text("search_files", pattern=r"^def \w+")
    assert text == ("b.txt:1: def in a text\nsrc/a.py:4: def first():\nsrc/a.py:8: def second():\n[Searched 2 files.]")


def test_globs_paths_and_case_narrow_and_widen(searched: Desk) -> None:
    assert found(searched.text("search_files", pattern="def", glob="*.txt")) == ["b.txt:1: def in a text"]
    assert found(searched.text("search_files", pattern="second", path="src")) == ["src/a.py:8: def second():"]
    assert found(searched.text("search_files", pattern="def$", path="b.txt", ignore_case=True)) == ["b.txt:2: DEF"]
    assert searched.text("search_files", pattern="absent") == "[No match.]\n[Searched 2 files.]"


def test_context_is_shown_once_and_gaps_are_marked(searched: Desk) -> None:
    text = searched.text("search_files", pattern="return", path="src", context=1)
    assert found(text) == [
        "src/a.py-4- def first():",
        "src/a.py:5:     return os.name",
        "src/a.py-6- ",
        "--",
        "src/a.py-8- def second():",
        "src/a.py:9:     return 2",
    ]


def test_a_pattern_may_go_over_lines_and_is_told_where_it_begins(searched: Desk) -> None:
    assert found(searched.text("search_files", pattern=r"\(\):\n    return 2")) == ["src/a.py:8: def second():"]


@pytest.mark.parametrize("pattern", ["", "^", "$", "x*", r"\Z"])
def test_a_pattern_that_matches_nothing_at_all_ends(searched: Desk, pattern: str) -> None:
    if pattern:
        assert len(found(searched.text("search_files", pattern=pattern, path="b.txt"))) <= 2
    else:
        assert "1 to 1000 characters" in searched.refusal("search_files", pattern=pattern)


def test_a_bad_pattern_is_told(searched: Desk) -> None:
    refusal = searched.refusal("search_files", pattern="def (")
    assert "not a regular expression of Python's: missing ), unterminated subpattern at position 4." in refusal


def test_matches_beyond_the_limit_are_left_out_and_said(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("hit\n" * 500)
    text = desk.text("search_files", pattern="hit", limit=7)
    assert found(text) == [f"a.txt:{number}: hit" for number in range(1, 8)]
    assert "[Stopped at 7 matching lines: there may be more." in text


def test_a_result_too_long_for_the_output_is_kept_whole(desk: Desk) -> None:
    desk.allow(max_output_chars=500)
    (desk.root / "a.txt").write_text("hit\n" * 100)
    output = desk.call("search_files", pattern="hit")
    assert "more lines. The whole is kept as an artifact.]" in output.text
    assert desk.whole(output).count(b"hit") == 100


def test_a_long_line_is_shown_around_the_match(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("x" * 5_000 + "needle" + "y" * 5_000)
    (line,) = found(desk.text("search_files", pattern="needle"))
    assert "xneedley" in line
    assert line.startswith("a.txt:1: [...] x")
    assert len(line) < 350


def test_binary_large_and_ignored_files_are_left_out_and_said(desk: Desk) -> None:
    desk.allow(max_file_bytes=100)
    make(desk.root, "node_modules/needle.js")
    (desk.root / "binary").write_bytes(b"needle\0")
    (desk.root / "large").write_text("needle" + "x" * 100)
    (desk.root / "wide").write_text("needle", encoding="utf-16")
    text = desk.text("search_files", pattern="needle|x")
    assert text == "wide:1: needle\n[Searched 1 files; left out: 1 binary, 1 larger than 100 bytes.]"


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(.*)*!x", "((a{1,30}){1,30}){1,30}b"])
def test_an_evil_pattern_ends_and_is_told(desk: Desk, pattern: str) -> None:
    (desk.root / "evil.txt").write_text("a" * 60 + "!")
    begin = time.monotonic()
    refusal = desk.refusal("search_files", pattern=pattern)
    assert 'The pattern takes too long in "evil.txt"' in refusal
    assert time.monotonic() - begin < 20


def test_what_was_found_before_an_evil_file_is_kept(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("aaa")
    (desk.root / "evil.txt").write_text("a" * 60 + "!")
    text = desk.text("search_files", pattern="(a+)+$")
    assert found(text) == ["a.txt:1: aaa"]
    assert "[The pattern was too slow for evil.txt; files may be unsearched.]" in text


@pytest.mark.parametrize("pattern", ["(" * 500 + ")" * 500, "a{4294967295}", "[" * 900, "x" * 1_001])
def test_a_monstrous_pattern_is_refused(desk: Desk, pattern: str) -> None:
    (desk.root / "a.txt").write_text("a")
    assert "attern" in desk.refusal("search_files", pattern=pattern)


def test_a_run_that_is_stopped_ends_its_search(desk: Desk) -> None:
    (desk.root / "evil.txt").write_text("a" * 60 + "!")
    stopper = threading.Thread(target=desk.run.stop_when_started)
    stopper.start()
    begin = time.monotonic()
    with pytest.raises(Stopped):
        desk.call("search_files", pattern="(a+)+$")
    stopper.join()
    assert time.monotonic() - begin < 1.5


def test_five_thousand_files_are_searched_in_seconds(desk: Desk) -> None:
    for number in range(5_000):
        folder = desk.root / f"d{number % 50}"
        folder.mkdir(exist_ok=True)
        (folder / f"{number}.py").write_text("def f(x):\n    return x\n" * 20 + f"needle{number}\n")
    begin = time.monotonic()
    text = desk.text("search_files", pattern="needle4999$")
    assert found(text) == ["d49/4999.py:41: needle4999"]
    assert "[Searched 5000 files.]" in text
    assert time.monotonic() - begin < 15
