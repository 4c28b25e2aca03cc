"""`fleetlog run monitor`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["monitor"]

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def monitor(
    runbooks: Annotated[str, typer.Argument(metavar="RUNBOOKS", help="What is watched and how it is healed: TOML.")],
    workspace: Annotated[
        str,
        typer.Option("--workspace", metavar="PATH", help="Where commands run; the folder of RUNBOOKS if left out."),
    ] = "",
    once: Annotated[bool, typer.Option("--once", help="Look at every watch once, heal, and end.")] = False,
    for_: Annotated[str, typer.Option("--for", metavar="TIME", help="End after this time: 90s, 10m, 12h, 7d.")] = "",
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Agents watch a service and heal it by runbooks, for weeks; a person is called for the rest."""
    from fleetlog.runtime.scenarios.monitor.loading import load_plan
    from fleetlog.runtime.scenarios.monitor.spec import Watching, monitor_by_claude_spec, monitor_spec

    if once and for_:
        raise InvalidArgument(
            "'--once' and '--for' exclude each other: give one of them, or neither to watch on and on"
        )
    for_s = f"{seconds_of('--for', for_):g}" if for_ else ""
    file = Path(runbooks).expanduser().absolute()
    plan = load_plan(str(file))
    folder = str(arguments.folder("--workspace", workspace or str(file.parent)))
    order = Watching(str(file), folder, for_s, "yes" if once else "")
    spec = monitor_by_claude_spec(order, model, plan) if is_by_claude(brain) else monitor_spec(order, plan)
    run_fleet(spec, f"watches by {runbooks}", directory, Screen(as_json=as_json), out, detached=detach)


def seconds_of(option: str, text: str) -> float:
    """`90s`, `10m`, `12h`, `7d` in seconds. Raises `InvalidArgument`."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", text.strip())
    if not found or float(found[1]) <= 0:
        raise InvalidArgument(f"'{option}' must be a time like 90s, 10m, 12h or 7d, got '{text[:40]}'")
    return float(found[1]) * _UNITS_S[found[2]]
