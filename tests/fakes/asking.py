"""What the fake server's tests share: requests, and ways to make them with the real client."""

from typing import Any

import anthropic

from tests.fakes.messages_api.replies import Reply, reply, text, thinking, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.settings import MODEL

__all__ = ["READ", "answered", "asked", "create", "reader", "streamed", "words_of"]

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
