"""The stored format: everything comes back, and whatever was changed shows."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetlog.domain import events as e
from fleetlog.domain.errors import LogCorrupt
from fleetlog.domain.values import Message, Stored
from fleetlog.runtime import codec

ORIGIN = (1_700_000_000_000, "operator", "because")
DELIVERED = e.MessageDelivered(Message("message-1", "operator", "question", "Ready? \x00 ü 😀"))


def every_event() -> st.SearchStrategy[Any]:
    """Any event there is, with any content its types allow (an item is JSON-like)."""
    return st.one_of([strategy_for(event_class) for event_class in e.ALL_EVENTS])


def strategy_for(kind: type) -> st.SearchStrategy[Any]:
    fields = msgspec.structs.fields(kind)
    return st.builds(kind, **{field.name: of_info(msgspec.inspect.type_info(field.type)) for field in fields})


def of_info(info: Any) -> st.SearchStrategy[Any]:
    """A strategy for what msgspec knows of a type."""
    strategy: st.SearchStrategy[Any] = _OF[type(info)](info)
    return strategy


_INSPECT = msgspec.inspect
_OF: dict[type, Any] = {
    _INSPECT.StrType: lambda _: st.text(max_size=30),
    _INSPECT.IntType: lambda _: st.integers(-(2**63), 2**63 - 1),
    _INSPECT.FloatType: lambda _: st.floats(allow_nan=False),
    _INSPECT.BoolType: lambda _: st.booleans(),
    _INSPECT.NoneType: lambda _: st.none(),
    _INSPECT.BytesType: lambda _: st.binary(max_size=30),
    _INSPECT.AnyType: lambda _: st.none() | st.booleans() | st.integers(0, 99) | st.text(max_size=9),
    _INSPECT.LiteralType: lambda info: st.sampled_from(info.values),
    _INSPECT.UnionType: lambda info: st.one_of([of_info(part) for part in info.types]),
    _INSPECT.VarTupleType: lambda info: st.lists(of_info(info.item_type), max_size=3).map(tuple),
    _INSPECT.TupleType: lambda info: st.tuples(*map(of_info, info.item_types)),
    _INSPECT.ListType: lambda info: st.lists(of_info(info.item_type), max_size=3),
    _INSPECT.DictType: lambda info: st.dictionaries(of_info(info.key_type), of_info(info.value_type), max_size=3),
    _INSPECT.StructType: lambda info: strategy_for(info.cls),
}


@given(event=every_event())
def test_every_event_comes_back_as_it_was(event: Any) -> None:
    topic, state, chain = codec.encode(event, "agent-x", 3, b"before", ORIGIN)
    envelope = codec.decode(topic, state)
    assert envelope == codec.Envelope(chain, codec.Body(*ORIGIN, event))
    assert topic == e.stored_name(type(event))
    assert codec.verify(topic, state, "agent-x", 3, b"before") == chain


@pytest.mark.parametrize(
    ("topic", "stream_id", "version", "previous"),
    [
        ("message.seen", "agent-x", 3, b"before"),
        ("message.delivered", "agent-y", 3, b"before"),
        ("message.delivered", "agent-x", 4, b"before"),
        ("message.delivered", "agent-x", 3, b"after!"),
    ],
    ids=["another name", "another stream", "another version", "another past"],
)
def test_an_event_that_stands_elsewhere_does_not_follow(
    topic: str, stream_id: str, version: int, previous: bytes
) -> None:
    _, state, _ = codec.encode(DELIVERED, "agent-x", 3, b"before", ORIGIN)
    with pytest.raises(LogCorrupt, match=f"{stream_id} version {version}: its chain digest does not follow"):
        codec.verify(topic, state, stream_id, version, previous)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_single_changed_byte_is_found(at: int, flip: int) -> None:
    topic, state, _ = codec.encode(DELIVERED, "agent-x", 1, codec.GENESIS, ORIGIN)
    changed = bytearray(state)
    changed[at % len(state)] ^= flip
    with pytest.raises(LogCorrupt, match="agent-x version 1: "):
        codec.verify(topic, bytes(changed), "agent-x", 1, codec.GENESIS)


@given(cut=st.integers(0, 10_000))
def test_a_truncated_event_is_an_error_of_ours(cut: int) -> None:
    topic, state, _ = codec.encode(DELIVERED, "agent-x", 1, codec.GENESIS, ORIGIN)
    with pytest.raises(LogCorrupt, match=r"message\.delivered"):
        codec.decode(topic, state[: cut % len(state)])


@pytest.mark.parametrize("damaged", ["text", 7, b"", b"\xc1", b"\x92\xc4\x00\x93"])
def test_what_is_no_event_at_all_is_an_error_of_ours(damaged: Any) -> None:
    with pytest.raises(LogCorrupt, match=r"a stored message\.seen event cannot be decoded"):
        codec.decode("message.seen", damaged)
    with pytest.raises(LogCorrupt, match="agent-x version 1: not a stored event"):
        codec.verify("message.seen", damaged, "agent-x", 1, codec.GENESIS)


def test_an_event_of_a_name_nobody_knows_is_an_error_of_ours() -> None:
    body = msgspec.msgpack.encode((*ORIGIN, {"is": "agent.teleported", "to": "mars"}))
    state = msgspec.msgpack.encode((b"chain", msgspec.Raw(body)))
    with pytest.raises(LogCorrupt, match=r"agent\.teleported"):
        codec.decode("agent.teleported", state)


def test_an_event_with_fields_of_a_later_version_is_read_without_them() -> None:
    event = {"is": "message.acknowledged", "message_id": "message-1", "mood": "content"}
    state = msgspec.msgpack.encode((b"chain", (*ORIGIN, event)))
    assert codec.decode("message.acknowledged", state).body.event == e.MessageAcknowledged("message-1")


def test_a_retired_event_is_read_as_the_one_that_replaced_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast(old: dict[str, Any]) -> dict[str, Any]:
        return {"is": "message.acknowledged", "message_id": old["message"]}

    monkeypatch.setattr(codec, "UPCASTERS", {"message.done": upcast})
    state = msgspec.msgpack.encode((b"chain", (*ORIGIN, {"is": "message.done", "message": "message-1"})))
    envelope = codec.decode("message.done", state)
    assert envelope == codec.Envelope(b"chain", codec.Body(*ORIGIN, e.MessageAcknowledged("message-1")))


@given(value=st.recursive(st.none() | st.booleans() | st.integers(0, 2**60) | st.text(), st.lists, max_leaves=9))
def test_a_brains_value_comes_back_fresh_each_time(value: Any) -> None:
    stored = Stored(codec.pack(value))
    first, second = codec.unpack(stored), codec.unpack(stored)
    assert first == second == value
    assert not isinstance(first, list) or first is not second
