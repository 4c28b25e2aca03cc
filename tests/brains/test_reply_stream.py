"""A reply put together from its deltas: whole, however it was cut into pieces, or none at all."""

import contextlib
import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.runtime.brains.reply_stream import BrokenStream, ReplyStream

Json = dict[str, Any]

WORDS = st.text(max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
INPUTS = st.dictionaries(WORDS, VALUES, max_size=4)
CITATIONS = st.lists(st.fixed_dictionaries({"type": st.just("char_location"), "cited_text": WORDS}), max_size=3)


def block_of(kind: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({"type": st.just(kind), **fields})


BLOCKS = st.one_of(
    block_of("text", text=WORDS),
    block_of("text", text=WORDS, citations=CITATIONS.filter(bool)),
    block_of("thinking", thinking=WORDS, signature=st.text(min_size=1)),
    block_of("redacted_thinking", data=WORDS),
    block_of("tool_use", id=WORDS, name=WORDS, input=INPUTS),
    block_of("server_tool_use", id=WORDS, name=WORDS, input=INPUTS),
    block_of("web_search_tool_result", tool_use_id=WORDS, content=VALUES),
    block_of("a_block_of_the_future", anything=VALUES),
)
MESSAGES = st.fixed_dictionaries(
    {
        "id": WORDS,
        "content": st.lists(BLOCKS, max_size=5),
        "stop_reason": st.sampled_from(["end_turn", "tool_use", "max_tokens", "refusal", "pause_turn"]),
        "usage": st.fixed_dictionaries({"input_tokens": st.integers(0), "output_tokens": st.integers(0)}),
    }
)


class Cutter:
    """Cuts a message into events as a server may, at places that Hypothesis chooses."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def events(self, message: Json) -> list[Json]:
        begun = {**message, "content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
        events: list[Json] = [{"type": "message_start", "message": begun}]
        for index, block in enumerate(message["content"]):
            start, deltas = self._deltas(block)
            events.append({"type": "content_block_start", "index": index, "content_block": start})
            events += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
            events.append({"type": "content_block_stop", "index": index})
        ended = {"output_tokens": message["usage"]["output_tokens"], "input_tokens": None}
        events.append({"type": "message_delta", "delta": {"stop_reason": message["stop_reason"]}, "usage": ended})
        return [*events, {"type": "message_stop"}]

    def _deltas(self, block: Json) -> tuple[Json, list[Json]]:
        match block["type"]:
            case "text":
                texts = [{"type": "text_delta", "text": piece} for piece in self._pieces(block["text"])]
                cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
                return {"type": "text", "text": ""}, [*texts, *cited]
            case "thinking":
                thought = [{"type": "thinking_delta", "thinking": piece} for piece in self._pieces(block["thinking"])]
                signed = {"type": "signature_delta", "signature": block["signature"]}
                return {"type": "thinking", "thinking": "", "signature": ""}, [*thought, signed]
            case "tool_use" | "server_tool_use":
                given = msgspec.json.encode(block["input"]).decode() if block["input"] else ""
                pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in self._pieces(given)]
                return {**block, "input": {}}, pieces
        return block, []

    def _pieces(self, text: str) -> list[str]:
        places = sorted(self._data.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        ends = [0, *places, len(text)]
        return [text[start:end] for start, end in itertools.pairwise(ends)]


def lines_of(event: Json) -> list[str]:
    return [f"event: {event['type']}", f"data: {msgspec.json.encode(event).decode()}", ""]


def fed(events: list[Json]) -> tuple[ReplyStream, str]:
    stream = ReplyStream()
    said = "".join(stream.feed(line) for event in events for line in lines_of(event))
    return stream, said


@given(message=MESSAGES, data=st.data())
def test_a_message_comes_out_as_it_went_in_however_it_was_cut(message: Json, data: st.DataObject) -> None:
    events = Cutter(data).events(message)
    for place in sorted(data.draw(st.lists(st.integers(0, len(events)), max_size=3)), reverse=True):
        events.insert(place, {"type": "ping"})
    stream, said = fed(events)
    assert stream.message() == message
    assert said == "".join(block["text"] for block in message["content"] if block["type"] == "text")


@given(message=MESSAGES, data=st.data())
def test_a_stream_cut_anywhere_is_no_message(message: Json, data: st.DataObject) -> None:
    events = Cutter(data).events(message)
    stream, _ = fed(events[: data.draw(st.integers(0, len(events) - 1))])
    with pytest.raises(BrokenStream, match="cut off before its end"):
        stream.message()


@given(message=MESSAGES, data=st.data())
def test_a_line_cut_anywhere_is_no_message(message: Json, data: st.DataObject) -> None:
    events = Cutter(data).events(message)
    place = data.draw(st.integers(0, len(events) - 1))
    stream, _ = fed(events[:place])
    line = lines_of(events[place])[1]
    cut = line[: data.draw(st.integers(0, len(line) - 1))]
    with pytest.raises(BrokenStream):
        (stream.feed(cut), stream.message())


@given(message=MESSAGES, data=st.data())
def test_a_stream_without_some_event_is_no_other_message(message: Json, data: st.DataObject) -> None:
    """What a block lacks when one of its deltas is lost cannot be known; anything else can."""
    events = Cutter(data).events(message)
    kept = [n for n, event in enumerate(events) if event["type"] in ("message_start", "message_delta", "message_stop")]
    del events[data.draw(st.sampled_from(kept))]
    with pytest.raises(BrokenStream):
        fed(events)[0].message()


@given(message=MESSAGES, data=st.data())
def test_an_error_anywhere_is_raised_with_its_kind(message: Json, data: st.DataObject) -> None:
    events = Cutter(data).events(message)
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    stream, _ = fed(events[: data.draw(st.integers(0, len(events) - 1))])
    with pytest.raises(BrokenStream, match="Overloaded") as caught:
        stream.feed(lines_of(error)[1])
    assert caught.value.kind == "overloaded_error"


@given(line=st.text(max_size=60))
def test_no_line_raises_anything_else(line: str) -> None:
    stream = ReplyStream()
    for text in (line, f"data: {line}", f'data: {{"type": {msgspec.json.encode(line).decode()}}}'):
        with contextlib.suppress(BrokenStream):
            stream.feed(text)


@given(event=VALUES | st.dictionaries(st.sampled_from(["type", "index", "delta", "content_block"]), VALUES))
def test_no_event_raises_anything_else(event: Any) -> None:
    stream = ReplyStream()
    kinds = ("content_block_delta", "content_block_start", "content_block_stop", "message_start", "message_delta")
    for kind in (*kinds, "error"):
        given = {**event, "type": kind} if isinstance(event, dict) else event
        line = f"data: {msgspec.json.encode(given).decode()}"
        with pytest.raises(BrokenStream):
            (stream.feed(line), stream.message())


def test_a_tool_call_whose_arguments_are_not_whole_is_no_message_unless_the_limit_cut_it() -> None:
    for reason, is_whole in (("tool_use", False), ("end_turn", False), ("max_tokens", True), ("refusal", True)):
        block = {"type": "tool_use", "id": "t", "name": "read", "input": {}}
        stream, _ = fed(
            [
                {"type": "message_start", "message": {"id": "m", "content": [], "usage": {}}},
                {"type": "content_block_start", "index": 0, "content_block": block},
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": '{"a'},
                },
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 3}},
                {"type": "message_stop"},
            ]
        )
        if is_whole:
            assert stream.message()["content"] == [block]
        else:
            with pytest.raises(BrokenStream, match="arguments of a tool call"):
                stream.message()
