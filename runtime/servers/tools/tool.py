"""What a row of the tool surface is: a name, what it takes, what it does, how it is answered.

Its rule: a row only translates. It takes checked arguments, calls the facade through the caller's door, and shapes
the reply; what is allowed and what happens is decided behind the door.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any

import msgspec

from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import fleet_id_of
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.calls import Begun
from fleetlog.runtime.servers.tools.checking import checked

__all__ = ["Changing", "Hints", "Key", "Moment", "Reading", "Text", "Tool", "check_fleet", "moment_ms", "seconds"]


Text = Annotated[str, msgspec.Meta(min_length=1)]
"""A string that is not empty."""
Key = Annotated[
    str | None,
    msgspec.Meta(description="Repeat a call with its key, and it is made once: the first result is given again."),
]
Moment = int | str
"""A time: epoch milliseconds, or ISO 8601 with an offset."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of a tool that changes nothing."""


class Changing(msgspec.Struct, frozen=True, kw_only=True):
    """Arguments of a tool that changes something."""

    idempotency_key: Key = None


class Hints(msgspec.Struct, frozen=True):
    """What a client may know of a tool before it calls it, as MCP's annotations name it."""

    reads: bool = False
    destroys: bool = False
    repeats: bool = False
    """Calling it again with the same arguments changes nothing more."""
    open_world: bool = False


class Tool(msgspec.Struct, frozen=True, dict=True):
    """One tool. `call` takes the caller's door and the checked arguments; it may block for a commit, never longer.

    `acting` is the argument that names the agent on whose behalf it is called: the result tells that agent how many
    messages it has not acknowledged. `is_final` is for tools that wait (`wait_ms`): they are called again, whenever
    the views have moved on, until it is true of the answer or the time is over.
    """

    name: str
    description: str
    arguments: type[msgspec.Struct]
    call: Callable[[Door, Any], Any]
    hints: Hints = Hints()
    acting: str = ""
    is_final: Callable[[Any], bool] | None = None
    begin: "Callable[[Door, Any], Begun[Any] | None] | None" = None
    """Puts the call on its way without waiting for its commit, on the event loop; None: `call` it."""
    shape: Callable[[Any], Any] = lambda reply: reply
    """Makes the answer of the reply to what was begun."""

    def checked(self, given: object) -> msgspec.Struct:
        """The arguments as the struct; raises `InvalidArgument`."""
        return checked(self.name, given, self.arguments)

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of the arguments, an object at its root."""
        (root,), parts = msgspec.json.schema_components([self.arguments], ref_template="#/$defs/{name}")
        name = root.get("$ref", "").rpartition("/")[2]
        schema = dict(parts.pop(name)) if name in parts else dict(root)
        schema.pop("title", None)
        if key := schema.get("properties", {}).pop("idempotency_key", None):
            schema["properties"]["idempotency_key"] = key  # last: what it is about comes first
        schema["additionalProperties"] = False
        return {**schema, "$defs": parts} if parts else schema


def moment_ms(tool: str, field: str, value: Moment | None) -> int | None:
    """Epoch milliseconds of a time that was given as such, or as ISO 8601 with an offset."""
    if value is None or isinstance(value, int):
        if value is not None and value < 0:
            raise InvalidArgument(f"{tool}: '{field}' must be >= 0, got {value}")
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidArgument(
            f"{tool}: '{field}' must be epoch milliseconds, or a time such as 2026-11-23T10:00:00Z with its offset, "
            f'got "{value[:80]}" (string)'
        )
    return round(moment.astimezone(UTC).timestamp() * 1000)


def check_fleet(agent_id: str, fleet_id: str) -> None:
    """Refuse an agent that is not of the fleet."""
    if fleet_id_of(agent_id) != fleet_id:
        raise NotFound(f"No such agent in fleet {fleet_id}: {agent_id}")


def seconds(ms: float | None) -> float | None:
    """Milliseconds as the facade's seconds."""
    return None if ms is None else ms / 1000
