"""What an embedding program adds to a runtime besides brains: tools for Claude agents, and read models of its own."""

import re
from collections.abc import Iterable

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument
from fleetlog.projections.all import all_projections
from fleetlog.projections.projection import Projection
from fleetlog.runtime.tools.mesh import MESH_TOOLS
from fleetlog.runtime.tools.tool import Tool

__all__ = ["Extensions"]

_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_OURS = frozenset(
    {
        *(str(tool["name"]) for tool in MESH_TOOLS),
        "submit_result",
        "list_files", "read_file", "search_files", "write_file", "edit_file", "run_command",
        "web_search", "web_fetch", "code_execution",
    }
)  # fmt: skip


class Extensions(msgspec.Struct, frozen=True):
    """`tools` are offered to Claude agents whose spec or definition names them. `projections` are fed from the log with
    the runtime's own, into the same file; `Runtime.query_view` reads them. One that raises is stopped, and only
    its own queries say so."""

    tools: tuple[Tool, ...] = ()
    projections: tuple[Projection, ...] = ()

    def check(self) -> "Extensions":
        """Itself. Raises `InvalidArgument` where names are taken or wrong."""
        for tool in self.tools:
            if not _TOOL_NAME.match(tool.name):
                raise InvalidArgument(
                    f"a tool's name must be 1 to 64 letters, digits, '-' or '_', got {checks.shown(tool.name)}"
                )
        _unique("tool", [*_OURS, *(tool.name for tool in self.tools)])
        known = (*all_projections(), *self.projections)
        _unique("projection", [one.name for one in known])
        _unique("table", ["projections", *(table for one in known for table in one.tables)])
        return self


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgument(f"there are two {what}s called '{name}': choose another name")
        seen.add(name)
