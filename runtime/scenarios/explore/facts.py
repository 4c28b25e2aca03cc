"""What is known about a workspace, as values that survive the event log. No behaviour lives here.

Structs that come by the thousand are arrays on the wire (`array_like`): a step that surveys 400 files stays small.
"""

from msgspec import Struct

AT_IMPORT, DEFERRED, AS_SCRIPT, TYPES_ONLY = 0, 1, 2, 3
"""When an import runs: as the module loads, inside a function, only under `__main__`, or never (TYPE_CHECKING)."""


class FunctionFact(Struct, frozen=True, array_like=True):
    """`complexity` is the cyclomatic number; `lines` goes from the `def` to the last line of the body."""

    name: str
    line: int
    lines: int
    complexity: int


class ImportFact(Struct, frozen=True, array_like=True):
    """One import as written; `names` holds `name` or `name=alias`; `level` counts the leading dots."""

    module: str
    line: int
    level: int = 0
    names: tuple[str, ...] = ()
    when: int = AT_IMPORT


class Sign(Struct, frozen=True, array_like=True):
    """A warning sign at a line; the kinds are listed in `signs.SIGNS`."""

    kind: str
    line: int


class FileFacts(Struct, frozen=True, array_like=True):
    """One file, read once. `trouble` is empty, or names why part of the file is unknown (`detail` says more)."""

    path: str
    language: str
    lines: int = 0
    code: int = 0
    comment: int = 0
    complexity: int = 0
    functions: int = 0
    classes: int = 0
    largest: tuple[FunctionFact, ...] = ()
    imports: tuple[ImportFact, ...] = ()
    signs: tuple[Sign, ...] = ()
    main_line: int = 0
    trouble: str = ""
    trouble_line: int = 0
    detail: str = ""


class Listing(Struct, frozen=True):
    """The files to look at, sorted, and what was left out: how many for each reason, and the first names."""

    name: str
    source: str
    files: tuple[str, ...] = ()
    left_out: dict[str, int] = {}
    examples: dict[str, tuple[str, ...]] = {}
    trouble: str = ""


class Edge(Struct, frozen=True, array_like=True):
    """File number `source` imports file number `target` at `line`; `via` is the package it came through, or -1."""

    source: int
    target: int
    line: int
    when: int = AT_IMPORT
    via: int = -1


class EntryPoint(Struct, frozen=True, array_like=True):
    """A place where execution starts from outside; `target` is the file it runs, when that is in the workspace."""

    kind: str
    name: str
    path: str
    line: int = 0
    target: str = ""


class Links(Struct, frozen=True):
    """How the files hang together."""

    edges: tuple[Edge, ...] = ()
    externals: dict[str, int] = {}
    unresolved: int = 0


class Survey(Struct, frozen=True):
    """All the explorer knows."""

    listing: Listing
    files: tuple[FileFacts, ...] = ()
    links: Links = Links()
    entries: tuple[EntryPoint, ...] = ()
