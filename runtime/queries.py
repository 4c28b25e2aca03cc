"""What people and programs ask: answered from the views alone, by this process or another."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, get_args

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import Budget, Stored, TicketKind, TicketStatus, Usage, agent_id_for, fleet_id_of
from fleetlog.projections.projection import Projection
from fleetlog.projections.spend import USAGE_COLUMNS
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.rows import (
    INBOX_COLUMNS,
    AgentRow,
    CallRow,
    DoubtRow,
    FleetRow,
    HelpRow,
    InboxMessage,
    ResultRow,
    TicketNotice,
    TimelineEntry,
    TokenRow,
    help_row,
)
from fleetlog.runtime.views import Reader

__all__ = ["Queries"]

MAX_PAGE = 1_000
FLEET_STATUSES = ("running", "complete", "failed", "timed_out", "cancelled", "interrupted", "paused")

_SUMS = ", ".join(f"coalesce(sum({column}), 0) AS {column}" for column in USAGE_COLUMNS)
_AGENT_STATUS = "CASE WHEN pause_kind<>'' AND status IN ('pending','running','waiting') THEN 'paused' ELSE status END"


class Queries:
    """Queries over one view file. Any thread. `is_owned`: a process runs what has not ended."""

    def __init__(self, reader: Reader, artifacts: ArtifactStore, *, is_owned: bool) -> None:
        self._reader, self._artifacts, self._is_owned = reader, artifacts, is_owned

    def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._reader.connection() as connection:
            return connection.execute(sql, parameters).fetchall()

    def _tuples(self, sql: str, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
        """As `_rows`, for what may be long: without the columns' names, which cost a fifth of it."""
        with self._reader.connection() as connection:
            cursor = connection.cursor()
            cursor.row_factory = None
            return cursor.execute(sql, parameters).fetchall()

    def rows(self, sql: str, *parameters: object) -> list[dict[str, Any]]:
        """The rows of any query, by column. The connection only reads. Raises `StoreFault`."""
        return [dict(row) for row in self._rows(sql, parameters)]

    # --- fleets ------------------------------------------------------------------------------

    def fleet(self, fleet_id: str) -> FleetRow:
        """One fleet; raises `NotFound`."""
        checks.identifier("fleet_id", fleet_id)
        rows = self._rows("SELECT * FROM fleets WHERE fleet_id=?", (fleet_id,))
        if not rows:
            raise NotFound(f"Fleet {fleet_id} not found")
        return self._fleet_row(rows[0])

    def fleets(
        self,
        status: str | None = None,
        query: str = "",
        limit: int = 50,
        cursor: str | None = None,
        archived: bool = False,
    ) -> tuple[list[FleetRow], str | None]:
        """A page of fleets, newest first, and the cursor of the next page."""
        checks.integer("limit", limit, at_most=MAX_PAGE)
        where, parameters = ["(archived=0 OR ?)"], [checks.flag("archived", archived)]
        conditions: list[tuple[str, object]] = []
        if status is not None:
            checks.choice("status", status, FLEET_STATUSES)
            goes_on = status in ("running", "interrupted", "paused")
            conditions.append(("status=?", "running" if goes_on else status))
            if goes_on:
                conditions.append(("(pause_kind<>'')=?", status == "paused"))
            if (status == "interrupted" and self._is_owned) or (status == "running" and not self._is_owned):
                return [], None
        if checks.text("query", query, max_chars=200):
            conditions.append(("instr(lower(fleet_id||' '||name||' '||goal), lower(?))", query))
        if cursor is not None:
            conditions.append(("fleet_id<?", checks.identifier("cursor", cursor)))
        where += [condition for condition, _ in conditions]
        values: list[object] = [*parameters, *(value for _, value in conditions), limit + 1]
        found = self._rows(f"SELECT * FROM fleets WHERE {' AND '.join(where)} ORDER BY fleet_id DESC LIMIT ?", values)
        page = [self._fleet_row(row) for row in found[:limit]]
        return page, page[-1].id if len(found) > limit else None

    def is_current(self, projections: Iterable[Projection], head: int) -> bool:
        """Do the views show the whole log, as these projections of this version fold it?"""
        rows = self._rows("SELECT name, version, position FROM projections")
        shown = {(row["name"], row["version"]) for row in rows if row["position"] >= head}
        return all((projection.name, projection.version) in shown for projection in projections)

    def position(self) -> int:
        """Up to where the views have seen the log."""
        return int(self._rows("SELECT coalesce(min(position), 0) AS position FROM projections")[0]["position"])

    def open_fleets(self) -> list[str]:
        """Fleets in which something is left to do, oldest first."""
        rows = self._rows(
            "SELECT fleet_id FROM fleets WHERE status='running' OR unfinished>0"
            " OR fleet_id IN (SELECT fleet_id FROM reservations) ORDER BY fleet_id"
        )
        return [row["fleet_id"] for row in rows]

    def status_counts(self) -> tuple[dict[str, int], dict[str, int]]:
        """How many fleets, and how many agents, are in each state, archived ones included."""
        fleets = (
            "SELECT CASE WHEN pause_kind<>'' AND status='running' THEN 'paused' ELSE status END AS shown FROM fleets"
        )
        both = (fleets, f"SELECT {_AGENT_STATUS} AS shown FROM agents")
        counts = [
            {row["shown"]: row["n"] for row in self._rows(f"SELECT shown, count(*) AS n FROM ({one}) GROUP BY shown")}
            for one in both
        ]
        return counts[0], counts[1]

    def _fleet_row(self, row: sqlite3.Row) -> FleetRow:
        counts = self._rows(
            f"SELECT {_AGENT_STATUS} AS shown, count(*) AS n FROM agents WHERE fleet_id=? GROUP BY shown",
            (row["fleet_id"],),
        )
        return FleetRow(
            id=row["fleet_id"],
            name=row["name"],
            status=self._fleet_status(row),
            goal=row["goal"],
            workspace=row["workspace"],
            reason=row["reason"],
            created_at=row["created_ms"],
            completed_at=row["ended_ms"],
            timeout_s=row["timeout_s"],
            max_concurrency=row["max_concurrency"],
            keep_open=bool(row["keep_open"]),
            archived=bool(row["archived"]),
            closed=bool(row["closed"]),
            agent_count=row["agent_count"],
            agents={count["shown"]: count["n"] for count in counts},
            stuck=row["stuck"],
            stuck_at=row["stuck_ms"],
            spent=self.spent(row["fleet_id"]),
            budget=_budget(row),
            pause_reason=row["pause_reason"],
        )

    def _fleet_status(self, row: sqlite3.Row) -> str:
        if row["status"] != "running":
            return str(row["status"])
        if row["pause_kind"]:
            return "paused"
        return "running" if self._is_owned else "interrupted"

    # --- agents ------------------------------------------------------------------------------

    def agents(self, fleet_id: str) -> list[AgentRow]:
        """A fleet's agents, in the order they were spawned."""
        rows = self._rows(
            f"SELECT *, {_AGENT_STATUS} AS shown FROM agents WHERE fleet_id=? ORDER BY position", (fleet_id,)
        )
        spent = self.spent_by_agent(fleet_id)
        return [self._agent_row(row, spent.get(row["name"], Usage())) for row in rows]

    @staticmethod
    def _agent_row(row: sqlite3.Row, spent: Usage) -> AgentRow:
        return AgentRow(
            id=row["agent_id"],
            fleet_id=row["fleet_id"],
            name=row["name"],
            role=row["role"],
            prompt=row["prompt"],
            brain=row["brain"],
            agent_file=row["agent_file"],
            status=row["shown"],
            error=row["error"],
            created_at=row["created_ms"],
            started_at=row["started_ms"],
            completed_at=row["ended_ms"],
            retry_count=row["attempts_failed"],
            resumptions=row["resumptions"],
            steps=row["steps"],
            progress=row["progress"],
            fraction=row["fraction"],
            waiting_for=row["waiting_for"],
            spent=spent,
            budget=_budget(row),
            pause_reason=row["pause_reason"],
        )

    # --- money -------------------------------------------------------------------------------

    def spent(self, fleet_id: str) -> Usage:
        """What the fleet's paid calls have used that are over."""
        return self._usages(f"SELECT {_SUMS} FROM paid_calls WHERE fleet_id=? AND state<>'open'", fleet_id)

    def reserved(self, fleet_id: str) -> Usage:
        """What the fleet has set aside for calls that are on their way."""
        return self._usages(f"SELECT {_SUMS} FROM reservations WHERE fleet_id=?", fleet_id)

    def _usages(self, sql: str, fleet_id: str) -> Usage:
        return _usage(self._rows(sql, (fleet_id,))[0])

    def spent_by_agent(self, fleet_id: str) -> dict[str, Usage]:
        """The same by the agents' names; those that have made no paid call are missing."""
        rows = self._rows(
            f"SELECT name, {_SUMS} FROM paid_calls WHERE fleet_id=? AND state<>'open' GROUP BY name ORDER BY name",
            (fleet_id,),
        )
        return {row["name"]: _usage(row) for row in rows}

    def paid_calls(self, fleet_id: str) -> list[CallRow]:
        """The fleet's paid calls, in the order they were begun."""
        rows = self._rows(
            "SELECT * FROM paid_calls WHERE fleet_id=? ORDER BY started_ms, agent_id, number", (fleet_id,)
        )
        return [
            CallRow(
                row["agent_id"],
                row["name"],
                row["number"],
                row["step"],
                row["step_name"],
                row["state"],
                _usage(row),
                row["started_ms"],
                row["ended_ms"],
            )
            for row in rows
        ]

    # --- messages ----------------------------------------------------------------------------

    def inbox(
        self, agent_id: str, since: int | None = None, *, all: bool = False, after: int = 0, limit: int | None = None
    ) -> list[InboxMessage]:
        """The agent's messages that are not acknowledged (or all), oldest first; `since` is an epoch millisecond,
        `after` a log position. Raises `NotFound`."""
        checks.identifier("agent_id", agent_id)
        if since is not None:
            checks.integer("since", since, at_least=0)
        if not self._rows("SELECT 1 FROM agents WHERE agent_id=?", (agent_id,)):
            raise NotFound(f"No such agent: {agent_id}")
        checks.integer("after", after, at_least=0)
        size = -1 if limit is None else checks.integer("limit", limit)
        kept = "" if checks.flag("all", all) else " AND state<>'acknowledged'"  # as an index has it
        rows = self._tuples(
            f"SELECT {INBOX_COLUMNS} FROM inbox WHERE agent_id=? AND position>? AND sent_ms>=?{kept}"
            " ORDER BY position LIMIT ?",
            (agent_id, after, since or 0, size),
        )
        fleet_id = fleet_id_of(agent_id)
        return [InboxMessage(row[0], fleet_id, row[1], agent_id, *row[2:]) for row in rows]

    def agent_status(self, agent_id: str) -> str:
        """How the agent is; empty when it is not known."""
        found = self._rows("SELECT status FROM agents WHERE agent_id=?", (agent_id,))
        return str(found[0]["status"]) if found else ""

    def unread(self, agent_id: str) -> int:
        """How many messages the agent has not acknowledged."""
        counted = self._rows("SELECT count(*) AS n FROM inbox WHERE agent_id=? AND state<>'acknowledged'", (agent_id,))
        return int(counted[0]["n"])

    def deliveries(self, message_id: str, recipients: Sequence[str]) -> dict[str, str]:
        """The state of a message at each of these recipients."""
        return {
            agent_id: row["state"]
            for agent_id in recipients
            for row in self._rows("SELECT state FROM inbox WHERE agent_id=? AND message_id=?", (agent_id, message_id))
        }

    def has_replied(self, agent_id: str, peer: str, question_id: str) -> bool:
        """Has the agent answered this question of a peer's (an agent of the same fleet, by name)?"""
        rows = self._rows(
            "SELECT 1 FROM inbox WHERE agent_id=? AND sender=? AND correlation_id=? LIMIT 1",
            (agent_id_for(fleet_id_of(agent_id), peer), agent_id, question_id),
        )
        return bool(rows)

    # --- results -----------------------------------------------------------------------------

    def results(self, fleet_id: str) -> list[ResultRow]:
        """How the fleet's agents have ended, those that have."""
        rows = self._rows(
            "SELECT r.*, a.role FROM results r JOIN agents a USING (agent_id) WHERE r.fleet_id=? ORDER BY a.position",
            (fleet_id,),
        )
        return [
            ResultRow(
                row["agent_id"],
                row["name"],
                row["role"],
                row["status"],
                self._output(row["output"]),
                row["error"],
                row["ended_ms"],
            )
            for row in rows
        ]

    def outputs(self, fleet_id: str) -> dict[str, Any]:
        """The outputs of the fleet's agents that have completed, by name."""
        rows = self._rows("SELECT name, output FROM results WHERE fleet_id=? AND status='complete'", (fleet_id,))
        return {row["name"]: self._output(row["output"]) for row in rows}

    def _output(self, blob: bytes | None) -> Any:
        if blob is None:
            return None
        return self._artifacts.load_value(msgspec.msgpack.decode(blob, type=Stored))

    # --- what waits for a person -------------------------------------------------------------

    def help_requests(
        self, fleet_id: str | None = None, status: str | None = None, kind: str | None = None
    ) -> list[HelpRow]:
        """Tickets, oldest first."""
        if status is not None:
            checks.choice("status", status, get_args(TicketStatus))
        if kind is not None:
            checks.choice("kind", kind, get_args(TicketKind))
        rows = self._rows(
            "SELECT * FROM help_requests WHERE (? IS NULL OR fleet_id=?) AND (? IS NULL OR status=?)"
            " AND (? IS NULL OR kind=?) ORDER BY requested_ms, help_id",
            (fleet_id, fleet_id, status, status, kind, kind),
        )
        return [help_row(row) for row in rows]

    def ticket_notices(self, after: int, *, open_only: bool = False) -> list[TicketNotice]:
        """What people are to be told of tickets, of events behind a log position, oldest first."""
        rows = self._rows(
            "SELECT n.position, n.what, h.* FROM ticket_notices n JOIN help_requests h USING (help_id)"
            " WHERE n.position>? AND (h.status='open' OR NOT ?) ORDER BY n.position LIMIT ?",
            (after, open_only, MAX_PAGE),
        )
        return [TicketNotice(row["what"], row["position"], help_row(row)) for row in rows]

    def help_agent(self, help_id: str) -> str:
        """The agent that asked; raises `NotFound`."""
        checks.identifier("help_id", help_id)
        rows = self._rows("SELECT agent_id FROM help_requests WHERE help_id=?", (help_id,))
        if not rows:
            raise NotFound(f"No such help request: {help_id}")
        return str(rows[0]["agent_id"])

    def doubts(self, fleet_id: str | None = None) -> list[DoubtRow]:
        """Steps in doubt that wait for a decision, oldest first."""
        rows = self._rows(
            "SELECT * FROM doubts WHERE ? IS NULL OR fleet_id=? ORDER BY since_ms, agent_id",
            (fleet_id, fleet_id),
        )
        return [DoubtRow(row["agent_id"], row["fleet_id"], row["step"], row["name"], row["since_ms"]) for row in rows]

    # --- who may come in ---------------------------------------------------------------------

    def tokens(self, token_id: str | None = None) -> list[TokenRow]:
        """Every token (or this one), the oldest first."""
        where, values = ("WHERE token_id=?", [token_id]) if token_id else ("", [])
        rows = self._rows(f"SELECT * FROM tokens {where} ORDER BY issued_ms, token_id", values)
        return [
            TokenRow(
                row["token_id"],
                row["scope"],
                row["agent_id"],
                row["label"],
                row["issued_ms"],
                row["expires_ms"],
                row["revoked_ms"],
                row["forgeries"],
                row["digest"],
            )
            for row in rows
        ]

    # --- what happened -----------------------------------------------------------------------

    def timeline(self, fleet_id: str | None = None, after: int = 0, limit: int = 200) -> list[TimelineEntry]:
        """Events behind a log position, oldest first."""
        checks.integer("after", after, at_least=0)
        checks.integer("limit", limit, at_most=100_000)
        where, parameters = "position>?", [after]
        values: list[object] = [*parameters, limit]
        if fleet_id is not None:
            where, values = f"{where} AND fleet_id=?", [after, fleet_id, limit]
        rows = self._rows(f"SELECT * FROM timeline WHERE {where} ORDER BY position LIMIT ?", values)
        return [
            TimelineEntry(
                row["position"],
                row["fleet_id"],
                row["agent_id"],
                row["at_ms"],
                row["what"],
                row["by"],
                row["summary"],
            )
            for row in rows
        ]

    def resolve_fleet(self, given: str) -> str:
        """The one fleet whose id is `given`, or begins with it (with or without `fleet-`), or ends with it."""
        return self._resolved("fleets", "fleet_id", "fleet", given)

    def resolve_agent(self, given: str) -> str:
        """The one agent whose id is `given`, or begins with it (with or without `agent-`), or ends with it."""
        return self._resolved("agents", "agent_id", "agent", given)

    def resolve_ticket(self, given: str) -> str:
        """The one ticket whose id is `given`, or begins with it (with or without `help-`), or ends with it."""
        return self._resolved("help_requests", "help_id", "help", given, "ticket")

    def _resolved(self, table: str, column: str, kind: str, given: str, what: str = "") -> str:
        what = what or kind
        checks.identifier(what, given)
        wanted = given if given.startswith(f"{kind}-") else f"{kind}-{given}"
        ending = f"-{given}"
        rows = self._rows(
            f"SELECT {column} AS id FROM {table} WHERE substr({column}, 1, ?)=? OR substr({column}, -?)=?"
            f" ORDER BY {column}<>?, {column} LIMIT 3",
            (len(wanted), wanted, len(ending), ending, wanted),
        )
        found = [str(row["id"]) for row in rows]
        if wanted in found:
            return wanted
        if not found:
            raise NotFound(f"{what.capitalize()} {given} not found")
        if len(found) > 1:
            raise InvalidArgument(f"'{what}': \"{given}\" fits several {what}s: {', '.join(found)}")
        return found[0]


def _usage(row: sqlite3.Row) -> Usage:
    return Usage(*(row[column] for column in USAGE_COLUMNS))


def _budget(row: sqlite3.Row) -> Budget | None:
    return None if row["budget"] is None else msgspec.json.decode(row["budget"], type=Budget)
