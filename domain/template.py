"""The Template aggregate: a named fleet spec with placeholders, in versions. Same two halves as the fleet.

Its state is only which versions there are: what they hold is in the log and in a view.
"""

import re
from typing import assert_never

from fleetlog.domain import checks, placeholders
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import spec as specs
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import Now

__all__ = ["Template", "check_template", "stream_id_of", "template_name"]

PREFIX = "template-"
_NAME = re.compile(r"[a-z0-9_-]{1,64}\Z")


def template_name(name: object) -> str:
    """A template's name: lower-case letters, digits, '-' and '_'; at most 64 characters."""
    if not isinstance(name, str) or not _NAME.match(name):
        raise InvalidArgument(
            f"'name' must be 1 to 64 lower-case letters, digits, '-' or '_', got {checks.shown(name)}"
        )
    return name


def stream_id_of(name: str) -> str:
    """The stream of the template of that name."""
    return PREFIX + name


def check_template(command: c.SaveTemplate) -> c.SaveTemplate:
    """The command, if a fleet can be made of it: with any value for each variable, and with the defaults if every
    variable has one."""
    checks.text("description", command.description, max_chars=10_000)
    placeholders.check_variables(command.variables)
    placeholders.check_uses(command.spec, command.variables)
    stand_ins = {variable.name: variable.name for variable in command.variables}
    specs.check_fleet(placeholders.filled(command.spec, stand_ins), command.max_agents)
    if command.variables and all(variable.default is not None for variable in command.variables):
        values = placeholders.values_for(command.variables, {})
        specs.check_fleet(placeholders.filled(command.spec, values), command.max_agents)
    return command


class Template:
    """One template's state; it does not exist until its first version is folded."""

    __slots__ = ("id", "is_deleted", "version")

    def __init__(self, stream_id: str) -> None:
        self.id = stream_id
        self.version = 0
        """The last one, also of a deleted template."""
        self.is_deleted = False

    @property
    def exists(self) -> bool:
        return self.version > 0

    @property
    def name(self) -> str:
        return self.id.removeprefix(PREFIX)

    def decide(self, command: c.TemplateCommand, now: Now) -> list[e.TemplateEvent]:
        """The events the command leads to; or raises `Refused`."""
        match command:
            case c.SaveTemplate():
                check_template(command)
                return [e.TemplateSaved(self.version + 1, command.spec, command.description, command.variables)]
            case c.DeleteTemplate():
                if not self.exists or self.is_deleted:
                    raise NotFound(f'Template "{self.name}" not found')
                return [e.TemplateDeleted(command.reason)]
            case _:
                assert_never(command)

    def evolve(self, event: e.TemplateEvent) -> None:
        """Fold one event; total over all template events."""
        match event:
            case e.TemplateSaved():
                self.version, self.is_deleted = event.version, False
            case e.TemplateDeleted():
                self.is_deleted = True
            case _:
                assert_never(event)
