"""How many messages agents have not acknowledged. Every result of a tool says it, so it is counted once for each
position that the views come to."""

from fleetlog.runtime.projector import Projector
from fleetlog.runtime.queries import Queries

__all__ = ["UnreadCounts"]


class UnreadCounts:
    """What was counted where the views are now. Any thread."""

    def __init__(self, queries: Queries, projector: Projector) -> None:
        self._queries, self._projector = queries, projector
        self._counted: tuple[int, dict[str, int]] = (-1, {})

    def of(self, agent_id: str) -> int:
        """The agent's count, as far as the views have come."""
        position = self._projector.position  # before counting: what is counted later is never older
        counted_at, counts = self._counted
        if counted_at != position:
            counts = {}
            self._counted = position, counts
        if agent_id not in counts:
            counts[agent_id] = self._queries.unread(agent_id)
        return counts[agent_id]
