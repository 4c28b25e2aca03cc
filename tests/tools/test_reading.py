"""Files as a model sees them: numbered, cut where they are long, refused where they are not text."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.runtime.tools.reading import lines_of
from fleetlog.runtime.tools.texts import decode, fitted, head_and_tail
from tests.tools.desk import Desk


def test_lines_are_numbered_and_the_heading_tells_the_whole(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes(b"one\r\ntwo\n\nfour")
    digest = hashlib.sha256(b"one\r\ntwo\n\nfour").hexdigest()
    output = desk.call("read_file", path="a.txt")
    heading = f"a.txt: 4 lines, 14 bytes, sha256 {digest}"
    assert output.text.split("\n") == [heading, "     1\tone", "     2\ttwo", "     3\t", "     4\tfour"]
    assert output.whole_sha256 == ""


def test_a_part_is_read_and_the_rest_is_told(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("".join(f"line {n}\n" for n in range(1, 101)))
    output = desk.call("read_file", path="a.txt", offset=10, limit=2)
    assert output.text.split("\n")[1:] == [
        "    10\tline 10",
        "    11\tline 11",
        "[89 more lines; go on with offset 12.]",
    ]
    assert output.whole_sha256 == ""
    assert "has 100 lines; there is no line 101" in desk.refusal("read_file", path="a.txt", offset=101)


def test_a_long_file_is_cut_and_kept_whole(desk: Desk) -> None:
    content = "".join(f"{n}\n" for n in range(1, 5001)).encode()
    (desk.root / "a.txt").write_bytes(content)
    output = desk.call("read_file", path="a.txt")
    assert "  2000\t2000\n[3000 more lines; go on with offset 2001.]" in output.text
    assert desk.whole(output) == content


def test_what_does_not_fit_into_the_output_is_cut_at_a_line(desk: Desk) -> None:
    desk.allow(max_output_chars=1_000)
    (desk.root / "a.txt").write_text("x" * 90 + "\n" + "y" * 90 + "\n" + "z\n" * 500)
    output = desk.call("read_file", path="a.txt")
    assert len(output.text) < 1_100
    last, note = output.text.split("\n")[-2:]
    following = int(last.split("\t")[0]) + 1
    assert note == f"[{503 - following} more lines; go on with offset {following}.]"
    assert desk.whole(output) == (desk.root / "a.txt").read_bytes()


def test_a_long_line_is_cut(desk: Desk) -> None:
    (desk.root / "a.txt").write_text("x" * 10_000)
    output = desk.call("read_file", path="a.txt")
    assert output.text.endswith("x [... 8000 more characters]")
    assert desk.whole(output) == b"x" * 10_000


def test_an_empty_file_can_be_read(desk: Desk) -> None:
    (desk.root / "a.txt").touch()
    assert desk.text("read_file", path="a.txt").startswith("a.txt: 0 lines, 0 bytes, sha256 e3b0c44298fc1c14")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_are_known_by_their_marks(desk: Desk, encoding: str) -> None:
    (desk.root / "a.txt").write_bytes("größer\nals €".encode(encoding))
    text = desk.text("read_file", path="a.txt")
    assert text.endswith("     1\tgrößer\n     2\tals €")
    assert ("byte order mark" in text) == (encoding != "utf-8")


def test_what_is_no_utf_8_is_replaced_and_said(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes("größer".encode("latin-1"))
    assert "not UTF-8 throughout: 2 places are shown as \ufffd" in desk.text("read_file", path="a.txt")


def test_control_characters_are_spelled_out(desk: Desk) -> None:
    (desk.root / "a.txt").write_bytes(b"\x1b[31mred\x07")
    assert desk.text("read_file", path="a.txt").endswith("\t\\x1b[31mred\\x07")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "a PNG image of 10 bytes"),
        (b"\x7fELF\0\0", "an ELF program or library of 6 bytes"),
        (b"%PDF-1.7\n", "a PDF document of 9 bytes"),
        (b"text\0text", r"binary data (it has NUL bytes) of 9 bytes"),
    ],
)
def test_a_binary_file_is_refused_with_its_kind_and_size(desk: Desk, content: bytes, kind: str) -> None:
    (desk.root / "a").write_bytes(content)
    assert f'"a" is {kind}, not text' in desk.refusal("read_file", path="a")
    assert "not text" in desk.refusal("edit_file", path="a", old="text", new="x")


def test_a_file_that_is_too_large_is_refused(desk: Desk) -> None:
    desk.allow(max_file_bytes=1_000)
    (desk.root / "a").write_bytes(b"x" * 1_001)
    assert '"a" has 1001 bytes; at most 1000' in desk.refusal("read_file", path="a")
    (desk.root / "a").write_bytes(b"x" * 1_000)
    assert "1000 bytes" in desk.text("read_file", path="a")


def test_what_is_missing_is_told(desk: Desk) -> None:
    (desk.root / "file").touch()
    assert 'There is no "no/such.txt" in the workspace' in desk.refusal("read_file", path="no/such.txt")
    assert "through something that is not" in desk.refusal("read_file", path="file/below")


@given(st.text(), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
def test_what_was_decoded_is_encoded_as_it_was(text: str, encoding: str) -> None:
    text = text.lstrip("\ufeff")
    content = text.encode(encoding)
    decoded = decode(content)
    assert decoded.text == text
    assert decoded.encoded(text) == content


@given(st.text("ab\r\n"))
def test_lines_are_what_line_feeds_end(text: str) -> None:
    assert len(lines_of(text)) == text.count("\n") + (not text.endswith("\n") and text != "")


@given(st.lists(st.text("abc", max_size=30)), st.integers(1, 60))
def test_what_is_fitted_is_a_beginning(lines: list[str], limit: int) -> None:
    text, left_out = fitted(lines, limit)
    whole = "\n".join(lines)
    assert (text == whole) == (len(whole) <= limit)
    assert len(text) <= limit
    assert text == "\n".join(lines[: len(lines) - left_out])[:limit]


@given(st.binary(max_size=200), st.integers(2, 50))
def test_head_and_tail_say_what_is_left_out(content: bytes, limit: int) -> None:
    text = head_and_tail(content, limit)
    assert ("bytes left out" in text) == (len(content) > limit)
    assert len(text) <= max(limit * 4, 50) + limit
