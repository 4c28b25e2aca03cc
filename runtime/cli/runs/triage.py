"""`fleetlog run triage`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

if TYPE_CHECKING:
    from fleetlog.runtime.scenarios.triage.order import Order

__all__ = ["triage"]


def triage(
    log: Annotated[str, typer.Argument(metavar="LOG", help="JUnit XML, or what pytest printed, also in a CI log.")],
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="The code the tests are of.")] = ".",
    rerun: Annotated[int, typer.Option("--rerun", metavar="N", help="How often a failing test is run again.")] = 3,
    no_rerun: Annotated[bool, typer.Option("--no-rerun", help="Run nothing: sort by signs and history alone.")] = False,
    bisect: Annotated[str, typer.Option("--bisect", metavar="GOOD", help="A commit at which the tests passed.")] = "",
    test_command: Annotated[
        str, typer.Option("--test-command", metavar="COMMAND", help="What runs one test, {test}.")
    ] = "python -m pytest -q {test}",
    timeout: Annotated[int, typer.Option("--test-timeout", metavar="S", help="Seconds one command may take.")] = 120,
    debuggers: Annotated[int, typer.Option("--debuggers", metavar="N", help="How many are attached at most.")] = 8,
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Sort failing tests into regressions, real bugs, flaky tests and infrastructure, with the commits to blame."""
    from fleetlog.runtime.scenarios.triage.order import Order
    from fleetlog.runtime.scenarios.triage.spec import triage_by_claude_spec, triage_spec

    folder = str(arguments.folder("--workspace", workspace))
    by_claude = is_by_claude(brain)
    path = str(Path(log).expanduser().absolute())
    order = _checked(folder, Order(path, 0 if no_rerun else rerun, bisect, test_command, debuggers, timeout))
    spec = triage_by_claude_spec(folder, _within(folder, order), model) if by_claude else triage_spec(folder, order)
    run_fleet(spec, f"sorts the failures in {log}", directory, Screen(as_json=as_json), out, detached=detach)


def _checked(folder: str, order: "Order") -> "Order":
    """The order with its commit spelled out. Raises `InvalidArgument` before anything is recorded."""
    import shlex

    from msgspec.structs import replace

    from fleetlog.runtime.scenarios.triage.reading import commit_of, look_at, read_log

    for name, number, least in (("--rerun", order.rerun, 0), ("--debuggers", order.debuggers, 1)):
        if not least <= number <= 100:
            raise InvalidArgument(f"'{name}' must be from {least} to 100, got {number}")
    checks.integer("--test-timeout", order.timeout_s)
    try:
        words = shlex.split(order.test_command)
    except ValueError as error:
        raise InvalidArgument(f"'--test-command' must be a command line: {error}") from error
    if not any("{test}" in word for word in words[1:]) or "\n" in order.test_command:
        raise InvalidArgument(
            f"'--test-command' must be one line with {{test}} where the test's name goes, got {order.test_command!r}"
        )
    read_log(order.log, look_at(folder).files)
    return replace(order, good=commit_of(folder, order.good) if order.good else "")


def _within(folder: str, order: "Order") -> "Order":
    """The order with the log's path in the workspace, where Claude can read it."""
    from msgspec.structs import replace

    path = Path(order.log)
    if not path.is_relative_to(folder):
        raise InvalidArgument(f"'LOG' must be in the workspace for Claude to read it: {path} is not in {folder}")
    return replace(order, log=path.relative_to(folder).as_posix())
