"""The fake server as the real client meets it: replies, scripts, determinism, figures, the process of its own."""

from functools import partial
from pathlib import Path
from typing import Any

import anthropic
import pytest

from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.replies import Reply, reply, text, thinking, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.server import FakeMessagesApi
from tests.fakes.messages_api.settings import MODEL

READ: Any = {
    "name": "read",
    "description": "Read a file.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}


def reader(request: ParsedRequest) -> Reply:
    """Reads two files at once, then says what they hold."""
    if request.turn == 0:
        words = text("Let me look at both files, one beside the other. " * 3)
        return reply(thinking("Two files."), words, tool_use("read", path="a"), tool_use("read", path="b"))
    return reply(text("; ".join(f"{result.input['path']}: {result.text}" for result in request.results)))


def asked(words: str, **more: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1_000, "messages": [{"role": "user", "content": words}], **more}


def streamed(client: anthropic.Anthropic, **request: Any) -> anthropic.types.Message:
    with client.messages.stream(**request) as stream:
        return stream.get_final_message()


def create(client: anthropic.Anthropic, **request: Any) -> anthropic.types.Message:
    message: anthropic.types.Message = client.messages.create(**request)
    return message


def words_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def answered(message: anthropic.types.Message) -> list[Any]:
    """What comes after a message that calls tools: itself, and a result for every call."""
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": f"the text of {block.input['path']}"}
        for block in message.content
        if block.type == "tool_use"
    ]
    return [message.to_param(), {"role": "user", "content": results}]


@pytest.mark.parametrize("stream", [True, False])
def test_a_conversation_with_tools_runs_to_its_end(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic, stream: bool
) -> None:
    messages_api.scripts["reader"] = reader
    make: Any = partial(streamed if stream else create, client)
    request = asked("[script:reader] Read a and b.", tools=[READ])
    first: anthropic.types.Message = make(**request)
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert first.stop_reason == "tool_use"
    request["messages"] += answered(first)
    last: anthropic.types.Message = make(**request)
    assert words_of(last) == "a: the text of a; b: the text of b"
    assert last.stop_reason == "end_turn"
    assert messages_api.violations == []


def test_the_same_request_gets_the_same_reply_also_from_another_server(
    messages_api: FakeMessagesApi, client: anthropic.Anthropic
) -> None:
    messages_api.scripts["reader"] = reader
    request = asked("[script:reader] Read a and b.", tools=[READ])
    first, again = streamed(client, **request), create(client, **request)
    with FakeMessagesApi({"reader": reader}) as other:
        elsewhere = streamed(client.with_options(base_url=other.url), **request)
    assert first.to_dict() == again.to_dict() == elsewhere.to_dict()
    other_words = streamed(client, **asked("[script:reader] Read a and b!", tools=[READ]))
    assert other_words.id != first.id
    report = messages_api.report()
    assert report.digests[messages_api.calls()[0].digest].answered == 2
    assert (report.answered, report.distinct) == (3, 2)


def test_a_process_of_its_own_serves_scripts_of_a_file_and_tells_its_figures(tmp_path: Path) -> None:
    scripts = tmp_path / "my_scripts.py"
    scripts.write_text(
        "from tests.fakes.messages_api.replies import text\n"
        "SCRIPTS = {'loud': lambda request: text(request.last_text.upper())}\n"
    )
    with (
        FakeProcess(tmp_path / "state", [scripts]) as api,
        anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client,
    ):
        said = streamed(client, **asked("[script:loud] hello"))
        assert words_of(said) == "[SCRIPT:LOUD] HELLO"
        report = api.wait(answered=1)
        assert (report.answered, report.distinct, report.violations) == (1, 1, [])
        assert int((tmp_path / "state" / "port").read_text()) == api.port
        assert api.stop() == 0
    assert '"answered":1' in (tmp_path / "state" / "stats.json").read_text()
