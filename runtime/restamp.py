"""The events of one fleet as those of another: new ids, and deadlines with as much time left as they had.

Its rule: a stamp and a message's stem always have the same length, so they are replaced as bytes, wherever they stand:
in ids, in causes, and in ids inside stored values.
"""

import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import Now, stamp_of
from fleetlog.runtime import codec

__all__ = ["Restamp", "uptime_at"]

_STEM = re.compile(rb"message-[0-9a-f]{16}-")
_UPTIMES = ("uptime_s", "until_uptime_s", "retry_uptime_s")
"""The fields of fleets' and agents' events that hold an uptime."""


class Restamp:
    """Calling it gives an event's body as the fork's. `lag_s` is the uptime that has passed since the moment of the
    fork; `name` renames the fleet, if it is not empty."""

    def __init__(self, old_id: str, new_id: str, lag_s: float, name: str) -> None:
        self._old, self._new = stamp_of(old_id), stamp_of(new_id)
        if len(self._old) != len(self._new):
            raise InvalidArgument(f"'fleet_id' must be an id that spawn_fleet has made to be forked, got {old_id}")
        self._lag_s, self._name = lag_s, name
        self._stems: dict[bytes, bytes] = {}

    def stream_id(self, stream_id: str) -> str:
        """The id of the fork's stream for one of the old fleet."""
        return stream_id.replace(self._old, self._new)

    def __call__(self, body: codec.Body) -> codec.Body:
        stored = msgspec.msgpack.encode(body).replace(self._old.encode(), self._new.encode())
        copy = msgspec.msgpack.decode(_STEM.sub(self._stem, stored), type=codec.Body)
        return msgspec.structs.replace(copy, event=self._renamed(_shifted(copy.event, self._lag_s)))

    def _stem(self, found: re.Match[bytes]) -> bytes:
        return self._stems.setdefault(found[0], f"message-{secrets.token_hex(8)}-".encode())

    def _renamed(self, event: Any) -> Any:
        if not self._name or not isinstance(event, e.FleetSpawned):
            return event
        return msgspec.structs.replace(event, spec=msgspec.structs.replace(event.spec, name=self._name))


def _shifted(event: Any, by_s: float) -> Any:
    found = {field: getattr(event, field, None) for field in _UPTIMES}
    later = {field: uptime_s + by_s for field, uptime_s in found.items() if uptime_s is not None}
    return msgspec.structs.replace(event, **later) if later and by_s else event


def uptime_at(streams: Iterable[Sequence[codec.Body]], at_ms: int, now: Now) -> float:
    """The uptime at an epoch millisecond: that of the last recorded event which tells its own, and the wall time from
    there; at most the present one. Time for which the machine was off in between counts as uptime."""
    told = [
        (body.at_ms, body.event.uptime_s)
        for bodies in streams
        for body in bodies
        if isinstance(body.event, e.FleetSpawned | e.AgentStarted | e.FleetForked) and body.event.uptime_s is not None
    ]
    last_ms, uptime_s = max(told)
    return min(now.uptime_s, uptime_s + max(0, at_ms - last_ms) / 1000)
