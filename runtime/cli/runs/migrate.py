"""`fleetlog run migrate`."""

from importlib import util
from typing import Annotated

import typer

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["migrate"]

MIGRATIONS = ("unittest-to-pytest",)


def migrate(
    migration: Annotated[str, typer.Argument(metavar="MIGRATION", help="unittest-to-pytest.")],
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="The git repository.")] = ".",
    branch: Annotated[
        str, typer.Option("--branch", metavar="NAME", help="Where verified changes are committed.")
    ] = "fleetlog/unittest-to-pytest",
    python: Annotated[
        str, typer.Option("--python", metavar="PATH", help="Runs the tests; the repository's .venv, if it has one.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many files; 0: all.")] = 0,
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Three agents migrate a repository's tests, each change verified. Offline, without a key; or driven by Claude."""
    from fleetlog.runtime.scenarios.migrate.repository import check_repository
    from fleetlog.runtime.scenarios.migrate.spec import MigrationOrder, migrate_by_claude_spec, migrate_spec
    from fleetlog.runtime.scenarios.migrate.trials import check_python, default_python

    checks.choice("MIGRATION", migration, MIGRATIONS)
    folder = str(arguments.folder("--workspace", workspace))
    checks.integer("--limit", limit, at_least=0)
    check_repository(folder, branch)
    python = python or default_python(folder)
    check_python(python)
    order = MigrationOrder(folder, python, branch, limit)
    if is_by_claude(brain):
        spec = migrate_by_claude_spec(order, model)
    else:
        if util.find_spec("libcst") is None:
            raise InvalidArgument("the offline migration needs libcst: pip install 'fleetlog[migrate]'")
        spec = migrate_spec(order)
    run_fleet(spec, f"migrates {folder}", directory, Screen(as_json=as_json), out, detached=detach)
