"""A valid request as a script sees it. Scripts decide by it alone, so that a call made again gets its reply again."""

import re
from typing import Any, NamedTuple

from tests.fakes.messages_api.prompt import blocks_of
from tests.fakes.messages_api.refusals import Json

__all__ = ["DEFAULT_SCRIPT", "ParsedRequest", "ToolCall", "ToolResult", "script_of"]

DEFAULT_SCRIPT = "default"
_MARKER = re.compile(r"\[script:([\w.-]+)(?: ([^\]]*))?\]")


class ToolResult(NamedTuple):
    """A result that the last user message gives; `name` and `input` are of its call."""

    id: str
    name: str
    input: Json
    text: str
    is_error: bool


class ToolCall(NamedTuple):
    """A call of a tool in the conversation so far."""

    id: str
    name: str
    input: Json


class ParsedRequest:
    """`body` is the request itself, `script` the key and `args` the words after it in `[script:KEY words]`, `turn` the
    number of assistant messages so far."""

    def __init__(self, body: Json, digest: str) -> None:
        self.body, self.digest = body, digest
        self.model: str = body["model"]
        self.messages: list[Json] = body["messages"]
        self.max_tokens: int = body.get("max_tokens", 0)
        self.stream: bool = body.get("stream") or False
        self.script, self.args = script_of(body)
        self.turn = sum(message["role"] == "assistant" for message in self.messages)

    @property
    def system(self) -> str:
        """The text of the system prompt."""
        return _text(self.body.get("system") or "")

    @property
    def first_text(self) -> str:
        """The text of the first message."""
        return _text(self.messages[0]["content"])

    @property
    def last_text(self) -> str:
        """The text of the last message, without that of tool results."""
        return _text(self.messages[-1]["content"])

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools offered."""
        return tuple(tool["name"] for tool in self.body.get("tools") or ())

    @property
    def thinking(self) -> Json:
        """How the model is to think; empty when the request does not say."""
        return self.body.get("thinking") or {}

    @property
    def calls(self) -> list[ToolCall]:
        """Every call of a tool so far, oldest first."""
        return [ToolCall(block["id"], block["name"], block["input"]) for block in self.blocks("tool_use")]

    @property
    def results(self) -> list[ToolResult]:
        """The tool results of the last message."""
        by_id = {call.id: call for call in self.calls}
        last = blocks_of(self.messages[-1]["content"])
        found = []
        for block in last:
            if block["type"] == "tool_result":
                call = by_id[block["tool_use_id"]]
                said = _text(block.get("content") or "")
                found.append(ToolResult(call.id, call.name, call.input, said, bool(block.get("is_error"))))
        return found

    @property
    def open_server_calls(self) -> list[str]:
        """The ids of server tool calls that have no result yet."""
        calls = self.blocks("server_tool_use")
        done = {
            block.get("tool_use_id")
            for message in self.messages
            for block in blocks_of(message["content"])
            if block["type"].endswith("_tool_result")
        }
        return [block["id"] for block in calls if block["id"] not in done]

    def blocks(self, type: str) -> list[Json]:
        """Every block of that type in the messages."""
        return [block for message in self.messages for block in blocks_of(message["content"]) if block["type"] == type]

    def called(self, name: str) -> int:
        """How often that tool was called so far."""
        return sum(call.name == name for call in self.calls)


def script_of(body: Json) -> tuple[str, str]:
    """The script's key and its words, from the system prompt or the first message."""
    for content in (body.get("system") or "", body["messages"][0]["content"]):
        found = _MARKER.search(_text(content))
        if found:
            return found[1], found[2] or ""
    return DEFAULT_SCRIPT, ""


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block.get("type") == "text")
