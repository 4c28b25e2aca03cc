"""A fleet of agents without brains, and messages for them: what most benchmarks measure with.

Mailbox agents do nothing of their own, so a message costs what the runtime costs: the call, the actor's
decision, the encoding, the commit, the reply.
"""

from collections.abc import Sequence
from pathlib import Path

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.assembly import Assembly
from fleetlog.runtime.clock import SystemClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.places import Place
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import EventStore, LogSubscription, NewEvent, StoredEvent, open_store

__all__ = ["PAYLOAD", "Mailboxes", "NotingStore", "mailbox_fleet"]

PAYLOAD = "x" * 200


def mailbox_fleet(agents: int) -> FleetSpec:
    """A fleet of so many agents without brains; it stays open."""
    return FleetSpec(agents=(AgentSpec(role="box", prompt="wait", each=tuple(range(agents))),), keep_open=True)


class NotingStore:
    """The SQLite store, noting how many events each commit held."""

    def __init__(self, path: Path) -> None:
        self.recorded = open_store(path)
        self.sizes: list[int] = []

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """See `EventStore`."""
        self.sizes.append(len(events))
        return self.recorded.append(events)

    def read(self, stream_id: str, after: int = 0) -> Sequence[StoredEvent]:
        """See `EventStore`."""
        return self.recorded.read(stream_id, after)

    def head(self) -> int:
        """See `EventStore`."""
        return self.recorded.head()

    def subscribe(self, after: int = 0) -> LogSubscription:
        """See `EventStore`."""
        return self.recorded.subscribe(after)

    def close(self) -> None:
        """See `EventStore`."""
        self.recorded.close()


class Mailboxes:
    """A fleet in a directory of its own and a runtime on it, with its views or without; a fresh one with each
    `start`, since mail that nobody reads stays in the agents' memory."""

    def __init__(self, directory: Path, agents: int) -> None:
        self.agents = agents
        self._directory, self._number = directory, 0
        self._runtime: Runtime | None = None
        self.sent: tuple[int, int, list[int]] | None = None
        """Of the last round: the log's position before and after it, and the sizes of its commits."""

    def start(self, *, views: bool) -> None:
        """A new fleet, every agent of it in memory; the views are kept up from now on, or are not."""
        self.close()
        self._number += 1
        self.path = self._directory / str(self._number)
        self.path.mkdir()
        self.store = NotingStore(self.path / "log.db")
        store: EventStore = self.store
        self._parts = Assembly(Place(self.path), RuntimeConfig(), SystemClock(), store=store)
        self._runtime = Runtime(self._parts, RuntimeConfig())
        spawned = self.runtime.spawn_fleet(mailbox_fleet(self.agents))
        self.fleet_id, self.agent_ids = spawned.fleet_id, spawned.agent_ids
        self.has_views = True
        self.send(self.agents)
        self.catch_up()
        if not views:
            self._parts.projector.close()
            self.has_views = False

    @property
    def runtime(self) -> Runtime:
        """The runtime that was started last."""
        assert self._runtime is not None
        return self._runtime

    def send(self, messages: int) -> None:
        """So many messages, to one agent after the other, without waiting in between; returns after the last
        reply, so all of them are committed and fsynced."""
        before, commits = self.runtime.position, len(self.store.sizes)
        send, fleet_id = self.runtime.send_message_nowait, self.fleet_id
        replies: list[Reply[Receipt]] = []
        for _ in range(max(1, messages // self.agents)):
            replies += [send("operator", agent_id, fleet_id, "result", PAYLOAD) for agent_id in self.agent_ids]
        for reply in replies:
            reply.result()
        self.sent = before, self.runtime.position, self.store.sizes[commits:]

    def send_one(self) -> None:
        """One message, waited for."""
        self.runtime.send_message("operator", self.agent_ids[0], self.fleet_id, "result", PAYLOAD)

    def catch_up(self) -> None:
        """Wait until the views, if they are kept up, have the last position."""
        if self.has_views:
            self._parts.projector.wait(self.runtime.position, timeout_s=120)

    def count(self, messages: int) -> int:
        """How many messages `send` really sends."""
        return max(1, messages // self.agents) * self.agents

    def close(self) -> None:
        """Close the runtime, if there is one."""
        if self._runtime is not None:
            self._runtime.close()
            self._runtime = None
