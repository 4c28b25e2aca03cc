"""`fleetlog run explore`."""

from typing import Annotated

import typer

from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["explore"]


def explore(
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="The code base to look at.")] = ".",
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Three agents look at a code base before a refactor. Offline, without a key; or driven by Claude."""
    from fleetlog.runtime.scenarios.explore.spec import explore_by_claude_spec, explore_spec

    folder = str(arguments.folder("--workspace", workspace))
    spec = explore_by_claude_spec(folder, model) if is_by_claude(brain) else explore_spec(folder)
    run_fleet(spec, f"explores {folder}", directory, Screen(as_json=as_json), out, detached=detach)
