"""The arguments that many commands take, what they stand for, and what is said of a change."""

from typing import Annotated, Any

import typer

from fleetlog.domain.errors import NotFound
from fleetlog.domain.values import agent_id_for
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.queries import Queries

__all__ = ["Dir", "Fleet", "FleetOrAll", "Json", "OneFleet", "Reason", "chosen_agent", "chosen_fleet", "say_changed"]

Dir = Annotated[
    str,
    typer.Option("--dir", metavar="DIR", envvar="FLEETLOG_DIR", help="Where the log, views and artifacts live."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else.")]
Fleet = Annotated[
    str | None,
    typer.Argument(metavar="FLEET", help="A fleet's id, or its beginning or end. If left out: the newest."),
]
FleetOrAll = Annotated[
    str | None, typer.Argument(metavar="FLEET", help="A fleet's id, or its beginning or end. If left out: all.")
]
OneFleet = Annotated[str, typer.Argument(metavar="FLEET", help="A fleet's id, or its beginning or end.")]
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
    """The agent that is meant: by its id, or by its name in the fleet."""
    return agent if agent.startswith("agent-") else agent_id_for(chosen_fleet(queries, fleet), agent)
