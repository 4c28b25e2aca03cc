"""A reply made into the API's message: ids, signatures, the cut at the limit, and its frames as a stream."""

import hashlib
from collections.abc import Iterator

import msgspec

from tests.fakes.messages_api.prompt_cache import CacheUse
from tests.fakes.messages_api.refusals import Json
from tests.fakes.messages_api.replies import Block, Reply
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.signatures import signature
from tests.fakes.messages_api.tokens import BYTES_PER_TOKEN, block_tokens, json_bytes, text_tokens

__all__ = ["Message", "finished", "frames", "whole"]

_CUTTABLE = {"text": "text", "thinking": "thinking"}


class Message(msgspec.Struct):
    """A finished message. `partial` holds, by index, the input of a tool call that was cut off, as far as it came."""

    id: str
    model: str
    content: list[Block]
    stop_reason: str
    stop_sequence: str | None
    stop_details: Json | None
    usage: Json
    partial: dict[int, str] = {}


def finished(reply: Reply, request: ParsedRequest, room: int, cache: CacheUse) -> Message:
    """The message for a reply. `room` are the tokens left in the model's window after the prompt."""
    blocks = _identified(list(_thought(reply.blocks, request)), request)
    stop_reason, stop_sequence = reply.stop_reason, reply.stop_sequence
    found = _at_stop_sequence(blocks, request.body.get("stop_sequences") or ())
    if found and stop_reason is None:
        blocks, stop_sequence, stop_reason = found[0], found[1], "stop_sequence"
    limit = min(request.max_tokens, room)
    blocks, partial, is_cut = _cut(blocks, limit)
    if is_cut:
        stop_reason = "max_tokens" if request.max_tokens <= room else "model_context_window_exceeded"
    if stop_reason is None:
        stop_reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
    return Message(
        id=f"msg_{_id(request, 'message')}",
        model=request.model,
        content=blocks,
        stop_reason=stop_reason,
        stop_sequence=stop_sequence,
        stop_details=reply.stop_details,
        usage=_usage(blocks, partial, cache),
        partial=partial,
    )


def whole(message: Message) -> bytes:
    """The body of a reply that is not streamed."""
    return json_bytes(_envelope(message, message.content, message.stop_reason, message.usage))


def frames(message: Message, delta_chars: int) -> list[bytes]:
    """The reply's server-sent events, in order."""
    begun = {**message.usage, "output_tokens": min(1, message.usage["output_tokens"])}
    events: list[Json] = [{"type": "message_start", "message": _envelope(message, [], None, begun)}, {"type": "ping"}]
    for index, block in enumerate(message.content):
        events.extend(_block_events(index, block, message.partial.get(index), delta_chars))
    delta = {
        "stop_reason": message.stop_reason,
        "stop_sequence": message.stop_sequence,
        "stop_details": message.stop_details,
    }
    ended = {key: value for key, value in message.usage.items() if key not in ("cache_creation", "service_tier")}
    events += [{"type": "message_delta", "delta": delta, "usage": ended}, {"type": "message_stop"}]
    return [b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json_bytes(event)) for event in events]


# --- what the server adds ------------------------------------------------------------------------


def _thought(blocks: tuple[Block, ...], request: ParsedRequest) -> Iterator[Block]:
    """The blocks with their thinking signed; none where thinking is off, some where it is always on."""
    how = request.thinking
    if how.get("type") == "enabled" and not (blocks and "thinking" in blocks[0]["type"]):
        blocks = ({"type": "thinking", "thinking": "Let me think."}, *blocks)
    for block in blocks:
        is_thought = block["type"] in ("thinking", "redacted_thinking")
        if is_thought and how.get("type") == "disabled":
            continue
        yield _signed(block, how.get("display") == "omitted") if is_thought else block


def _signed(block: Block, omitted: bool) -> Block:
    if block["type"] == "redacted_thinking":
        return {**block, "data": signature("", block["data"])}
    shown = "" if omitted else block["thinking"]
    return {"type": "thinking", "thinking": shown, "signature": signature(shown, block["thinking"])}


def _identified(blocks: list[Block], request: ParsedRequest) -> list[Block]:
    """The blocks with their ids; a server tool's result takes the id of the last call that has none."""
    waiting: list[str] | None = None
    named = []
    for index, block in enumerate(blocks):
        kind = block["type"]
        if kind.endswith("_tool_result"):
            waiting = request.open_server_calls if waiting is None else waiting
            block = {"type": kind, "tool_use_id": waiting.pop(), **block}
        elif kind == "tool_use":
            block = {"type": kind, "id": f"toolu_{_id(request, index)}", **block}
        elif kind == "server_tool_use":
            block = {"type": kind, "id": f"srvtoolu_{_id(request, index)}", **block}
            waiting = [*(waiting or request.open_server_calls), block["id"]]
        named.append(block)
    return named


def _id(request: ParsedRequest, what: object) -> str:
    seed = f"{request.digest} {request.model} {what}"
    return f"01{hashlib.blake2b(seed.encode(), digest_size=11).hexdigest()}"


# --- where it ends -------------------------------------------------------------------------------


def _at_stop_sequence(blocks: list[Block], sequences: tuple[str, ...]) -> tuple[list[Block], str] | None:
    """The blocks up to the first stop sequence in their text, and that sequence."""
    for index, block in enumerate(blocks):
        hits = [(block["text"].find(s), s) for s in sequences if block["type"] == "text" and s in block["text"]]
        if hits:
            at, sequence = min(hits)
            kept = [{**block, "text": block["text"][:at]}] if at else []
            return blocks[:index] + kept, sequence
    return None


def _cut(blocks: list[Block], limit: int) -> tuple[list[Block], dict[int, str], bool]:
    """As many of the blocks as the limit allows, the last one cut; and the inputs that were cut."""
    left, kept = limit, list[Block]()
    for index, block in enumerate(blocks):
        tokens = block_tokens(block)
        if tokens > left:
            end, partial = _cut_block(block, left)
            return kept + end, {index: partial} if partial is not None else {}, True
        left -= tokens
        kept.append(block)
    return kept, {}, limit == 0


def _cut_block(block: Block, tokens: int) -> tuple[list[Block], str | None]:
    """The beginning of a block, if anything of it fits."""
    size = (tokens - block_tokens({"type": "text", "text": ""})) * BYTES_PER_TOKEN
    key = _CUTTABLE.get(block["type"])
    if size <= 0 or (key is None and block["type"] != "tool_use"):
        return [], None
    if key is not None:
        begun = block[key].encode()[:size].decode(errors="ignore")
        return ([_shortened(block, key, begun)] if begun else []), None
    room = size - len(block["name"].encode())
    if room < BYTES_PER_TOKEN:
        return [], None
    return [{**block, "input": {}}], json_bytes(block["input"])[: room // 4 * 4].decode(errors="ignore")


def _shortened(block: Block, key: str, begun: str) -> Block:
    if key == "thinking":
        return {**block, "thinking": begun, "signature": signature(begun, begun)}
    return {**block, key: begun}


# --- usage and frames ----------------------------------------------------------------------------


def _usage(blocks: list[Block], partial: dict[int, str], cache: CacheUse) -> Json:
    tokens = [block_tokens(block) for block in blocks]
    thought = sum(n for n, block in zip(tokens, blocks, strict=True) if "thinking" in block["type"])
    cut = sum(text_tokens(text) - 1 for text in partial.values())  # the empty input that stands for it is one token
    searches = sum(block.get("name") == "web_search" for block in blocks if block["type"] == "server_tool_use")
    fetches = sum(block.get("name") == "web_fetch" for block in blocks if block["type"] == "server_tool_use")
    return {
        "input_tokens": cache.uncached,
        "cache_creation_input_tokens": cache.written_5m + cache.written_1h,
        "cache_read_input_tokens": cache.read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": cache.written_5m,
            "ephemeral_1h_input_tokens": cache.written_1h,
        },
        "output_tokens": sum(tokens) + cut,
        "output_tokens_details": {"thinking_tokens": thought},
        "server_tool_use": (
            {"web_search_requests": searches, "web_fetch_requests": fetches} if searches or fetches else None
        ),
        "service_tier": "standard",
    }


def _envelope(message: Message, content: list[Block], stop_reason: str | None, usage: Json) -> Json:
    return {
        "id": message.id,
        "type": "message",
        "role": "assistant",
        "model": message.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": message.stop_sequence if stop_reason else None,
        "stop_details": message.stop_details if stop_reason else None,
        "usage": usage,
    }


def _block_events(index: int, block: Block, partial: str | None, size: int) -> Iterator[Json]:
    start, deltas = _deltas(block, partial, size)
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _deltas(block: Block, partial: str | None, size: int) -> tuple[Block, list[Json]]:
    """How a block begins in a stream, and what is added to it."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, [{"type": "text_delta", "text": t} for t in _pieces(block["text"], size)]
        case "thinking":
            deltas = [{"type": "thinking_delta", "thinking": t} for t in _pieces(block["thinking"], size)]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
            return {"type": "thinking", "thinking": "", "signature": ""}, deltas
        case "tool_use" | "server_tool_use":
            given = partial if partial is not None else json_bytes(block["input"]).decode()
            pieces = ["", *_pieces(given, size)]
            return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block, []


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]
