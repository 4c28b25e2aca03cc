"""How things were at a moment: the log up to there, folded through the same views into a file that is thrown away.

A moment is a position of the log: what was committed is a prefix of it, also where the wall clock was set back, and
where a fork holds copies with the times of their originals. It costs a reading of the log: it is for looking back, not
for asking often.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fleetlog.domain import events as e
from fleetlog.domain.values import fleet_id_of
from fleetlog.projections.all import all_projections
from fleetlog.projections.projection import Projection, Recorded, Rows
from fleetlog.runtime import codec
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.projector import recorded_of
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.store import EventStore, Notification
from fleetlog.runtime.views import Reader, ViewFile

__all__ = ["position_at", "queries_at", "stored_until"]

_BATCH = 2_000
_KINDS = ("agent-", "fleet-")
_Wanted = Callable[[str], bool]


def position_at(store: EventStore, at_ms: int) -> int:
    """The position of the last event that was recorded up to an epoch millisecond; 0 before the first.

    The copies that a fork begins with were recorded when it was made: its `FleetForked` follows them in the log."""
    copied: set[str] = set()
    for one in _backwards(store):
        body = codec.decode(one.topic, one.state).body
        fleet_id = fleet_id_of(str(one.originator_id))
        if fleet_id not in copied and body.at_ms <= at_ms:
            return one.id
        if isinstance(body.event, e.FleetForked):
            copied.add(fleet_id)
    return 0


def _backwards(store: EventStore) -> Iterator[Notification]:
    end = store.head()
    with store.subscribe() as log:
        while end > 0:
            start = max(0, end - _BATCH)
            log.seek(start)
            yield from (one for one in reversed(log.next_batch(_BATCH, 0)) if one.id <= end)
            end = start


def stored_until(store: EventStore, position: int, fleet_id: str = "") -> Iterator[list[Notification]]:
    """What was recorded up to a position of a fleet and what is in it, or of all fleets and agents; in batches."""
    wanted: _Wanted = _is_of_any_fleet if not fleet_id else lambda stream_id: fleet_id_of(stream_id) == fleet_id
    with store.subscribe() as log:
        while log.position < position and (stored := log.next_batch(_BATCH, 0)):
            batch = [one for one in stored if one.id <= position and wanted(str(one.originator_id))]
            if batch:
                yield batch


def _is_of_any_fleet(stream_id: str) -> bool:
    return stream_id.startswith(_KINDS)


@contextmanager
def queries_at(store: EventStore, artifacts: ArtifactStore, at_ms: int, fleet_id: str = "") -> Iterator[Queries]:
    """Queries over what was recorded up to an epoch millisecond: of one fleet, or of all."""
    with tempfile.TemporaryDirectory(prefix="fleetlog-past-") as folder:
        path = Path(folder) / "views.db"
        projections = [one for one in all_projections() if one.name != "timeline"]
        file = ViewFile(path, projections)
        try:
            for batch in stored_until(store, position_at(store, at_ms), fleet_id):
                recorded = [recorded_of(one) for one in batch]
                file.write([(one, _rows(one, recorded), batch[-1].id) for one in projections])
            reader = Reader(path)
            try:
                yield Queries(reader, artifacts, is_owned=True)
            finally:
                reader.close()
        finally:
            file.close()


def _rows(projection: Projection, batch: Sequence[Recorded]) -> Rows:
    rows = Rows()
    for recorded in batch:
        if (handler := projection.handlers.get(type(recorded.event))) is not None:
            handler(recorded, rows)
    return rows
