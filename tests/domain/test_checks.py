"""The checks of single arguments: what passes unchanged, and the words of each refusal."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument

LONE = "\udfff"


def says(words: str, check: Any, *arguments: Any, **options: Any) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check(*arguments, **options)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("plain", '"plain"'),
        ("", '""'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 57}..."'),
        ("a\nb", r"'a\nb'"),
        ("a\x1b[31m", r"'a\x1b[31m'"),
        ("a\u2028b", r"'a\u2028b'"),
        (LONE, r"'\udfff'"),
        (None, "None"),
        (True, "True"),
        (5, "5 (int)"),
        (1.5, "1.5 (float)"),
        (["a"], "['a'] (list)"),
        ([0] * 100, "[" + "0, " * 18 + "0,... (list)"),
    ],
)
def test_a_value_is_shown_short_quoted_and_with_its_type(value: object, words: str) -> None:
    assert checks.shown(value) == words


def test_a_number_that_python_does_not_write_out_is_refused_like_any_other() -> None:
    too_long = "a number too long to show"
    says(f"'goal' must be a string, got {too_long} (int)", checks.text, "goal", 10**5000)
    says(f"'limit' must be <= 9223372036854775807, got {too_long}", checks.integer, "limit", 10**5000)
    says(f"'limit' must be >= 1, got {too_long}", checks.integer, "limit", -(10**5000))
    says(f"'timeout_s' must be a finite number, got {too_long}", checks.seconds, "timeout_s", 10**5000)


@given(st.text(st.characters(codec=None)) | st.integers() | st.floats() | st.lists(st.text()) | st.binary())
@settings(deadline=None)
def test_whatever_is_shown_is_short_and_has_no_line_breaks(value: object) -> None:
    words = checks.shown(value)
    assert len(words.splitlines()) <= 1
    assert len(words) <= 10 * 62
    words.encode()


def test_text_passes_unchanged() -> None:
    for value in ("", " ", "a\nb\t", "日本語", "😀"):
        assert checks.text("goal", value) == value


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (5, {}, "'goal' must be a string, got 5 (int)"),
        (None, {"empty": False}, "'goal' must be a non-empty string, got None"),
        (" \t", {"empty": False}, r"'goal' must be a non-empty string, got ' \t'"),
        ("abc", {"max_chars": 2}, "'goal' has 3 characters (limit 2)"),
        ("a\0", {}, "'goal' holds a NUL or a lone surrogate, which cannot be stored as text"),
        ("é\0", {}, "'goal' holds a NUL or a lone surrogate, which cannot be stored as text"),
        (LONE, {}, "'goal' holds a NUL or a lone surrogate, which cannot be stored as text"),
    ],
)
def test_text_that_is_refused(value: object, options: dict[str, Any], words: str) -> None:
    says(words, checks.text, "goal", value, **options)


@given(st.text(st.characters(codec=None)))
@settings(deadline=None)
def test_text_that_passes_can_be_stored(value: str) -> None:
    try:
        checks.text("goal", value)
    except InvalidArgument:
        return
    assert "\0" not in value.encode().decode()


@pytest.mark.parametrize("value", ["a", "agent-1-2-3-x", "x" * 200, "日本", "*", "a b"])
def test_an_identifier_passes_unchanged(value: str) -> None:
    assert checks.identifier("agent_id", value) == value


@pytest.mark.parametrize("value", ["", "x" * 201, "a\nb", "a\0", LONE, "\u202e", 5, None, b"a", True])
def test_an_identifier_that_is_refused(value: object) -> None:
    says(
        "'agent_id' is required and must be a non-empty string of at most 200 printable characters, "
        f"got {checks.shown(value)}",
        checks.identifier,
        "agent_id",
        value,
    )


@pytest.mark.parametrize("value", ["a", "0", "a-b_c.d", "x" * 64, "a--b", "a..b"])
def test_a_name_passes_unchanged(value: str) -> None:
    assert checks.name("name", value) == value


@pytest.mark.parametrize("value", ["", "A", "-a", "a-", ".a", "_a", "a b", "x" * 65, "a\n", "é", "a/b", "*", 5, None])
def test_a_name_that_is_refused(value: object) -> None:
    says(
        "'name' must be 1 to 64 lower-case letters, digits, '-', '_' or '.', beginning and ending with a "
        f"letter or digit, got {checks.shown(value)}",
        checks.name,
        "name",
        value,
    )


def test_a_payload_is_measured_in_bytes() -> None:
    assert checks.payload("x" * 65_536) == "x" * 65_536
    assert checks.payload("é" * 32_768)
    says(
        "Payload too large: 65537 bytes (limit 65536); store it as an artifact and send its sha256",
        checks.payload,
        "x" * 65_537,
    )
    says(
        "Payload too large: 65538 bytes (limit 65536); store it as an artifact and send its sha256",
        checks.payload,
        "é" * 32_769,
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "'payload' must be a non-empty string, got \"\""),
        ({"a": 1}, "'payload' must be a non-empty string, got {'a': 1} (dict)"),
        (LONE, "'payload' holds a NUL or a lone surrogate, which cannot be stored as text"),
    ],
)
def test_a_payload_that_is_refused(value: object, words: str) -> None:
    says(words, checks.payload, value)


def test_a_choice_is_exactly_one_of_the_words() -> None:
    assert checks.choice("outcome", "done", ("done", "retry")) == "done"
    for value in ("Done", "", " done", None, 0, ["done"]):
        says(
            f"'outcome' must be exactly one of done | retry, got {checks.shown(value)}",
            checks.choice,
            "outcome",
            value,
            ("done", "retry"),
        )


@pytest.mark.parametrize("value", [1, 5, 2**63 - 1])
def test_an_integer_passes_unchanged(value: int) -> None:
    assert checks.integer("limit", value) == value


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (True, {}, "'limit' must be an integer, got True"),
        (1.0, {}, "'limit' must be an integer, got 1.0 (float)"),
        ("1", {}, "'limit' must be an integer, got \"1\""),
        (None, {}, "'limit' must be an integer, got None"),
        (0, {}, "'limit' must be >= 1, got 0"),
        (-1, {"at_least": 0}, "'limit' must be >= 0, got -1"),
        (11, {"at_most": 10}, "'limit' must be <= 10, got 11"),
        (2**63, {}, "'limit' must be <= 9223372036854775807, got 9223372036854775808"),
    ],
)
def test_an_integer_that_is_refused(value: object, options: dict[str, Any], words: str) -> None:
    says(words, checks.integer, "limit", value, **options)


@pytest.mark.parametrize("value", [1, 0.001, 1e300])
def test_seconds_pass_as_a_float(value: float) -> None:
    found = checks.seconds("timeout_s", value)
    assert found == value
    assert type(found) is float


def test_no_seconds_pass_where_they_may() -> None:
    assert checks.seconds("wait_s", 0, zero=True) == 0.0


@pytest.mark.parametrize(
    ("value", "options", "words"),
    [
        (0, {}, "'timeout_s' must be > 0 seconds, got 0"),
        (-1, {"zero": True}, "'timeout_s' must be >= 0 seconds, got -1"),
        (float("inf"), {}, "'timeout_s' must be a finite number, got inf"),
        (float("nan"), {}, "'timeout_s' must be a finite number, got nan"),
        ("5", {}, "'timeout_s' must be a number of seconds, got \"5\""),
        (False, {"zero": True}, "'timeout_s' must be a number of seconds, got False"),
        (None, {}, "'timeout_s' must be a number of seconds, got None"),
    ],
)
def test_seconds_that_are_refused(value: object, options: dict[str, Any], words: str) -> None:
    says(words, checks.seconds, "timeout_s", value, **options)


def test_a_flag_is_a_boolean_and_nothing_that_looks_like_one() -> None:
    assert checks.flag("all", True) is True
    assert checks.flag("all", False) is False
    for value in (0, 1, "true", None):
        says(f"'all' must be a boolean, got {checks.shown(value)}", checks.flag, "all", value)
