"""Idempotency keys: a call that is repeated with its key is made once, and answered the same each time.

A key has a stream of its own; its one event is in the same commit as what the call recorded, with a digest
of the arguments and the reply. So there is no moment at which the call is recorded and its key is not.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import LogCorrupt, NotAllowed
from fleetlog.domain.events import CallRecorded
from fleetlog.runtime import codec
from fleetlog.runtime.engine import CallKey
from fleetlog.runtime.store import EventStore

__all__ = ["Call", "Calls"]

Reply = TypeVar("Reply", bound=msgspec.Struct)


class Call(msgspec.Struct, Generic[Reply], frozen=True):
    """A call of the facade: its name and arguments, what makes it, and how a decision's outcome becomes its
    reply (which is what is recorded with the key)."""

    operation: str
    arguments: object
    reply_type: type[Reply]
    make: Callable[[CallKey | None], Reply]
    seal: Callable[[Any], Reply]


class Calls:
    """The calls of one runtime. Any thread; callers with the same key take turns."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards _under_way
        self._under_way: dict[str, Future[None]] = {}

    def once(self, call: Call[Reply], idempotency_key: str | None) -> tuple[Reply, bool]:
        """(the reply, whether it is that of an earlier call with the same key)."""
        if idempotency_key is None:
            return call.make(None), False
        checks.identifier("idempotency_key", idempotency_key)
        digest = hashlib.blake2b(msgspec.msgpack.encode(call.arguments), digest_size=16).hexdigest()
        stream_id = f"call-{hashlib.blake2b(idempotency_key.encode(), digest_size=16).hexdigest()}"
        key = CallKey(stream_id, call.operation, digest, lambda outcome: msgspec.msgpack.encode(call.seal(outcome)))
        with self._turn(stream_id):
            recorded = self._recorded(key, idempotency_key)
            if recorded is None:
                return call.make(key), False
            return msgspec.msgpack.decode(recorded.result, type=call.reply_type), True

    @contextmanager
    def _turn(self, stream_id: str) -> Iterator[None]:
        mine: Future[None] = Future()
        while True:
            with self._lock:
                first = self._under_way.setdefault(stream_id, mine)
            if first is mine:
                break
            first.result()
        try:
            yield
        finally:
            with self._lock:
                del self._under_way[stream_id]
            mine.set_result(None)

    def _recorded(self, key: CallKey, idempotency_key: str) -> CallRecorded | None:
        stored = self._store.read(key.stream_id)
        if not stored:
            return None
        event = codec.decode(stored[0].topic, stored[0].state).body.event
        if not isinstance(event, CallRecorded):
            raise LogCorrupt(f"{key.stream_id} does not begin with a recorded call")
        if (event.operation, event.arguments_digest) != (key.operation, key.arguments_digest):
            raise NotAllowed(
                f"'idempotency_key' {checks.shown(idempotency_key)} was used for another call "
                f"({event.operation}, or other arguments); use a new key for a new call"
            )
        return event
