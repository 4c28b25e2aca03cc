"""`fleetlog serve` and `fleetlog mcp`: letting other processes in."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json, say_changed
from fleetlog.runtime.cli.visits import DEFAULT_DIR
from fleetlog.runtime.places import as_given, place_of

__all__ = ["mcp_app", "serve", "stop"]

STOPS_WITHIN_S = 60.0


def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="0 takes a free one.")] = 7420,
    require_token: Annotated[bool, typer.Option("--require-token", help="Refuse callers without a token.")] = False,
    allow_host: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A further name of this server.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="A web site whose pages may call this server.")
    ] = None,
    directory: Dir = DEFAULT_DIR,
) -> None:
    """Run a directory's fleets, and let others in: HTTP, MCP at /mcp, and fleetlog mcp. Stop it with Ctrl-C."""
    from fleetlog.runtime.cli.jobs import runtime_config
    from fleetlog.runtime.configuration import load_settings
    from fleetlog.runtime.servers.daemon import ServerConfig
    from fleetlog.runtime.servers.serving import serve as serve_directory

    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    config = ServerConfig(
        host=host,
        port=port,
        needs_token=require_token,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        default_brain=load_settings().brain,
    )

    def on_ready(url: str) -> None:
        typer.echo(f"fleetlog serves {as_given(directory)} at {url}", err=True)

    serve_directory(directory, config, on_ready, runtime_config())


def stop(directory: Dir = DEFAULT_DIR, as_json: Json = False) -> None:
    """Stop a directory's daemon: no new work, steps in flight get a moment, the rest goes on with the next one."""
    from fleetlog.runtime.cli.hosting import stop_daemon

    pid = stop_daemon(directory, STOPS_WITHIN_S)
    say_changed(Screen(as_json=as_json), {"pid": pid}, f"Stopped the daemon of {as_given(directory)} (process {pid}).")


mcp_app = typer.Typer(name="mcp", invoke_without_command=True, rich_markup_mode=None)


@mcp_app.callback()
def mcp(
    context: typer.Context,
    directory: Dir = DEFAULT_DIR,
    token: Annotated[
        str, typer.Option(metavar="TOKEN", envvar="FLEETLOG_TOKEN", help="Whose session it is; the owner's if empty.")
    ] = "",
) -> None:
    """Speak MCP on stdin and stdout, for editors and agents. Starts the directory's daemon if there is none."""
    if context.invoked_subcommand is not None:
        return
    from fleetlog.runtime.servers.stdio import serve_stdio

    raise typer.Exit(serve_stdio(directory, token))


@mcp_app.command()
def config(
    client: Annotated[
        str, typer.Argument(metavar="CLIENT", help="claude-code, opencode, codex, cursor, vscode, generic.")
    ],
    check: Annotated[
        str | None, typer.Option(metavar="FILE", help="Start what this file names, and ask for tools.")
    ] = None,
    directory: Annotated[str, typer.Option("--dir", metavar="DIR", help="Name this runtime directory.")] = "",
    as_json: Json = False,
) -> None:
    """Show what to add to an MCP client's configuration; or check whether what stands there works."""
    from fleetlog.runtime.servers.client_configs import check_config, config_for

    screen = Screen(as_json=as_json)
    if check is not None:
        started = check_config(client, Path(check))
        said = f"{' '.join(started.command)} works: {started.tools} tools."
        screen.json(started) if as_json else screen.line(said)
        return
    place = place_of(directory) if directory else None
    found = config_for(client, str(place) if place else "")
    if as_json:
        screen.json(found)
        return
    screen.say(f"Add this to {found.path}:", "dim")
    screen.line(found.text.rstrip())
