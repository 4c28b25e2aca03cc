"""Logs for reading: streams as a fleet would have written them, made without running it."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

from fleetlog.domain import events as e
from fleetlog.domain.spec import seats
from fleetlog.domain.values import AgentSpec, FleetSpec, Message, Stored
from fleetlog.runtime import codec
from fleetlog.runtime.store import NewEvent, open_store

__all__ = ["FLEET_ID", "write_log"]

FLEET_ID = "fleet-261123-014647-k3f2q7"
AT_MS = 1_795_400_000_000
BATCH = 2_000
PAYLOAD = "x" * 200


def write_log(path: Path, agents: int, events_each: int, *, mail_only: bool = False) -> tuple[str, ...]:
    """A fleet of so many agents with so many events each, their events taking turns; the agents' ids. The
    agents work (steps, messages read, reports), or get messages and nothing else."""
    spec = FleetSpec(agents=(AgentSpec(role="box", prompt="wait", each=tuple(range(agents))),), keep_open=True)
    checked = FleetSpec(agents=(AgentSpec(role="box", prompt="wait", name="box", each=tuple(range(agents))),))
    found = seats(checked, FLEET_ID)
    streams = [
        _Stream(seat.member.agent_id, _agent_events(seat.spec, seat.member.name, mail_only=mail_only)) for seat in found
    ]
    fleet = _Stream(FLEET_ID, iter([e.FleetSpawned(spec, tuple(seat.member for seat in found), 0.0)]))
    batch = [fleet.next_event()]
    with open_store(path) as store:
        for _ in range(events_each):
            for stream in streams:
                batch.append(stream.next_event())
                if len(batch) >= BATCH:
                    store.append(batch)
                    batch = []
        store.append(batch)
    return tuple(stream.stream_id for stream in streams)


class _Stream:
    """One stream's events, encoded as the runtime does."""

    def __init__(self, stream_id: str, events: Iterator[e.Event]) -> None:
        self.stream_id, self._events = stream_id, events
        self._version, self._chain = 0, codec.GENESIS

    def next_event(self) -> NewEvent:
        """The next event, to be appended."""
        self._version += 1
        event = next(self._events)
        topic, state, self._chain = codec.encode(
            event, self.stream_id, self._version, self._chain, (AT_MS, "operator", "")
        )
        return NewEvent(self.stream_id, self._version, topic, state)


def _agent_events(spec: AgentSpec, name: str, *, mail_only: bool) -> Iterator[e.Event]:
    yield e.AgentSpawned(FLEET_ID, name, spec)
    yield e.AgentStarted()
    yield from _mail(name) if mail_only else _work(name)


def _mail(name: str) -> Iterator[e.Event]:
    for number in count():
        yield e.MessageDelivered(_message(name, number))


def _work(name: str) -> Iterator[e.Event]:
    """Of six events: two steps, a message, its reading, a message sent, a report."""
    value = Stored(codec.pack({"found": 3, "text": "y" * 120}))
    index = count()
    for number in count():
        message = _message(name, number)
        yield e.StepCompleted(next(index), "read", "pure", value)
        yield e.MessageDelivered(message)
        yield e.MessageSeen(next(index), "receive", message.id, acknowledged=True)
        yield e.StepCompleted(next(index), "note", "idempotent", value)
        yield e.MessageSent(next(index), "send_message", f"message-{name}-out-{number}", 1)
        yield e.ProgressReported(f"file {number}", 0.5)


def _message(name: str, number: int) -> Message:
    return Message(f"message-{name}-{number}", "operator", "result", PAYLOAD)
