"""`fleetlog run research`."""

from typing import Annotated

import typer

from fleetlog.domain import checks
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Detach, Model, Out, require_key, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["research"]


def research(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is to be found out.")],
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="A folder with sources.")] = "",
    no_web: Annotated[bool, typer.Option("--no-web", help="Do not search the web.")] = False,
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """A lead, three researchers and a fact checker answer a question, with sources. Driven by Claude."""
    from fleetlog.runtime.scenarios.research import ResearchOrder, research_spec

    checks.text("QUESTION", question, empty=False)
    folder = str(arguments.folder("--workspace", workspace)) if workspace else ""
    require_key("`fleetlog run explore` runs offline, without a key")
    spec = research_spec(ResearchOrder(question, folder, model, uses_web=not no_web))
    run_fleet(spec, "researches", directory, Screen(as_json=as_json), out, detached=detach)
