"""What is done to work trees, one function for each step: each may be called again after it was cut off."""

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from fleetlog.runtime.scenarios.migrate import repository
from fleetlog.runtime.scenarios.migrate.codemod import convert
from fleetlog.runtime.scenarios.migrate.examples import Module, examples_in
from fleetlog.runtime.scenarios.migrate.sabotage import asserting, turned_around
from fleetlog.runtime.scenarios.migrate.talk import Answer, Change
from fleetlog.runtime.scenarios.migrate.trials import Outcomes, outcomes_of
from fleetlog.runtime.scenarios.migrate.verdicts import Verdict, flaky, judged, toothless

__all__ = ["Place", "Survey", "look", "modules_with_examples", "offer", "put", "settle", "try_out"]


class Place(Struct, frozen=True):
    """An agent's work tree: of which repository, by which name, from which commit; on a branch, or on none."""

    workspace: str
    name: str
    commit: str
    branch: str = ""

    @property
    def tree(self) -> str:
        """Its path; made if it is not there."""
        return repository.kept_tree(self.workspace, self.name, self.commit, self.branch)


class Survey(Struct, frozen=True):
    """What there is to migrate."""

    commit: str
    files: tuple[str, ...]
    is_dirty: bool


def look(workspace: str) -> Survey:
    """The commit the checkout is at, and its files with tests of unittest's."""
    commit = repository.head_of(workspace)
    return Survey(commit, tuple(repository.test_files(workspace, commit)), repository.is_dirty(workspace))


def offer(place: Place, path: str, without: tuple[str, ...]) -> Mapping[str, object]:
    """Convert a file in one's own tree; what the codemod says of it, without the source."""
    tree = place.tree
    repository.rolled_back(tree)
    try:
        conversion = convert(repository.read(tree, path), without)
    except UnicodeDecodeError as error:
        return {"renamed": {}, "left": [{"line": 1, "what": "the file", "why": f"it is not UTF-8: {error.reason}"}]}
    if conversion.is_changed:
        repository.write(tree, path, conversion.source)
    return {
        "renamed": conversion.renamed,
        "left": [{"line": one.line, "what": one.what, "why": one.why} for one in conversion.left],
    }


def put(place: Place, path: str, text: str) -> bool:
    """A new file in one's own tree; False when there is one of that name already."""
    tree = place.tree
    repository.rolled_back(tree)
    if repository.read(tree, path):
        return False
    repository.write(tree, path, text)
    return True


def modules_with_examples(place: Place) -> list[Module]:
    """The product's modules whose docstrings have examples."""
    tree = Path(place.tree)
    found = (path.relative_to(tree) for path in tree.rglob("*.py"))
    paths = [path.as_posix() for path in found if not any(part.startswith((".", "test")) for part in path.parts)]
    return examples_in(str(tree), sorted(path for path in paths if path not in ("setup.py", "conftest.py")))


def try_out(place: Place, change: Change, python: str) -> Answer:
    """Run the file as it was (twice), as it is offered, and turned around; what that says. The tree is as before."""
    tree = place.tree
    repository.rolled_back(tree)
    before = Outcomes() if change.is_new else outcomes_of(tree, change.path, python)
    if not change.is_new and (unfit := flaky(before, outcomes_of(tree, change.path, python))) is not None:
        return Answer(False, unfit.why)
    offered = repository.read(change.tree, change.path)
    repository.write(tree, change.path, offered)
    after = outcomes_of(tree, change.path, python)
    verdict = _new(after) if change.is_new else judged(before, after, change.renamed)
    idle: list[str] = []
    if verdict.verified:
        repository.write(tree, change.path, turned_around(offered))
        idle = toothless(after, outcomes_of(tree, change.path, python), asserting(offered))
    repository.rolled_back(tree)
    if change.is_new and idle:
        return Answer(False, f"a test that passes when turned around proves nothing: {', '.join(idle)}"[:1_000])
    return Answer(verdict.verified, verdict.why, verdict.tests, classes=verdict.classes, idle=tuple(idle))


def _new(after: Outcomes) -> Verdict:
    failing = sorted(name for name, outcome in after.tests.items() if outcome != "passed")
    if after.trouble or failing or not after.tests:
        return Verdict(False, after.trouble or f"these do not pass: {', '.join(failing)}"[:1_000])
    return Verdict(True, f"{len(after.tests)} tests, all pass, and fail when turned around", len(after.tests))


def settle(place: Place, change: Change, step: str) -> str:
    """Commit the offered file on the branch, as this step; the commit's id."""
    tree = place.tree
    repository.rolled_back(tree)
    repository.write(tree, change.path, repository.read(change.tree, change.path))
    return repository.committed(tree, change.path, step, change.subject)
