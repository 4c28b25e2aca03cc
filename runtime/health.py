"""How a runtime is: sizes, counts, how far the views are behind, what the gates do."""

from importlib import metadata
from pathlib import Path

import msgspec

from fleetlog.runtime.assembly import Assembly
from fleetlog.runtime.brains.gate import GateState

__all__ = ["Health", "health_of"]


class Health(msgspec.Struct, frozen=True):
    """A runtime as it is now. `position` is the log's last committed position, `lag` how many events the views are
    behind it; `uptime_s` is summed over all processes of this log; `actors` are those in memory."""

    status: str
    version: str
    directory: str
    position: int
    lag: int
    uptime_s: float
    log_bytes: int
    views_bytes: int
    fleets: dict[str, int]
    agents: dict[str, int]
    open_tickets: int
    doubts: int
    actors: int
    running_brains: int
    gates: tuple[GateState, ...]


def health_of(parts: Assembly) -> Health:
    """See `Health`. Any thread."""
    place, database = parts.place, parts.database
    queries, engine = parts.queries, parts.engine
    position = engine.journal.position
    fleets, agents = queries.status_counts()
    return Health(
        status="ok",
        version=metadata.version("fleetlog"),
        directory=str(place) if place else "memory:",
        position=position,
        lag=max(0, position - parts.projector.position),
        uptime_s=round(engine.clock.now().uptime_s, 3),
        log_bytes=database.size_bytes if database else _size(place.log) if place else 0,
        views_bytes=_size(place.views) if place else 0,
        fleets=fleets,
        agents=agents,
        open_tickets=len(queries.help_requests(status="open")),
        doubts=len(queries.doubts()),
        actors=len(engine.residents),
        running_brains=engine.workers.executing(),
        gates=tuple(parts.claude.gates.states()),
    )


def _size(path: Path) -> int:
    """Of a database's file and its write-ahead log."""
    paths = (path, path.with_name(path.name + "-wal"))
    return sum(path.stat().st_size for path in paths if path.exists())
