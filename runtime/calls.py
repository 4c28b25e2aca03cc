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
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore

__all__ = ["Begun", "Call", "Calls", "KeyReused"]

R = TypeVar("R", bound=msgspec.Struct)


class KeyReused(NotAllowed):
    """The key was used before, for another call or with other arguments."""


class Call(msgspec.Struct, Generic[R], frozen=True):
    """A call of the facade: its name and arguments, what puts it on its way, and how a decision's outcome becomes
    its reply (which is what is recorded with the key)."""

    operation: str
    arguments: object
    reply_type: type[R]
    start: Callable[[CallKey | None], Reply[Receipt]]
    seal: Callable[[Any], R]


class Begun(Generic[R]):
    """A call that is on its way: `reply()` waits for its commit. An event loop awaits `future` before."""

    def __init__(self, future: Reply[Receipt], seal: Callable[[Any], R]) -> None:
        self.future, self._seal = future, seal

    def reply(self) -> R:
        """The reply, after the commit; raises what the call was refused with."""
        receipt = self.future.result()
        reply: R = msgspec.structs.replace(self._seal(receipt.outcome), position=receipt.position)
        return reply


class Calls:
    """The calls of one runtime. Any thread; callers with the same key take turns."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards both below
        self._under_way: dict[str, Future[None]] = {}
        self._counted: dict[str, int] = {}

    @contextmanager
    def counted(self, stem: str, after: int) -> Iterator[None]:
        """Within it, nothing is looked up for a key `STEM-NUMBER` whose number is above `after` and all that were used
        before: who makes the keys says that it has never sent these. Were that wrong, the call would be refused with
        `VersionConflict`: a key's stream begins once."""
        with self._lock:
            self._counted[stem] = after
        try:
            yield
        finally:
            with self._lock:
                self._counted.pop(stem, None)

    def once(self, call: Call[R], idempotency_key: str | None) -> tuple[R, bool]:
        """(the reply, whether it is that of an earlier call with the same key)."""
        if idempotency_key is None:
            return Begun(call.start(None), call.seal).reply(), False
        key = _key(call, idempotency_key)
        with self._turn(key.stream_id):
            recorded = self._recorded(key, idempotency_key)
            if recorded is None:
                return Begun(call.start(key), call.seal).reply(), False
            return msgspec.msgpack.decode(recorded.result, type=call.reply_type), True

    def begin(self, call: Call[R], idempotency_key: str | None) -> Begun[R] | None:
        """Put it on its way, without waiting for its commit. None when its key was used before, or just is: `once`
        knows what to answer."""
        if idempotency_key is None:
            return Begun(call.start(None), call.seal)
        key, mine = _key(call, idempotency_key), Future[None]()
        if not self._take_turn(key.stream_id, mine):
            return None
        try:
            if self._recorded(key, idempotency_key) is not None:
                self._end_turn(key.stream_id, mine)
                return None
            future = call.start(key)
        except BaseException:
            self._end_turn(key.stream_id, mine)
            raise
        future.add_done_callback(lambda _: self._end_turn(key.stream_id, mine))
        return Begun(future, call.seal)

    @contextmanager
    def _turn(self, stream_id: str) -> Iterator[None]:
        mine: Future[None] = Future()
        while not self._take_turn(stream_id, mine):
            if (first := self._under_way.get(stream_id)) is not None:
                first.result()
        try:
            yield
        finally:
            self._end_turn(stream_id, mine)

    def _take_turn(self, stream_id: str, mine: Future[None]) -> bool:
        with self._lock:
            return self._under_way.setdefault(stream_id, mine) is mine

    def _end_turn(self, stream_id: str, mine: Future[None]) -> None:
        with self._lock:
            del self._under_way[stream_id]
        mine.set_result(None)

    def _is_new(self, idempotency_key: str) -> bool:
        stem, _, number = idempotency_key.rpartition("-")
        with self._lock:
            last = self._counted.get(stem)
            if last is None or not number.isdecimal() or int(number) <= last:
                return False
            self._counted[stem] = int(number)
            return True

    def _recorded(self, key: CallKey, idempotency_key: str) -> CallRecorded | None:
        stored = () if self._is_new(idempotency_key) else self._store.read(key.stream_id)
        if not stored:
            return None
        event = codec.decode(stored[0].topic, stored[0].state).body.event
        if not isinstance(event, CallRecorded):
            raise LogCorrupt(f"{key.stream_id} does not begin with a recorded call")
        if (event.operation, event.arguments_digest) != (key.operation, key.arguments_digest):
            raise KeyReused(
                f"'idempotency_key' {checks.shown(idempotency_key)} was used for another call "
                f"({event.operation}, or other arguments); use a new key for a new call"
            )
        return event


def _key(call: Call[R], idempotency_key: str) -> CallKey:
    checks.identifier("idempotency_key", idempotency_key)
    digest = hashlib.blake2b(msgspec.msgpack.encode(call.arguments), digest_size=16).hexdigest()
    stream_id = f"call-{hashlib.blake2b(idempotency_key.encode(), digest_size=16).hexdigest()}"
    return CallKey(stream_id, call.operation, digest, lambda outcome: msgspec.msgpack.encode(call.seal(outcome)))
