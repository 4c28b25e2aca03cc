"""Puts the pieces of a survey together: imports become edges, manifests and main functions become entry points."""

import posixpath
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from fleetlog.runtime.scenarios.explore.facts import (
    AT_IMPORT,
    Edge,
    EntryPoint,
    FileFacts,
    ImportFact,
    Links,
    Listing,
    Survey,
)
from fleetlog.runtime.scenarios.explore.listing import list_files
from fleetlog.runtime.scenarios.explore.manifests import Manifests, read_manifests
from fleetlog.runtime.scenarios.explore.other_imports import OtherImports
from fleetlog.runtime.scenarios.explore.python_imports import PythonImports, Target
from fleetlog.runtime.scenarios.explore.reading import read_files
from fleetlog.runtime.scenarios.explore.rough_facts import is_roughly_known

KEPT_EXTERNALS = 60


def survey_workspace(workspace: str) -> Survey:
    """The whole survey at once. The explorer takes the same steps one by one."""
    listing = list_files(workspace)
    files = read_files(workspace, listing.files)
    manifests = read_manifests(workspace, listing.files)
    return assembled(listing, files, link(files, manifests), manifests)


def assembled(listing: Listing, files: Sequence[FileFacts], links: Links, manifests: Manifests) -> Survey:
    told = tuple(_with_trouble(file, manifests.trouble.get(file.path, "")) for file in files)
    return Survey(listing, told, links, tuple(entry_points(files, manifests)))


def _with_trouble(file: FileFacts, trouble: str) -> FileFacts:
    return replace(file, trouble="manifest not understood", detail=trouble) if trouble and not file.trouble else file


class _Resolved(NamedTuple):
    source: int
    found: ImportFact
    target: Target


def link(files: Sequence[FileFacts], manifests: Manifests) -> Links:
    """Who imports whom. The first line counts where a file imports another one several times."""
    number = {file.path: index for index, file in enumerate(files)}
    externals: Counter[str] = Counter()
    edges: dict[tuple[int, int], Edge] = {}
    for resolved in _resolve(files, manifests, externals):
        edge = Edge(
            resolved.source,
            number[resolved.target.path],
            resolved.found.line,
            resolved.found.when,
            number[resolved.target.via] if resolved.target.via else -1,
        )
        key = (edge.source, edge.target)
        if edge.source != edge.target and (key not in edges or _is_stronger(edge, edges[key])):
            edges[key] = edge
    kept = sorted(externals.items(), key=lambda item: (-item[1], item[0]))[:KEPT_EXTERNALS]
    return Links(tuple(edges[key] for key in sorted(edges)), dict(kept))


def _is_stronger(edge: Edge, known: Edge) -> bool:
    """An import that runs on loading beats a deferred one, and a direct one beats one through a package."""
    return (edge.when, edge.via >= 0, edge.line) < (known.when, known.via >= 0, known.line)


def _resolve(files: Sequence[FileFacts], manifests: Manifests, externals: Counter[str]) -> Iterator[_Resolved]:
    paths = [file.path for file in files]
    python = PythonImports(files, paths, manifests.package_dirs)
    other = OtherImports(files, manifests.go_modules)
    for source, file in enumerate(files):
        outside = set()
        for found in file.imports:
            if file.language == "Python":
                targets = python.targets(file.path, found)
            else:
                targets = [Target(path) for path in other.targets(file, found)]
            if not targets and file.language == "Python":
                outside.add(_third_party(found))
            for target in targets:
                yield _Resolved(source, found, target)
        externals.update(name for name in outside if name)


def _third_party(found: ImportFact) -> str:
    top = found.module.partition(".")[0]
    return "" if found.level or top in sys.stdlib_module_names else top


def entry_points(files: Sequence[FileFacts], manifests: Manifests) -> list[EntryPoint]:
    """From manifests first, then `__main__` modules and main functions; sorted by path inside each."""
    python = PythonImports(files, [file.path for file in files], manifests.package_dirs)
    known = {file.path for file in files}
    found = [_with_target(script, python, known) for script in manifests.scripts]
    for file in files:
        if posixpath.basename(file.path) == "__main__.py":
            folder = posixpath.dirname(file.path) or _name_of_root(manifests)
            found.append(EntryPoint("python -m", folder, file.path, 1, file.path))
        elif file.main_line:
            found.append(EntryPoint("__main__ block", file.path, file.path, file.main_line, file.path))
        elif is_roughly_known(file.language):
            found += _main_functions(file)
    return found


def _name_of_root(manifests: Manifests) -> str:
    return next((name for name, folder in manifests.package_dirs.items() if not folder), ".")


def _main_functions(file: FileFacts) -> Iterator[EntryPoint]:
    if file.language in ("JavaScript", "TypeScript", "Vue", "Svelte"):
        return
    for function in file.largest:
        if function.name == "main":
            yield EntryPoint("main function", file.path, file.path, function.line, file.path)


def _with_target(script: EntryPoint, python: PythonImports, known: set[str]) -> EntryPoint:
    if script.target in known or not script.target:
        return script
    reached = python.targets(script.path, ImportFact(script.target, script.line, when=AT_IMPORT))
    target = reached[0].path if reached and script.kind == "console script" else ""
    return EntryPoint(script.kind, script.name, script.path, script.line, target)
