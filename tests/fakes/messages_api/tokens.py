"""A tokenizer that is cheap and always the same: a token is four bytes of UTF-8, rounded up for every block."""

from typing import Any

import msgspec

from tests.fakes.messages_api.refusals import Json

__all__ = ["BYTES_PER_TOKEN", "block_tokens", "json_bytes", "text_tokens"]

BYTES_PER_TOKEN = 4
BLOCK_TOKENS = 3  # what a block costs in a prompt beside its content
IMAGE_TOKENS = 1_600

json_bytes = msgspec.json.Encoder().encode


def text_tokens(text: str) -> int:
    """The tokens of a text; none for an empty one."""
    size = len(text) if text.isascii() else len(text.encode())
    return -(-size // BYTES_PER_TOKEN)


def block_tokens(block: Json) -> int:
    """The tokens of a content block or a tool, as prompt (add nothing) or as reply."""
    match block.get("type"):
        case "text":
            return BLOCK_TOKENS + text_tokens(block["text"])
        case "thinking":
            return BLOCK_TOKENS + text_tokens(block["thinking"])
        case "tool_use" | "server_tool_use":
            return BLOCK_TOKENS + text_tokens(block["name"]) + _json_tokens(block["input"])
        case "tool_result":
            return BLOCK_TOKENS + _content_tokens(block.get("content"))
        case "image" | "document":
            return BLOCK_TOKENS + IMAGE_TOKENS
    return BLOCK_TOKENS + _json_tokens(block)


def _content_tokens(content: Any) -> int:
    if isinstance(content, str):
        return text_tokens(content)
    return sum(block_tokens(block) for block in content or ())


def _json_tokens(value: Any) -> int:
    return -(-len(json_bytes(value)) // BYTES_PER_TOKEN)
