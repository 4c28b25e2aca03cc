"""Tools about who is good at what: register it, ask for it, say how it went."""

from typing import Annotated

from msgspec import Meta

from fleetlog.runtime.access.door import Door
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Reading, Text, Tool

__all__ = ["routing_tools"]


class RegisterCapability(Changing, frozen=True, kw_only=True):
    agent_id: Text
    fleet_id: Text
    role: Text
    skills: tuple[str, ...]
    model: str = ""
    context_window: Annotated[int, Meta(ge=1, description="Tokens.")] | None = None


class RouteWork(Reading, frozen=True, kw_only=True):
    description: Annotated[Text, Meta(description="The work, in any words.")]
    top_n: Annotated[int, Meta(ge=1)] = 1
    fleet_id: Annotated[str, Meta(min_length=1, description="Only agents of this fleet.")] | None = None


class RecordOutcome(Changing, frozen=True, kw_only=True):
    agent_id: Text
    capability_key: Annotated[Text, Meta(description="What kind of work it was, in the words it is asked for.")]
    success: bool


def routing_tools() -> tuple[Tool, ...]:
    """The tools."""
    return _TOOLS


def _register(door: Door, given: RegisterCapability) -> object:
    door.register_capability(
        given.agent_id,
        given.fleet_id,
        given.role,
        given.skills,
        model=given.model,
        context_window=given.context_window,
        idempotency_key=given.idempotency_key,
    )
    return {"ok": True, "agent_id": given.agent_id, "fleet_id": given.fleet_id}


def _route(door: Door, given: RouteWork) -> object:
    found = door.route_work(given.description, given.top_n, fleet_id=given.fleet_id)
    return {"matches": found.matches, "note": found.note} if found.note else {"matches": found.matches}


def _record(door: Door, given: RecordOutcome) -> object:
    recorded = door.record_routing_outcome(
        given.agent_id, given.capability_key, given.success, idempotency_key=given.idempotency_key
    )
    key = recorded.capability_key
    return {"ok": True, "agent_id": recorded.agent_id, "capability_key": key, "success": recorded.success}


_TOOLS = (
    Tool(
        "register_capability",
        "Say what an agent is to be found for; it replaces the role and skills it was found for before.",
        RegisterCapability,
        _register,
        acting="agent_id",
    ),
    Tool(
        "route_work",
        "Find the running agents that fit a piece of work best, with the reasons.",
        RouteWork,
        _route,
        Hints(reads=True, repeats=True),
    ),
    Tool(
        "record_routing_outcome",
        "Say whether work that was given to an agent went well; it counts when such work is routed again.",
        RecordOutcome,
        _record,
    ),
)
