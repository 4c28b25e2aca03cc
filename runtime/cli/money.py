"""The commands about money and pauses: what was spent, what may be, and who is to wait."""

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from fleetlog.domain.budget import nusd
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import Budget, fleet_id_of
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Fleet, Json, Reason, chosen_fleet, say_changed
from fleetlog.runtime.cli.visits import DEFAULT_DIR, changing, reading
from fleetlog.runtime.replies import Spend

if TYPE_CHECKING:
    from fleetlog.runtime.client import Client
    from fleetlog.runtime.host import Runtime

__all__ = ["budget", "pause", "resume_agent", "resume_in_daemon", "spend"]

Target = Annotated[
    str, typer.Argument(metavar="FLEET|AGENT", help="A fleet's id, or its beginning or end; or an agent's id.")
]


def spend(fleet: Fleet = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Show what a fleet has spent, by agent."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        wanted = chosen_fleet(queries, fleet)
        row = queries.fleet(wanted)
        found = Spend(
            wanted,
            row.spent,
            queries.reserved(wanted),
            row.budget,
            queries.spent_by_agent(wanted),
            tuple(queries.paid_calls(wanted)),
            queries.position(),
        )
        if as_json:
            screen.json(found)
        else:
            screen.spend(found)


def pause(target: Target, reason: Reason = "", directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Have a fleet, or one agent, begin no new step until it is resumed."""
    with changing(directory) as runtime:
        if target.startswith("agent-"):
            reply, said = runtime.pause_agent(target, reason), target
        else:
            said = runtime.resolve_fleet(target)
            reply = runtime.pause_fleet(said, reason)
    say_changed(Screen(as_json=as_json), reply, f"Paused {said}.")


def budget(
    target: Target,
    usd: Annotated[str | None, typer.Option("--usd", metavar="AMOUNT", help="Dollars, like 2.50.")] = None,
    tokens: Annotated[int | None, typer.Option("--tokens", help="Tokens, of every kind.")] = None,
    turns: Annotated[int | None, typer.Option("--turns", help="Paid calls.")] = None,
    wall_s: Annotated[float | None, typer.Option("--wall-s", help="Seconds of uptime.")] = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Set limits of a fleet or an agent; the others stay. What its budget has paused may go on: resume it."""
    given = {
        "cost_nusd": None if usd is None else nusd(usd),
        "tokens": tokens,
        "turns": turns,
        "wall_s": wall_s,
    }
    limits = {name: limit for name, limit in given.items() if limit is not None}
    if not limits:
        raise InvalidArgument("give at least one limit: --usd, --tokens, --turns or --wall-s")
    with changing(directory) as runtime:
        target = target if target.startswith("agent-") else runtime.resolve_fleet(target)
        reply = runtime.set_budget(target, msgspec.structs.replace(_budget_of(runtime, target), **limits))
    say_changed(Screen(as_json=as_json), reply, f"The budget of {target} is set.")


def resume_agent(directory: str, agent: str) -> str:
    """Have a paused agent go on; the id of its fleet."""
    with changing(directory) as runtime:
        return runtime.resume_agent(agent).fleet_id


def _budget_of(runtime: "Runtime | Client", target: str) -> Budget:
    if target.startswith("fleet-"):
        return runtime.fleet_status(target).fleet.budget or Budget()
    for agent in runtime.list_agents(fleet_id_of(target)).agents:
        if agent.id == target:
            return agent.budget or Budget()
    raise NotFound(f"No such agent: {target}")


def resume_in_daemon(client: "Client", fleet: str | None, screen: Screen) -> None:
    """Have the daemon go on with what is paused; whatever else was interrupted, it goes on with by itself."""
    paused = client.list_fleets(status="paused", limit=1_000).fleets
    wanted = [client.resolve_fleet(fleet)] if fleet else [found.id for found in paused]
    going = [one for one in wanted if one in {found.id for found in paused}]
    for fleet_id in going:
        client.resume_fleet(fleet_id)
    if screen.as_json:
        screen.json({"resumed": going})
    else:
        screen.line(f"Resumed {', '.join(going)}." if going else "Nothing is paused; the daemon runs all the rest.")
