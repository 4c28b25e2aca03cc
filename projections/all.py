"""The read models a runtime keeps up."""

from fleetlog.projections.agents import Agents
from fleetlog.projections.capabilities import Capabilities
from fleetlog.projections.councils import Councils
from fleetlog.projections.discussions import Discussions
from fleetlog.projections.fleets import Fleets
from fleetlog.projections.help_requests import HelpRequests
from fleetlog.projections.inbox import Inbox
from fleetlog.projections.leases import Leases
from fleetlog.projections.projection import Projection
from fleetlog.projections.receipts import Receipts
from fleetlog.projections.results import Results
from fleetlog.projections.spend import Spend
from fleetlog.projections.templates import Templates
from fleetlog.projections.timeline import Timeline
from fleetlog.projections.tokens import Tokens

__all__ = ["all_projections"]


def all_projections() -> tuple[Projection, ...]:
    """A fresh one of each, in the order they are fed."""
    return (
        Fleets(),
        Agents(),
        Inbox(),
        Results(),
        HelpRequests(),
        Spend(),
        Leases(),
        Tokens(),
        Councils(),
        Receipts(),
        Discussions(),
        Capabilities(),
        Templates(),
        Timeline(),
    )
