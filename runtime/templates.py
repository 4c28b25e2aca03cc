"""Templates of fleets: saved under a name, filled with values, spawned. The part of the facade about them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetlog.domain import checks, placeholders
from fleetlog.domain import commands as c
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.spec import check_fleet
from fleetlog.domain.template import check_template, stream_id_of, template_name
from fleetlog.domain.values import Budget, FleetSpec, TemplateVariable
from fleetlog.runtime import arguments
from fleetlog.runtime.calls import Call
from fleetlog.runtime.engine import CallKey, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.spawning import Spawning
from fleetlog.runtime.template_queries import BUNDLED_VERSION, TemplateRow, TemplateSummary

__all__ = ["SpecOverrides", "TemplateList", "TemplateReply", "TemplateSpawn", "Templates"]


class SpecOverrides(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What takes the place of the template's own for one fleet; None keeps it. Fields as in `FleetSpec`."""

    name: str | None = None
    goal: str | None = None
    workspace: str | None = None
    timeout_s: float | None = None
    max_concurrency: int | None = None
    keep_open: bool | None = None
    budget: Budget | None = None


AS_SAVED = SpecOverrides()


class TemplateReply(msgspec.Struct, frozen=True):
    """A template was saved as this version, or deleted after it."""

    name: str
    version: int
    position: int = 0


class TemplateList(msgspec.Struct, frozen=True):
    """The templates there are, by name."""

    templates: tuple[TemplateSummary, ...]
    position: int


class TemplateSpawn(msgspec.Struct, frozen=True):
    """The spec a version of a template makes with these values; and the fleet, if one was spawned of it."""

    name: str
    version: int
    spec: FleetSpec
    fleet_id: str = ""
    agent_ids: tuple[str, ...] = ()
    position: int = 0


class _Order(msgspec.Struct, frozen=True):
    """What was asked of a template. The spec is made of it again when the call is repeated with its key."""

    name: str
    variables: dict[str, str]
    version: int | None
    overrides: SpecOverrides


class _SpawnedVersion(msgspec.Struct, frozen=True):
    """What is recorded with the key of a spawn: what the spec can be made of again."""

    version: int
    fleet_id: str
    agent_ids: tuple[str, ...]
    position: int = 0


class Templates(Spawning):
    """The part of `Runtime` about templates. Any thread."""

    def save_fleet_template(
        self,
        name: str,
        spec: FleetSpec,
        *,
        description: str = "",
        variables: Sequence[TemplateVariable] = (),
        idempotency_key: str | None = None,
    ) -> TemplateReply:
        """Save a spec under a name, as its next version; the versions before it stay.

        `${topic}` in the fleet's name, goal and workspace, and in an agent's role, prompt, name, definition, model,
        brain, skills and `depends_on`, stands for the variable `topic`, which must be declared.
        """
        stream_id = stream_id_of(template_name(name))
        spec = arguments.typed(spec, FleetSpec, "spec")
        declared = tuple(arguments.typed(one, TemplateVariable, "variables") for one in variables)
        command = check_template(c.SaveTemplate(spec, description, declared, self.config.max_agents))
        given = (name, spec, description, declared)
        return self._change_template("save_fleet_template", stream_id, command, given, idempotency_key)

    def delete_fleet_template(
        self, name: str, *, reason: str = "", idempotency_key: str | None = None
    ) -> TemplateReply:
        """Delete a template. Its versions stay in the log; saved anew, they go on counting."""
        stream_id = stream_id_of(template_name(name))
        command = c.DeleteTemplate(arguments.reason(reason))
        return self._change_template("delete_fleet_template", stream_id, command, (name, reason), idempotency_key)

    def get_fleet_template(self, name: str, version: int | None = None) -> TemplateRow:
        """A version of a template, or its last one (0: the one that comes along); raises `NotFound`."""
        template_name(name)
        position = self._catch_up()
        found = self._parts.templates.one(name, _version(version))
        return msgspec.structs.replace(found, position=position)

    def list_fleet_templates(self, query: str = "") -> TemplateList:
        """The templates there are, by name; with a query those that have it in name or description."""
        checks.text("query", query, max_chars=200)
        position = self._catch_up()
        return TemplateList(tuple(self._parts.templates.all(query)), position)

    def spawn_from_template(
        self,
        name: str,
        variables: Mapping[str, str] | None = None,
        *,
        version: int | None = None,
        spawn: bool = False,
        overrides: SpecOverrides = AS_SAVED,
        idempotency_key: str | None = None,
    ) -> TemplateSpawn:
        """The spec a template makes with these values; with `spawn` the fleet is spawned too, in one commit.

        A variable that has a default may be left out. `overrides` take the place of the template's own, as they are.
        Without `spawn` nothing is recorded, and an idempotency key means nothing.
        """
        checks.flag("spawn", spawn)
        overrides = arguments.typed(overrides, SpecOverrides, "overrides")
        order = _Order(template_name(name), _values(variables), _version(version), overrides)
        position = self._catch_up()
        if not spawn:
            row = self._parts.templates.one(name, order.version)
            return TemplateSpawn(name, row.version, self._spec_of(row, order), position=position)
        spawned = self._spawn_order(order, idempotency_key)
        row = self._parts.templates.one(name, spawned.version, also_deleted=True)
        return TemplateSpawn(
            name,
            row.version,
            self._spec_of(row, order),
            spawned.fleet_id,
            spawned.agent_ids,
            spawned.position,
        )

    def _spawn_order(self, order: _Order, idempotency_key: str | None) -> _SpawnedVersion:
        """The template is looked at only if the call was not made before: then it may have changed since."""
        versions: list[int] = []

        def start(key: CallKey | None) -> Reply[Receipt]:
            row = self._parts.templates.one(order.name, order.version)
            versions.append(row.version)
            command = self._spawn_command(self._spec_of(row, order))
            self._parts.engine.journal.wait_for_room()
            future: Reply[Receipt] = Reply()
            fleet_id = f"fleet-{arguments.new_stamp()}"
            self._parts.engine.residents.send(fleet_id, Request(command, future, by=self._by, key=key))
            return future

        def seal(outcome: Any) -> _SpawnedVersion:
            return _SpawnedVersion(versions[-1], outcome.fleet_id, outcome.agent_ids)

        call = Call("spawn_from_template", order, _SpawnedVersion, start, seal)
        return self._calls.once(call, idempotency_key)[0]

    def _spec_of(self, row: TemplateRow, order: _Order) -> FleetSpec:
        values = placeholders.values_for(row.variables, order.variables)
        fields = msgspec.structs.asdict(order.overrides)
        given = {field: value for field, value in fields.items() if value is not None}
        spec = msgspec.structs.replace(placeholders.filled(row.spec, values), **given)
        return check_fleet(spec, self.config.max_agents)

    def _change_template(
        self,
        operation: str,
        stream_id: str,
        command: c.TemplateCommand,
        given: tuple[object, ...],
        idempotency_key: str | None,
    ) -> TemplateReply:
        name = str(given[0])
        return self._change(
            operation,
            stream_id,
            command,
            given,
            TemplateReply,
            lambda version: TemplateReply(name, version),
            idempotency_key,
        )


def _values(variables: Mapping[str, str] | None) -> dict[str, str]:
    if variables is None:
        return {}
    if not isinstance(variables, Mapping):
        raise InvalidArgument(f"'variables' must map names to texts, got {checks.shown(variables)}")
    return {
        checks.text("variables", name, max_chars=200): checks.text(f"variables.{name}", value)
        for name, value in variables.items()
    }


def _version(version: int | None) -> int | None:
    return None if version is None else checks.integer("version", version, at_least=BUNDLED_VERSION)
