"""The whole tool surface."""

from fleetlog.runtime.servers.tools.councils import council_tools
from fleetlog.runtime.servers.tools.discussions import discussion_tools
from fleetlog.runtime.servers.tools.fleets import fleet_tools
from fleetlog.runtime.servers.tools.house import house_tools
from fleetlog.runtime.servers.tools.mailboxes import mailbox_tools
from fleetlog.runtime.servers.tools.messages import message_tools
from fleetlog.runtime.servers.tools.people import people_tools
from fleetlog.runtime.servers.tools.routing import routing_tools
from fleetlog.runtime.servers.tools.templates import template_tools
from fleetlog.runtime.servers.tools.tool import Tool

__all__ = ["all_tools"]


def all_tools(*, default_brain: str, stream_url: str) -> tuple[Tool, ...]:
    """Every tool. Agents that name no brain get the default one; event streams are under the url."""
    return (
        *fleet_tools(default_brain),
        *message_tools(stream_url),
        *people_tools(),
        *council_tools(),
        *discussion_tools(),
        *mailbox_tools(),
        *template_tools(default_brain),
        *routing_tools(),
        *house_tools(),
    )
