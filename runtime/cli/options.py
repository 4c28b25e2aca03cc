"""The arguments that many commands take, what they stand for, and what is said of a change."""

import os
from typing import Annotated, Any

import typer

from fleetlog.domain.errors import FleetlogError, NotFound
from fleetlog.domain.values import agent_id_for
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.visits import DEFAULT_DIR, reading
from fleetlog.runtime.queries import Queries

__all__ = ["Dir", "Fleet", "FleetOrAll", "Json", "OneFleet", "Reason", "chosen_agent", "chosen_fleet", "say_changed"]

Dir = Annotated[
    str,
    typer.Option(
        "--dir",
        metavar="DIR",
        envvar="FLEETLOG_DIR",
        help="Where the log, views and artifacts live: a folder, or postgresql://...",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]


def _newest_fleets(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """What a shell completes a fleet's id with: (id, what it is)."""
    directory = context.params.get("directory") or os.environ.get("FLEETLOG_DIR") or DEFAULT_DIR
    try:
        with reading(directory) as queries:
            found, _ = queries.fleets(limit=50)
    except FleetlogError:  # a shell that completes has no place for errors
        return []
    return [(row.id, f"{row.name} ({row.status})") for row in found if row.id.startswith(incomplete)]


Fleet = Annotated[
    str | None,
    typer.Argument(
        metavar="FLEET",
        help="A fleet's id, or its beginning or end. If left out: the newest.",
        autocompletion=_newest_fleets,
    ),
]
FleetOrAll = Annotated[
    str | None,
    typer.Argument(
        metavar="FLEET",
        help="A fleet's id, or its beginning or end. If left out: all.",
        autocompletion=_newest_fleets,
    ),
]
OneFleet = Annotated[
    str,
    typer.Argument(metavar="FLEET", help="A fleet's id, or its beginning or end.", autocompletion=_newest_fleets),
]
Reason = Annotated[str, typer.Option("--reason", help="Why, for the record.")]


def say_changed(screen: Screen, reply: Any, said: str) -> None:
    """A change, said or as JSON."""
    if screen.as_json:
        screen.json(reply)
    else:
        screen.line(said)


def chosen_fleet(queries: Queries, fleet: str | None) -> str:
    """The fleet that is meant, the newest for none. Raises `NotFound`."""
    if fleet is not None:
        return queries.resolve_fleet(fleet)
    newest, _ = queries.fleets(limit=1)
    if not newest:
        raise NotFound("there is no fleet yet: begin with fleetlog run explore --workspace PATH")
    return newest[0].id


def chosen_agent(queries: Queries, agent: str, fleet: str | None) -> str:
    """The agent that is meant: by its id or the beginning of it, or by its name in the fleet."""
    if agent.startswith("agent-"):
        return queries.resolve_agent(agent)
    return agent_id_for(chosen_fleet(queries, fleet), agent)
