"""What a script answers: content blocks, how the turn stops, how fast it comes.

    reply(thinking("Two files."), text("Both."), tool_use("read_file", path="a"), tool_use("read_file", path="b"))

Ids and signatures are the server's to give. A script may also answer with one block alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.fakes.messages_api.faults import Fault
from tests.fakes.messages_api.refusals import Json
from tests.fakes.messages_api.request import ParsedRequest

__all__ = [
    "Block",
    "Reply",
    "Script",
    "pause",
    "redacted_thinking",
    "refusal",
    "reply",
    "server_tool_result",
    "server_tool_use",
    "text",
    "thinking",
    "tool_use",
    "tool_use_of",
    "web_search",
]

Block = Json
"""A content block in the API's form, without the ids and signatures that the server gives."""


class Reply(msgspec.Struct, frozen=True):
    """A turn. `stop_reason` None means what the content says: tool_use when a tool is called, else end_turn. The
    reply comes after `latency_s` and at `tokens_per_s` (None: as the server is set), or meets `fault`."""

    blocks: tuple[Block, ...]
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: Json | None = None
    latency_s: float = 0.0
    tokens_per_s: float | None = None
    fault: Fault | None = None


Script = Callable[[ParsedRequest], Reply | Block]


def reply(*blocks: Block | Sequence[Block], **how: Any) -> Reply:
    """A reply of these blocks (or sequences of them); `how` are the other fields of `Reply`."""
    flat: list[Block] = []
    for block in blocks:
        flat.extend([block] if isinstance(block, dict) else block)
    return Reply(tuple(flat), **how)


def text(words: str) -> Block:
    return {"type": "text", "text": words}


def thinking(words: str) -> Block:
    """Thought that is shown (or only signed, when the request wants it omitted)."""
    return {"type": "thinking", "thinking": words}


def redacted_thinking(words: str) -> Block:
    """Thought that is not shown."""
    return {"type": "redacted_thinking", "data": words}


def tool_use(name: str, /, **input: Any) -> Block:
    """A call of one of the client's tools."""
    return tool_use_of(name, input)


def tool_use_of(name: str, input: Json) -> Block:
    """The same, with the input in one piece."""
    return {"type": "tool_use", "name": name, "input": input}


def server_tool_use(name: str, /, **input: Any) -> Block:
    """A call of a tool that the API runs itself."""
    return {"type": "server_tool_use", "name": name, "input": input}


def server_tool_result(name: str, content: Any) -> Block:
    """The result of the nearest call before it that has none, also of a turn that was paused."""
    return {"type": f"{name}_tool_result", "content": content}


def web_search(query: str, *urls: str) -> tuple[Block, Block]:
    """A search that the API has made, and what it found."""
    found = [
        {"type": "web_search_result", "url": url, "title": url, "encrypted_content": "c2VjcmV0", "page_age": None}
        for url in urls
    ]
    return server_tool_use("web_search", query=query), server_tool_result("web_search", found)


def pause(*blocks: Block | Sequence[Block]) -> Reply:
    """A long turn of server tools that is to be continued by sending it back."""
    return reply(*blocks, stop_reason="pause_turn")


def refusal(explanation: str, category: str | None = None) -> Reply:
    """The model declines."""
    details = {"type": "refusal", "category": category, "explanation": explanation}
    return Reply((), stop_reason="refusal", stop_details=details)
