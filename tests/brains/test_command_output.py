"""What agent programs write, as one understands it; command lines; secrets in streams; the parts on their own."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain.budget import MAX_OF_CALL, check_usage
from fleetlog.domain.command_spec import OUTPUTS, PRESETS, CommandSpec
from fleetlog.domain.values import Usage
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.brains.command.answers import MAX_TEXT_BYTES, MAX_VALUE_BYTES, Answer, Reader, reader_for
from fleetlog.runtime.brains.command.events import is_session
from fleetlog.runtime.brains.command.lines import form_of, mcp_file, mcp_toml, presets
from fleetlog.runtime.brains.command.redaction import Redactor

CONFIG = json.dumps(
    {
        "mcpServers": {
            "fleetlog": {"command": "/bin/fleetlog", "args": ["mcp", "--dir", 'a "b"'], "env": {"FLEETLOG_TOKEN": "t"}}
        }
    }
)


def heard(kind: Any, *lines: Any) -> Reader:
    """A reader that was given these, as lines of JSON or as bytes."""
    reader = reader_for(kind)
    for line in lines:
        reader.feed(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
    return reader


# --- streams of the known programs ---------------------------------------------------------------


def test_a_stream_of_claude_is_understood() -> None:
    usage = {
        "input_tokens": 4,
        "cache_creation_input_tokens": 30,
        "cache_creation": {"ephemeral_1h_input_tokens": 10, "ephemeral_5m_input_tokens": 20},
        "cache_read_input_tokens": 200,
        "output_tokens": 50,
    }
    tool_use = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {}}
    reader = heard("stream_json", {"type": "system", "subtype": "init", "session_id": "0b6c-1", "tools": []})
    assert reader.session == "0b6c-1"
    reader.feed(json.dumps({"type": "assistant", "message": {"content": [tool_use]}}).encode() + b"\n")
    assert reader.said == "uses Read"
    blocks = [{"type": "text", "text": "I have\nlooked."}]
    reader.feed(json.dumps({"type": "assistant", "message": {"content": blocks}}).encode() + b"\n")
    assert reader.said == "I have looked."
    last = {"type": "result", "subtype": "success", "is_error": False, "result": "Three.", "session_id": "0b6c-2"}
    reader.feed(json.dumps({**last, "num_turns": 3, "total_cost_usd": 0.0123456, "usage": usage}).encode())
    assert reader.answer() == Answer("Three.")
    assert reader.session == "0b6c-2"
    assert reader.usage == Usage(4, 50, 200, 20, 10, 3, 12_345_600)


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"result": "Not logged in"}, "Not logged in"),
        ({"subtype": "error_max_turns"}, "error_max_turns"),
        ({"subtype": "error_during_execution", "errors": ["no network", "gone"]}, "no network; gone"),
    ],
)
def test_a_result_of_claude_that_is_an_error_is_one(more: dict[str, Any], error: str) -> None:
    answer = heard("stream_json", {"type": "result", "is_error": True, **more}).answer()
    assert answer.error == error


def test_a_run_of_claude_that_asked_no_model_has_used_nothing() -> None:
    usage = {"input_tokens": 0, "output_tokens": 0}
    event = {"type": "result", "is_error": True, "num_turns": 0, "total_cost_usd": 0, "usage": usage}
    assert heard("stream_json", event).usage is None


def test_a_structured_output_is_the_result() -> None:
    event = {"type": "result", "result": "see there", "structured_output": {"sheep": 3}}
    assert heard("stream_json", event).answer() == Answer({"sheep": 3})


def test_a_stream_of_codex_is_understood() -> None:
    command = {"id": "item_0", "type": "command_execution", "command": "ls", "status": "in_progress"}
    reader = heard(
        "stream_json",
        {"type": "thread.started", "thread_id": "019c7616-b3e9"},
        {"type": "turn.started"},
        {"type": "item.started", "item": command},
        {"type": "item.completed", "item": {"id": "item_1", "type": "agent_message", "text": "First I look."}},
        {"type": "item.completed", "item": {"id": "item_2", "type": "agent_message", "text": "Three."}},
        {"type": "turn.completed", "usage": {"input_tokens": 100, "cached_input_tokens": 80, "output_tokens": 7}},
    )
    assert reader.answer() == Answer("Three.")
    assert (reader.session, reader.said) == ("019c7616-b3e9", "Three.")
    assert reader.usage == Usage(input_tokens=20, output_tokens=7, cache_read_tokens=80, calls=1)


def test_a_turn_of_codex_that_failed_is_an_error() -> None:
    reader = heard("stream_json", {"type": "turn.failed", "error": {"message": "usage limit reached"}})
    assert reader.answer().error == "usage limit reached"


def test_a_stream_of_opencode_is_understood() -> None:
    def part(kind: str, **fields: Any) -> dict[str, Any]:
        return {"type": kind, "timestamp": 1, "sessionID": "ses_1", "part": {"sessionID": "ses_1", **fields}}

    tokens = {"input": 10, "output": 5, "reasoning": 2, "cache": {"read": 3, "write": 4}}
    reader = heard(
        "stream_json",
        part("step_start", type="step-start"),
        part("text", messageID="msg_1", text="I look."),
        part("tool_use", tool="bash"),
        part("step_finish", cost=0.5, tokens=tokens),
        part("text", messageID="msg_2", text="Three"),
        part("text", messageID="msg_2", text="sheep."),
        part("step_finish", cost=0.25, tokens=tokens),
    )
    assert reader.answer() == Answer("Three\nsheep.")
    assert reader.session == "ses_1"
    assert reader.usage == Usage(20, 14, 6, 8, 0, 2, 750_000_000)


def test_an_error_of_opencode_is_one() -> None:
    event = {"type": "error", "sessionID": "ses_1", "error": {"name": "APIError", "data": {"message": "no credit"}}}
    assert heard("stream_json", event).answer().error == "no credit"


# --- whatever else comes -------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    [
        "session_id",
        "thread_id",
        "sessionID",
        "message",
        "result",
        "usage",
        "error",
        "item",
        "part",
        "text",
        "tool",
        "cost",
        "tokens",
        "is_error",
        "errors",
        "subtype",
        "total_cost_usd",
        "num_turns",
        "content",
        "structured_output",
        "type",
        "name",
        "input_tokens",
        "cache",
        "messageID",
    ]
)
TYPES = st.sampled_from(
    [
        "assistant",
        "result",
        "progress",
        "item.started",
        "item.completed",
        "turn.completed",
        "turn.failed",
        "error",
        "text",
        "tool_use",
        "step_finish",
        "system",
        "agent_message",
    ]
)
EVENTS = st.builds(
    lambda kind, fields: {**fields, "type": kind}, TYPES, st.dictionaries(KEYS, st.dictionaries(KEYS, JSON) | JSON)
)


@given(events=st.lists(EVENTS | JSON, max_size=6), cuts=st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_no_stream_breaks_the_reader_wherever_it_is_cut(events: list[Any], cuts: list[int]) -> None:
    data = "\n".join(json.dumps(event) for event in events).encode()
    reader, at, number = reader_for("stream_json"), 0, 0
    while at < len(data):
        step = cuts[number % len(cuts)]
        reader.feed(data[at : at + step])
        at, number = at + step, number + 1
    answer = reader.answer()
    assert answer.error or answer.output is not None
    assert reader.session == "" or is_session(reader.session)
    assert reader.said.isprintable()
    (reader.said + answer.error).encode()
    if reader.usage is not None:
        check_usage("usage", reader.usage)


@given(kind=st.sampled_from(OUTPUTS), pieces=st.lists(st.binary(max_size=200), max_size=6))
def test_no_bytes_break_a_reader(kind: Any, pieces: list[bytes]) -> None:
    reader = reader_for(kind)
    for piece in pieces:
        reader.feed(piece)
        assert reader.said.isprintable()
    answer = reader.answer()
    assert answer.error or answer.output is not None or kind != "stream_json"


def test_a_usage_beyond_all_measure_is_bounded() -> None:
    event = {"type": "step_finish", "part": {"cost": 1e300, "tokens": {"input": 10**30}}}
    usage = heard("stream_json", event, event).usage
    assert usage is not None
    assert check_usage("usage", usage).input_tokens == MAX_OF_CALL


def test_long_texts_keep_their_beginning_and_their_end() -> None:
    reader = heard("text", b"<", *[b"x" * 100_000] * 30, b">")
    answer = reader.answer()
    assert isinstance(answer.output, str)
    assert (answer.output[0], answer.output[-1]) == ("<", ">")
    assert f"\n... {3_000_002 - MAX_TEXT_BYTES} bytes left out ...\n" in answer.output
    assert heard("text", b"x" * MAX_TEXT_BYTES).answer().output == "x" * MAX_TEXT_BYTES


@pytest.mark.parametrize(
    ("kind", "words"), [("json", "too many for one JSON"), ("last_line_json", "too many for JSON")]
)
def test_json_has_a_size_too(kind: Any, words: str) -> None:
    assert words in heard(kind, b'"', *[b"x" * 1_000_000] * (MAX_VALUE_BYTES // 1_000_000 + 1), b'"').answer().error


def test_json_that_is_too_deep_is_none() -> None:
    deep = b"[" * 100_000
    assert "is no JSON" in heard("json", deep).answer().error
    assert "without saying a result" in heard("stream_json", b'{"a":' * 100_000 + b"\n").answer().error


def test_a_session_that_could_be_an_option_is_none() -> None:
    for word in ("-x", "--dangerously", "a b", "", "x" * 201, "a\n", None, 7):
        assert not is_session(word)
    assert heard("stream_json", {"type": "system", "session_id": "--yolo"}).session == ""


# --- secrets -------------------------------------------------------------------------------------


@given(
    parts=st.lists(st.sampled_from([b"s3cret-1", b"s3cret-12", b"s3c", b"s3cret-", b"x", b" "]), max_size=12),
    cuts=st.lists(st.integers(1, 7), min_size=1, max_size=4),
)
def test_a_secret_is_taken_out_however_the_stream_is_cut(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    redactor, said, at, number = Redactor({"s3cret-1": "${A}", "s3cret-12": "${B}"}), b"", 0, 0
    while at < len(data):
        step = cuts[number % len(cuts)]
        said += redactor.feed(data[at : at + step])
        at, number = at + step, number + 1
    said += redactor.rest()
    assert b"s3cret-1" not in said
    assert said.replace(b"${B}", b"s3cret-12").replace(b"${A}", b"s3cret-1") == data


def test_nothing_is_held_back_that_is_no_beginning_of_a_secret() -> None:
    redactor = Redactor({"s3cret-of-mine": "${A}", "short": "${B}"})
    assert redactor.feed(b"short line\n") == b"short line\n"
    assert redactor.feed(b"and s3cr") == b"and "
    assert redactor.feed(b"ap\n") == b"s3crap\n"


# --- command lines -------------------------------------------------------------------------------


def line(spec: CommandSpec, *, session: str = "", model: str = "", has_mesh: bool = False) -> list[str]:
    toml, _ = mcp_toml(CONFIG)
    fill = {"prompt": "do", "model": model, "session": session, "workspace": "/w", "mcp_config": "/m", "mcp_toml": toml}
    return form_of(spec).words(fill, has_mesh=has_mesh)


def test_the_presets_are_those_that_a_spec_may_name() -> None:
    assert tuple(sorted(presets())) == PRESETS
    assert all(form.can_resume and form.output == "stream_json" for form in presets().values())


def test_the_line_of_claude() -> None:
    spec = CommandSpec(preset="claude", args=("--permission-mode", "acceptEdits"))
    base = ["claude", "-p", "--output-format", "stream-json", "--verbose"]
    assert line(spec) == [*base, "--permission-mode", "acceptEdits"]
    mesh = ["--mcp-config", "/m", "--allowedTools", "mcp__fleetlog"]
    assert line(CommandSpec(preset="claude"), session="s-1", model="opus", has_mesh=True) == [
        *base, "--model", "opus", *mesh, "--resume=s-1",
    ]  # fmt: skip


def test_the_line_of_codex_has_its_server_without_the_token() -> None:
    words = line(CommandSpec(preset="codex", args=("--sandbox", "workspace-write")), has_mesh=True)
    assert words[:4] == ["codex", "exec", "--json", "--skip-git-repo-check"]
    assert words[-3:] == ["--sandbox", "workspace-write", "-"]
    (server,) = tomllib.loads(words[words.index("-c") + 1])["mcp_servers"].values()
    assert (server["command"], server["args"]) == ("/bin/fleetlog", ["mcp", "--dir", 'a "b"'])
    assert server["env_vars"] == ["FLEETLOG_TOKEN"]
    assert line(CommandSpec(preset="codex"), session="s-1")[-3:] == ["resume", "s-1", "-"]


def test_the_line_of_opencode_and_its_configuration() -> None:
    spec = CommandSpec(preset="opencode")
    assert line(spec, session="ses_1", model="a/b", has_mesh=True) == [
        "opencode", "run", "--format", "json", "--model", "a/b", "--session=ses_1",
    ]  # fmt: skip
    assert form_of(spec).mesh_env == {"OPENCODE_CONFIG": "{mcp_config}"}
    (server,) = json.loads(mcp_file(CONFIG, "opencode"))["mcp"].values()
    assert server["command"] == ["/bin/fleetlog", "mcp", "--dir", 'a "b"']
    assert (server["type"], server["environment"]) == ("local", {"FLEETLOG_TOKEN": "t"})


def test_a_line_of_ones_own_is_used_as_it_is() -> None:
    spec = CommandSpec(argv=("a", "{workspace}"), resume=("a", "-r{session}"), output="stream_json")
    assert line(spec) == ["a", "/w"]
    assert line(spec, session="s", model="m", has_mesh=True) == ["a", "-rs"]
    assert form_of(spec).idle_timeout_s is None
    assert form_of(CommandSpec(preset="claude", idle_timeout_s=5)).idle_timeout_s == 5


# --- files as artifacts --------------------------------------------------------------------------


@pytest.mark.parametrize("is_in_memory", [True, False])
def test_a_file_is_the_artifact_that_its_bytes_are(tmp_path: Path, is_in_memory: bool) -> None:
    store = ArtifactStore(None if is_in_memory else tmp_path / "artifacts")
    content = "ü".encode() * 300_000
    path = tmp_path / "content"
    path.write_bytes(content)
    with path.open("rb") as file:
        file.seek(7)
        artifact = store.put_file(file)
        assert store.put_file(file) == artifact
    assert artifact == store.put(content)
    assert store.get(artifact.sha256) == content
