"""The arguments that many commands take."""

from typing import Annotated

import typer

__all__ = ["Dir", "Fleet", "FleetOrAll", "Json", "OneFleet", "Reason"]

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
