"""Which file a Python import means: src-layouts, relative imports, packages that re-export, setuptools' package-dir.

A *place* is a path without its extension: `src/app/core` is `src/app/core.py`, `src/app/core/__init__.py` or a folder.
An absolute name is looked for below every *root*: a folder that holds packages, or the folder of a loose module.
"""

import posixpath
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from fleetlog.runtime.scenarios.explore.facts import FileFacts, ImportFact
from fleetlog.runtime.scenarios.explore.languages import is_aside, is_test

_MAX_HOPS = 5
_MARKERS = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "tox.ini")


class Target(NamedTuple):
    """A file that an import reaches; `via` is the package whose `__init__` passed the name on, or empty."""

    path: str
    via: str = ""


class PythonImports:
    """Resolves imports among the given files. `package_dirs` maps dotted prefixes to folders."""

    def __init__(self, files: Iterable[FileFacts], every_path: Iterable[str], package_dirs: Mapping[str, str]) -> None:
        python = [file for file in files if file.path.endswith((".py", ".pyi"))]
        self._file_at = _files_by_place(file.path for file in python)
        self._packages = {posixpath.dirname(file.path) for file in python if _is_init(file.path)}
        self._folders = _folders_above(file.path for file in python)
        self._prefixes = sorted(package_dirs.items(), key=lambda pair: (-len(pair[0]), pair))
        self._open_roots = self._find_open_roots(every_path)
        self._roots_of = self._tops(file.path for file in python)
        self._passed_on = {
            posixpath.dirname(file.path): _bound_names(file.imports) for file in python if _is_init(file.path)
        }

    def targets(self, importer: str, found: ImportFact) -> list[Target]:
        """The workspace's files that this import reaches; none for what lies outside."""
        place = self._place_of(importer, found)
        if place is None:
            return []
        if not found.names:
            return list(self._itself(place, importer))
        reached: list[Target] = []
        for name in found.names:
            reached += self._name(place, name.partition("=")[0], importer)
        return [target for target in dict.fromkeys(reached) if target.path != importer]

    def _place_of(self, importer: str, found: ImportFact) -> str | None:
        if not found.level:
            return self._absolute(importer, found.module)
        folder = posixpath.dirname(importer)
        for _ in range(found.level - 1):
            if not folder:
                return None
            folder = posixpath.dirname(folder)
        place = posixpath.join(folder, *found.module.split(".")) if found.module else folder
        return place if self._exists(place) else None

    def _absolute(self, importer: str, module: str) -> str | None:
        for prefix, folder in self._prefixes:
            if module == prefix or module.startswith(prefix + "."):
                place = posixpath.join(folder, *module[len(prefix) :].strip(".").split("."))
                return place.rstrip("/") if self._exists(place.rstrip("/")) else None
        parts = module.split(".")
        candidates = [
            place
            for root in self._roots_of.get(parts[0], ())
            if self._sees(importer, root, parts[0]) and self._exists(place := posixpath.join(root, *parts))
        ]
        return min(candidates, key=lambda place: self._distance(importer, place), default=None)

    def _sees(self, importer: str, root: str, top: str) -> bool:
        if top in sys.stdlib_module_names and not (
            posixpath.dirname(importer) == root or posixpath.join(root, top) in self._packages
        ):
            return False
        is_below = not root or importer.startswith(root + "/")
        return root in self._open_roots or is_below

    def _distance(self, importer: str, place: str) -> tuple[bool, int, str]:
        shared = len(posixpath.commonprefix([importer.split("/"), place.split("/")]))
        return (place not in self._file_at, -shared, place)

    def _exists(self, place: str) -> bool:
        return not place or place in self._file_at or place in self._folders

    def _itself(self, place: str, importer: str) -> Iterator[Target]:
        path = self._file_at.get(place)
        if path and path != importer:
            yield Target(path)

    def _name(self, place: str, name: str, importer: str, via: str = "", hops: int = 0) -> Iterator[Target]:
        """`from place import name`: a submodule, a name the package passes on, or a name of the module itself."""
        init = self._file_at.get(place)
        child = self._file_at.get(posixpath.join(place, name))
        behind = self._behind(place, name) if init and hops < _MAX_HOPS else None
        if child and behind is None:
            yield Target(child, via)
            return
        if init:
            yield Target(init, via)
        if init and behind is not None:
            original = _original(self._passed_on[place][name], name)
            yield from self._name(behind, original, importer, init, hops + 1)

    def _behind(self, place: str, name: str) -> str | None:
        """The place from which the package at `place` has `name`, if that is another place in the workspace."""
        source = self._passed_on.get(place, {}).get(name)
        behind = self._place_of(self._file_at[place], source) if source else None
        return behind if behind != place else None

    def _find_open_roots(self, every_path: Iterable[str]) -> set[str]:
        """Folders that are likely on `sys.path` for everybody."""
        projects = {posixpath.dirname(path) for path in every_path if posixpath.basename(path) in _MARKERS}
        roots = {"", *projects}
        roots |= {posixpath.join(root, name) for root in roots for name in ("src", "lib", "python")}
        tops = {folder for folder in self._packages if posixpath.dirname(folder) not in self._packages}
        found = (roots & (self._folders | {""})) | {posixpath.dirname(folder) for folder in tops}
        # An example called `redis` is not what the product means by `import redis`.
        return {root for root in found if not is_test(f"{root}/") and not is_aside(f"{root}/")}

    def _tops(self, paths: Iterable[str]) -> dict[str, list[str]]:
        """Top-level name -> the roots that have something of that name."""
        found: dict[str, set[str]] = defaultdict(set)
        for path in paths:
            folder = posixpath.dirname(path)
            while folder and folder in self._packages:
                folder = posixpath.dirname(folder)
            for root in self._roots_above(folder):
                top = path[len(root) + 1 if root else 0 :].partition("/")[0]
                found[top.rpartition(".")[0] or top].add(root)
        return {top: sorted(roots) for top, roots in found.items()}

    def _roots_above(self, folder: str) -> Iterator[str]:
        yield folder
        while folder:
            folder = posixpath.dirname(folder)
            if folder in self._open_roots:
                yield folder


def _files_by_place(paths: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    # Sorted so that `a.py` wins over `a.pyi`, and a package over a module of its name, as Python decides.
    for path in sorted(paths, key=lambda path: (path.endswith(".pyi"), not _is_init(path), path)):
        place = posixpath.dirname(path) if _is_init(path) else path.rpartition(".")[0]
        found.setdefault(place, path)
    return found


def _is_init(path: str) -> bool:
    return posixpath.basename(path) in ("__init__.py", "__init__.pyi")


def _folders_above(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        folder = posixpath.dirname(path)
        while folder and folder not in found:
            found.add(folder)
            folder = posixpath.dirname(folder)
    return found


def _bound_names(imports: Iterable[ImportFact]) -> dict[str, ImportFact]:
    bound = {}
    for found in imports:
        for name in found.names:
            original, _, alias = name.partition("=")
            bound[alias or original] = found
    return bound


def _original(found: ImportFact, bound: str) -> str:
    for name in found.names:
        original, _, alias = name.partition("=")
        if (alias or original) == bound:
            return original
    return bound
