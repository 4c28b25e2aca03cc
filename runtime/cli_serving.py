"""`fleetlog serve` and `fleetlog mcp`: letting other processes in."""

import logging
import sys
from typing import Annotated

import typer

from fleetlog.runtime.cli_options import Dir
from fleetlog.runtime.visits import DEFAULT_DIR

__all__ = ["mcp", "serve"]


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
    )
    serve_directory(directory, config, lambda url: typer.echo(f"fleetlog serves {directory} at {url}", err=True))


def mcp(
    directory: Dir = DEFAULT_DIR,
    token: Annotated[
        str, typer.Option(envvar="FLEETLOG_TOKEN", help="Whose session it is; the owner's if empty.")
    ] = "",
) -> None:
    """Speak MCP on stdin and stdout, for editors and agents. Starts the directory's daemon if there is none."""
    from fleetlog.runtime.servers.stdio import serve_stdio

    raise typer.Exit(serve_stdio(directory, token))
