"""The actor of one template: a save or a deletion, one after the other. Nothing follows from either."""

from collections.abc import Sequence
from typing import Any

from fleetlog.domain.events import Event
from fleetlog.domain.template import Template
from fleetlog.runtime.aggregate_host import AggregateHost

__all__ = ["TemplateActor"]


class TemplateActor(AggregateHost[Template]):
    """One template."""

    def make_state(self) -> Template:
        """See `AggregateHost`."""
        return Template(self.stream_id)

    def outcome(self, state: Template, command: Any, events: Sequence[Event]) -> int:
        """The template's last version."""
        return state.version

    def wants_commit(self, state: Template, events: Sequence[Event]) -> bool:
        """See `AggregateHost`."""
        return False
