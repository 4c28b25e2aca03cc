"""Every agent definition there is, for one workspace and one user: the nearest one wins."""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path

from fleetlog.domain.errors import NotFound
from fleetlog.runtime.definitions.definition import AgentDefinition, Problem, Scope, parsed

__all__ = ["Catalog"]

MAX_FILES = 2_000


class Catalog:
    """Definitions by name. Made by `load`; a snapshot of the files as they were."""

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
        file: what is wrong with one is among the `problems`."""
        found: list[AgentDefinition] = []
        problems: list[Problem] = []
        for scope, folder in _folders(workspace, home or Path.home()):
            for path in _files(folder, problems):
                definition, wrong = _read(path, folder, scope)
                problems += wrong
                if definition is not None:
                    found.append(definition)
        return cls(found, problems)

    def find(self, name: str) -> AgentDefinition:
        """The definition of that name; refuses others, naming what is near."""
        if name in self.definitions:
            return self.definitions[name]
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


def _folders(workspace: Path | None, home: Path) -> Iterator[tuple[Scope, Path]]:
    if workspace is not None:
        for name in (".claude/agents", ".opencode/agents", ".opencode/agent"):
            yield "project", workspace / name
    config = Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config")
    for folder in (home / ".claude" / "agents", config / "opencode" / "agents", config / "opencode" / "agent"):
        yield "user", folder
    yield "user", config / "fleetlog" / "agents"
    yield "bundled", Path(str(resources.files("fleetlog.runtime.definitions"))) / "bundled"


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    """The Markdown files below a folder, in the order of their names."""

    def unreadable(error: OSError) -> None:
        problems.append(Problem(str(error.filename or folder), 1, f"the folder cannot be read: {error.strerror}"))

    found: list[Path] = []
    if folder.is_dir():
        for place, folders, names in os.walk(folder, onerror=unreadable):
            folders.sort()
            found += [Path(place, name) for name in sorted(names) if name.endswith(".md")]
    if len(found) > MAX_FILES:
        problems.append(Problem(str(folder), 1, f"{len(found)} files are too many: the first {MAX_FILES} are read"))
    return found[:MAX_FILES]


def _read(path: Path, folder: Path, scope: Scope) -> tuple[AgentDefinition | None, list[Problem]]:
    try:
        if not path.resolve().is_relative_to(folder.resolve()):
            return None, [Problem(str(path), 1, "the file is a link to a place outside the folder: it is not read")]
        if not path.is_file():
            return None, [Problem(str(path), 1, "this is no ordinary file")]
        return parsed(path, path.read_bytes(), scope)
    except OSError as error:
        return None, [Problem(str(path), 1, f"the file cannot be read: {error.strerror}")]


def _words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.lower()))


def _score(definition: AgentDefinition, words: set[str]) -> int:
    """A word (or the beginning of one) in the name counts most, then in the skills, then in the description."""
    places = ((4, definition.name), (2, " ".join(definition.skills)), (1, definition.description))
    found = [(weight, _words(text)) for weight, text in places]
    return sum(weight for word in words for weight, there in found if any(known.startswith(word) for known in there))
