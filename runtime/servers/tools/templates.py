"""Tools about templates: save a fleet's spec with placeholders, look at it, spawn from it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from fleetlog.domain.values import FleetSpec, TemplateVariable
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.specs import (
    AgentArguments,
    BudgetArguments,
    agent_spec,
    budget,
    shown_fleet_spec,
)
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Reading, Text, Tool, seconds
from fleetlog.runtime.template_queries import TemplateRow, TemplateSummary
from fleetlog.runtime.templates import SpecOverrides

__all__ = ["template_tools"]

Name = Annotated[Text, Meta(description="Lower-case letters, digits, '-' and '_'.")]
_READS = Hints(reads=True, repeats=True)


class VariableArguments(msgspec.Struct, frozen=True, kw_only=True):
    """A variable of a template."""

    name: Annotated[Text, Meta(description="Lower-case letters, digits and '_'.")]
    description: str = ""
    default: Annotated[str | None, Meta(description="Its value where none is given.")] = None


class SaveTemplate(Changing, frozen=True, kw_only=True):
    name: Name
    agents: Annotated[
        tuple[AgentArguments, ...],
        Meta(min_length=1, description="Their texts may hold ${variable}; $${variable} is the text itself."),
    ]
    description: str = ""
    variables: tuple[VariableArguments, ...] = ()
    fleet_name: str = ""
    goal: str = ""
    workspace: str = ""
    max_concurrency: Annotated[int, Meta(ge=1)] | None = None
    keep_open: bool = False
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None
    budget: BudgetArguments | None = None


class ListTemplates(Reading, frozen=True, kw_only=True):
    query: Annotated[str, Meta(description="Only those with this in name or description.")] = ""


class GetTemplate(Reading, frozen=True, kw_only=True):
    name: Name
    version: Annotated[int, Meta(ge=1, description="The last one if left out.")] | None = None


class DeleteTemplate(Changing, frozen=True, kw_only=True):
    name: Name
    reason: str = ""


class SpawnFromTemplate(Changing, frozen=True, kw_only=True):
    name: Name
    variables: Annotated[dict[str, str] | None, Meta(description="A value for each variable that has no default.")] = (
        None
    )
    version: Annotated[int, Meta(ge=1, description="The last one if left out.")] | None = None
    spawn: Annotated[bool, Meta(description="Spawn the fleet; without it, only the spec is given.")] = False
    fleet_name: str | None = None
    goal: str | None = None
    workspace: str | None = None
    max_concurrency: Annotated[int, Meta(ge=1)] | None = None
    keep_open: bool | None = None
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None
    budget: BudgetArguments | None = None


def template_tools(default_brain: str) -> tuple[Tool, ...]:
    """The tools; agents that name no brain get the default one."""

    def save(door: Door, given: SaveTemplate) -> object:
        tool = "save_fleet_template"
        spec = FleetSpec(
            agents=tuple(agent_spec(tool, agent, default_brain) for agent in given.agents),
            name=given.fleet_name,
            goal=given.goal,
            workspace=given.workspace,
            timeout_s=seconds(given.timeout_ms),
            max_concurrency=given.max_concurrency,
            keep_open=given.keep_open,
            budget=budget(tool, given.budget),
        )
        variables = tuple(TemplateVariable(one.name, one.description, one.default) for one in given.variables)
        saved = door.save_fleet_template(
            given.name,
            spec,
            description=given.description,
            variables=variables,
            idempotency_key=given.idempotency_key,
        )
        return {"ok": True, "name": saved.name, "version": saved.version}

    return (
        Tool(
            "save_fleet_template",
            "Save a fleet's spec under a name, as its next version. ${variable} in its texts is filled in when a fleet "
            "is spawned from it.",
            SaveTemplate,
            save,
        ),
        *_TOOLS,
    )


def _list(door: Door, given: ListTemplates) -> object:
    found = door.list_fleet_templates(given.query).templates
    return {"count": len(found), "templates": [_summary(one) for one in found]}


def _summary(one: TemplateSummary) -> dict[str, Any]:
    return {**msgspec.structs.asdict(one), "variables": _variables(one.variables)}


def _get(door: Door, given: GetTemplate) -> object:
    found: TemplateRow = door.get_fleet_template(given.name, given.version)
    shown = msgspec.structs.asdict(found)
    del shown["spec"]
    spec = shown_fleet_spec(found.spec)
    return {"template": {**shown, "variables": _variables(found.variables), "spec": spec}}


def _variables(variables: tuple[TemplateVariable, ...]) -> list[dict[str, Any]]:
    return [msgspec.structs.asdict(variable) for variable in variables]


def _delete(door: Door, given: DeleteTemplate) -> object:
    deleted = door.delete_fleet_template(given.name, reason=given.reason, idempotency_key=given.idempotency_key)
    return {"ok": True, "name": deleted.name, "version": deleted.version}


def _spawn(door: Door, given: SpawnFromTemplate) -> object:
    overrides = SpecOverrides(
        name=given.fleet_name,
        goal=given.goal,
        workspace=given.workspace,
        timeout_s=seconds(given.timeout_ms),
        max_concurrency=given.max_concurrency,
        keep_open=given.keep_open,
        budget=budget("spawn_from_template", given.budget),
    )
    made = door.spawn_from_template(
        given.name,
        given.variables,
        version=given.version,
        spawn=given.spawn,
        overrides=overrides,
        idempotency_key=given.idempotency_key,
    )
    shown = {"template": made.name, "version": made.version, "spec": shown_fleet_spec(made.spec)}
    return {**shown, "fleet_id": made.fleet_id, "agent_ids": made.agent_ids} if given.spawn else shown


_TOOLS = (
    Tool("list_fleet_templates", "List the templates of fleets.", ListTemplates, _list, _READS),
    Tool("get_fleet_template", "Read a template, its last version or another.", GetTemplate, _get, _READS),
    Tool(
        "delete_fleet_template",
        "Delete a template. Saved anew, its versions go on counting.",
        DeleteTemplate,
        _delete,
        Hints(destroys=True),
    ),
    Tool(
        "spawn_from_template",
        "Fill in a template's variables; with spawn, start the fleet in the same call.",
        SpawnFromTemplate,
        _spawn,
    ),
)
