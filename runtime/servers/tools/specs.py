"""Fleets and agents as callers of the tools describe them, and how that becomes a spec."""

from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from fleetlog.domain.command_spec import CommandSpec, OutputKind, StdinKind
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, Budget, DoubtPolicy, FleetSpec, McpServerSpec
from fleetlog.runtime.servers.tools.tool import Key, Text, seconds

__all__ = [
    "AgentArguments",
    "AttachArguments",
    "BudgetArguments",
    "CommandArguments",
    "agent_spec",
    "budget",
    "shown_fleet_spec",
]

_NUSD = 1_000_000_000


class BudgetArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What may be spent; what is left out is without limit."""

    tokens: Annotated[int, Meta(ge=1)] | None = None
    cost_usd: Annotated[float | str | None, Meta(description='Dollars; a string such as "1.25" is taken exactly.')] = (
        None
    )
    turns: Annotated[int, Meta(ge=1, description="Model calls.")] | None = None
    wall_ms: Annotated[int, Meta(ge=1)] | None = None


class CommandArguments(msgspec.Struct, frozen=True, kw_only=True):
    """The program of an agent with the brain `command`: a preset, or an argv of your own."""

    preset: Annotated[Literal["", "claude", "codex", "opencode"], Meta(description="A known agent program.")] = ""
    argv: Annotated[tuple[str, ...], Meta(description="A program of your own and its arguments.")] = ()
    args: Annotated[tuple[str, ...], Meta(description="Further arguments for a preset.")] = ()
    resume: Annotated[tuple[str, ...], Meta(description="The argv that goes on with a {session}.")] = ()
    stdin: StdinKind = "prompt"
    output: OutputKind | None = None
    env: Annotated[dict[str, str], Meta(description="Values may hold ${VAR} of the runtime's environment.")] = {}
    timeout_ms: Annotated[int, Meta(ge=1)] = 3_600_000
    idle_timeout_ms: Annotated[int, Meta(ge=1)] | None = None
    max_output_bytes: Annotated[int, Meta(ge=1)] = 64 * 1024 * 1024


class AgentArguments(msgspec.Struct, frozen=True, kw_only=True):
    """One agent to spawn."""

    role: Annotated[Text, Meta(description="What it is, in a word or two.")]
    prompt: Annotated[Text, Meta(description="What it is to do.")]
    name: Annotated[str, Meta(description="Its name in the fleet; made of the role if left out.")] = ""
    agent: Annotated[str, Meta(description="The agent definition it is made of (list_agents).")] = ""
    model: str = ""
    brain: Annotated[str | None, Meta(description="claude, command, external, or a function known to the runtime.")] = (
        None
    )
    skills: tuple[str, ...] = ()
    tools: Annotated[tuple[str, ...] | None, Meta(description="Workspace tools it is offered.")] = None
    grants: Annotated[tuple[str, ...], Meta(description="What it may do without asking: write, run, network ...")] = ()
    depends_on: Annotated[tuple[str, ...], Meta(description="Names of agents that must have completed first.")] = ()
    each: Annotated[tuple[Any, ...] | None, Meta(description="One agent is made for each of these items.")] = None
    result_schema: Annotated[dict[str, Any] | bool | None, Meta(description="A JSON Schema its result must fit.")] = (
        None
    )
    budget: BudgetArguments | None = None
    max_attempts: Annotated[int, Meta(ge=1)] = 3
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    mcp_servers: tuple[McpServerSpec, ...] = ()
    on_doubt: dict[str, DoubtPolicy] | None = None
    command: CommandArguments | None = None


class AttachArguments(AgentArguments, frozen=True, kw_only=True):
    """One agent to add to a fleet."""

    fleet_id: Text
    idempotency_key: Key = None


def agent_spec(tool: str, given: AgentArguments, default_brain: str) -> AgentSpec:
    """The agent's spec; the brain is the default one where none is named."""
    known = set(AgentSpec.__struct_fields__) - {"brain", "budget", "command"}
    same = {name: value for name, value in msgspec.structs.asdict(given).items() if name in known}
    brain = default_brain if given.brain is None else given.brain
    return AgentSpec(**same, brain=brain, budget=budget(tool, given.budget), command=_command(given.command))


def _command(given: CommandArguments | None) -> CommandSpec | None:
    """The program in the log's units."""
    if given is None:
        return None
    same = msgspec.structs.asdict(given)
    timeout_s, idle_s = seconds(same.pop("timeout_ms")), seconds(same.pop("idle_timeout_ms"))
    return CommandSpec(**same, timeout_s=timeout_s or 0.0, idle_timeout_s=idle_s)


def budget(tool: str, given: BudgetArguments | None) -> Budget | None:
    """The budget in the log's units."""
    if given is None:
        return None
    cost = None if given.cost_usd is None else _nano_dollars(tool, given.cost_usd)
    return Budget(tokens=given.tokens, cost_nusd=cost, turns=given.turns, wall_s=seconds(given.wall_ms))


def shown_fleet_spec(spec: FleetSpec) -> dict[str, Any]:
    """A spec as `spawn_fleet` takes it; what is not said is left out."""
    shown: dict[str, Any] = msgspec.to_builtins(spec)
    if spec.timeout_s is not None:
        shown["timeout_ms"] = round(shown.pop("timeout_s") * 1000)
    for target, given in [(shown, spec.budget), *zip(shown["agents"], (a.budget for a in spec.agents), strict=True)]:
        if given is not None:
            target["budget"] = _shown_budget(given)
    for agent in shown["agents"]:
        command = agent.get("command", {})
        for field in {"timeout_s", "idle_timeout_s"} & command.keys():
            command[f"{field[:-2]}_ms"] = round(command.pop(field) * 1000)
    return shown


def _shown_budget(given: Budget) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(given)
    if given.cost_nusd is not None:
        shown["cost_usd"] = format(Decimal(shown.pop("cost_nusd")) / _NUSD, "f")
    if given.wall_s is not None:
        shown["wall_ms"] = round(shown.pop("wall_s") * 1000)
    return shown


def _nano_dollars(tool: str, dollars: float | str) -> int:
    try:
        nano = Decimal(str(dollars)) * _NUSD
        if nano.is_finite() and nano > 0:
            return int(nano)
    except InvalidOperation:
        pass
    raise InvalidArgument(f"{tool}: 'budget.cost_usd' must be dollars above 0, got {str(dollars)[:80]}")
