"""Tools about fleets and their agents: spawn, look, wait, steer, end."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.access.door import Door
from fleetlog.runtime.queries import MAX_PAGE
from fleetlog.runtime.replies import FleetReply
from fleetlog.runtime.rows import AgentRow, FleetRow
from fleetlog.runtime.servers.tools.specs import (
    AgentArguments,
    AttachArguments,
    BudgetArguments,
    agent_spec,
    budget,
)
from fleetlog.runtime.servers.tools.tool import Changing, Hints, Moment, Reading, Text, Tool, moment_ms, seconds

__all__ = ["fleet_tools"]

Status = Literal["running", "paused", "complete", "failed", "timed_out", "cancelled", "interrupted"]

_CHANGES = Hints()
_ENDS = Hints(destroys=True, repeats=True)
_READS = Hints(reads=True, repeats=True)


class SpawnFleet(Changing, frozen=True, kw_only=True):
    agents: Annotated[tuple[AgentArguments, ...], Meta(min_length=1)]
    name: str = ""
    goal: str = ""
    workspace: Annotated[str, Meta(description="The folder its agents work in.")] = ""
    max_concurrency: Annotated[int, Meta(ge=1)] | None = None
    keep_open: Annotated[bool, Meta(description="It stays when its last agent has ended.")] = False
    timeout_ms: Annotated[int, Meta(ge=1)] | None = None
    budget: BudgetArguments | None = None
    template: Annotated[
        str, Meta(description="A template whose agents join these; what is left out here is taken from it.")
    ] = ""


class OneFleet(Reading, frozen=True, kw_only=True):
    fleet_id: Text


class StatusArguments(OneFleet, frozen=True, kw_only=True):
    at: Annotated[Moment | None, Meta(description="As it was at this time.")] = None


class ForkFleet(Changing, frozen=True, kw_only=True):
    fleet_id: Text
    at: Annotated[Moment | None, Meta(description="With what it had recorded by then; up to now if left out.")] = None
    name: Annotated[str, Meta(description="What the fork is called; as the fleet is, if left out.")] = ""


class FleetChange(Changing, frozen=True, kw_only=True):
    fleet_id: Text
    reason: str = ""


class AgentChange(Changing, frozen=True, kw_only=True):
    agent_id: Text
    reason: str = ""


class SetTimeout(Changing, frozen=True, kw_only=True):
    fleet_id: Text
    timeout_ms: Annotated[int, Meta(ge=1)]


class ListFleets(Reading, frozen=True, kw_only=True):
    status: Status | None = None
    query: Annotated[str, Meta(description="Only those with this in id, name or goal.")] = ""
    limit: Annotated[int, Meta(ge=1, le=MAX_PAGE)] = 50
    cursor: str | None = None
    at: Annotated[Moment | None, Meta(description="As they were at this time.")] = None


class ListAgents(Reading, frozen=True, kw_only=True):
    query: str = ""
    fleet_id: Annotated[str, Meta(min_length=1, description="List the agents of this fleet instead.")] | None = None


class CollectResults(Reading, frozen=True, kw_only=True):
    fleet_id: Text
    wait_ms: Annotated[int, Meta(ge=0, description="Wait so long for the fleet's end.")] = 0


class TimelineArguments(Reading, frozen=True, kw_only=True):
    fleet_id: str | None = None
    after: Annotated[int, Meta(ge=0, description="Only events behind this position of the log.")] = 0
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 200


def fleet_tools(default_brain: str) -> tuple[Tool, ...]:
    """The tools; agents that name no brain get the default one."""

    def spawn(door: Door, given: SpawnFleet) -> object:
        agents = tuple(agent_spec("spawn_fleet", agent, default_brain) for agent in given.agents)
        spec = FleetSpec(
            agents=agents,
            name=given.name,
            goal=given.goal,
            workspace=given.workspace,
            timeout_s=seconds(given.timeout_ms),
            max_concurrency=given.max_concurrency,
            keep_open=given.keep_open,
            budget=budget("spawn_fleet", given.budget),
        )
        if given.template:
            spec = _joined(door.spawn_from_template(given.template).spec, spec)
        return door.spawn_fleet(spec, idempotency_key=given.idempotency_key)

    def attach(door: Door, given: AttachArguments) -> object:
        spec = agent_spec("attach_agent", given, default_brain)
        made = door.attach_agent(given.fleet_id, spec, idempotency_key=given.idempotency_key)
        return {
            "agent_id": made.agent_ids[0],
            "fleet_id": made.fleet_id,
            "role": given.role,
            "agent_file": given.agent,
            "message": f"{given.role} has joined {made.fleet_id}",
        }

    return (
        Tool(
            "spawn_fleet",
            "Start a fleet of agents that work together. They start at once, or when those they depend on have "
            "completed, survive crashes of the runtime, and can be looked at with fleet_status.",
            SpawnFleet,
            spawn,
        ),
        Tool("attach_agent", "Add an agent to a fleet that is running.", AttachArguments, attach),
        *_LOOKING,
        *_CHANGING,
    )


def _joined(template: FleetSpec, given: FleetSpec) -> FleetSpec:
    """The template's agents and those that were given; a field that was left out is the template's."""
    left_out = msgspec.structs.asdict(FleetSpec(agents=()))
    fields = {
        name: value if value != left_out[name] else msgspec.structs.asdict(template)[name]
        for name, value in msgspec.structs.asdict(given).items()
    }
    return FleetSpec(**{**fields, "agents": (*template.agents, *given.agents)})


def _status(door: Door, given: StatusArguments) -> object:
    at_ms = moment_ms("fleet_status", "at", given.at)
    found = door.fleet_status(given.fleet_id, at_ms=at_ms)
    ended = {result.agent_id: result.output for result in door.collect_results(given.fleet_id).results}
    had_ended = {agent.id for agent in found.agents if agent.completed_at is not None}
    agents = [
        {**_agent(agent), "output": ended.get(agent.id) if agent.id in had_ended else None} for agent in found.agents
    ]
    return {"fleet": _fleet(found.fleet), "agents": agents, "position": found.position}


def _fleet(row: FleetRow) -> dict[str, Any]:
    shown = msgspec.structs.asdict(row)
    timeout_s = shown.pop("timeout_s")
    counts = shown.pop("agents")
    return {
        **shown,
        "timeout_ms": None if timeout_s is None else round(timeout_s * 1000),
        "agents_by_status": counts,
        "agents_running": counts.get("running", 0) + counts.get("waiting", 0),
        "agents_complete": counts.get("complete", 0),
        "agents_failed": sum(counts.get(status, 0) for status in ("failed", "timed_out", "cancelled")),
    }


def _agent(row: AgentRow) -> dict[str, Any]:
    return {**msgspec.structs.asdict(row), "error": row.error or None}


def _list_fleets(door: Door, given: ListFleets) -> object:
    found = door.list_fleets(
        status=given.status,
        query=given.query,
        limit=given.limit,
        cursor=given.cursor,
        at_ms=moment_ms("list_fleets", "at", given.at),
    )
    fleets = [_fleet(fleet) for fleet in found.fleets]
    return {"fleets": fleets, "next_cursor": found.next_cursor, "position": found.position}


def _list_agents(door: Door, given: ListAgents) -> object:
    if given.fleet_id is None:
        return door.definitions(given.query)
    agents = [_agent(agent) for agent in door.list_agents(given.fleet_id).agents]
    wanted = given.query.lower()
    agents = [agent for agent in agents if wanted in f"{agent['name']} {agent['role']} {agent['prompt']}".lower()]
    return {"count": len(agents), "agents": agents}


def _timeline(door: Door, given: TimelineArguments) -> object:
    entries = door.timeline(given.fleet_id, after=given.after, limit=given.limit)
    return {"entries": entries, "next_after": entries[-1].position if entries else given.after}


_LOOKING = (
    Tool(
        "fleet_status", "Show a fleet and all its agents, with what they are doing.", StatusArguments, _status, _READS
    ),
    Tool("list_fleets", "List fleets, newest first.", ListFleets, _list_fleets, _READS),
    Tool(
        "list_agents",
        "List the agent definitions one can spawn; with fleet_id the agents of that fleet.",
        ListAgents,
        _list_agents,
        _READS,
    ),
    Tool(
        "collect_results",
        "Collect what a fleet's agents have submitted; with wait_ms, wait for its end.",
        CollectResults,
        lambda door, given: door.collect_results(given.fleet_id),
        _READS,
        is_final=lambda answer: bool(answer["is_final"]),
    ),
    Tool("timeline", "Show what has happened, event by event, oldest first.", TimelineArguments, _timeline, _READS),
)


def _change(name: str, description: str, call: Callable[[Door, Any], FleetReply], hints: Hints = _CHANGES) -> Tool:
    """A tool that changes a whole fleet, and answers with the fleet as it is then."""

    def change(door: Door, given: FleetChange) -> object:
        changed = call(door, given)
        return {"ok": True, "fleet": _fleet(door.fleet_status(changed.fleet_id).fleet)}

    return Tool(name, description, FleetChange, change, hints)


def _cancel_agent(door: Door, given: AgentChange) -> object:
    changed = door.cancel_agent(given.agent_id, given.reason, idempotency_key=given.idempotency_key)
    agents = door.list_agents(changed.fleet_id).agents
    return {"ok": True, "agent": next(_agent(agent) for agent in agents if agent.id == given.agent_id)}


def _fork(door: Door, given: ForkFleet) -> object:
    at_ms = moment_ms("fork_fleet", "at", given.at)
    return door.fork_fleet(given.fleet_id, at_ms=at_ms, name=given.name, idempotency_key=given.idempotency_key)


def _set_timeout(door: Door, given: SetTimeout) -> object:
    door.set_fleet_timeout(given.fleet_id, given.timeout_ms / 1000, idempotency_key=given.idempotency_key)
    return {"ok": True, "timeout_ms": given.timeout_ms}


_CHANGING = (
    _change(
        "cancel_fleet",
        "End a fleet now; what runs is stopped.",
        lambda door, given: door.cancel_fleet(given.fleet_id, given.reason, idempotency_key=given.idempotency_key),
        _ENDS,
    ),
    _change(
        "pause_fleet",
        "Have none of a fleet's agents begin a new step.",
        lambda door, given: door.pause_fleet(given.fleet_id, given.reason, idempotency_key=given.idempotency_key),
    ),
    _change(
        "resume_fleet",
        "Have a paused fleet go on.",
        lambda door, given: door.resume_fleet(given.fleet_id, idempotency_key=given.idempotency_key),
    ),
    _change(
        "close_fleet",
        "Let a fleet that is kept open end with its last agent.",
        lambda door, given: door.close_fleet(given.fleet_id, given.reason, idempotency_key=given.idempotency_key),
        _ENDS,
    ),
    _change(
        "archive_fleet",
        "Hide an ended fleet from lists; nothing is deleted.",
        lambda door, given: door.archive_fleet(given.fleet_id, given.reason, idempotency_key=given.idempotency_key),
    ),
    Tool(
        "fork_fleet",
        "Make a new fleet that begins with what another has recorded, up to a moment, and goes on from there.",
        ForkFleet,
        _fork,
    ),
    Tool("cancel_agent", "End one agent now; its fleet goes on.", AgentChange, _cancel_agent, _ENDS),
    Tool("set_fleet_timeout", "Change a running fleet's time-out.", SetTimeout, _set_timeout),
)
