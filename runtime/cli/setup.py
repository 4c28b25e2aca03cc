"""`fleetlog init` and `fleetlog doctor`: what is set, and whether all is there."""

from pathlib import Path
from typing import Annotated

import typer

from fleetlog.domain.errors import InvalidArgument, StoreUnavailable
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.visits import DEFAULT_DIR
from fleetlog.runtime.configuration import FILE, load_settings, template_text
from fleetlog.runtime.places import place_of

__all__ = ["doctor", "init"]


def init(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Where to write it.")] = ".", as_json: Json = False
) -> None:
    """Write a commented fleetlog.toml, and keep the runtime directory out of git."""
    screen = Screen(as_json=as_json)
    path = Path(folder).absolute() / FILE
    try:
        with path.open("x") as file:
            file.write(template_text())
        ignored = _ignore(path.parent)
    except FileExistsError as error:
        raise InvalidArgument(f"{path} is there already: it is not written over") from error
    except OSError as error:
        raise StoreUnavailable(f"{path} cannot be written: {error}") from error
    if as_json:
        screen.json({"config": str(path), "ignored": ignored})
        return
    screen.line(f"Wrote {path}. Everything in it is a comment: take away the # of what you want.")
    if ignored:
        screen.line(f"Added .fleetlog/ to {ignored}.")


def _ignore(folder: Path) -> str | None:
    """Add the runtime directory to the repository's .gitignore, if there is a repository and it is not there yet."""
    if not (folder / ".git").exists():
        return None
    ignore = folder / ".gitignore"
    lines = ignore.read_text().splitlines() if ignore.exists() else []
    if any(line.strip().rstrip("/") in (".fleetlog", "/.fleetlog") for line in lines):
        return None
    ignore.write_text("\n".join([*lines, ".fleetlog/"]) + "\n")
    return str(ignore)


def doctor(
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="The folder agents work in.")] = ".",
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Check whether everything is there that fleets need, and say how to mend what is not."""
    from fleetlog.runtime.doctor import Patient, examine

    screen = Screen(as_json=as_json)
    place = place_of(directory)
    if place is None:
        raise InvalidArgument("'--dir' must be a directory here: a runtime in memory ends with its process")
    found = examine(Patient(place, Path(workspace).absolute(), load_settings()))
    if as_json:
        screen.json({"findings": found})
    for finding in () if as_json else found:
        screen.line(f"{finding.outcome:>8}  {finding.check:<10} {finding.said}")
        if finding.mend:
            screen.line(f"{'':>8}  {'':<10} -> {finding.mend}")
    raise typer.Exit(any(finding.outcome == "problem" for finding in found))
