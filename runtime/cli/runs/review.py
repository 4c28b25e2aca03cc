"""`fleetlog run review`."""

from pathlib import Path
from typing import Annotated

import typer

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime import arguments
from fleetlog.runtime.cli.console import Screen
from fleetlog.runtime.cli.options import Dir, Json
from fleetlog.runtime.cli.runs.running import Brain, Detach, Model, Out, is_by_claude, run_fleet
from fleetlog.runtime.cli.visits import DEFAULT_DIR

__all__ = ["review"]


def review(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A Markdown spec, or a .diff or .patch.")] = "",
    diff: Annotated[
        str, typer.Option("--diff", metavar="REVISIONS", help="Review a change of the workspace: main...HEAD.")
    ] = "",
    workspace: Annotated[
        str, typer.Option("--workspace", metavar="PATH", help="The folder FILE's links stay in, or the repository.")
    ] = "",
    brain: Brain = "offline",
    model: Model = "",
    out: Out = None,
    detach: Detach = False,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Three reviewers read a spec or a change, debate it, and agree on one review. Offline; or driven by Claude."""
    from fleetlog.runtime.scenarios.review.reading import check_revisions, read_subject, repository_of, text_of
    from fleetlog.runtime.scenarios.review.spec import review_by_claude_spec, review_spec

    if bool(file) == bool(diff):
        raise InvalidArgument("give either FILE (a Markdown spec, or a .diff or .patch) or --diff REVISIONS")
    folder = str(arguments.folder("--workspace", workspace or (repository_of(file) if file else ".")))
    inside = _inside(folder, file) if file else ""
    if diff:
        check_revisions(folder, diff)
    read_subject(folder, inside, diff)
    if is_by_claude(brain):
        change = text_of(folder, "", diff) if diff else ""
        spec = review_by_claude_spec(folder, inside, diff, model, change)
    else:
        spec = review_spec(folder, inside, diff)
    run_fleet(spec, f"reviews {diff or inside}", directory, Screen(as_json=as_json), out, detached=detach)


def _inside(folder: str, file: str) -> str:
    """The file's path in the workspace."""
    path = Path(file).expanduser().absolute()
    if not path.is_file():
        raise InvalidArgument(f"'FILE' must be a file: {path} is {'a folder' if path.is_dir() else 'not there'}")
    if not path.resolve().is_relative_to(Path(folder).resolve()):
        raise InvalidArgument(f"'FILE' must be in the workspace {folder}, got {path}")
    return path.resolve().relative_to(Path(folder).resolve()).as_posix()
