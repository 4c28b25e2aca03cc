"""What every `fleetlog run` has in common: its options, who drives the agents, and how the process ends."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.logs import logging_to

if TYPE_CHECKING:
    from fleetlog.domain.values import FleetSpec
    from fleetlog.runtime.cli.jobs import Ending

__all__ = [
    "Brain",
    "Detach",
    "Model",
    "Out",
    "Timeout",
    "finish",
    "is_by_claude",
    "require_key",
    "run_fleet",
    "seconds_of",
]

UNFINISHED = 1

Brain = Annotated[str, typer.Option("--brain", metavar="BRAIN", help="offline, or claude.")]
Model = Annotated[
    str, typer.Option("--model", metavar="MODEL", help="The model: its id, or sonnet, opus, haiku, fable.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Leave it to the directory's daemon, started if there is none.")]
Out = Annotated[str | None, typer.Option("--out", metavar="FILE", help="Write the report to this file as well.")]
Timeout = Annotated[str, typer.Option("--timeout", metavar="TIME", help="End the fleet after so long: 90s, 30m, 2h.")]
_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def seconds_of(field: str, text: str) -> float | None:
    """How long `90s`, `30m`, `2h`, `1.5h` or `1d` is; None for an empty text. Raises `InvalidArgument` for another."""
    if not text:
        return None
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)([smhd])", text.strip().lower())
    if found is None or float(found[1]) == 0:
        raise InvalidArgument(f"'{field}' must be a time such as 90s, 30m, 2h or 1d, got '{text}'")
    return float(found[1]) * _UNITS_S[found[2]]


def is_by_claude(brain: str) -> bool:
    """What `--brain` chose. Raises `InvalidArgument` for another word, and when there is no key for Claude."""
    checks.choice("--brain", brain, ("offline", "claude"))
    if brain == "claude":
        require_key("leave out `--brain claude`: the offline brains need no key and no network")
    return brain == "claude"


def require_key(otherwise: str) -> None:
    """Refuses when no key for the Messages API is set, and says what to do."""
    from fleetlog.runtime.brains.provider import ClaudeSettings

    if ClaudeSettings().from_environment().api_key is None:
        raise InvalidArgument(
            "there is no API key for Claude: set ANTHROPIC_API_KEY (and ANTHROPIC_BASE_URL for another server that "
            f"speaks the Messages API); or {otherwise}"
        )


def run_fleet(
    spec: "FleetSpec", doing: str, directory: str, screen: Screen, out: str | None, *, detached: bool = False
) -> None:
    """Run the fleet to its end, show and keep its report, end the process with the exit code; or, detached, leave it
    to the directory's daemon. `doing` follows the fleet's id in the first line."""
    from fleetlog.runtime.cli import jobs

    if detached:
        jobs.detach(directory, spec, doing, screen)
        return
    with logging_to(directory):
        ending = jobs.run(directory, spec, doing, screen, out)
    finish(ending)


def finish(ending: "Ending") -> None:
    """End the process as the fleets ended. Exits with 0, 1 (not complete), or 128 and the signal's number."""
    if ending.signal is not None:
        raise typer.Exit(128 + ending.signal)
    raise typer.Exit(0 if ending.is_complete else UNFINISHED)
