"""What a runtime can be asked. Answered from the views, which show all that any caller was told is committed."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from msgspec.structs import replace

from fleetlog.domain import checks
from fleetlog.domain.errors import RuntimeClosed
from fleetlog.domain.values import AGENT_ENDED, FLEET_ENDED
from fleetlog.runtime import arguments
from fleetlog.runtime.assembly import Assembly
from fleetlog.runtime.audit import Verdict, verify
from fleetlog.runtime.brains.gate import GateState
from fleetlog.runtime.definitions.catalog import Catalog
from fleetlog.runtime.health import Health, health_of
from fleetlog.runtime.past import queries_at
from fleetlog.runtime.replies import (
    AgentList,
    Definitions,
    FleetList,
    FleetStatus,
    HelpList,
    InboxReply,
    Results,
    Spend,
)
from fleetlog.runtime.rows import AgentRow, DoubtRow, FleetRow, TimelineEntry
from fleetlog.runtime.unread import UnreadCounts

__all__ = ["Questions"]


class Questions:
    """The asking half of `Runtime`. Any thread."""

    def __init__(self, parts: Assembly) -> None:
        self._parts = parts
        self._closed = threading.Event()
        self._unread = UnreadCounts(parts.queries, parts.projector)

    def fleet_status(self, fleet_id: str, *, at_ms: int | None = None) -> FleetStatus:
        """A fleet and its agents: now, or as they were at an epoch millisecond. Raises `NotFound`."""
        position = self._catch_up()
        if at_ms is not None:
            checks.integer("at_ms", at_ms, at_least=0)
            with queries_at(self._parts.engine.store, self._parts.engine.artifacts, at_ms, fleet_id) as past:
                return FleetStatus(past.fleet(fleet_id), tuple(past.agents(fleet_id)), past.position())
        return FleetStatus(self._parts.queries.fleet(fleet_id), self._agents(fleet_id), position)

    def list_fleets(
        self,
        *,
        status: str | None = None,
        query: str = "",
        limit: int = 50,
        cursor: str | None = None,
        archived: bool = False,
        at_ms: int | None = None,
    ) -> FleetList:
        """Fleets, newest first; `query` is looked for in id, name and goal; archived ones only if asked. With `at_ms`,
        as they were at that epoch millisecond."""
        position = self._catch_up()
        if at_ms is not None:
            checks.integer("at_ms", at_ms, at_least=0)
            with queries_at(self._parts.engine.store, self._parts.engine.artifacts, at_ms) as past:
                fleets, next_cursor = past.fleets(status, query, limit, cursor, archived)
                return FleetList(tuple(fleets), next_cursor, past.position())
        fleets, next_cursor = self._parts.queries.fleets(status, query, limit, cursor, archived)
        return FleetList(tuple(fleets), next_cursor, position)

    def list_agents(self, fleet_id: str) -> AgentList:
        """The agents of a fleet, in the order they were spawned."""
        position = self._catch_up()
        self._parts.queries.fleet(fleet_id)
        return AgentList(self._agents(fleet_id), position)

    def _agents(self, fleet_id: str) -> tuple[AgentRow, ...]:
        held = self._parts.leases.rows(fleet_id)
        agents = self._parts.queries.agents(fleet_id)
        return tuple(replace(agent, lease=held[agent.id]) if agent.id in held else agent for agent in agents)

    def spend(self, fleet_id: str) -> Spend:
        """What a fleet has spent, by agent and by call, and what is set aside; raises `NotFound`."""
        position, queries = self._catch_up(), self._parts.queries
        fleet = queries.fleet(fleet_id)
        return Spend(
            fleet_id,
            fleet.spent,
            queries.reserved(fleet_id),
            fleet.budget,
            queries.spent_by_agent(fleet_id),
            tuple(queries.paid_calls(fleet_id)),
            position,
        )

    def definitions(self, query: str = "", workspace: str | None = None) -> Definitions:
        """The agent definitions that a spec's `agent` may name: the workspace's, the user's, the bundled ones; with a
        query those that fit, best first. `problems` are files that hold none, or more than is understood."""
        query = checks.text("query", query, max_chars=1_000)
        catalog = Catalog.load(arguments.folder("workspace", workspace) if workspace else None)
        found = catalog.search(query)
        return Definitions(len(found), tuple(found), catalog.problems)

    def query_view(self, projection: str, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query over the views, once these show everything that is committed. `projection` is the name of
        the read model that is asked (see `Extensions`): if it has failed, `StoreFault` says where. The connection
        only reads."""
        self._catch_up()
        self._parts.projector.check(projection)
        return self._parts.queries.rows(sql, *parameters)

    def gates(self) -> list[GateState]:
        """The gates in front of models, as they are now: who is let in, who waits, until when one is closed."""
        self._check_open()
        return self._parts.claude.gates.states()

    def drafts(self) -> dict[str, str]:
        """Agent id -> the end of the reply that its model is just writing. Nothing of it is durable."""
        self._check_open()
        return self._parts.claude.drafts.texts()

    def collect_results(self, fleet_id: str, wait_s: float = 0.0) -> Results:
        """How the fleet's agents have ended. Waits up to `wait_s` seconds until the fleet ends (a fleet that
        is kept open: until none of its agents is left to end)."""
        deadline = time.monotonic() + checks.seconds("wait_s", wait_s, zero=True)
        position = self._catch_up()
        while not self._is_collected(fleet_id):
            remaining = deadline - time.monotonic()
            if remaining <= 0 or self._closed.is_set():
                break
            position = self._parts.projector.wait_past(position, min(remaining, 1.0))
        return self._results(fleet_id, position)

    def _is_collected(self, fleet_id: str) -> bool:
        return _is_final(self._parts.queries.fleet(fleet_id))

    def _results(self, fleet_id: str, position: int) -> Results:
        fleet = self._parts.queries.fleet(fleet_id)
        results = self._parts.queries.results(fleet_id)
        delivered = sum(1 for result in results if result.status == "complete")
        return Results(
            fleet_id=fleet_id,
            status=fleet.status,
            total=fleet.agent_count,
            delivered=delivered,
            lost=len(results) - delivered,
            still_running=fleet.agent_count - len(results),
            results=tuple(results),
            is_final=_is_final(fleet),
            position=position,
        )

    def timeline(
        self, fleet_id: str | None = None, *, after: int = 0, limit: int = 200, wait_s: float = 0.0
    ) -> tuple[TimelineEntry, ...]:
        """Events behind a log position, one line each; waits up to `wait_s` for the first."""
        position = self._catch_up()
        if fleet_id is not None:
            self._parts.queries.fleet(fleet_id)
        entries = self._parts.queries.timeline(fleet_id, after, limit)
        deadline = time.monotonic() + checks.seconds("wait_s", wait_s, zero=True)
        while not entries and time.monotonic() < deadline and not self._closed.is_set():
            position = self._parts.projector.wait_past(position, min(1.0, deadline - time.monotonic()))
            entries = self._parts.queries.timeline(fleet_id, after, limit)
        return tuple(entries)

    def listening(self, listener: Callable[[], object]) -> AbstractContextManager[None]:
        """Within it, `listener` is called whenever there may be another answer: on a thread of ours, so briefly."""
        self._check_open()
        return self._parts.projector.listening(listener)

    def resolve_fleet(self, prefix: str) -> str:
        """The one fleet whose id begins with `prefix` (with or without `fleet-`)."""
        self._catch_up()
        return self._parts.queries.resolve_fleet(prefix)

    def inbox(
        self,
        agent_id: str,
        *,
        since: int | None = None,
        all: bool = False,
        after: int = 0,
        limit: int | None = None,
    ) -> InboxReply:
        """An agent's messages that are not acknowledged (or all), oldest first: those sent `since` an epoch
        millisecond, behind the log position `after`, up to `limit` of them."""
        position = self._catch_up()
        found = self._parts.queries.inbox(agent_id, since, all=all, after=after, limit=limit)
        return InboxReply(tuple(found), position)

    def unread(self, agent_id: str, *, waits: bool = True) -> int:
        """How many messages an agent has not acknowledged. If it may not wait: as far as the views have come."""
        if waits:
            self._catch_up()
        else:
            self._check_open()
        return self._unread.of(checks.identifier("agent_id", agent_id))

    def list_help(self, fleet_id: str | None = None, status: str | None = None, *, kind: str | None = None) -> HelpList:
        """Tickets: `open`, `answered`, `expired`, `cancelled` or all; of kind `help`, `approval` or both."""
        position = self._catch_up()
        found = self._parts.queries.help_requests(_optional_id(fleet_id), status, kind)
        return HelpList(tuple(found), position)

    def help_requests(self, fleet_id: str | None = None, status: str | None = None) -> HelpList:
        """As `list_help`."""
        return self.list_help(fleet_id, status)

    def doubts(self, fleet_id: str | None = None) -> tuple[DoubtRow, ...]:
        """Steps of which it is not known whether they were done, waiting for `resolve_doubt`."""
        self._catch_up()
        return tuple(self._parts.queries.doubts(_optional_id(fleet_id)))

    def health(self) -> Health:
        """How this runtime is: sizes, counts, lag, gates. It never waits."""
        self._check_open()
        return health_of(self._parts)

    def verify_ledger(self, *, since: int = 0) -> Verdict:
        """Read the whole log and check that every stream is contiguous, chained and folds. What is wrong up to the
        position `since` is not told again."""
        self._check_open()
        return verify(self._parts.engine.store, since=checks.integer("since", since, at_least=0))

    def artifact(self, sha256: str) -> bytes:
        """The content of an artifact."""
        return self._parts.engine.artifacts.get(checks.text("sha256", sha256))

    @property
    def position(self) -> int:
        """The log position of the last event this runtime has committed."""
        return self._parts.engine.journal.position

    def _catch_up(self) -> int:
        self._check_open()
        return self._parts.catch_up()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise RuntimeClosed("the runtime is closed; open it again")


def _optional_id(fleet_id: str | None) -> str | None:
    return None if fleet_id is None else checks.identifier("fleet_id", fleet_id)


def _is_final(fleet: FleetRow) -> bool:
    ended = sum(count for status, count in fleet.agents.items() if status in AGENT_ENDED)
    return ended >= fleet.agent_count and (fleet.stays_open or fleet.status in FLEET_ENDED)
