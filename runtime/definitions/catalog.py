"""Every agent definition there is, for one workspace and one user: the nearest one wins."""

import difflib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from msgspec import Struct

from fleetlog.domain.errors import NotFound
from fleetlog.runtime.definitions.definition import MAX_BYTES, AgentDefinition, Problem, Scope, parsed, shown_path

__all__ = ["Catalog"]

MAX_FILES = 2_000


class Catalog:
    """Definitions by name, those they hide, and problems. Made by `load`; a snapshot of the files as they were."""

    def __init__(self, found: Sequence[AgentDefinition], problems: Sequence[Problem]) -> None:
        self.definitions: dict[str, AgentDefinition] = {}
        self.shadowed: list[AgentDefinition] = []
        for definition in found:
            if self.definitions.setdefault(definition.name, definition) is not definition:
                self.shadowed.append(definition)
        self.problems = tuple(problems)

    @classmethod
    def load(cls, workspace: Path | None = None, home: Path | None = None) -> "Catalog":
        """Read the workspace's, the user's and the package's definitions; the first of a name wins. Never raises for a
        file: what is wrong with one is among the `problems`. With a `home`, the environment's is not asked."""
        found: list[AgentDefinition] = []
        problems: list[Problem] = []
        for place in _places(workspace, home):
            for path in _files(place, problems):
                definition, wrong = _read(path, place)
                problems += wrong
                if definition is not None:
                    found.append(definition)
        return cls(found, problems)

    def find(self, name: str) -> AgentDefinition:
        """The definition of that name; refuses others, naming what is near, or what is wrong with its file."""
        if name in self.definitions:
            return self.definitions[name]
        broken = next((problem for problem in self.problems if Path(problem.path).stem == name), None)
        if broken is not None:
            raise NotFound(f'No agent definition is called "{name}": {broken.path}:{broken.line}: {broken.message}')
        near = difflib.get_close_matches(name, self.definitions, n=3) or sorted(self.definitions)[:10]
        raise NotFound(f'No agent definition is called "{name}"; there are for example: {", ".join(near)}')

    def search(self, query: str, limit: int = 100) -> list[AgentDefinition]:
        """Those that have the query's words, best first; without a query all, by name."""
        words = _words(query)
        if not words:
            return sorted(self.definitions.values(), key=lambda found: found.name)[:limit]
        scored = [(_score(found, words), found.name, found) for found in self.definitions.values()]
        scored.sort(key=lambda entry: (-entry[0], entry[1]))
        return [found for score, _, found in scored if score][:limit]


class _Place(Struct, frozen=True):
    """A folder with definitions. Links in it may lead to what is `within`, and no further."""

    scope: Scope
    folder: Path
    within: tuple[Path, ...]


def _places(workspace: Path | None, home: Path | None) -> Iterator[_Place]:
    if workspace is not None:
        for name in (".claude/agents", ".opencode/agents", ".opencode/agent"):
            yield _Place("project", workspace / name, (workspace,))
    home, config = _homes(home)
    for folder in (home / ".claude/agents", config / "opencode/agents", config / "opencode/agent"):
        yield _Place("user", folder, (home, config))
    yield _Place("user", config / "fleetlog/agents", (home, config))
    bundled = Path(str(resources.files("fleetlog.runtime.definitions"))) / "bundled"
    yield _Place("bundled", bundled, (bundled,))


def _homes(home: Path | None) -> tuple[Path, Path]:
    """The user's folder, and that of their configuration."""
    if home is not None:
        return home, home / ".config"
    home = Path(os.path.expanduser("~"))  # unlike Path.home(), no error where there is none
    config = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    return home, config if config.is_absolute() else home / ".config"


def _files(place: _Place, problems: list[Problem]) -> list[Path]:
    """The Markdown files below a folder, in the order of their names."""

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            problems.append(_problem(error.filename, f"the folder cannot be read: {error.strerror}"))

    if not _is_inside(place.folder, place):
        problems.append(_problem(place.folder, "the folder is a link to a place outside: it is not read"))
        return []
    found: list[Path] = []
    for parent, folders, names in os.walk(place.folder, onerror=unreadable):
        folders.sort()
        found += [Path(parent, name) for name in sorted(names) if name.endswith(".md")]
    if len(found) > MAX_FILES:
        problems.append(_problem(place.folder, f"{len(found)} files are too many: the first {MAX_FILES} are read"))
    return found[:MAX_FILES]


def _read(path: Path, place: _Place) -> tuple[AgentDefinition | None, list[Problem]]:
    if not _is_inside(path, place):
        return None, [_problem(path, "the file is a link to a place outside: it is not read")]
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None, [_problem(path, "this is no ordinary file")]
        with path.open("rb") as file:
            return parsed(path, file.read(MAX_BYTES + 1), place.scope)
    except OSError as error:
        return None, [_problem(path, f"the file cannot be read: {error.strerror}")]


def _is_inside(path: Path, place: _Place) -> bool:
    real = Path(os.path.realpath(path))  # unlike Path.resolve(), no error for links that go round
    return any(real.is_relative_to(os.path.realpath(root)) for root in place.within)


def _problem(path: str | Path, message: str) -> Problem:
    return Problem(shown_path(path), 1, message)


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def _score(definition: AgentDefinition, words: set[str]) -> int:
    """A word (or the beginning of one) in the name counts most, then in the skills, then in the description."""
    places = ((4, definition.name), (2, " ".join(definition.skills)), (1, definition.description))
    found = [(weight, _words(text)) for weight, text in places]
    return sum(weight for word in words for weight, there in found if any(known.startswith(word) for known in there))
