"""To a fleet template."""

from fleetlog.domain.commands.command import Command
from fleetlog.domain.values import FleetSpec, TemplateVariable

__all__ = ["DeleteTemplate", "SaveTemplate"]


class SaveTemplate(Command, frozen=True):
    """`spec` may have placeholders for these variables."""

    spec: FleetSpec
    description: str = ""
    variables: tuple[TemplateVariable, ...] = ()
    max_agents: int = 10_000


class DeleteTemplate(Command, frozen=True):
    reason: str = ""
