"""Events <-> stored bytes. The one place that knows the stored format.

A stored state is the msgpack array `[chain, at_ms, by, cause, event]`; `event` is the event's own map
with its stored name under "is". `chain` is BLAKE2b (16 bytes, RFC 7693) over the previous chain digest
of the stream, the stream's id, the version, the stored name and the other four parts, so that a changed,
dropped, inserted or reordered event shows.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from fleetlog.domain.errors import LogCorrupt
from fleetlog.domain.events import Event, stored_name
from fleetlog.domain.values import Stored

__all__ = ["FORMAT", "GENESIS", "UPCASTERS", "Envelope", "chain_digest", "decode", "encode", "pack", "unpack"]

FORMAT = 1
"""The stored format's number, as the change log speaks of it."""

GENESIS = b""
"""The chain digest before a stream's first event."""

UPCASTERS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Retired stored name -> function from its map to the map of the event that replaced it."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """What is stored with an event: when (UTC epoch milliseconds), by whom, because of what."""

    chain: bytes
    at_ms: int
    by: str
    cause: str
    event: Event


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    chain: bytes
    at_ms: int
    by: str
    cause: str
    event: msgspec.Raw


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)
_sealed_decoder = msgspec.msgpack.Decoder(_Sealed)
_topics: dict[type, str] = {}


def topic_of(event: Event) -> str:
    """The stored name of an event."""
    return stored_name(type(event))


def chain_digest(previous: bytes, stream_id: str, version: int, topic: str, body: bytes) -> bytes:
    """The digest that binds an event to everything before it in its stream."""
    return blake2b(
        b"%b\0%b\0%d\0%b\0%b" % (previous, stream_id.encode(), version, topic.encode(), body), digest_size=16
    ).digest()


def _body(at_ms: int, by: str, cause: str, event: bytes) -> bytes:
    return b"%d\0%b\0%b\0%b" % (at_ms, by.encode(), cause.encode(), event)


def encode(
    event: Event, stream_id: str, version: int, previous: bytes, origin: tuple[int, str, str]
) -> tuple[str, bytes, bytes]:
    """(stored name, state, chain digest) of the event; `origin` is (at_ms, by, cause)."""
    topic = stored_name(type(event))
    raw = _encoder.encode(event)
    at_ms, by, cause = origin
    chain = chain_digest(previous, stream_id, version, topic, _body(at_ms, by, cause, raw))
    return topic, _encoder.encode((chain, at_ms, by, cause, msgspec.Raw(raw))), chain


def decode(topic: str, state: bytes) -> Envelope:
    """The envelope with its event; raises `LogCorrupt`."""
    try:
        if topic in UPCASTERS:
            return _upcast(topic, state)
        return _decoder.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise LogCorrupt(f"a stored {topic} event cannot be decoded: {error}") from error


def verify(topic: str, state: bytes, stream_id: str, version: int, previous: bytes) -> bytes:
    """The event's chain digest, if it follows from `previous`; raises `LogCorrupt`."""
    try:
        sealed = _sealed_decoder.decode(state)
    except msgspec.DecodeError as error:
        raise LogCorrupt(f"{stream_id} version {version}: not a stored event: {error}") from error
    body = _body(sealed.at_ms, sealed.by, sealed.cause, bytes(sealed.event))
    if sealed.chain != chain_digest(previous, stream_id, version, topic, body):
        raise LogCorrupt(f"{stream_id} version {version}: its chain digest does not follow the one before it")
    return sealed.chain


def _upcast(topic: str, state: bytes) -> Envelope:
    sealed = _sealed_decoder.decode(state)
    event = msgspec.convert(UPCASTERS[topic](msgspec.msgpack.decode(sealed.event)), Event)
    return Envelope(sealed.chain, sealed.at_ms, sealed.by, sealed.cause, event)


def pack(value: object) -> bytes:
    """A brain's value as stored; raises `TypeError` or `ValueError` for what msgpack cannot hold."""
    return _encoder.encode(value)


def unpack(stored: Stored) -> Any:
    """The value of an inline `Stored`, fresh at every call."""
    return msgspec.msgpack.decode(stored.inline) if stored.inline else None
