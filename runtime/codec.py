"""Events <-> stored bytes. The one place that knows the stored format.

A stored state is the msgpack array `[chain, [at_ms, by, cause, event]]`; `event` is the event's own
map with its stored name under "is". `chain` is BLAKE2b (16 bytes, RFC 7693) over the previous chain digest
of the stream, the stream's id, the version, the stored name and the bytes of the inner array, so that a
changed, dropped, inserted or reordered event shows.
"""

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from fleetlog.domain.errors import LogCorrupt
from fleetlog.domain.events import STORED_NAMES, Event
from fleetlog.domain.values import Stored

__all__ = [
    "FORMAT",
    "GENESIS",
    "UPCASTERS",
    "Body",
    "Envelope",
    "decode",
    "encode",
    "pack",
    "unpack",
    "verify",
]

FORMAT = 1
"""The stored format's number, as the change log speaks of it."""

GENESIS = b""
"""The chain digest before a stream's first event."""

UPCASTERS: Mapping[str, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""Retired stored name -> function from its map to the map of the event that replaced it."""


class Body(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What is stored with an event: when (UTC epoch milliseconds), by whom, because of what."""

    at_ms: int
    by: str
    cause: str
    event: Event


class Envelope(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A stored state."""

    chain: bytes
    body: Body


class _Sealed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    chain: bytes
    body: msgspec.Raw


class _RawBody(msgspec.Struct, frozen=True, array_like=True):
    at_ms: int
    by: str
    cause: str
    event: dict[str, Any]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)
_sealed_decoder = msgspec.msgpack.Decoder(_Sealed)
_topics = {event_class: stored_name for stored_name, event_class in STORED_NAMES.items()}


def chain_digest(previous: bytes, stream_id: str, version: int, topic: str, body: bytes) -> bytes:
    """The digest that binds an event to everything before it in its stream."""
    place = f"{stream_id}\0{version}\0{topic}\0".encode()
    return blake2b(previous + place + body, digest_size=16).digest()


def encode(
    event: Event, stream_id: str, version: int, previous: bytes, origin: tuple[int, str, str]
) -> tuple[str, bytes, bytes]:
    """(stored name, state, chain digest) of the event; `origin` is (at_ms, by, cause)."""
    topic = _topics[type(event)]
    body = _encoder.encode((*origin, event))
    chain = chain_digest(previous, stream_id, version, topic, body)
    return topic, _encoder.encode((chain, msgspec.Raw(body))), chain


def decode(topic: str, state: bytes) -> Envelope:
    """The envelope with its event; raises `LogCorrupt`."""
    try:
        if topic in UPCASTERS:
            return _upcast(topic, state)
        return _decoder.decode(state)
    except (msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:  # TypeError: it is no blob any more
        raise LogCorrupt(f"a stored {topic} event cannot be decoded: {error}") from error


def verify(topic: str, state: bytes, stream_id: str, version: int, previous: bytes) -> bytes:
    """The event's chain digest, if it follows from `previous`; raises `LogCorrupt`."""
    try:
        sealed = _sealed_decoder.decode(state)
    except (msgspec.DecodeError, TypeError) as error:
        raise LogCorrupt(f"{stream_id} version {version}: not a stored event: {error}") from error
    if sealed.chain != chain_digest(previous, stream_id, version, topic, bytes(sealed.body)):
        raise LogCorrupt(f"{stream_id} version {version}: its chain digest does not follow the one before it")
    return sealed.chain


def _upcast(topic: str, state: bytes) -> Envelope:
    sealed = _sealed_decoder.decode(state)
    raw = msgspec.msgpack.decode(sealed.body, type=_RawBody)
    event = msgspec.convert(UPCASTERS[topic](raw.event), Event)
    return Envelope(sealed.chain, Body(raw.at_ms, raw.by, raw.cause, event))


def pack(value: object) -> bytes:
    """A brain's value as stored; raises `TypeError` or `ValueError` for what msgpack cannot hold."""
    return _encoder.encode(value)


def unpack(stored: Stored) -> Any:
    """The value of an inline `Stored`, fresh at every call."""
    return msgspec.msgpack.decode(stored.inline) if stored.inline else None
