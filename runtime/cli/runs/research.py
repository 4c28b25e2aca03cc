"""`fleetlog run research`."""

import re
from pathlib import PurePosixPath
from typing import Annotated

import typer

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["research"]

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def research(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is to be found out.")],
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="A folder with sources.")] = "",
    researchers: Annotated[int, typer.Option("--researchers", metavar="N", help="So many look at once.")] = 3,
    timeout: Annotated[
        str, typer.Option("--timeout", metavar="TIME", help="End then, with what there is: 90s, 30m, 2h, 1d.")
    ] = "",
    report_file: Annotated[
        str, typer.Option("--report-file", metavar="NAME", help="Offline, the report grows there, in the workspace.")
    ] = "fleetlog-report.md",
    no_web: Annotated[bool, typer.Option("--no-web", help="By Claude: do not search the web.")] = False,
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """A lead, researchers and a fact checker answer a question, with sources. Offline, from a folder; or by Claude."""
    from fleetlog.runtime.scenarios.research import ResearchOrder, offline_research_spec, research_spec

    checks.text("QUESTION", question, empty=False)
    checks.integer("--researchers", researchers, at_most=20)
    folder = str(arguments.folder("--workspace", workspace)) if workspace else ""
    timeout_s = _seconds(timeout) if timeout else None
    order = ResearchOrder(question, folder, model, researchers, not no_web, _name(report_file), timeout_s)
    if is_by_claude(brain):
        spec = research_spec(order)
    elif folder:
        checks.text("QUESTION", question, max_chars=1_000)
        spec = offline_research_spec(order)
    else:
        raise InvalidArgument("the offline brains answer from a folder: give --workspace PATH, or --brain claude")
    run_fleet(spec, "researches", directory, Screen(as_json=as_json), out, detached=detach)


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if found is None or float(found[1]) == 0:
        raise InvalidArgument(f"'--timeout' must be a time like 90s, 30m, 2h or 1d, got {text}")
    return float(found[1]) * _UNITS_S[found[2]]


def _name(text: str) -> str:
    path = PurePosixPath(text)
    if len(path.parts) != 1 or path.suffix != ".md" or text.startswith("."):
        raise InvalidArgument(f"'--report-file' must be the name of a Markdown file in the workspace, got {text}")
    return text
