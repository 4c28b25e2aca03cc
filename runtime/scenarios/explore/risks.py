"""The ranking of what makes a refactoring dangerous. Pure; scores from 0 to 100, ties by kind, path and line.

Hot spots follow A. Tornhill (Your Code as a Crime Scene, 2nd ed. 2024, ch. 3-4): what is complex *and* changed often
costs most. Here: product = commits in the window x complexity; score = 100 x sqrt(product / largest product), damped
linearly below a complexity of 50, where there is little to take apart. The scores of the other kinds are editorial:
they only order findings, and the constants stand beside each function below.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import sqrt

from msgspec import Struct

from fleetlog.runtime.scenarios.explore import signs
from fleetlog.runtime.scenarios.explore.atlas import Knot
from fleetlog.runtime.scenarios.explore.facts import FunctionFact
from fleetlog.runtime.scenarios.explore.history import RECENT_DAYS, FileHistory, History, Pair
from fleetlog.runtime.scenarios.explore.languages import is_code, is_test, language_of
from fleetlog.runtime.scenarios.explore.markdown import plain
from fleetlog.runtime.scenarios.explore.tables import Figures, FileSigns, Unparsed

HOT_SPOT = "hot spot"
COMPLEX = "complex, history unknown"
RING = "import ring"
GOD = "does too much"
BIG_FUNCTION = "big function"
UNTESTED = "no test"
COUPLING = "hidden coupling"
SOLE_AUTHOR = "one author"
UNPARSED = "does not parse"
SIGNS = "warning signs"
ORDER = (HOT_SPOT, COMPLEX, RING, GOD, BIG_FUNCTION, UNTESTED, COUPLING, SOLE_AUTHOR, UNPARSED, SIGNS)

KEPT_PER_KIND, KEPT = 8, 40
MIN_COMMITS, MIN_COMPLEXITY = 3, 10


class Risk(Struct, frozen=True):
    """One finding; `figures` are the numbers it rests on, `others` the further files it is about."""

    kind: str
    path: str
    line: int
    score: int
    figures: dict[str, int]
    why: str
    suggestion: str
    others: tuple[str, ...] = ()
    heaviest: tuple[FunctionFact, ...] = ()


class Evidence(Struct, frozen=True):
    """All that the ranking is made of. `hidden` says for each of `pairs` whether no import joins the two."""

    history: History
    figures: tuple[Figures, ...] = ()
    knots: tuple[Knot, ...] = ()
    signs: tuple[FileSigns, ...] = ()
    unparsed: tuple[Unparsed, ...] = ()
    pairs: tuple[Pair, ...] = ()
    hidden: tuple[bool, ...] = ()
    has_tests: bool = True


class Cold(Struct, frozen=True, array_like=True):
    """Complex, and left in peace: nothing to gain from touching it."""

    path: str
    complexity: int
    commits: int
    last_days: int


def rank(evidence: Evidence) -> tuple[Risk, ...]:
    kinds = (
        _hot_spots(evidence),
        _rings(evidence.knots),
        _gods(evidence.figures),
        _big_functions(evidence),
        _untested(evidence),
        _couplings(evidence),
        _sole_authors(evidence),
        _unparsed(evidence.unparsed),
        _sign_risks(evidence.signs),
    )
    kept = [risk for found in kinds for risk in in_order(found)[:KEPT_PER_KIND]]
    return tuple(in_order(kept)[:KEPT])


def in_order(risks: Iterable[Risk]) -> list[Risk]:
    return sorted(risks, key=lambda risk: (-risk.score, ORDER.index(risk.kind), risk.path, risk.line))


def candidates(history: History, limit: int = 120) -> list[str]:
    """The code files that change most: those whose figures are worth asking for."""
    code = [path for path in history.files if is_code(language_of(path)) and not is_test(path)]
    return sorted(code, key=lambda path: (-history.files[path].commits, path))[:limit]


def possible_couplings(history: History, limit: int = 80) -> tuple[Pair, ...]:
    """Pairs of product files that change together in at least half of the commits of the quieter one."""
    pairs = (pair for pair in history.pairs if not is_test(pair.one) and not is_test(pair.other))
    return tuple(pair for pair in pairs if pair.together >= 6 and _degree(pair) >= 50)[:limit]


def cold_spots(evidence: Evidence) -> tuple[Cold, ...]:
    """Complex files that have hardly changed in the window, or not in its last year."""
    if not evidence.history.files:
        return ()
    found = []
    for figures in evidence.figures:
        past = evidence.history.files.get(figures.path)
        is_quiet = past is None or past.last_days > (180 if past.commits <= 3 else 365)
        if is_quiet and figures.complexity >= 50:
            commits, days = (past.commits, past.last_days) if past else (0, -1)
            found.append(Cold(figures.path, figures.complexity, commits, days))
    return tuple(sorted(found, key=lambda cold: (-cold.complexity, cold.path))[:6])


def _degree(pair: Pair) -> int:
    return round(100 * pair.together / min(pair.one_commits, pair.other_commits))


def _hot_spots(evidence: Evidence) -> Iterator[Risk]:
    files = evidence.history.files
    if not files:
        yield from _complex(evidence.figures)
        return
    hot = [
        (figures, past)
        for figures in evidence.figures
        if (past := files.get(figures.path)) and past.commits >= MIN_COMMITS and figures.complexity >= MIN_COMPLEXITY
    ]
    top = max((figures.complexity * past.commits for figures, past in hot), default=1)
    for figures, past in hot:
        share = sqrt(figures.complexity * past.commits / top)
        score = round(100 * share * min(1.0, figures.complexity / 50))
        yield _hot_spot(figures, past, score, evidence.history.commits)


def _hot_spot(figures: Figures, past: FileHistory, score: int, window: int) -> Risk:
    fixes = f", {past.fixes} of them fixes" if past.fixes else ""
    heaviest = figures.largest[0] if figures.largest else None
    return Risk(
        HOT_SPOT,
        figures.path,
        heaviest.line if heaviest else 1,
        score,
        {
            "commits": past.commits,
            "fixes": past.fixes,
            "recent": past.recent,
            "authors": past.authors,
            "complexity": figures.complexity,
            "code": figures.code,
            "fan_in": figures.fan_in,
        },
        f"changed in {past.commits} of {window:,} commits{fixes}, {past.recent} in the last {RECENT_DAYS} days; "
        f"complexity {figures.complexity} in {figures.code:,} code lines",
        "take it apart in small steps under test",
        heaviest=figures.largest,
    )


def _complex(figures: Sequence[Figures]) -> Iterator[Risk]:
    """Without history only complexity is known: at most 60, for half of the evidence is missing."""
    top = max((row.complexity for row in figures), default=1)
    for row in figures:
        if row.complexity < 30:
            continue
        yield Risk(
            COMPLEX,
            row.path,
            row.largest[0].line if row.largest else 1,
            round(60 * sqrt(row.complexity / top) * min(1.0, row.complexity / 50)),
            {"complexity": row.complexity, "code": row.code, "fan_in": row.fan_in},
            f"complexity {row.complexity} in {row.code:,} code lines; how often it changes is not known",
            "find out how often it changes before spending effort on it",
            heaviest=row.largest,
        )


def _rings(knots: Sequence[Knot]) -> Iterator[Risk]:
    """Loading rings weigh 35 and 4 a module, at most 85; those held open by deferred imports 15 and 1 a module."""
    for knot in knots:
        score = min(45, 15 + knot.size) if knot.deferred else min(85, 35 + 4 * knot.size)
        why = (
            "are tied by imports of which some stand inside functions: it loads, but moving one moves the others"
            if knot.deferred
            else "import each other while loading, so that the order of imports decides whether it works"
        )
        yield Risk(
            RING,
            knot.cycle[0].partition(" -> ")[0].rpartition(":")[0],
            knot.first_line,
            score,
            {
                "modules": knot.size,
                "left": knot.left[-1] if knot.left else knot.size,
                "deferred": int(knot.deferred),
            },
            f"{knot.size} modules {why}",
            "; ".join(f"take out `{cut}`" for cut in knot.cuts) or f"start with `{knot.cycle[0]}`",
            knot.members[:40],
        )


def _gods(figures: Sequence[Figures]) -> Iterator[Risk]:
    """Large (500 code lines, 30 functions) and at a crossroads (8 users, or 20 modules used)."""
    for row in figures:
        if row.code < 500 or row.functions < 30 or (row.fan_in < 8 and row.fan_out < 20):
            continue
        yield Risk(
            GOD,
            row.path,
            1,
            min(65, 15 + row.code // 80 + row.fan_in // 3 + row.fan_out // 3),
            {"code": row.code, "functions": row.functions, "fan_in": row.fan_in, "fan_out": row.fan_out},
            f"{row.functions} functions in {row.code:,} code lines, used by {row.fan_in} modules, using {row.fan_out}",
            "move one cohesive group of functions out at a time and keep the old name importable",
        )


def _big_functions(evidence: Evidence) -> Iterator[Risk]:
    for row in evidence.figures:
        past = evidence.history.files.get(row.path)
        for function in row.largest:
            if function.complexity >= 20 or (function.lines >= 120 and function.complexity >= 10):
                yield _big_function(row, function, past.commits if past else 0)


def _big_function(row: Figures, function: FunctionFact, commits: int) -> Risk:
    """10, half its complexity up to 30, and a third of the file's commits up to 30."""
    return Risk(
        BIG_FUNCTION,
        row.path,
        function.line,
        10 + min(30, function.complexity // 2) + min(30, commits // 3),
        {"complexity": function.complexity, "lines": function.lines, "commits": commits},
        f"`{function.name}` has {function.lines} lines and a complexity of {function.complexity}",
        "pin its behaviour with tests of its branches, then extract the branches one by one",
        heaviest=(function,),
    )


def _untested(evidence: Evidence) -> Iterator[Risk]:
    """A repository without any test is one finding of the plan, not one for each file."""
    if not evidence.has_tests:
        return
    for row in evidence.figures:
        if row.tests or row.complexity < 20:
            continue
        past = evidence.history.files.get(row.path)
        commits = past.commits if past else 0
        full = min(75, 25 + row.complexity // 6 + min(25, commits))
        reach = f"{row.indirect_tests} reach it through others" if row.indirect_tests else "none reaches it at all"
        yield Risk(
            UNTESTED,
            row.path,
            row.largest[0].line if row.largest else 1,
            full // 2 if row.indirect_tests else full,
            {"complexity": row.complexity, "commits": commits, "indirect_tests": row.indirect_tests},
            f"no test file imports it or is named after it ({reach}), at a complexity of {row.complexity}",
            "write characterisation tests before anything moves",
            heaviest=row.largest,
        )


def _couplings(evidence: Evidence) -> Iterator[Risk]:
    for pair, is_hidden in zip(evidence.pairs, evidence.hidden, strict=False):
        if not is_hidden:
            continue
        degree = _degree(pair)
        yield Risk(
            COUPLING,
            pair.one,
            1,
            round(min(70.0, 0.75 * degree) * min(1.0, pair.together / 12)),
            {"together": pair.together, "degree": degree},
            f"changed together with `{pair.other}` in {pair.together} commits ({degree} % of the quieter file's), "
            "though neither imports the other",
            "find the shared knowledge (a format, a copied block, a protocol) and give it one home",
            (pair.other,),
        )


def _sole_authors(evidence: Evidence) -> Iterator[Risk]:
    """Hot files where one of at least three authors made four of five commits."""
    if evidence.history.authors < 3:
        return
    for row in evidence.figures:
        past = evidence.history.files.get(row.path)
        if past is None or past.commits < 10 or row.complexity < 30:
            continue
        share = round(100 * past.main_commits / past.commits)
        if share >= 80:
            yield Risk(
                SOLE_AUTHOR,
                row.path,
                1,
                share // 5 + min(20, past.commits // 3),
                {"share": share, "commits": past.commits, "authors": past.authors},
                f"{plain(past.main_author)} made {share} % of its {past.commits} commits",
                f"have {plain(past.main_author)} review the plan for it, or pair on it",
            )


def _unparsed(found: Sequence[Unparsed]) -> Iterator[Risk]:
    for row in found:
        yield Risk(
            UNPARSED,
            row.path,
            row.line or 1,
            50,
            {},
            f"this Python cannot parse it ({row.detail}): everything said here is without it",
            "decide whether it is dead, a template, or for another version of Python",
        )


def _sign_risks(found: Sequence[FileSigns]) -> Iterator[Risk]:
    """Twice the weight of the signs, at most 60; below a weight of 6 a file is like any other."""
    for row in found:
        if row.weight < 6:
            continue
        kinds = sorted(row.kinds, key=lambda kind: (-signs.MEANINGS[kind].weight * row.kinds[kind][0], kind))
        named = ", ".join(_named(kind, *row.kinds[kind]) for kind in kinds[:3])
        meaning = signs.MEANINGS[kinds[0]]
        yield Risk(
            SIGNS,
            row.path,
            row.kinds[kinds[0]][1][0],
            min(60, 10 + 2 * row.weight),
            {kind: row.kinds[kind][0] for kind in kinds},
            f"{named}: {meaning.why}",
            meaning.suggestion,
        )


def _named(kind: str, count: int, lines: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, lines[:4])) + (", ..." if count > 4 else "")
    return f"{count} x {kind} (line {shown})"
