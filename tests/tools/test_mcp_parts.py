"""The pure parts of the client of outside MCP servers: lines, messages, schemas, names, variables, outputs."""

import logging
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.errors import McpServerFault
from fleetlog.domain.values import McpServerSpec
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.tools.mcp_client.environment import child_environment, filled
from fleetlog.runtime.tools.mcp_client.lines import LineCutter, Tail, TooLong
from fleetlog.runtime.tools.mcp_client.listing import listed_tools
from fleetlog.runtime.tools.mcp_client.messages import error_for_too_long, mend_result
from fleetlog.runtime.tools.mcp_client.output import MAX_TEXT_CHARS, output_of
from fleetlog.runtime.tools.mcp_client.schemas import UnsafeSchema, safe_schema

SPEC = McpServerSpec(name="files", command=("x",))
OBJECT = {"type": "object"}


# --- lines ---------------------------------------------------------------------------------------


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8), st.integers(0, 40))
def test_lines_are_the_same_however_the_bytes_come(data: bytes, cuts: list[int], limit: int) -> None:
    cutter = LineCutter(limit)
    places = [0, *sorted(cut for cut in cuts if cut <= len(data)), len(data)]
    found = [line for a, b in pairwise(places) for line in cutter.feed(data[a:b])]
    expected = [line if len(line) <= limit else TooLong(line, line, len(line)) for line in data.split(b"\n")[:-1]]
    assert found == expected


def test_of_a_line_that_is_too_long_only_the_ends_are_kept() -> None:
    cutter = LineCutter(1_000)
    for _ in range(50):
        assert list(cutter.feed(b"0123456789" * 100)) == []
    (line,) = cutter.feed(b"end\n")
    assert line == TooLong((b"0123456789" * 26)[:256], (b"0123456789" * 26 + b"end")[-256:], 50_003)
    assert list(cutter.feed(b"next\n")) == [b"next"]


@given(st.lists(st.binary(max_size=50)), st.integers(1, 60))
def test_a_tail_is_the_end_of_what_was_added(pieces: list[bytes], limit: int) -> None:
    tail = Tail(limit)
    for piece in pieces:
        tail.add(piece)
    assert tail.text() == b"".join(pieces)[-limit:].decode(errors="replace").strip()


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "tail", "found"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{', b'"}]}}', 7),
        (b' { "id" : "a-b" , "result":{', b"}}", "a-b"),
        (b'{"result":{"id":3,', b'"}]},"jsonrpc":"2.0","id":8}', 8),
        (b'{"result":{"id":3,', b'"}]},"id":8,"jsonrpc":"2.0"}', 8),
        (b'{"result":{"id":3,', b'"}]},"id":9}\r', 9),
        (b'{"result":{"id":3,', b'"id":3}}', None),
        (b"[1,2,", b"3]", None),
    ],
)
def test_what_is_too_long_is_the_answer_to_the_call_it_names_at_its_root(head: bytes, tail: bytes, found: Any) -> None:
    error = error_for_too_long(TooLong(head, tail, 5))
    assert (error and error["id"]) == found


def test_results_that_are_fit_are_not_changed_but_for_what_is_not_used() -> None:
    content = [
        {"type": "text", "text": "a"},
        {"type": "resource", "resource": {"uri": "a:b", "text": ""}},
        {"type": "resource_link", "uri": "a:b", "name": "c"},
    ]
    result = {"content": list(content), "structuredContent": {"a": 1}}
    assert mend_result(result) == []
    assert result == {"content": content, "structuredContent": {"a": 1}}
    tools = {"tools": [{"name": "a", "inputSchema": OBJECT, "outputSchema": OBJECT, "title": "A", "_meta": {}}]}
    assert mend_result(tools) == []
    assert tools == {"tools": [{"name": "a", "inputSchema": OBJECT}]}
    assert mend_result({"other": 1}) == []


# --- schemas -------------------------------------------------------------------------------------


def test_a_plain_schema_goes_through_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {
            "pattern": {"type": "string", "pattern": "^a+$", "default": {"$ref": "http://data"}},
            "$ref": {"$ref": "#/$defs/a~1b"},
            "list": {"type": "array", "items": {"enum": [{"$id": "data"}]}},
        },
        "required": ["pattern"],
        "$defs": {"a/b": {"type": "integer"}},
    }
    assert safe_schema(schema) == (schema, "")


def test_what_the_api_or_a_checker_cannot_take_is_taken_out() -> None:
    given_schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": "http://example.com/x",
        "properties": {"a": {"type": "string", "pattern": r"^\p{L}+$"}},
        "patternProperties": {"(": {}, "^x": {"pattern": "("}},
        "anyOf": [{"required": ["a"]}],
    }
    safe, words = safe_schema(given_schema)
    assert safe == {"type": "object", "properties": {"a": {"type": "string"}}, "patternProperties": {"^x": {}}}
    assert words == 'The arguments must also fit {"anyOf":[{"required":["a"]}]}'
    assert "$schema" in given_schema
    jsonschema.Draft202012Validator(safe).validate({"a": "b"})


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth):
        schema = {"type": "object", "not": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array"}, "its type is 'array', not 'object'"),
        ({"type": ["object", "null"]}, "its type is .*, not 'object'"),
        ({"properties": {"a": {"type": "nonsense"}}}, "it is no JSON Schema: 'nonsense' is not valid"),
        ({"properties": {"a": {"exclusiveMinimum": True}}}, "it is no JSON Schema: True is not of type 'number'"),
        ({"properties": {"a": {"$ref": "http://x/y"}}}, "its .ref 'http://x/y' leads nowhere inside it"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "its .ref '#/.defs/b' leads nowhere inside it"),
        ({"properties": {"a": {"$id": "http://x/"}}}, r"it uses \$id"),
        ({"properties": {"a": {"$dynamicRef": "#x"}}}, r"it uses \$dynamicRef"),
        ({"description": "x" * 70_000}, "it has 70018 bytes"),
        (nested(60), "it is nested more than 50 deep"),
        (nested(3_000), "it "),
    ],
)
def test_a_schema_that_cannot_be_made_safe_is_refused(schema: dict[str, Any], words: str) -> None:
    with pytest.raises(UnsafeSchema, match=words):
        safe_schema(schema)


# --- names ---------------------------------------------------------------------------------------


def names(*own: str) -> dict[str, str]:
    listed = listed_tools(SPEC, [{"name": name, "inputSchema": OBJECT} for name in own])
    return {tool.own_name: tool.name for tool in listed}


def test_names_are_valid_unique_and_independent_of_the_order() -> None:
    own = ("read", "a.b", "a/b", "a_b", "x y", "ä" * 200, "ä" * 201, "z" * 200)
    found = names(*own)
    assert found["read"] == "files__read"
    assert found["a_b"] == "files__a_b"
    assert found["x y"] == "files__x_y"
    assert found["a.b"].startswith("files__a_b_")
    assert len(set(found.values())) == len(own)
    assert all(
        jsonschema.Draft202012Validator({"pattern": "^[a-zA-Z0-9_-]{1,128}$"}).is_valid(n) for n in found.values()
    )
    assert names(*reversed(own)) == found


@given(st.lists(st.text(), unique=True))
def test_any_names_are_made_valid_and_unique(own: list[str]) -> None:
    found = names(*own)
    assert len(set(found.values())) == len(own)
    assert all(name.isascii() and len(name) <= 128 and name.startswith("files__") for name in found.values())


def test_a_description_is_cut_and_has_no_control_characters() -> None:
    tool = {"name": "a", "inputSchema": OBJECT, "description": "\x1b[31m" + "x" * 10_000}
    (listed,) = listed_tools(SPEC, [tool])
    assert listed.description.startswith("[31mxxx")
    assert listed.description.endswith("x ... (cut)\n\nFrom the outside MCP server files.")
    assert len(listed.description) < 4_100


# --- variables -----------------------------------------------------------------------------------


def test_variables_are_filled_in_and_redacted() -> None:
    environ = {"TOKEN": "secret-token", "LONGER": "secret-token-2", "SHORT": "80", "ODD": "$TOKEN ${TOKEN}"}
    found = filled("env", {"a": "x ${TOKEN}${LONGER}", "b": "${SHORT}", "c": "${ODD}", "d": "$SHORT ${}"}, environ)
    assert found.values == {"a": "x secret-tokensecret-token-2", "b": "80", "c": "$TOKEN ${TOKEN}", "d": "$SHORT ${}"}
    assert found.redact("secret-token-2 secret-token 80") == "${LONGER} ${TOKEN} 80"
    with pytest.raises(McpServerFault, match=r"its 'env' needs \$\{NONE\}, which is not set"):
        filled("env", {"a": "${NONE}"}, environ)


def test_a_childs_own_variables_win() -> None:
    environ = {"PATH": "/bin", "HOME": "/root", "AWS_SECRET": "s", "LD_PRELOAD": "x"}
    assert child_environment({"HOME": "/x", "A": "b"}, environ) == {"PATH": "/bin", "HOME": "/x", "A": "b"}


# --- outputs -------------------------------------------------------------------------------------


def test_text_comes_before_structured_content() -> None:
    store = ArtifactStore(None)
    structured = {"content": [], "structuredContent": [1]}
    assert output_of(structured, store).text == "[\n 1\n]"
    assert output_of({**structured, "content": [{"type": "text", "text": "one"}]}, store).text == "one"
    assert output_of({"content": [{"type": "text", "text": "a\x00\ud800"}]}, store).text == "a\ufffd\ufffd"


def test_an_answer_is_given_though_it_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    full = ArtifactStore(tmp_path / "file")
    image = {"type": "image", "data": "AAAA", "mimeType": "image/png"}
    long = {"type": "text", "text": "x" * (MAX_TEXT_CHARS + 1)}
    output = output_of({"content": [image, long]}, full)
    assert output.text.startswith("[image image/png, 3 bytes, not kept: the artifact ")
    assert "characters left out; they are lost, since the artifact " in output.text
    assert output.whole_sha256 == ""


@pytest.fixture(autouse=True)
def _warnings_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
