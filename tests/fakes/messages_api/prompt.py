"""A request's prompt as the cache sees it: one position after every tool, system block and content block.

A position is a digest of all that comes before it, so equal digests mean equal prefixes. Markers do not change it.
"""

import hashlib
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from tests.fakes.messages_api.refusals import Json
from tests.fakes.messages_api.tokens import block_tokens, json_bytes

__all__ = ["Position", "Prompt", "blocks_of", "read_prompt"]

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


def read_prompt(body: Json) -> Prompt:
    """The positions of a valid request."""
    head = _head(json_bytes([body.get("tools"), body.get("system")]))
    state, total, positions = head.state.copy(), head.tokens, list(head.positions)
    manner = json_bytes([body.get("thinking"), body.get("tool_choice")])
    for message in body["messages"]:
        state.update(manner + message["role"].encode())
        for block in blocks_of(message["content"]):
            total += _read(state, block)
            positions.append(Position(state.copy().digest(), total, _ttl(block)))
    return Prompt(_with_top_marker(body, positions))


class _Head(NamedTuple):
    """What comes before the messages. The state is to be copied, never updated."""

    state: "hashlib.blake2b"
    tokens: int
    positions: tuple[Position, ...]


@lru_cache(maxsize=4_096)
def _head(encoded: bytes) -> _Head:
    """Tools and system prompt, which come with every call again. How the model is to think and to choose tools belongs
    to the messages: another choice makes their cache useless, not this."""
    tools, system = msgspec.json.decode(encoded)
    state, total, positions = hashlib.blake2b(digest_size=16), 0, list[Position]()
    for label, blocks in ((b"tools", tools or []), (b"system", blocks_of(system or []))):
        state.update(label)
        for block in blocks:
            total += _read(state, block)
            positions.append(Position(state.copy().digest(), total, _ttl(block)))
    return _Head(state, total, tuple(positions))


def _read(state: "hashlib.blake2b", block: Json) -> int:
    """Add a block, without its marker; gives its tokens."""
    if "cache_control" in block:
        block = {key: value for key, value in block.items() if key != "cache_control"}
    state.update(json_bytes(block))
    return block_tokens(block)


def _ttl(block: Json) -> str | None:
    marker = block.get("cache_control")
    return marker.get("ttl", "5m") if marker else None


def _with_top_marker(body: Json, positions: list[Position]) -> list[Position]:
    """The marker at the request's top stands at the last block that can be cached."""
    marker = body.get("cache_control")
    if marker:
        last = blocks_of(body["messages"][-1]["content"])
        skipped = next((n for n, block in enumerate(reversed(last)) if block.get("type") not in _UNCACHEABLE), 0)
        index = len(positions) - 1 - skipped
        positions[index] = positions[index]._replace(ttl=positions[index].ttl or marker.get("ttl", "5m"))
    return positions
