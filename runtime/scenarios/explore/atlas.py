"""The survey made searchable: by path, by direction of import, by test. Built in memory whenever it is needed."""

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from msgspec import Struct

from fleetlog.runtime.scenarios.explore import signs
from fleetlog.runtime.scenarios.explore.facts import AS_SCRIPT, AT_IMPORT, DEFERRED, Edge, FileFacts, Survey
from fleetlog.runtime.scenarios.explore.graph import best_cuts, knots, marks_from_above, shortest_cycle
from fleetlog.runtime.scenarios.explore.languages import is_aside, is_code, is_test, is_test_module

_TEST_MARK = re.compile(r"^test_|_test$|_spec$|\.test$|\.spec$|Tests?$|IT$")
_MAX_REPORTED_KNOT = 40


class Tests(Struct, frozen=True):
    """Test files by how they reach a file: importing it (those named after it first), only named after it, or
    only through other modules."""

    direct: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    indirect: int = 0


class Knot(Struct, frozen=True):
    """Modules that import each other in a ring. `cycle` is a shortest ring, each step as 'a:line -> b'.

    `cuts` are up to three imports, each the one whose removal helps most after those before it; `left` is the size of
    the largest ring after each. `deferred`: the ring closes only through imports inside functions.
    """

    members: tuple[str, ...]
    size: int
    cycle: tuple[str, ...]
    first_line: int = 0
    cuts: tuple[str, ...] = ()
    left: tuple[int, ...] = ()
    deferred: bool = False


class Atlas:
    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.files = survey.files
        self.number = {file.path: index for index, file in enumerate(survey.files)}
        self.into: dict[int, list[Edge]] = defaultdict(list)
        self.out_of: dict[int, list[Edge]] = defaultdict(list)
        for edge in survey.links.edges:
            self.into[edge.target].append(edge)
            self.out_of[edge.source].append(edge)
        self._go_packages = _go_packages(survey.files)

    def node(self, path: str) -> int | None:
        """The node that stands for the file in the import graph: for Go, the first file of its package."""
        if path.endswith(".go") and not is_test(path):
            return self._go_packages.get(posixpath.dirname(path), self.number.get(path))
        return self.number.get(path)

    @cached_property
    def tests(self) -> list[FileFacts]:
        return [file for file in self.files if is_test_module(file.path) and is_code(file.language)]

    @cached_property
    def product(self) -> list[FileFacts]:
        """Code that is neither test, aside nor generated: what a refactoring is about."""
        return [file for file in self.files if self._is_product(file)]

    def _is_product(self, file: FileFacts) -> bool:
        if not is_code(file.language) or is_test(file.path) or is_aside(file.path):
            return False
        return not any(sign.kind == signs.GENERATED for sign in file.signs)

    def dependents(self, path: str) -> list[Edge]:
        """The imports of this file by the product: no tests, no examples, no demonstration under `__main__`."""
        node = self.node(path)
        edges = [] if node is None else self.into[node]
        return [edge for edge in edges if edge.source in self._inner and edge.when != AS_SCRIPT]

    def asides_using(self, path: str) -> int:
        """How many examples, benchmarks, tools' demonstrations and the like import this file."""
        node = self.node(path)
        edges = [] if node is None else self.into[node]
        outer = [edge for edge in edges if not is_test(self.files[edge.source].path)]
        return len(outer) - len(self.dependents(path))

    @cached_property
    def _inner(self) -> set[int]:
        return {self.number[file.path] for file in self.product}

    def dependencies(self, path: str) -> list[Edge]:
        node = self.number.get(path)
        return [] if node is None else self.out_of[node]

    def tests_of(self, path: str) -> Tests:
        node = self.node(path)
        if node is None:
            return Tests()
        direct = {self.files[edge.source].path for edge in self.into[node]}
        direct = {test for test in direct if is_test_module(test)}
        namesakes = {test for test in self._tests_by_stem.get(_stem(path), ()) if self._belongs(test, path)}
        behind = self._tests_above.get(node, 0).bit_count()
        by_name = sorted(direct, key=lambda test: (test not in namesakes, _strangeness(test, path), test))
        return Tests(tuple(by_name), tuple(sorted(namesakes - direct)), max(0, behind - len(direct)))

    def _belongs(self, test: str, path: str) -> bool:
        """A stem like `utils` names many files: then the folders must agree as well."""
        namesakes = self._products_by_stem.get(_stem(path), 0)
        same = _language_family(test) == _language_family(path)
        return same and (namesakes <= 1 or posixpath.dirname(path).rpartition("/")[2] in test)

    @cached_property
    def _tests_by_stem(self) -> dict[str, list[str]]:
        found = defaultdict(list)
        for test in self.tests:
            stem = posixpath.basename(test.path).rpartition(".")[0]
            bare = _TEST_MARK.sub("", stem)
            if bare != stem:
                found[bare].append(test.path)
        return found

    @cached_property
    def _products_by_stem(self) -> dict[str, int]:
        found: dict[str, int] = defaultdict(int)
        for file in self.product:
            found[_stem(file.path)] += 1
        return found

    @cached_property
    def _tests_above(self) -> dict[int, int]:
        return marks_from_above(self.every_way, [self.number[test.path] for test in self.tests])

    @cached_property
    def every_way(self) -> dict[int, list[int]]:
        """Imports that can run, also those inside functions and through packages."""
        return self._graph(DEFERRED, passed_on=True)

    @cached_property
    def loading(self) -> dict[int, list[int]]:
        """Imports that run while a module loads, as written."""
        return self._graph(AT_IMPORT, passed_on=False)

    def _graph(self, latest: int, passed_on: bool) -> dict[int, list[int]]:
        graph: dict[int, list[int]] = {}
        for edge in self.survey.links.edges:
            if edge.when <= latest and (passed_on or edge.via < 0):
                graph.setdefault(edge.source, []).append(edge.target)
        return graph

    @cached_property
    def knots(self) -> list[Knot]:
        """Rings of imports in the product: those met while loading, then those held open by deferred imports."""
        loading = self._knots(self.loading, deferred=False)
        known = {member for knot in loading for member in knot.members}
        later = self._knots(self._graph(DEFERRED, passed_on=False), deferred=True)
        return loading + [knot for knot in later if known.isdisjoint(knot.members)]

    def _knots(self, graph: dict[int, list[int]], deferred: bool) -> list[Knot]:
        inner = self._inner
        own = {node: [child for child in below if child in inner] for node, below in graph.items() if node in inner}
        return [self._knot(own, nodes, deferred) for nodes in knots(own)]

    def _knot(self, graph: dict[int, list[int]], nodes: list[int], deferred: bool) -> Knot:
        cycle = shortest_cycle(graph, nodes)
        steps = list(zip(cycle, cycle[1:] + cycle[:1], strict=True))
        # What a package's __init__ passes on is its public face: the way to cut is never there.
        faces = {node for node in nodes if self.files[node].path.endswith("__init__.py")}
        cuts = best_cuts(graph, nodes, faces)
        return Knot(
            members=tuple(self.files[node].path for node in nodes[:_MAX_REPORTED_KNOT]),
            size=len(nodes),
            cycle=tuple(self.import_text(source, target) for source, target in steps),
            first_line=self._line(*steps[0]),
            cuts=tuple(self.import_text(cut.source, cut.target) for cut in cuts),
            left=tuple(cut.left for cut in cuts),
            deferred=deferred,
        )

    def _line(self, source: int, target: int) -> int:
        return next((edge.line for edge in self.out_of[source] if edge.target == target), 0)

    def import_text(self, source: int, target: int) -> str:
        return f"{self.files[source].path}:{self._line(source, target)} -> {self.files[target].path}"

    def entry_nodes(self) -> Iterator[int]:
        for entry in self.survey.entries:
            if entry.target in self.number:
                yield self.number[entry.target]


def _strangeness(test: str, path: str) -> tuple[bool, int]:
    """Unit tests in folders of the same names come first: they are what one runs after each change."""
    words = set(re.split(r"[/_.]", test))
    is_far = not words.isdisjoint({"integration", "smoke", "e2e", "benchmarks", "functional", "acceptance"})
    return (is_far, -sum(folder in words for folder in path.split("/")[:-1]))


def _stem(path: str) -> str:
    stem = posixpath.basename(path).partition(".")[0]
    return posixpath.basename(posixpath.dirname(path)) if stem in ("__init__", "index", "mod") else stem.strip("_")


def _language_family(path: str) -> str:
    extension = path.rpartition(".")[2]
    return "js" if extension in ("ts", "tsx", "js", "jsx", "mjs", "cjs", "vue", "svelte") else extension


def _go_packages(files: tuple[FileFacts, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for index, file in enumerate(files):
        if file.language == "Go" and not is_test(file.path):
            found.setdefault(posixpath.dirname(file.path), index)
    return found
