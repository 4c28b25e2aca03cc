"""The explorer's answers: each is computed from the survey when it is asked for. Pure."""

import itertools
import posixpath
from collections.abc import Callable, Sequence

from fleetlog.runtime.scenarios.explore.atlas import Atlas, Knot
from fleetlog.runtime.scenarios.explore.facts import (
    DEFERRED,
    TYPES_ONLY,
    Edge,
    FileFacts,
    FunctionFact,
)
from fleetlog.runtime.scenarios.explore.graph import shortest_way
from fleetlog.runtime.scenarios.explore.questions import (
    BOND,
    CYCLE,
    DEPENDENTS,
    PARTS,
    ROUTE,
    TESTS,
    Answer,
    Question,
    within,
)

_SHOWN = 6
_KEPT_FILES = 60


def answer(atlas: Atlas, question: Question) -> Answer:
    """An answer to every question: also to one about a file that is not there, or of an unknown kind."""
    unknown = [path for path in question.subject if path not in atlas.number]
    if unknown:
        return Answer(f"`{unknown[0]}` is not among the files I have read.", known=False)
    found = _ANSWERS.get(question.kind)
    if found is None or not question.subject:
        return Answer(f"I can answer about {', '.join(sorted(_ANSWERS))}, with paths as subject.", known=False)
    return found(atlas, question.subject)


def _dependents(atlas: Atlas, subject: Sequence[str]) -> Answer:
    edges = sorted(atlas.dependents(subject[0]), key=lambda edge: _by_reach(atlas, edge))
    asides = atlas.asides_using(subject[0])
    beside = f" Beside the product, {counted(asides, 'import')} from examples and scripts." if asides else ""
    if not edges:
        return Answer(
            f"No module imports it statically: it is started from outside, loaded by name, or unused.{beside}"
        )
    text = f"{counted(len(edges), 'module')}: {_shown([_place(atlas, edge) for edge in edges])}."
    return Answer(text + _timing(edges) + beside, len(edges), within(_sources(atlas, edges)[:_KEPT_FILES], 6_000))


def _by_reach(atlas: Atlas, edge: Edge) -> tuple[int, str]:
    """Those that many others depend on come first."""
    path = atlas.files[edge.source].path
    return (-len(atlas.into[edge.source]), path)


def _place(atlas: Atlas, edge: Edge) -> str:
    return f"`{atlas.files[edge.source].path}:{edge.line}`"


def _sources(atlas: Atlas, edges: Sequence[Edge]) -> list[str]:
    return [atlas.files[edge.source].path for edge in edges]


def _timing(edges: Sequence[Edge]) -> str:
    kinds = (
        (sum(edge.when == DEFERRED for edge in edges), "inside a function"),
        (sum(edge.when == TYPES_ONLY for edge in edges), "for type checking only"),
        (sum(edge.via >= 0 for edge in edges), "through a package that passes names on"),
    )
    said = [f"{count} {kind}" for count, kind in kinds if count]
    return f" Of these {', '.join(said)}." if said else ""


def _tests(atlas: Atlas, subject: Sequence[str]) -> Answer:
    tests = atlas.tests_of(subject[0])
    close = tests.direct + tests.named
    if close:
        said = []
        if tests.direct:
            said.append(
                f"{counted(len(tests.direct), 'test file')} {'imports' if len(tests.direct) == 1 else 'import'} it: "
                f"{_shown(_ticked(tests.direct))}"
            )
        if tests.named:
            said.append(f"named after it: {_shown(_ticked(tests.named))}")
        return Answer("; ".join(said) + ".", len(close), within(close[:_KEPT_FILES], 6_000))
    if tests.indirect:
        return Answer(
            f"None imports it or is named after it; {counted(tests.indirect, 'test file')} "
            "reach it through other modules."
        )
    if not atlas.tests:
        return Answer("None: I have seen no test file in this workspace.")
    return Answer(f"None of the {len(atlas.tests)} test files reaches it, not even through other modules.")


def _cycle(atlas: Atlas, subject: Sequence[str]) -> Answer:
    knot = next((knot for knot in atlas.knots if subject[0] in knot.members), None)
    if knot is None:
        return Answer("These modules are in no ring of imports.", known=False)
    ring = "; ".join(f"`{step}`" for step in knot.cycle)
    return Answer(
        f"{counted(knot.size, 'module')}; a shortest ring among them: {ring}. {_cut(knot)}",
        knot.size,
        knot.members,
    )


def _cut(knot: Knot) -> str:
    if not knot.cuts:
        return "Too many imports to try each; start with the ring shown."
    names = ", then ".join(f"`{cut}`" for cut in knot.cuts)
    if not knot.left[-1]:
        return f"Without {names} no ring is left."
    lefts = ", then ".join(map(str, knot.left))
    return f"What helps most is to take out {names}: of {knot.size} modules the largest ring then has {lefts}."


def _route(atlas: Atlas, subject: Sequence[str]) -> Answer:
    goal = atlas.number[subject[0]]
    for starts, what in ((_declared(atlas), "entry point"), (list(atlas.entry_nodes()), "`__main__` block")):
        way = shortest_way(atlas.every_way, starts, goal)
        if len(way) > 1:
            steps = [atlas.import_text(source, target).partition(" -> ")[0] for source, target in _steps(way)]
            names = " -> ".join(f"`{step}`" for step in steps)
            return Answer(f"From the {what} {names} -> `{subject[0]}`.", len(way) - 1, (atlas.files[way[0]].path,))
        if way:
            return Answer("It is an entry point itself.", 0, (subject[0],))
    if not atlas.survey.entries:
        return Answer("I have found no entry point at all: this looks like a library, used from outside.")
    return Answer("No entry point that I know reaches it by imports: it is used from outside, or loaded by name.")


def _declared(atlas: Atlas) -> list[int]:
    """Scripts and main functions; a demonstration block at a module's end says less."""
    entries = (entry for entry in atlas.survey.entries if entry.kind != "__main__ block")
    return [atlas.number[entry.target] for entry in entries if entry.target in atlas.number]


def _steps(way: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(way))


def _parts(atlas: Atlas, subject: Sequence[str]) -> Answer:
    file = atlas.files[atlas.number[subject[0]]]
    heavy = [function for function in file.largest if function.complexity > 5 or function.lines > 40]
    classes = f" in {counted(file.classes, 'class', 'classes')}" if file.classes else ""
    size = f"{counted(file.code, 'code line')}, {counted(file.functions, 'function')}{classes}"
    whole = f"{size}, complexity {file.complexity}"
    if not heavy:
        return Answer(f"{whole}; no function stands out.", file.functions)
    share = round(100 * sum(function.complexity for function in heavy) / max(1, file.complexity))
    names = _shown([_function(function) for function in heavy])
    return Answer(f"{whole}; {names}: together {share} % of its complexity.", file.functions)


def _function(function: FunctionFact) -> str:
    return f"`{function.name}` (line {function.line}, {function.lines} lines, complexity {function.complexity})"


def _bond(atlas: Atlas, subject: Sequence[str]) -> Answer:
    one, other = (atlas.files[atlas.number[path]] for path in subject[:2])
    if way := _way_between(atlas, one, other):
        return Answer(f"An import way: {' -> '.join(f'`{path}`' for path in way)}.", len(way) - 1, tuple(way))
    shared = sorted(_targets(atlas, one) & _targets(atlas, other))
    users = sorted(_users(atlas, one) & _users(atlas, other))
    said = [f"both import {_shown(_ticked(shared))}"] if shared else []
    said += [f"both are imported by {_shown(_ticked(users))}"] if users else []
    if not said:
        return Answer("No import connects them, in either direction or through a third module.")
    return Answer(f"No import leads from one to the other; {'; '.join(said)}.", 0, within(shared + users, 6_000))


def _way_between(atlas: Atlas, one: FileFacts, other: FileFacts) -> list[str]:
    a, b = atlas.number[one.path], atlas.number[other.path]
    ways = [shortest_way(atlas.every_way, [a], b), shortest_way(atlas.every_way, [b], a)]
    short = sorted(way for way in ways if 0 < len(way) <= 3)
    return [atlas.files[node].path for node in short[0]] if short else []


def _targets(atlas: Atlas, file: FileFacts) -> set[str]:
    return {atlas.files[edge.target].path for edge in atlas.dependencies(file.path)}


def _users(atlas: Atlas, file: FileFacts) -> set[str]:
    return {path for path in _sources(atlas, atlas.dependents(file.path)) if posixpath.basename(path)}


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _ticked(paths: Sequence[str]) -> list[str]:
    return [f"`{path}`" for path in paths]


def _shown(names: Sequence[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


_ANSWERS: dict[str, Callable[[Atlas, Sequence[str]], Answer]] = {
    DEPENDENTS: _dependents,
    TESTS: _tests,
    CYCLE: _cycle,
    ROUTE: _route,
    PARTS: _parts,
    BOND: _bond,
}
