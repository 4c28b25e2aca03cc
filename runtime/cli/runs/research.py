"""`fleetlog run research`."""

from importlib import util
from typing import TYPE_CHECKING, Annotated

import typer

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, Timeout, is_by_claude, run_fleet, seconds_of
from fleetlog.runtime.cli.visits import DEFAULT_DIR

if TYPE_CHECKING:
    from fleetlog.runtime.scenarios.research.spec import ResearchOrder

__all__ = ["research"]

MAX_RESEARCHERS = 20


def research(
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What is to be found out.")],
    workspace: Annotated[
        str, typer.Option("--workspace", metavar="PATH", help="A folder with sources: Markdown, text, PDF.")
    ] = "",
    researchers: Annotated[int, typer.Option("--researchers", metavar="N", help="How many look at once.")] = 3,
    timeout: Timeout = "",
    report_file: Annotated[
        str,
        typer.Option("--report-file", metavar="FILE", help="Where in the workspace the report grows; - for nowhere."),
    ] = "",
    no_web: Annotated[bool, typer.Option("--no-web", help="By Claude: do not search the web.")] = False,
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """A lead, researchers, a fact checker and a synthesizer answer a question, with sources. Offline, from a folder;
    or driven by Claude, from the web too."""
    from fleetlog.runtime.scenarios.research.reading import check_report_file
    from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_by_claude_spec, research_spec

    checks.text("QUESTION", question, empty=False)
    checks.integer("--researchers", researchers, at_least=1, at_most=MAX_RESEARCHERS)
    timeout_s = seconds_of("--timeout", timeout)
    folder = str(arguments.folder("--workspace", workspace)) if workspace else ""
    by_claude = is_by_claude(brain)
    order = ResearchOrder(question, folder, model, researchers, not no_web, timeout_s=timeout_s)
    order = _with_report_file(order, report_file, by_claude=by_claude)
    if order.report_file:
        check_report_file(folder, order.report_file)
    if not by_claude:
        _check_sources(order)
    spec = research_by_claude_spec(order) if by_claude else research_spec(order)
    doing = f"researches; the report grows in {order.report_file}" if order.report_file else "researches"
    run_fleet(spec, doing, directory, Screen(as_json=as_json), out, detached=detach)


def _with_report_file(order: "ResearchOrder", report_file: str, *, by_claude: bool) -> "ResearchOrder":
    """By Claude the report grows only where it was told to: the synthesizer may then write to the workspace."""
    from msgspec.structs import replace

    from fleetlog.runtime.scenarios.research.spec import REPORT_FILE

    if report_file not in ("", "-"):
        if not order.workspace:
            raise InvalidArgument("'--report-file' needs '--workspace': the report grows there")
        return replace(order, report_file=report_file)
    return replace(order, report_file="" if by_claude or report_file == "-" else REPORT_FILE)


def _check_sources(order: "ResearchOrder") -> None:
    """Raises `InvalidArgument` when there is nothing the offline brains could read."""
    from fleetlog.runtime.scenarios.research.reading import list_sources
    from fleetlog.runtime.scenarios.research.spec import MAX_QUESTION_CHARS

    checks.text("QUESTION", order.question, max_chars=MAX_QUESTION_CHARS)
    if not order.workspace:
        raise InvalidArgument(
            "'--workspace' must name a folder with sources: the offline brains know nothing else; "
            "with `--brain claude` the web is searched"
        )
    files = list_sources(order.workspace).files
    if not files:
        raise InvalidArgument(f"there is nothing to research in {order.workspace}: no Markdown, text or PDF")
    if util.find_spec("pypdf") is None and all(path.lower().endswith(".pdf") for path in files):
        raise InvalidArgument("to read PDF offline, pypdf is needed: pip install 'fleetlog[pdf]'")
