"""The map of the code base, small enough for a message: languages, folders, hubs, entry points, what was not seen."""

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.runtime.scenarios.explore.atlas import Atlas
from fleetlog.runtime.scenarios.explore.facts import EntryPoint, FileFacts, Survey
from fleetlog.runtime.scenarios.explore.languages import is_code, is_test
from fleetlog.runtime.scenarios.explore.questions import within
from fleetlog.runtime.scenarios.explore.rough_facts import is_roughly_known
from fleetlog.runtime.scenarios.explore.tables import sign_totals

_MAX_FOLDERS = 14
_ROOM_BYTES = 7_000


class Language(Struct, frozen=True, array_like=True):
    """`depth` is how well it was read: parsed, rough, or counted."""

    name: str
    files: int
    code: int
    comment: int
    depth: str


class Folder(Struct, frozen=True, array_like=True):
    """`uses` counts imports into other folders, most first."""

    path: str
    files: int
    tests: int
    code: int
    complexity: int
    uses: tuple[tuple[str, int], ...] = ()


class Hub(Struct, frozen=True, array_like=True):
    path: str
    fan_in: int
    fan_out: int
    tests: int


class Unseen(Struct, frozen=True, array_like=True):
    """One reason, how many files, and examples ('path: detail')."""

    reason: str
    count: int
    examples: tuple[str, ...] = ()


class Overview(Struct, frozen=True):
    name: str
    source: str
    trouble: str = ""
    files: int = 0
    lines: int = 0
    code_files: int = 0
    product_files: int = 0
    test_files: int = 0
    functions: int = 0
    languages: tuple[Language, ...] = ()
    folders: tuple[Folder, ...] = ()
    hubs: tuple[Hub, ...] = ()
    entries: tuple[EntryPoint, ...] = ()
    demos: int = 0
    externals: tuple[tuple[str, int], ...] = ()
    signs: dict[str, int] = {}
    knots: int = 0
    deferred_knots: int = 0
    edges: int = 0
    unseen: tuple[Unseen, ...] = ()


def overview_of(atlas: Atlas) -> Overview:
    survey = atlas.survey
    scripts = [entry for entry in survey.entries if entry.kind != "__main__ block"]
    demos = [entry for entry in survey.entries if entry.kind == "__main__ block"]
    return Overview(
        name=survey.listing.name,
        source=survey.listing.source,
        trouble=survey.listing.trouble,
        files=len(survey.files),
        lines=sum(file.lines for file in survey.files),
        code_files=sum(is_code(file.language) and file.trouble != "binary" for file in survey.files),
        product_files=len(atlas.product),
        test_files=len(atlas.tests),
        functions=sum(file.functions for file in atlas.product),
        languages=_languages(survey.files)[:15],
        folders=within(_folders(atlas), _ROOM_BYTES),
        hubs=within(_hubs(atlas), _ROOM_BYTES),
        entries=within(_entries(scripts, demos), _ROOM_BYTES),
        demos=len(demos),
        externals=tuple(survey.links.externals.items())[:15],
        signs=sign_totals(atlas.product),
        knots=sum(not knot.deferred for knot in atlas.knots),
        deferred_knots=sum(knot.deferred for knot in atlas.knots),
        edges=len(survey.links.edges),
        unseen=within(_unseen(survey), _ROOM_BYTES),
    )


def _languages(files: Iterable[FileFacts]) -> tuple[Language, ...]:
    by_name: dict[str, list[FileFacts]] = defaultdict(list)
    for file in files:
        if file.trouble not in ("binary", "unreadable", "gone", "too large"):
            by_name[file.language].append(file)
    rows = (
        Language(
            name,
            len(group),
            sum(file.code for file in group),
            sum(file.comment for file in group),
            _depth(name),
        )
        for name, group in by_name.items()
    )
    return tuple(sorted(rows, key=lambda row: (not is_code(row.name), -row.code, row.name)))


def _depth(language: str) -> str:
    if language == "Python":
        return "parsed"
    return "rough" if is_roughly_known(language) else "counted"


def _entries(scripts: Sequence[EntryPoint], demos: Sequence[EntryPoint]) -> list[EntryPoint]:
    """Tests that can be run as a script start nothing of the product."""
    shown = [entry for entry in demos if not is_test(entry.path)]
    return [*_grouped(scripts)[:25], *(shown if len(shown) <= 5 else ())]


def _grouped(scripts: Sequence[EntryPoint]) -> list[EntryPoint]:
    """All CI files are one line, and all npm scripts of one package."""
    groups: dict[tuple[str, str], list[EntryPoint]] = defaultdict(list)
    for entry in scripts:
        is_many = entry.kind in ("CI", "npm script")
        groups[(entry.kind, posixpath.dirname(entry.path) if is_many else f"{entry.path} {entry.name}")].append(entry)
    return [
        group[0] if len(group) == 1 else replace(group[0], name=", ".join(entry.name for entry in group)[:200])
        for group in groups.values()
    ]


def _folders(atlas: Atlas) -> list[Folder]:
    folder_of = _grouping(atlas.files)
    members: dict[str, list[FileFacts]] = defaultdict(list)
    for file in atlas.files:
        if is_code(file.language):
            members[folder_of[file.path]].append(file)
    uses = _uses(atlas, folder_of)
    rows = [_folder(path, files, uses[path]) for path, files in members.items()]
    return sorted(rows, key=lambda row: (row.tests == row.files, -row.code, row.path))[:_MAX_FOLDERS]


def _folder(path: str, files: Sequence[FileFacts], uses: Counter[str]) -> Folder:
    return Folder(
        path,
        len(files),
        sum(is_test(file.path) for file in files),
        sum(file.code for file in files),
        sum(file.complexity for file in files),
        tuple(sorted(uses.items(), key=lambda item: (-item[1], item[0])))[:4],
    )


def _grouping(files: Sequence[FileFacts]) -> dict[str, str]:
    """Top-level folders; one that holds more than half of the product or of the tests is looked into, down to three
    levels."""
    folder_of = {file.path: _cut_path(file.path, 1) for file in files}
    code = [file for file in files if is_code(file.language)]
    tests, product = [file for file in code if is_test(file.path)], [file for file in code if not is_test(file.path)]
    for depth in (2, 3):
        dominant = _dominant(product, folder_of) | _dominant(tests, folder_of)
        for path, folder in folder_of.items():
            if folder in dominant and folder.count("/") == depth - 1:
                folder_of[path] = _cut_path(path, depth)
    return folder_of


def _dominant(files: Sequence[FileFacts], folder_of: Mapping[str, str]) -> set[str]:
    sizes: Counter[str] = Counter()
    for file in files:
        sizes[folder_of[file.path]] += file.code
    return {folder for folder, size in sizes.items() if size * 2 > sizes.total()}


def _cut_path(path: str, depth: int) -> str:
    parts = posixpath.dirname(path).split("/")[:depth]
    return "/".join(parts) + "/" if parts != [""] else "./"


def _uses(atlas: Atlas, folder_of: Mapping[str, str]) -> dict[str, Counter[str]]:
    uses: dict[str, Counter[str]] = defaultdict(Counter)
    for edge in atlas.survey.links.edges:
        source, target = atlas.files[edge.source].path, atlas.files[edge.target].path
        one, other = folder_of[source], folder_of[target]
        if one != other and edge.via < 0 and not is_test(source):
            uses[one][other] += 1
    return uses


def _hubs(atlas: Atlas) -> list[Hub]:
    rows = []
    for file in atlas.product:
        fan_in = len(atlas.dependents(file.path))
        if fan_in >= 3:
            fan_out = len({edge.target for edge in atlas.dependencies(file.path) if edge.via < 0})
            tests = atlas.tests_of(file.path)
            rows.append(Hub(file.path, fan_in, fan_out, len(tests.direct) + len(tests.named)))
    return sorted(rows, key=lambda hub: (-hub.fan_in, hub.path))[:10]


def _unseen(survey: Survey) -> list[Unseen]:
    left_out = [
        Unseen(reason, count, survey.listing.examples.get(reason, ()))
        for reason, count in survey.listing.left_out.items()
    ]
    troubled: dict[str, list[str]] = defaultdict(list)
    for file in survey.files:
        if file.trouble:
            place = f"{file.path}:{file.trouble_line}" if file.trouble_line else file.path
            troubled[file.trouble].append(f"{place}: {file.detail}" if file.detail else place)
    return left_out + [
        Unseen(trouble, len(places), tuple(sorted(places)[:6])) for trouble, places in sorted(troubled.items())
    ]
