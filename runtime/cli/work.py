"""`fleetlog templates` and `fleetlog route`: what can be spawned again, and who fits a piece of work."""

from typing import Annotated

import msgspec
import typer

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import TemplateVariable
from fleetlog.runtime.cli.console import Screen, clock_time
from fleetlog.runtime.cli.mesh import spec_in
from fleetlog.runtime.cli.options import Dir, Json, say_changed
from fleetlog.runtime.cli.visits import DEFAULT_DIR, changing
from fleetlog.runtime.template_queries import BUNDLED_VERSION, TemplateRow

__all__ = ["route", "templates_app"]

templates_app = typer.Typer(
    name="templates", help="Templates of fleets, in versions.", no_args_is_help=True, rich_markup_mode=None
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="The template's name.")]
Version = Annotated[int | None, typer.Option("--version", metavar="N", help="Not the newest, but this one.")]
Given = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A variable's value.")]


@templates_app.command("list")
def list_templates(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Only those with this in name or description.")] = "",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """List the templates."""
    screen = Screen(as_json=as_json)
    with changing(directory, makes=True) as runtime:
        found = runtime.list_fleet_templates(query)
    if as_json:
        screen.json(found)
        return
    for row in found.templates:
        version = f"version {row.version}" if row.version else "comes along"
        screen.line(f"{row.name:<24} {version:<12} {row.agent_count} agents  {row.description}".rstrip())
    if not found.templates:
        screen.line("There is no such template.")


@templates_app.command()
def show(name: Name, version: Version = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Show a template: its variables, and the spec with its placeholders."""
    screen = Screen(as_json=as_json)
    with changing(directory, makes=True) as runtime:
        row = runtime.get_fleet_template(name, version)
    if as_json:
        screen.json(row)
        return
    screen.line(f"{row.name}, {_origin(row)}")
    for variable in row.variables:
        default = "" if variable.default is None else f" (default: {variable.default})"
        screen.line(f"  ${{{variable.name}}}{default} {variable.description}".rstrip())
    screen.line(msgspec.json.format(msgspec.json.encode(row.spec), indent=2).decode())


def _origin(row: TemplateRow) -> str:
    if row.version == BUNDLED_VERSION:
        return "comes along with fleetlog"
    return f"version {row.version} of {row.latest}, saved {clock_time(row.saved_at)} by {row.saved_by}"


@templates_app.command()
def save(
    name: Name,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The fleet's spec as TOML or JSON; - reads JSON.")],
    description: Annotated[str, typer.Option(metavar="TEXT", help="What it is for.")] = "",
    variable: Annotated[
        list[str] | None, typer.Option("--variable", metavar="NAME[=DEFAULT]", help="What ${NAME} stands for.")
    ] = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Save a fleet's spec as a template, or as its next version."""
    variables = tuple(_variable(text) for text in variable or ())
    with changing(directory, makes=True) as runtime:
        reply = runtime.save_fleet_template(name, spec_in(file), description=description, variables=variables)
    say_changed(Screen(as_json=as_json), reply, f"Saved {name}, version {reply.version}.")


@templates_app.command()
def delete(name: Name, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Delete a template; its versions stay in the log."""
    with changing(directory) as runtime:
        reply = runtime.delete_fleet_template(name)
    say_changed(Screen(as_json=as_json), reply, f"Deleted {name}.")


@templates_app.command()
def spawn(
    name: Name, given: Given = None, version: Version = None, directory: Dir = DEFAULT_DIR, as_json: Json = False
) -> None:
    """Spawn a fleet from a template."""
    values = dict(_pair(text) for text in given or ())
    with changing(directory, makes=True) as runtime:
        reply = runtime.spawn_from_template(name, values, version=version, spawn=True)
    say_changed(Screen(as_json=as_json), reply, str(reply.fleet_id))


def route(
    description: Annotated[str, typer.Argument(metavar="WORK", help="The work, in words.")],
    top: Annotated[int, typer.Option("--top", metavar="N", help="So many agents.")] = 3,
    fleet: Annotated[str | None, typer.Option("--fleet", metavar="FLEET", help="Only of this fleet.")] = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Find the agents that fit a piece of work, best first, and why."""
    screen = Screen(as_json=as_json)
    with changing(directory) as runtime:
        fleet_id = runtime.resolve_fleet(fleet) if fleet else None
        found = runtime.route_work(description, top, fleet_id=fleet_id)
    if as_json:
        screen.json(found)
        return
    for match in found.matches:
        screen.line(f"{match.score:.2f}  {match.agent_id}  {match.role}")
        screen.line(f"      {match.why}")
    if found.note:
        screen.line(found.note)


def _variable(text: str) -> TemplateVariable:
    name, has_default, default = text.partition("=")
    return TemplateVariable(name, default=default if has_default else None)


def _pair(text: str) -> tuple[str, str]:
    name, is_pair, value = text.partition("=")
    if not is_pair:
        raise InvalidArgument(f"'--set' must be NAME=VALUE, got {text[:80]!r}")
    return name, value
