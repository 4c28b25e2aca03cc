"""The report's map of the code base and its list of what was not seen. Pure."""

from collections.abc import Iterator, Sequence

from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.explore.facts import EntryPoint
from fleetlog.runtime.scenarios.explore.handoff import HandOff, Past
from fleetlog.runtime.scenarios.explore.languages import is_code
from fleetlog.runtime.scenarios.explore.markdown import cell, code, table
from fleetlog.runtime.scenarios.explore.overview import Folder, Overview

_DEPTH = {"parsed": "parsed", "rough": "by regular expressions, rough", "counted": "lines counted only"}


def code_map(overview: Overview, past: Past) -> str:
    if not overview.files:
        return ""
    parts = [_languages(overview), _folders(overview), _hubs(overview), _entries(overview), _changes(past)]
    return "## Map\n\n" + "\n\n".join(part for part in parts if part)


def _languages(overview: Overview) -> str:
    rows = [
        (cell(row.name), f"{row.files:,}", f"{row.code:,}", f"{row.comment:,}", _DEPTH[row.depth])
        for row in overview.languages
        if row.code and is_code(row.name)
    ]
    rest = [row for row in overview.languages if row.code and not is_code(row.name)]
    text = table(("language", "files", "code", "comments", "how read"), rows) if rows else ""
    others = ", ".join(f"{cell(row.name)} {row.files:,} ({row.code:,})" for row in rest)
    return "\n\n".join(part for part in (text, f"Beside code, files (lines): {others}." if others else "") if part)


def _folders(overview: Overview) -> str:
    if not overview.folders:
        return "No code was found, so there are no folders, hubs or imports to show."
    rows = [
        (
            f"`{cell(row.path)}`",
            f"{row.files:,}",
            f"{row.tests:,}",
            f"{row.code:,}",
            f"{row.complexity:,}",
            _uses(row),
        )
        for row in overview.folders
    ]
    return table(("folder", "code files", "tests", "code", "complexity", "imports from (how often)"), rows)


def _uses(row: Folder) -> str:
    return ", ".join(f"`{cell(folder)}` {count}" for folder, count in row.uses) or "-"


def _hubs(overview: Overview) -> str:
    if not overview.hubs:
        return ""
    rows = [
        (f"`{cell(hub.path)}`", str(hub.fan_in), str(hub.fan_out), str(hub.tests) if hub.tests else "**0**")
        for hub in overview.hubs
    ]
    return "Hubs, by how many modules import them:\n\n" + table(("file", "fan-in", "fan-out", "test files"), rows)


def _entries(overview: Overview) -> str:
    lines = [f"- {_entry(entry)}" for entry in overview.entries]
    if overview.demos and not any(entry.kind == "__main__ block" for entry in overview.entries):
        lines.append(f"- {counted(overview.demos, 'module')} with an `if __name__ == '__main__'` block of its own")
    outside = ", ".join(f"`{name}` {count}" for name, count in overview.externals[:10])
    text = "Entry points:\n\n" + "\n".join(lines) if lines else "Entry points: none found; it is used as a library."
    return text + (f"\n\nPackages from outside, by files that import them: {outside}." if outside else "")


def _entry(entry: EntryPoint) -> str:
    place = f"{entry.path}:{entry.line}" if entry.line else entry.path
    target = f" -> `{entry.target}`" if entry.target and entry.target != entry.path else ""
    name = "" if entry.name == entry.path else f"{code(entry.name)} "
    return f"{entry.kind} {name}(`{place}`){target}"


def _changes(past: Past) -> str:
    if not past.most_changed:
        return ""
    rows = [
        (f"`{cell(row.path)}`", str(row.commits), str(row.fixes), str(row.authors), str(row.last_days))
        for row in past.most_changed
    ]
    head = ("most changed code", "commits", "fixes", "authors", "last change, days before HEAD")
    return table(head, rows)


def not_seen(overview: Overview, handoff: HandOff) -> str:
    lines = list(_unseen(overview, handoff))
    return "## What was not seen\n\n" + "\n".join(f"- {line}" for line in lines)


def _unseen(overview: Overview, handoff: HandOff) -> Iterator[str]:
    if overview.trouble:
        yield f"anything at all: {overview.trouble}"
        return
    if handoff.past.said:
        yield f"history: {handoff.past.said}"
    if overview.source == "walk":
        yield "ignore rules: the files were found by walking the folder, not from git"
    for row in overview.unseen:
        yield f"{row.count:,} x {row.reason}{_examples(row.examples, row.count)}"
    unread = [row.name for row in overview.languages if row.depth == "counted" and row.name in _WITH_LOGIC]
    if unread:
        yield f"functions and imports of {', '.join(unread)}: their lines were counted, nothing more"
    if overview.signs.get("dynamic import"):
        yield (
            f"where {counted(overview.signs['dynamic import'], 'import')} by name at run time lead: the import graph "
            "does not show them"
        )
    yield "behaviour: nothing was run, no test, no coverage, no type checker"


_WITH_LOGIC = frozenset({"C#", "Ruby", "PHP", "Swift", "Shell", "Lua", "Elixir", "Erlang", "Haskell", "Perl", "R"})


def _examples(examples: Sequence[str], count: int) -> str:
    if not examples:
        return ""
    shown = "; ".join(code(example) for example in examples)
    return f": {shown}{' ...' if count > len(examples) else ''}"
