"""Files written and edited: all of it or nothing, exactly where it was meant."""

import hashlib
import os
import stat
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.sandbox import NoSandbox
from fleetlog.runtime.tools.tool import ToolError
from fleetlog.runtime.tools.workspace import widened
from tests.tools.desk import Desk, Stopped


def test_a_file_is_made_with_its_folders(desk: Desk) -> None:
    digest = hashlib.sha256("größe\n".encode()).hexdigest()
    text = desk.text("write_file", path="a/b/c.txt", content="größe\n")
    assert text == f"Created a/b/c.txt: 8 bytes, 1 lines, sha256 {digest}"
    assert (desk.root / "a/b/c.txt").read_text() == "größe\n"


def test_a_file_is_replaced_with_its_permissions_kept(desk: Desk) -> None:
    path = desk.root / "run.sh"
    path.write_text("old")
    path.chmod(0o750)
    assert desk.text("write_file", path="run.sh", content="new").startswith("Replaced run.sh: 3 bytes")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750
    assert os.listdir(desk.root) == ["run.sh"]


def test_a_new_file_has_the_permissions_of_any_new_file(desk: Desk) -> None:
    desk.call("write_file", path="a", content="")
    (desk.root / "b").touch()
    assert (desk.root / "a").stat().st_mode == (desk.root / "b").stat().st_mode


def test_nobody_sees_half_a_file(desk: Desk) -> None:
    path, is_over, seen = desk.root / "a", threading.Event(), set[str]()
    path.write_text("0" * 50_000)

    def look() -> None:
        while not is_over.is_set():
            seen.add(path.read_text())

    looker = threading.Thread(target=look)
    looker.start()
    for digit in "123456789" * 5:
        desk.call("write_file", path="a", content=digit * 50_000)
    is_over.set()
    looker.join()
    assert seen <= {digit * 50_000 for digit in "0123456789"}


def test_what_is_too_large_or_no_text_is_not_written(desk: Desk) -> None:
    desk.allow(max_file_bytes=10)
    assert "would have 11 bytes; at most 10" in desk.refusal("write_file", path="a", content="x" * 11)
    assert "half a surrogate pair" in desk.refusal("write_file", path="a", content="\ud800")
    assert os.listdir(desk.root) == []


@pytest.mark.parametrize("path", ["", ".", "./"])
def test_the_workspace_itself_is_no_file(desk: Desk, path: str) -> None:
    assert "folder" in desk.refusal("write_file", path=path, content="x")


def test_a_read_only_file_stays_as_it_is(desk: Desk) -> None:
    (desk.root / "a").write_text("old")
    (desk.root / "a").chmod(0o444)
    assert '"a" is read-only (mode 444)' in desk.refusal("write_file", path="a", content="new")


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "sub/.git/config", ".git"])
def test_what_git_would_run_is_not_written(desk: Desk, path: str) -> None:
    assert "belongs to git" in desk.refusal("write_file", path=path, content="#!/bin/sh")


def test_nothing_is_written_that_is_not_granted(desk: Desk) -> None:
    (desk.root / "a").write_text("old")
    desk.allow(write=False)
    call = {"path": "a", "content": "new"}
    assert "write_file is not granted" in desk.refusal("write_file", **call)
    assert "edit_file is not granted" in desk.refusal("edit_file", path="a", old="old", new="new")
    desk.policy = widened(desk.policy, "write_file", call)
    assert "write_file is not granted" in desk.refusal("write_file", path="b", content="new")
    assert desk.text("write_file", **call).startswith("Replaced a")


def test_a_stopped_run_writes_nothing(desk: Desk) -> None:
    (desk.root / "a").write_text("old")
    desk.run.stop()
    for name, more in (("write_file", {"content": "new"}), ("edit_file", {"old": "old", "new": "new"})):
        with pytest.raises(Stopped):
            desk.call(name, path="a", **more)
    assert (desk.root / "a").read_text() == "old"


# --- edits -----------------------------------------------------------------------------------

CODE = "def first():\n    return 1\n\n\ndef second():\n    return 1\n"


@pytest.fixture
def code(root: Path) -> Path:
    (root / "a.py").write_text(CODE)
    return root / "a.py"


def test_an_edit_answers_with_its_difference(desk: Desk, code: Path) -> None:
    text = desk.text("edit_file", path="a.py", old="second():\n    return 1", new="second():\n    return 2")
    digest = hashlib.sha256(code.read_bytes()).hexdigest()
    assert text == (
        f"Edited a.py: 1 replaced, sha256 {digest}\n@@ -4,3 +4,3 @@\n \n def second():\n-    return 1\n+    return 2"
    )


def test_what_occurs_twice_is_edited_only_when_all_are_meant(desk: Desk, code: Path) -> None:
    refusal = desk.refusal("edit_file", path="a.py", old="return 1", new="return 2")
    assert "more than once" in refusal
    assert "lines 2 and 6" in refusal
    assert code.read_text() == CODE
    assert "2 replaced" in desk.text("edit_file", path="a.py", old="return 1", new="return 2", all=True)
    assert code.read_text() == CODE.replace("1", "2")


def test_places_that_overlap_are_two(desk: Desk) -> None:
    (desk.root / "a").write_text("aaa")
    assert "more than once" in desk.refusal("edit_file", path="a", old="aa", new="b")


@pytest.mark.parametrize(
    ("old", "sentence"),
    [
        ("def first():\n  return 1", "Only white space differs at line 2."),
        ("def second():\n\treturn 1", "Only white space differs at line 6."),
        ("def second():\n    return 2", "Its first line stands at line 5, but then line 6 is '    return 1'."),
        ("return 1\n\n\ndef second():\n    return 2", "Its first 4 lines stand at line 2, but then line 6 is"),
        ("def frist():", "The nearest is line 1: 'def first():'."),
        ("     1\tdef first():\n     2\t    return 1", "begin with line numbers, which are not part of the file"),
        ("something else entirely", "Nothing like it is there"),
        ("\n\n\n\n\n", "Nothing like it is there"),
    ],
)
def test_a_miss_says_how_near_it_came(desk: Desk, code: Path, old: str, sentence: str) -> None:
    refusal = desk.refusal("edit_file", path="a.py", old=old, new="x")
    assert "'old' does not occur in \"a.py\". " in refusal
    assert sentence in refusal
    assert code.read_text() == CODE


def test_an_edit_that_changes_nothing_is_refused(desk: Desk, code: Path) -> None:
    assert "are the same" in desk.refusal("edit_file", path="a.py", old="first", new="first")
    assert "'old' is empty" in desk.refusal("edit_file", path="a.py", old="", new="x")


def test_ends_of_lines_and_the_byte_order_mark_stay(desk: Desk) -> None:
    path = desk.root / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\r\nthree\r\n")
    desk.call("edit_file", path="a.txt", old="one\ntwo", new="1\n2\n2b")
    assert path.read_bytes() == b"\xef\xbb\xbf1\r\n2\r\n2b\r\nthree\r\n"


def test_a_file_that_is_no_utf_8_is_not_edited(desk: Desk) -> None:
    (desk.root / "a").write_bytes(b"gr\xf6\xdfer")
    assert "an edit would damage them" in desk.refusal("edit_file", path="a", old="er", new="")


def test_a_change_by_somebody_else_is_not_overwritten(root: Path) -> None:
    (root / "a").write_text("one")
    workspace = ConfinedFolder(root)
    _, seen = workspace.read("a", 10)
    (root / "a").write_text("another")
    with pytest.raises(ToolError, match="was changed meanwhile by somebody else; read it again"):
        workspace.write("a", b"mine", seen)
    (root / "a").unlink()
    with pytest.raises(ToolError, match="was changed meanwhile"):
        workspace.write("a", b"mine", seen)


def test_an_edit_of_a_long_file_shows_the_lines_numbers_in_the_whole(desk: Desk) -> None:
    lines = [f"line {number}\n" for number in range(1, 50_001)]
    (desk.root / "a").write_text("".join(lines))
    text = desk.text("edit_file", path="a", old="line 40000\n", new="")
    assert "@@ -39998,5 +39998,4 @@" in text


TEXTS = st.text("ab \n", max_size=30)


@settings(max_examples=150, deadline=None)
@given(text=TEXTS, old=st.text("ab \n", min_size=1, max_size=3), new=TEXTS, everywhere=st.booleans())
def test_an_edit_is_a_replacement_or_a_refusal_that_changes_nothing(
    text: str, old: str, new: str, everywhere: bool
) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder), NoSandbox("not needed"))
        desk.call("write_file", path="a", content=text)
        places = [at for at in range(len(text)) if text.startswith(old, at)]
        try:
            desk.call("edit_file", path="a", old=old, new=new, all=everywhere)
        except ToolError:
            assert (desk.root / "a").read_text() == text
            assert old == new or not places or (len(places) > 1 and not everywhere)
        else:
            assert (desk.root / "a").read_text() == text.replace(old, new)
            assert everywhere or len(places) == 1


@settings(max_examples=50, deadline=None)
@given(content=st.text(max_size=50))
def test_what_is_written_is_what_is_there(content: str) -> None:
    with TemporaryDirectory() as folder:
        desk = Desk(Path(folder), NoSandbox("not needed"))
        text = desk.text("write_file", path="x/y", content=content)
        written = (desk.root / "x/y").read_bytes()
        assert written == content.encode()
        assert text.endswith(hashlib.sha256(written).hexdigest())
