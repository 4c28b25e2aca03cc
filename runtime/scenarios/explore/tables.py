"""The explorer's tables: figures of many files at once, for the risk finder to rank. Pure; each fits a message."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from fleetlog.runtime.scenarios.explore import signs
from fleetlog.runtime.scenarios.explore.atlas import Atlas, Knot
from fleetlog.runtime.scenarios.explore.facts import FileFacts, FunctionFact, Sign
from fleetlog.runtime.scenarios.explore.questions import within

_EXTREME = 50


class Figures(Struct, frozen=True, array_like=True):
    """One file of the product. `tests` counts test files that import it or are named after it."""

    path: str
    language: str
    code: int
    complexity: int
    functions: int
    classes: int
    fan_in: int
    fan_out: int
    tests: int
    indirect_tests: int
    largest: tuple[FunctionFact, ...] = ()


class FileSigns(Struct, frozen=True, array_like=True):
    """The warning signs of one file: their weight, and by kind how many and the first lines."""

    path: str
    weight: int
    kinds: dict[str, tuple[int, tuple[int, ...]]]


class Unparsed(Struct, frozen=True, array_like=True):
    path: str
    line: int
    detail: str


def figures_of(atlas: Atlas, paths: Sequence[str]) -> tuple[Figures, ...]:
    """Of those paths that are product code, in the order asked for."""
    product = {file.path: file for file in atlas.product}
    return within(_figures(atlas, product[path]) for path in paths if path in product)


def extremes(atlas: Atlas) -> tuple[Figures, ...]:
    """The most complex files, those with the heaviest functions and those most depended upon."""
    by_complexity = sorted(atlas.product, key=lambda file: (-file.complexity, file.path))
    by_function = sorted(atlas.product, key=lambda file: (-_heaviest(file), file.path))
    by_fan_in = sorted(atlas.product, key=lambda file: (-len(atlas.dependents(file.path)), file.path))
    chosen = dict.fromkeys([*by_complexity[:_EXTREME], *by_function[: _EXTREME // 2], *by_fan_in[: _EXTREME // 2]])
    return within(_figures(atlas, file) for file in chosen)


def _heaviest(file: FileFacts) -> int:
    return max((function.complexity for function in file.largest), default=0)


def _figures(atlas: Atlas, file: FileFacts) -> Figures:
    tests = atlas.tests_of(file.path)
    return Figures(
        file.path,
        file.language,
        file.code,
        file.complexity,
        file.functions,
        file.classes,
        len(atlas.dependents(file.path)),
        len({edge.target for edge in atlas.dependencies(file.path) if edge.via < 0}),
        len(tests.direct) + len(tests.named),
        tests.indirect,
        file.largest[:3],
    )


def knots_of(atlas: Atlas) -> tuple[Knot, ...]:
    return within(atlas.knots[:20])


def signs_of(atlas: Atlas) -> tuple[FileSigns, ...]:
    """The files with the heaviest warning signs, among the product."""
    found = (_file_signs(file) for file in atlas.product)
    heavy = sorted((file for file in found if file.weight), key=lambda file: (-file.weight, file.path))
    return within(heavy[:_EXTREME])


def _file_signs(file: FileFacts) -> FileSigns:
    lines: dict[str, list[int]] = defaultdict(list)
    for sign in file.signs:
        if sign.kind in signs.MEANINGS:
            lines[sign.kind].append(sign.line)
    weight = sum(signs.MEANINGS[kind].weight * len(found) for kind, found in lines.items())
    kinds = {kind: (len(found), tuple(found[:6])) for kind, found in sorted(lines.items())}
    return FileSigns(file.path, weight, kinds)


def sign_totals(files: Sequence[FileFacts]) -> dict[str, int]:
    totals: dict[str, int] = defaultdict(int)
    for sign in _all_signs(files):
        totals[sign.kind] += 1
    return dict(sorted(totals.items()))


def _all_signs(files: Sequence[FileFacts]) -> list[Sign]:
    return [sign for file in files for sign in file.signs if sign.kind in signs.MEANINGS]


def unparsed(atlas: Atlas) -> tuple[Unparsed, ...]:
    broken = (file for file in atlas.product if file.trouble == "does not parse")
    return within(Unparsed(file.path, file.trouble_line, file.detail) for file in broken)


def hidden(atlas: Atlas, paths: Sequence[str]) -> tuple[bool, ...]:
    """For each pair of paths whether both are product code with functions and neither imports the other."""
    product = {file.path for file in atlas.product if file.functions and file.complexity >= 5}
    return tuple(
        one in product and other in product and not _is_linked(atlas, one, other)
        for one, other in zip(paths[::2], paths[1::2], strict=True)
    )


def _is_linked(atlas: Atlas, one: str, other: str) -> bool:
    ends = (atlas.node(one), atlas.node(other))
    targets = ({edge.target for edge in atlas.dependencies(path)} for path in (one, other))
    return ends[0] == ends[1] or any(end in found for end, found in zip(reversed(ends), targets, strict=True))
