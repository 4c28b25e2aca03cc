"""A request's prompt as the cache sees it: one position after every tool, system block and content block.

A position is a digest of all that comes before it, so equal digests mean equal prefixes. Markers do not change it.
"""

import hashlib
from typing import Any, NamedTuple

from tests.fakes.messages_api.refusals import Json
from tests.fakes.messages_api.tokens import block_tokens, json_bytes

__all__ = ["Position", "Prompt", "Prompts", "blocks_of"]

MAX_HEADS = 10_000
_UNCACHEABLE = ("thinking", "redacted_thinking")


class Position(NamedTuple):
    """The prefix that ends here: its digest, its length, and the time to live of a marker that stands here."""

    digest: bytes
    tokens: int
    ttl: str | None


class Prompt(NamedTuple):
    positions: list[Position]

    @property
    def tokens(self) -> int:
        return self.positions[-1].tokens

    @property
    def digest(self) -> str:
        """What the whole prompt (tools, system and messages) is known by."""
        return self.positions[-1].digest.hex()


def blocks_of(content: Any) -> list[Json]:
    """Content as a list of blocks: a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


class _Head(NamedTuple):
    """What comes before the messages. The state is to be copied, never updated."""

    state: "hashlib.blake2b"
    tokens: int
    positions: tuple[Position, ...]


class Prompts:
    """Reads prompts. Tools and system prompt come with every call again: what they amount to is remembered."""

    def __init__(self) -> None:
        self._heads: dict[bytes, _Head] = {}

    def read(self, body: Json) -> Prompt:
        """The positions of a valid request."""
        head = self._head(body)
        state, total, positions = head.state.copy(), head.tokens, list(head.positions)
        manner = json_bytes([body.get("thinking"), body.get("tool_choice")])
        for message in body["messages"]:
            state.update(manner + message["role"].encode())
            for block in blocks_of(message["content"]):
                total += _read(state, block)
                positions.append(Position(state.copy().digest(), total, _ttl(block)))
        return Prompt(_with_top_marker(body, positions))

    def _head(self, body: Json) -> _Head:
        """How the model is to think and to choose tools belongs to the messages: another choice makes their cache
        useless, not this."""
        key = hashlib.blake2b(json_bytes([body.get("tools"), body.get("system")]), digest_size=16).digest()
        if key not in self._heads:
            if len(self._heads) >= MAX_HEADS:
                self._heads.clear()
            self._heads[key] = _read_head(body)
        return self._heads[key]


def _read_head(body: Json) -> _Head:
    state, total, positions = hashlib.blake2b(digest_size=16), 0, list[Position]()
    for label, blocks in ((b"tools", body.get("tools")), (b"system", blocks_of(body.get("system") or []))):
        state.update(label)
        for block in blocks or ():
            total += _read(state, block)
            positions.append(Position(state.copy().digest(), total, _ttl(block)))
    return _Head(state, total, tuple(positions))


def _read(state: "hashlib.blake2b", block: Json) -> int:
    """Add a block, without its markers; gives its tokens."""
    bare = _bare(block)
    state.update(json_bytes(bare))
    return block_tokens(bare)


def _bare(block: Json) -> Json:
    if _inner(block):
        block = {**block, "content": [_bare(inner) for inner in block["content"]]}
    if "cache_control" in block:
        return {key: value for key, value in block.items() if key != "cache_control"}
    return block


def _ttl(block: Json) -> str | None:
    """The life of the block's marker, or of one within a tool result."""
    marker = block.get("cache_control")
    if marker:
        life: str = marker.get("ttl", "5m")
        return life
    return next(filter(None, map(_ttl, _inner(block))), None)


def _inner(block: Json) -> list[Json]:
    """The blocks within a tool result."""
    content = block["content"] if block.get("type") == "tool_result" and "content" in block else ()
    return content if isinstance(content, list) else []


def _with_top_marker(body: Json, positions: list[Position]) -> list[Position]:
    """The marker at the request's top stands at the last block that can be cached."""
    marker = body.get("cache_control")
    if marker:
        last = blocks_of(body["messages"][-1]["content"])
        skipped = next((n for n, block in enumerate(reversed(last)) if block.get("type") not in _UNCACHEABLE), 0)
        index = len(positions) - 1 - skipped
        positions[index] = positions[index]._replace(ttl=positions[index].ttl or marker.get("ttl", "5m"))
    return positions
