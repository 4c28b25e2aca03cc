"""A request's prompt as the cache sees it: one position after every tool, system block and content block.

A position is a digest of all that comes before it, so equal digests mean equal prefixes. Markers do not change it.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

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
    state, total, positions = hashlib.blake2b(digest_size=16), 0, []
    for label, block in _parts(body):
        marker = block.get("cache_control")
        bare = {key: value for key, value in block.items() if key != "cache_control"} if marker else block
        state.update(label)
        state.update(json_bytes(bare))
        total += block_tokens(bare)
        positions.append(Position(state.copy().digest(), total, marker.get("ttl", "5m") if marker else None))
    return Prompt(_with_top_marker(body, positions))


def _parts(body: Json) -> Iterator[tuple[bytes, Json]]:
    """Every part with a label that tells its place. How the model is to think and to choose tools belongs to the
    messages: another choice makes their cache useless, not that of tools and system."""
    for tool in body.get("tools") or ():
        yield b"tool", tool
    for block in blocks_of(body.get("system") or []):
        yield b"system", block
    manner = json_bytes([body.get("thinking"), body.get("tool_choice")])
    for message in body["messages"]:
        label = manner + message["role"].encode()
        for block in blocks_of(message["content"]):
            yield label, block
            label = b"block"


def _with_top_marker(body: Json, positions: list[Position]) -> list[Position]:
    """The marker at the request's top stands at the last block that can be cached."""
    marker = body.get("cache_control")
    if marker:
        last = blocks_of(body["messages"][-1]["content"])
        skipped = next((n for n, block in enumerate(reversed(last)) if block.get("type") not in _UNCACHEABLE), 0)
        index = len(positions) - 1 - skipped
        positions[index] = positions[index]._replace(ttl=positions[index].ttl or marker.get("ttl", "5m"))
    return positions
