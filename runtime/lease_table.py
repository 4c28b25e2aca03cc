"""When the holders of leases were heard of last: in memory, since a renewal is too cheap and too frequent for the log.

Its rule: that a lease is held is the log's to say; how long ago its holder spoke is known here alone. After a restart
nobody is known to be silent: every lease that is held begins a fresh time.
"""

import functools
import threading

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain.leases import lost_error
from fleetlog.runtime.engine import Engine, Request
from fleetlog.runtime.rows import LeaseRow
from fleetlog.runtime.views import Reader

__all__ = ["LeaseTable"]


class _Held(msgspec.Struct):
    lease_id: str
    client: str
    ttl_s: float
    since_ms: int
    position: int
    """Where in the log it was taken: of two attachments the later one counts, whichever is heard of first."""
    seen_ms: int
    seen_uptime_s: float


class LeaseTable:
    """One runtime's leases. Any thread."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine, self._reader = engine, reader
        self._lock = threading.Lock()  # guards all below
        self._held: dict[str, _Held] = {}
        self._ended: dict[str, int] = {}
        """The position of the newest attachment that is over, by agent: one that comes late is not believed."""
        self._begins = threading.Lock()  # guards _has_begun
        self._has_begun = False

    def begin(self) -> None:
        """Give everyone who holds a lease a fresh time. Once; what is asked before begins it too."""
        with self._begins:
            if self._has_begun:
                return
            self._has_begun = True
            with self._reader.connection() as connection:
                rows = connection.execute("SELECT * FROM leases").fetchall()
        for row in rows:
            self._took(row["agent_id"], row["lease_id"], row["client"], row["ttl_s"], row["since_ms"], 0)

    def took(self, agent_id: str, lease_id: str, client: str, ttl_s: float, position: int) -> None:
        """An attachment was committed at this log position."""
        self.begin()
        self._took(agent_id, lease_id, client, ttl_s, self._engine.clock.now().wall_ms, position)

    def _took(self, agent_id: str, lease_id: str, client: str, ttl_s: float, since_ms: int, position: int) -> None:
        now = self._engine.clock.now()
        with self._lock:
            known = self._held.get(agent_id)
            newest = max(known.position if known else -1, self._ended.get(agent_id, -1))
            if position <= newest:
                return
            held = _Held(lease_id, client, ttl_s, since_ms, position, now.wall_ms, now.uptime_s)
            self._held[agent_id] = held
        self._arm(agent_id, now.uptime_s + ttl_s)

    def renew(self, agent_id: str, lease_id: str) -> LeaseRow | None:
        """The holder was heard of. None when nobody holds the agent, or (without a lease's id) anybody may call; raises
        `LeaseLost` when this lease is not the one that is held."""
        self.begin()
        now = self._engine.clock.now()
        with self._lock:
            held = self._held.get(agent_id)
            if held is not None and lease_id in ("", held.lease_id):
                held.seen_ms, held.seen_uptime_s = now.wall_ms, now.uptime_s
                return self._row(held)
        if not lease_id:
            return None
        raise lost_error(agent_id, lease_id, held.client if held else "")

    def end(self, agent_id: str, lease_id: str) -> None:
        """The lease was released, or has run out: it can be renewed no more."""
        with self._lock:
            held = self._held.get(agent_id)
            if held is not None and held.lease_id == lease_id:
                del self._held[agent_id]
                self._ended[agent_id] = held.position

    def rows(self, fleet_id: str) -> dict[str, LeaseRow]:
        """Agent id -> its lease, of the agents of a fleet that have one."""
        self.begin()
        with self._reader.connection() as connection:
            found = connection.execute("SELECT * FROM leases WHERE fleet_id=?", (fleet_id,)).fetchall()
        with self._lock:
            known = {row["agent_id"]: self._held.get(row["agent_id"]) for row in found}
            return {
                row["agent_id"]: self._row(held)
                if (held := known[row["agent_id"]]) is not None and held.lease_id == row["lease_id"]
                else LeaseRow(row["lease_id"], row["client"], row["ttl_s"], row["since_ms"], None, alive=False)
                for row in found
            }

    def _row(self, held: _Held) -> LeaseRow:
        alive = self._engine.clock.now().uptime_s < held.seen_uptime_s + held.ttl_s
        return LeaseRow(held.lease_id, held.client, held.ttl_s, held.since_ms, held.seen_ms, alive)

    # --- time --------------------------------------------------------------------------------

    def _arm(self, agent_id: str, uptime_s: float) -> None:
        self._engine.timers.arm(f"lease {agent_id}", uptime_s, functools.partial(self._look, agent_id))

    def _look(self, agent_id: str) -> None:
        """A lease's time may be over. One timer a lease, however often it is renewed."""
        now = self._engine.clock.now()
        with self._lock:
            held = self._held.get(agent_id)
            if held is None:
                return
            due = held.seen_uptime_s + held.ttl_s
        if now.uptime_s < due:
            self._arm(agent_id, due)
            return
        self.end(agent_id, held.lease_id)
        self._engine.residents.post(agent_id, Request(c.ExpireLease(held.lease_id), by=agent_id))
