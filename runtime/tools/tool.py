"""What a tool is: a name, a schema, an effect class, and a function that a worker's thread calls as a step.

A tool takes its checked arguments and gives text for the model. What goes wrong in an ordinary way (no such file,
a bad pattern, a command that fails) is a `ToolError`: the agent is told, and goes on.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from fleetlog.domain.errors import FleetlogError
from fleetlog.domain.values import Effect
from fleetlog.runtime.artifacts import ArtifactStore

__all__ = ["Tool", "ToolError", "ToolOutput", "ToolRun"]


class ToolError(FleetlogError):
    """The call could not be done; the text tells the agent what was wrong, what is allowed, what to do."""


class ToolOutput(msgspec.Struct, frozen=True):
    """What the model sees. `whole_sha256` names the artifact with all of it, when `text` was cut."""

    text: str
    is_error: bool = False
    whole_sha256: str = ""


class ToolRun(Protocol):
    """The run a call belongs to, as a tool sees it. The worker's thread, but for `is_stopped`."""

    @property
    def artifacts(self) -> ArtifactStore:
        """Where the whole of a long output is kept."""

    @property
    def is_stopped(self) -> bool:
        """The run was told to end; any thread may look."""

    def check(self) -> None:
        """Raise (a `BaseException`) if the run was told to end."""

    def add_process_group(self, group: int) -> None:
        """This process group dies with the run."""

    def remove_process_group(self, group: int) -> None:
        """This process group has ended."""


class Tool(msgspec.Struct, frozen=True):
    """`input_schema` is a JSON Schema of type object with `additionalProperties: false`. `call` gets arguments that
    fit it. `verify` says how the agent finds out what a call did that was cut off (effectful tools only)."""

    name: str
    description: str
    input_schema: dict[str, Any]
    effect: Effect
    call: Callable[[ToolRun, Mapping[str, Any]], ToolOutput]
    verify: str = ""
