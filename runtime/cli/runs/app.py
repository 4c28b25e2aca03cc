"""The commands below `fleetlog run`."""

import typer

from fleetlog.runtime.cli.runs.explore import explore
from fleetlog.runtime.cli.runs.migrate import migrate
from fleetlog.runtime.cli.runs.monitor import monitor
from fleetlog.runtime.cli.runs.research import research
from fleetlog.runtime.cli.runs.review import review
from fleetlog.runtime.cli.runs.triage import triage

__all__ = ["run_app"]

SCENARIOS = (
    explore,
    monitor,
    migrate,
    research,
    triage,
    review,
)

run_app = typer.Typer(help="Run a fleet to its end and show its report.", no_args_is_help=True, rich_markup_mode=None)
for scenario in SCENARIOS:
    run_app.command()(scenario)
