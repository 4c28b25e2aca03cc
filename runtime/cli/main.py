"""The command line: arguments become calls, answers become text or JSON. Nothing is decided here.

Exit codes: 0 done; 1 the fleet failed or is not finished; 2 wrong arguments; 3 refused (there is no such
thing, or its state does not allow it); 4 could not be done (the directory is owned, the disk is full); 128 + n
ended by signal n.
"""

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer
from typer.main import get_command

from fleetlog.domain.errors import Fault, FleetlogError, InvalidArgument
from fleetlog.runtime.arguments import folder
from fleetlog.runtime.cli import mesh, money, serving, setup, work
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.logs import logging_to
from fleetlog.runtime.cli.options import (
    Dir,
    Fleet,
    FleetOrAll,
    Json,
    OneFleet,
    Reason,
    chosen_agent,
    chosen_fleet,
    say_changed,
)
from fleetlog.runtime.cli.runs.app import run_app
from fleetlog.runtime.cli.runs.running import Out, finish
from fleetlog.runtime.cli.tickets import tickets_app
from fleetlog.runtime.cli.tokens import tokens_app
from fleetlog.runtime.cli.visits import DEFAULT_DIR, audited, changing, daemon_client, dir_option, reading, visited
from fleetlog.runtime.configuration import flag_defaults, load_settings
from fleetlog.runtime.places import place_of
from fleetlog.runtime.replies import FleetList, FleetStatus, InboxReply

__all__ = ["app", "main"]

OK, UNFINISHED, USAGE, REFUSED, FAULT, BUG = 0, 1, 2, 3, 4, 70

app = typer.Typer(
    name="fleetlog",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(run_app, name="run")
app.add_typer(tickets_app)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        Screen().line(f"fleetlog {metadata.version('fleetlog')}")
        raise typer.Exit(OK)


@app.callback()
def _fleetlog(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Fleets of agents that survive anything: run them, resume them, see what they did."""


# --- running ---------------------------------------------------------------------------------


@app.command()
def resume(fleet: FleetOrAll = None, out: Out = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Have interrupted fleets go on where they stopped. A paused FLEET (or agent, by its id) is paused no more."""
    from fleetlog.runtime.cli import jobs  # here: to look needs none of it, and loading takes time

    screen = Screen(as_json=as_json)
    if fleet is not None and fleet.startswith("agent-"):
        fleet = money.resume_agent(directory, fleet)
    if (client := daemon_client(place_of(directory))) is not None:
        with client:
            money.resume_in_daemon(client, fleet, screen)
        return
    with reading(directory) as queries:
        fleet_ids = [queries.resolve_fleet(fleet)] if fleet else queries.open_fleets()
    with logging_to(directory):
        ending = jobs.resume(directory, fleet_ids, screen, out)
    finish(ending)


# --- looking ---------------------------------------------------------------------------------


@app.command()
def fleets(
    status: Annotated[str | None, typer.Option(help="Only fleets in this state.")] = None,
    query: Annotated[str, typer.Option(help="Only fleets with this in id, name or goal.")] = "",
    limit: Annotated[int, typer.Option(help="How many at once, at most 1,000.")] = 50,
    cursor: Annotated[str | None, typer.Option(help="Go on behind this fleet.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived fleets too.")] = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """List fleets, newest first."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        found, next_cursor = queries.fleets(status, query, limit, cursor, archived)
        if as_json:
            screen.json(FleetList(tuple(found), next_cursor, queries.position()))
        else:
            screen.fleets(found, next_cursor)


@app.command()
def status(fleet: Fleet = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Show a fleet and its agents."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        fleet_id = chosen_fleet(queries, fleet)
        row, agents = queries.fleet(fleet_id), queries.agents(fleet_id)
        if as_json:
            screen.json(FleetStatus(row, tuple(agents), queries.position()))
            return
        screen.status(row, agents)
        if row.status == "interrupted":
            screen.say(f"It is interrupted: fleetlog resume {fleet_id}{dir_option(directory)} goes on.", "magenta")
        if row.status == "paused":
            screen.say(f"It is paused: fleetlog resume {fleet_id}{dir_option(directory)} has it go on.", "magenta")


@app.command()
def results(fleet: Fleet = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Show the agents' results, the report last."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        fleet_id = chosen_fleet(queries, fleet)
        found = queries.results(fleet_id)
        if as_json:
            screen.json({"fleet_id": fleet_id, "results": found, "position": queries.position()})
        else:
            screen.results(found)


@app.command()
def timeline(
    fleet: Fleet = None,
    after: Annotated[int, typer.Option(help="Only events behind this log position.")] = 0,
    limit: Annotated[int, typer.Option(help="At most this many events.")] = 1_000,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Show what happened in a fleet, one line an event."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        entries = queries.timeline(chosen_fleet(queries, fleet), after, limit)
        if as_json:
            screen.json({"entries": entries, "position": queries.position()})
        else:
            screen.timeline(entries)


@app.command()
def inbox(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent's id, or its name in the fleet.")],
    fleet: Annotated[str | None, typer.Option(help="The fleet, if AGENT is a name. The newest if left out.")] = None,
    all_messages: Annotated[bool, typer.Option("--all", help="Acknowledged messages too.")] = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Show an agent's messages, oldest first."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        agent_id = chosen_agent(queries, agent, fleet)
        messages = queries.inbox(agent_id, all=all_messages)
        if as_json:
            screen.json(InboxReply(tuple(messages), queries.position()))
        else:
            screen.inbox(messages)


@app.command()
def agents(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Words to look for. If left out: all.")] = "",
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="Whose own definitions count.")] = ".",
    show: Annotated[str | None, typer.Option("--show", metavar="NAME", help="Show one whole.")] = None,
    as_json: Json = False,
) -> None:
    """List the agent definitions that a fleet's agents may be made of."""
    from fleetlog.runtime.definitions.catalog import Catalog
    from fleetlog.runtime.replies import Definitions

    screen = Screen(as_json=as_json)
    catalog = Catalog.load(folder("--workspace", workspace))
    found = [catalog.find(show)] if show is not None else catalog.search(query)
    if as_json:
        screen.json(Definitions(len(found), tuple(found), catalog.problems))
    elif show is not None:
        screen.definition(found[0])
        screen.problems([problem for problem in catalog.problems if problem.path == found[0].path])
    else:
        screen.definitions(found, catalog.problems)


@app.command()
def doubts(fleet: FleetOrAll = None, directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """List steps a crash left in doubt: done or not?"""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        found = queries.doubts(queries.resolve_fleet(fleet) if fleet else None)
        if as_json:
            screen.json({"doubts": found, "position": queries.position()})
        else:
            screen.doubts(found)


@app.command()
def verify(directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Check the whole log: gaps, changes, a cut tail."""
    screen = Screen(as_json=as_json)
    verdict = audited(directory)
    if as_json:
        screen.json(verdict)
    else:
        screen.line(f"{verdict.events:,} events in {verdict.streams:,} streams: {'whole' if verdict.ok else 'DAMAGED'}")
        for finding in verdict.findings:
            screen.line(f"  {finding}")
    raise typer.Exit(OK if verdict.ok else UNFINISHED)


@app.command()
def backup(
    target: Annotated[
        str,
        typer.Argument(metavar="FOLDER", help="Where the copy goes: empty, or an earlier copy. Or postgresql://..."),
    ],
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Copy log and artifacts, also while they are in use, and check the copy."""
    from fleetlog.runtime.backup import back_up

    screen = Screen(as_json=as_json)
    copy = place_of(target)
    if copy is None:
        raise InvalidArgument("the backup must be a folder or a database, got memory:")
    with visited(directory) as (place, _):
        done = back_up(place, copy)
    if as_json:
        screen.json(done)
    else:
        screen.line(
            f"{done.verdict.events:,} events and {done.artifacts:,} artifacts ({done.new_artifacts:,} new) are in"
            f" {done.target}: {'whole' if done.verdict.ok else 'DAMAGED'}"
        )
        for finding in done.verdict.findings:
            screen.line(f"  {finding}")
    raise typer.Exit(OK if done.verdict.ok else UNFINISHED)


# --- changing --------------------------------------------------------------------------------


@app.command()
def resolve(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="The id of the agent in doubt, see doubts.")],
    outcome: Annotated[str, typer.Argument(metavar="done|retry", help="It was done; or it is to be made again.")],
    value: Annotated[str, typer.Option(help="With done: what the step would have returned, as JSON.")] = "null",
    by: Annotated[str, typer.Option(help="Who decides.")] = "operator",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Decide about a step in doubt, then resume."""
    with changing(directory) as runtime:
        reply = runtime.resolve_doubt(agent, outcome, _json_value(value), by=by)
    say_changed(Screen(as_json=as_json), reply, f"Decided: {outcome}.")


@app.command()
def cancel(fleet: OneFleet, reason: Reason = "", directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """End a fleet that is interrupted."""
    with changing(directory) as runtime:
        fleet_id = runtime.resolve_fleet(fleet)
        reply = runtime.cancel_fleet(fleet_id, reason)
        runtime.collect_results(fleet_id, wait_s=10)  # its agents are told, and end
    say_changed(Screen(as_json=as_json), reply, f"Cancelled {fleet_id}.")


@app.command()
def archive(fleet: OneFleet, reason: Reason = "", directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Hide an ended fleet from lists, not from the log."""
    with changing(directory) as runtime:
        fleet_id = runtime.resolve_fleet(fleet)
        reply = runtime.archive_fleet(fleet_id, reason)
    say_changed(Screen(as_json=as_json), reply, f"Archived {fleet_id}.")


for _command in (
    mesh.spawn,
    mesh.attach,
    mesh.fork,
    mesh.send,
    mesh.ask,
    mesh.alert,
    mesh.tail,
    setup.init,
    setup.doctor,
):
    app.command()(_command)
app.command()(serving.serve)
app.command()(serving.stop)
app.add_typer(serving.mcp_app)
app.add_typer(tokens_app)
app.add_typer(work.templates_app)
app.command()(work.route)
app.command()(money.spend)
app.command()(money.pause)
app.command()(money.budget)


# --- arguments -------------------------------------------------------------------------------


def _json_value(text: str) -> Any:
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"'--value' must be JSON: {error}") from error


# --- the process -----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """The `fleetlog` command; exits with a code (see the module)."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    logging.raiseExceptions = False  # a log file that cannot be written is no reason for a traceback
    logging.getLogger("fleetlog").addHandler(logging.NullHandler())
    try:
        app(words, prog_name="fleetlog", default_map=_defaults(app))
    except FleetlogError as error:
        Screen(as_json="--json" in words).error(error)
        sys.exit(_exit_code(error))
    except Exception as error:  # the last door: people get a line, not a traceback
        if os.environ.get("FLEETLOG_DEBUG"):
            raise
        said = f"this is a defect of fleetlog: {type(error).__name__}: {error} (with FLEETLOG_DEBUG=1: the traceback)"
        Screen(as_json="--json" in words).error(said)
        sys.exit(BUG)


def _defaults(group: typer.Typer) -> dict[str, Any]:
    """What fleetlog.toml says, as the defaults of every command's parameters: the environment and flags come first."""
    settings = flag_defaults(load_settings())
    return _for_commands(get_command(group), settings) if settings else {}


def _for_commands(command: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    inner = {name: _for_commands(one, settings) for name, one in getattr(command, "commands", {}).items()}
    own = {parameter.name: settings[parameter.name] for parameter in command.params if parameter.name in settings}
    return {**inner, **own}


def _exit_code(error: FleetlogError) -> int:
    match error:
        case InvalidArgument():
            return USAGE
        case Fault():
            return FAULT
        case _:
            return REFUSED


if __name__ == "__main__":
    main()
