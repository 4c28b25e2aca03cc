"""How fleets were at a moment: the log up to there, folded through the same views into a file that is thrown away.

It costs a reading of the log: it is for looking back, not for asking often.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fleetlog.domain.values import fleet_id_of
from fleetlog.projections.all import all_projections
from fleetlog.projections.projection import Recorded, Rows
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.projector import recorded_of
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.store import EventStore
from fleetlog.runtime.views import Reader, ViewFile

__all__ = ["queries_at"]

_BATCH = 2_000
_KINDS = ("agent-", "fleet-")


@contextmanager
def queries_at(store: EventStore, artifacts: ArtifactStore, at_ms: int, fleet_id: str = "") -> Iterator[Queries]:
    """Queries over what was recorded up to an epoch millisecond: of one fleet, or of all."""
    wanted: Callable[[str], bool] = lambda stream_id: stream_id.startswith(_KINDS)  # noqa: E731
    if fleet_id:
        wanted = lambda stream_id: fleet_id_of(stream_id) == fleet_id  # noqa: E731
    with tempfile.TemporaryDirectory(prefix="fleetlog-past-") as folder:
        path = Path(folder) / "views.db"
        projections = [one for one in all_projections() if one.name != "timeline"]
        file = ViewFile(path, projections)
        try:
            for batch in _recorded(store, at_ms, wanted):
                written = []
                for projection in projections:
                    rows = Rows()
                    for recorded in batch:
                        if (handler := projection.handlers.get(type(recorded.event))) is not None:
                            handler(recorded, rows)
                    written.append((projection, rows, batch[-1].position))
                file.write(written)
            reader = Reader(path)
            try:
                yield Queries(reader, artifacts, is_owned=True)
            finally:
                reader.close()
        finally:
            file.close()


def _recorded(store: EventStore, at_ms: int, wanted: Callable[[str], bool]) -> Iterator[list[Recorded]]:
    with store.subscribe() as log:
        while stored := log.next_batch(_BATCH, 0):
            batch = [recorded_of(one) for one in stored if wanted(str(one.originator_id))]
            batch = [recorded for recorded in batch if recorded.at_ms <= at_ms]
            if batch:
                yield batch
