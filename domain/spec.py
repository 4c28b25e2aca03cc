"""What a fleet spec must be like, and the members it stands for. Pure: a checked spec or a refusal."""

import re
from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.budget import check_budget
from fleetlog.domain.command_spec import check_command
from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.mcp_spec import check_mcp_servers
from fleetlog.domain.values import AgentSpec, FleetSpec, HelpPolicy, Member, agent_id_for

__all__ = ["MAX_AGENTS", "Seat", "check_agent", "check_fleet", "default_name", "seats", "with_policy_of"]

MAX_AGENTS = 10_000
GRANTS = ("write", "run", "network", "unsandboxed")
DOUBT_POLICIES = ("tell", "ask", "retry")
EFFORTS = ("low", "medium", "high", "xhigh", "max")


class Seat(msgspec.Struct, frozen=True):
    """One agent to be: its member entry, its spec and, from `each`, its item."""

    member: Member
    spec: AgentSpec
    item: object = None


def default_name(role: str) -> str:
    """A role as a name: `Risk Finder` -> `risk-finder`."""
    return re.sub(r"[^a-z0-9_.]+", "-", role.lower()).strip("-_.")[: checks.MAX_NAME].strip("-_.")


def check_fleet(spec: FleetSpec, max_agents: int = MAX_AGENTS) -> FleetSpec:
    """The spec with every name filled in; refuses what does not fit, naming the field."""
    if not spec.agents:
        raise InvalidArgument("'agents' must name at least one agent")
    checks.text("name", spec.name, max_chars=200)
    checks.text("goal", spec.goal)
    checks.text("workspace", spec.workspace, max_chars=4096)
    if spec.timeout_s is not None:
        checks.seconds("timeout_s", spec.timeout_s)
    if spec.max_concurrency is not None:
        checks.integer("max_concurrency", spec.max_concurrency)
    if spec.budget is not None:
        check_budget("budget", spec.budget)
    _check_policy("help_policy", spec.help_policy)
    agents = tuple(check_agent(agent, f"agents[{i}].") for i, agent in enumerate(spec.agents))
    total = sum(1 if agent.each is None else len(agent.each) for agent in agents)
    if not total:
        raise InvalidArgument("'agents' makes no agent: every 'each' is empty")
    if total > max_agents:
        raise InvalidArgument(f"'agents' makes {total} agents in one call (limit {max_agents})")
    checked = msgspec.structs.replace(spec, agents=agents)
    groups = [agent.name for agent in agents if agent.each is not None]
    _refuse_repeated([*groups, *(seat.member.name for seat in seats(checked, "fleet-0-0-0"))])
    _refuse_unknown_and_cycles({agent.name: agent.depends_on for agent in agents})
    return checked


def check_agent(spec: AgentSpec, at: str = "") -> AgentSpec:
    """One agent's spec with its name filled in."""
    checks.text(f"{at}role", spec.role, max_chars=200, empty=False)
    checks.text(f"{at}prompt", spec.prompt, empty=False)
    name = spec.name or default_name(spec.role)
    checks.name(f"{at}name", name)
    checks.text(f"{at}brain", spec.brain, max_chars=200)
    for field in ("max_attempts", "max_interruptions"):
        checks.integer(f"{at}{field}", getattr(spec, field))
    checks.integer(f"{at}max_rejections", spec.max_rejections, at_least=0)
    _check_model_fields(spec, at)
    if spec.budget is not None:
        check_budget(f"{at}budget", spec.budget)
    _check_policy(f"{at}help_policy", spec.help_policy)
    for skill in spec.skills:
        checks.text(f"{at}skills", skill, max_chars=200, empty=False)
    check_mcp_servers(f"{at}mcp_servers", spec.mcp_servers)
    check_command(f"{at}command", spec.brain, spec.command)
    return _storable(at.rstrip(".") or "spec", msgspec.structs.replace(spec, name=name))


def _check_model_fields(spec: AgentSpec, at: str) -> None:
    checks.text(f"{at}model", spec.model, max_chars=200)
    for tool in spec.tools or ():
        checks.text(f"{at}tools", tool, max_chars=200, empty=False)
    for grant in spec.grants:
        if grant not in GRANTS and not (grant.startswith("run:") and grant[4:].strip()):
            raise InvalidArgument(
                f"'{at}grants' must be among {', '.join(GRANTS)} or run:PROGRAM, got {checks.shown(grant)}"
            )
    for policy in (spec.on_doubt or {}).values():
        checks.choice(f"{at}on_doubt", policy, DOUBT_POLICIES)
    if spec.effort:
        checks.choice(f"{at}effort", spec.effort, EFFORTS)
    for field in ("max_tokens", "compact_at_tokens"):
        if getattr(spec, field) is not None:
            checks.integer(f"{at}{field}", getattr(spec, field))


def _check_policy(at: str, policy: HelpPolicy | None) -> None:
    if policy is None:
        return
    every = policy.remind_after_s
    for interval in every if isinstance(every, tuple) else (every,):
        if interval is not None and checks.seconds(f"{at}.remind_after_s", interval) < 1:
            raise InvalidArgument(f"'{at}.remind_after_s' must be >= 1 second, got {interval}")
    for field, seconds in (("escalate_after_s", policy.escalate_after_s), ("expire_after_s", policy.expire_after_s)):
        if seconds is not None:
            checks.seconds(f"{at}.{field}", seconds)
    checks.text(f"{at}.escalate_to", policy.escalate_to, max_chars=200)
    if (policy.escalate_after_s is None) != (not policy.escalate_to.strip()):
        raise InvalidArgument(f"'{at}' needs both escalate_after_s and escalate_to, or none of them")


def with_policy_of(fleet: FleetSpec, agent: AgentSpec) -> AgentSpec:
    """The agent's spec with the fleet's `help_policy`, where it has none of its own."""
    if agent.help_policy is not None or fleet.help_policy is None:
        return agent
    return msgspec.structs.replace(agent, help_policy=fleet.help_policy)


def _storable(field: str, spec: AgentSpec) -> AgentSpec:
    try:
        msgspec.msgpack.encode(spec)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"'{field}' cannot be stored: {error}") from error
    return spec


def seats(spec: FleetSpec, fleet_id: str) -> list[Seat]:
    """The agents a checked spec stands for: one each, or one for each item of `each`."""
    found: list[Seat] = []
    for agent in spec.agents:
        if agent.each is None:
            found.append(seat_for(agent, agent.name, fleet_id))
        else:
            plain = msgspec.structs.replace(agent, each=None)
            found.extend(
                seat_for(plain, f"{agent.name}-{number}", fleet_id, item)
                for number, item in enumerate(agent.each, start=1)
            )
    return found


def seat_for(agent: AgentSpec, name: str, fleet_id: str, item: object = None) -> Seat:
    """The seat of the agent called `name`."""
    member = Member(name, agent_id_for(fleet_id, name), agent.role, agent.depends_on, agent.skills)
    return Seat(member, msgspec.structs.replace(agent, name=name), item)


def _refuse_repeated(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidArgument(f"'agents' names \"{name}\" twice; names are unique within a fleet")
        seen.add(name)


def _refuse_unknown_and_cycles(depends_on: Mapping[str, tuple[str, ...]]) -> None:
    for name, needed in depends_on.items():
        for other in needed:
            if other not in depends_on:
                known = ", ".join(sorted(depends_on)[:20])
                raise InvalidArgument(f'\'depends_on\' of "{name}" names "{other}"; known are: {known}')
    try:
        TopologicalSorter(depends_on).prepare()
    except CycleError as error:
        cycle: list[str] = error.args[1]
        raise InvalidArgument(f"'depends_on' is circular: {_shown_cycle(cycle)}") from error


def _shown_cycle(cycle: Sequence[str]) -> str:
    """The cycle as `who needs whom`, from its first name in the alphabet; cut after 20 names."""
    names = cycle[:0:-1]
    first = names.index(min(names))
    turned = [*names[first:], *names[:first], names[first]]
    return " -> ".join(turned if len(turned) <= 20 else [*turned[:20], "..."])
