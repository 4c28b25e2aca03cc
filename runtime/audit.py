"""Is the log whole? Versions without gaps, digests that chain, events that decode and fold.

A cut tail cannot be seen from a log alone; it shows against the views' position or a signed checkpoint.
"""

from collections.abc import Iterator

import msgspec

from fleetlog.domain.access import Token
from fleetlog.domain.agent import Agent
from fleetlog.domain.council import Council
from fleetlog.domain.discussion import Discussion
from fleetlog.domain.errors import FleetlogError, LogCorrupt, StoreFault
from fleetlog.domain.events import CallRecorded, GateClosed
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.template import Template
from fleetlog.runtime import codec
from fleetlog.runtime.store import EventStore, Notification

__all__ = ["Verdict", "verify"]

_BATCH = 5_000
_MAX_FINDINGS = 100


class Verdict(msgspec.Struct, frozen=True):
    """`ok` when nothing was found. `findings` names streams and versions, at most 100 of them."""

    ok: bool
    events: int
    streams: int
    findings: tuple[str, ...]


class _Stream:
    def __init__(self, stream_id: str) -> None:
        self.version, self.chain, self.broken = 0, codec.GENESIS, False
        self.state = _fresh_state(stream_id)


def verify(store: EventStore, head: int | None = None, *, since: int = 0) -> Verdict:
    """Read the whole log up to `head` once and check every stream; told is what is found behind `since`."""
    streams: dict[str, _Stream] = {}
    findings: list[str] = []
    events = 0
    head = store.head() if head is None else head
    try:
        for stored in _log(store, head):
            events += 1
            stream_id = str(stored.originator_id)
            stream = streams.setdefault(stream_id, _Stream(stream_id))
            if not stream.broken:
                _check(stream_id, stream, stored, findings if stored.id > since else [])
    except StoreFault as error:
        findings.append(str(error))
    return Verdict(not findings, events, len(streams), tuple(findings[:_MAX_FINDINGS]))


def _log(store: EventStore, head: int) -> Iterator[Notification]:
    with store.subscribe() as log:
        while log.position < head and (batch := log.next_batch(_BATCH, 0)):
            yield from batch


def _check(stream_id: str, stream: _Stream, stored: Notification, findings: list[str]) -> None:
    version = stored.originator_version
    try:
        if version != stream.version + 1:
            raise LogCorrupt(f"{stream_id} version {version} follows version {stream.version}")
        stream.chain = codec.verify(stored.topic, stored.state, stream_id, version, stream.chain)
        event = codec.decode(stored.topic, stored.state).body.event
        if stream.state is not None:
            stream.state.evolve(event)  # type: ignore[arg-type]  # the stream's kind decides which events it has
        elif not isinstance(event, CallRecorded | GateClosed):
            raise LogCorrupt(f"{stream_id} version {version}: a {stored.topic} in a stream of no known kind")
    except Exception as error:  # noqa: BLE001 - damage can have any shape, and an auditor stumbles over none
        stream.broken = True
        said = str(error) if isinstance(error, FleetlogError) else f"{type(error).__name__}: {error}"
        findings.append(f"position {stored.id}: {said}")
    stream.version = version


def _fresh_state(stream_id: str) -> Agent | Council | Discussion | Fleet | Token | Template | None:
    if stream_id.startswith("agent-"):
        return Agent(stream_id)
    if stream_id.startswith("fleet-"):
        return Fleet(stream_id)
    if stream_id.startswith("council-"):
        return Council(stream_id)
    if stream_id.startswith("discussion-"):
        return Discussion(stream_id)
    if stream_id.startswith("token-"):
        return Token(stream_id)
    if stream_id.startswith("template-"):
        return Template(stream_id)
    return None
