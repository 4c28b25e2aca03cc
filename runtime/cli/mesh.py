"""The commands that work with fleets from outside: spawn, attach, fork, send, ask, alert, tail."""

import json
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import AgentSpec, Budget, FleetSpec, agent_name_of, fleet_id_of
from fleetlog.runtime.cli.console import Screen, clock_time
from fleetlog.runtime.cli.options import Dir, FleetOrAll, Json, OneFleet, chosen_agent
from fleetlog.runtime.cli.visits import DEFAULT_DIR, changing, daemon_client, dir_option, reading
from fleetlog.runtime.places import place_of
from fleetlog.runtime.rows import TimelineEntry

if TYPE_CHECKING:
    from fleetlog.runtime.client import Client
    from fleetlog.runtime.host import Runtime

__all__ = ["alert", "ask", "attach", "fork", "send", "spawn", "spec_in", "tail"]

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="An agent's id, or its name in the fleet.")]
OfFleet = Annotated[str | None, typer.Option("--fleet", help="The fleet, if AGENT is a name. The newest if left out.")]
Brain = Annotated[
    str,
    typer.Option("--brain", metavar="BRAIN", envvar="FLEETLOG_BRAIN", help="claude, command, external, ..."),
]
Model = Annotated[str, typer.Option("--model", metavar="MODEL", help="The model of agents that name none.")]
Key = Annotated[str | None, typer.Option("--key", help="An idempotency key: repeated with it, it is done once.")]

TAIL_EVERY_S = 0.25
_STEP = re.compile(r"(send \w+ to operator|(?:send_message|reply) \S+|\S+) ")
"""What stands before the words in the timeline: the step that said them."""


def spawn(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A fleet's spec as TOML or JSON; - reads JSON.")],
    workspace: Annotated[str, typer.Option("--workspace", metavar="PATH", help="The folder its agents work in.")] = "",
    brain: Brain = "",
    model: Model = "",
    key: Key = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Spawn a fleet from a file. It runs in the directory's daemon, or with the next resume."""
    from fleetlog.runtime.configuration import load_settings

    spec = _filled(spec_in(file), workspace, brain, model, load_settings())
    with changing(directory, makes=True) as runtime:
        reply = runtime.spawn_fleet(spec, idempotency_key=key)
        runs = daemon_client(place_of(directory)) is not None
    screen = Screen(as_json=as_json)
    if as_json:
        screen.json(reply)
        return
    screen.line(reply.fleet_id)
    for agent_id in reply.agent_ids:
        screen.line(f"  {agent_id}")
    if not runs:
        screen.say(f"To run it: fleetlog resume {reply.fleet_id}{dir_option(directory)}", "magenta")


def spec_in(file: str) -> FleetSpec:
    """The spec in a file, with the names of the tool spawn_fleet, or those of `FleetSpec`."""
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        data: Any = tomllib.loads(text) if file.endswith(".toml") else json.loads(text)
    except (OSError, ValueError) as error:
        raise InvalidArgument(f"'FILE' {file} cannot be read: {error}") from error
    try:
        return msgspec.convert(data, FleetSpec, strict=False)
    except msgspec.ValidationError as error:
        raise InvalidArgument(f"'FILE' {file} is no fleet's spec: {error}") from error


def _filled(spec: FleetSpec, workspace: str, brain: str, model: str, settings: Any) -> FleetSpec:
    """What the spec leaves open, from the flags and the configuration."""
    agents = tuple(
        msgspec.structs.replace(
            agent,
            brain=agent.brain or brain,
            model=agent.model or model,
            grants=agent.grants or settings.permissions.grants,
        )
        for agent in spec.agents
    )
    budget = spec.budget or budget_of(settings)
    folder = spec.workspace or workspace
    return msgspec.structs.replace(
        spec, agents=agents, budget=budget, workspace=str(Path(folder).absolute()) if folder else ""
    )


def budget_of(settings: Any) -> Budget | None:
    """The budget that the configuration gives to fleets that name none."""
    found = settings.budget
    cost = None if found.cost_usd is None else round(float(found.cost_usd) * 1_000_000_000)
    budget = Budget(tokens=found.tokens, cost_nusd=cost, turns=found.turns, wall_s=found.wall_s)
    return None if budget == Budget() else budget


def attach(
    fleet: OneFleet,
    role: Annotated[str, typer.Argument(metavar="ROLE", help="What it is.")],
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="What it is to do.")],
    agent: Annotated[str, typer.Option("--agent", metavar="NAME", help="The definition it is made of.")] = "",
    brain: Brain = "",
    model: Model = "",
    key: Key = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Add an agent to a fleet that runs."""
    spec = AgentSpec(role=role, prompt=prompt, agent=agent, brain=brain, model=model)
    with changing(directory) as runtime:
        reply = runtime.attach_agent(runtime.resolve_fleet(fleet), spec, idempotency_key=key)
    screen = Screen(as_json=as_json)
    screen.json(reply) if as_json else screen.line(reply.agent_ids[0])


def fork(
    fleet: OneFleet,
    at: Annotated[
        str,
        typer.Option("--at", metavar="TIME", help="As it was then: epoch milliseconds, or ISO 8601 with an offset."),
    ] = "",
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What it is called; as FLEET is if left out.")
    ] = "",
    key: Key = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Make a new fleet that begins with what another has recorded, and goes on from there."""
    from fleetlog.runtime.servers.tools.tool import moment_ms  # here: loading takes time

    at_ms = moment_ms("fork", "--at", int(at) if at.isdecimal() else at) if at else None
    with changing(directory) as runtime:
        reply = runtime.fork_fleet(runtime.resolve_fleet(fleet), at_ms=at_ms, name=name, idempotency_key=key)
    screen = Screen(as_json=as_json)
    screen.json(reply) if as_json else screen.line(reply.fleet_id)


def send(
    agent: Annotated[str, typer.Argument(metavar="AGENT", help="An agent's id, its name, or * for all.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to say.")],
    kind: Annotated[str, typer.Option("--type", help="handoff, question, result, alert or request_help.")] = "handoff",
    sender: Annotated[str, typer.Option("--from", metavar="AGENT", help="On whose behalf.")] = "operator",
    fleet: OfFleet = None,
    key: Key = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Send a message to an agent, or to all of a fleet."""
    with reading(directory) as queries:
        to = agent if agent == "*" else chosen_agent(queries, agent, fleet)
        fleet_id = fleet_id_of(chosen_agent(queries, "x" if agent == "*" else agent, fleet))
        by = sender if sender == "operator" else chosen_agent(queries, sender, fleet_id)
    with changing(directory) as runtime:
        reply = runtime.send_message(by, to, fleet_id, kind, text, idempotency_key=key)  # type: ignore[arg-type]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.json(reply)
    else:
        screen.line(f"{reply.message_id} to {', '.join(map(agent_name_of, reply.recipients))}")


def ask(
    agent: Agent,
    question: Annotated[str, typer.Argument(metavar="QUESTION", help="What to ask.")],
    wait: Annotated[float, typer.Option("--wait", metavar="SECONDS", help="So long for an answer.")] = 300.0,
    fleet: OfFleet = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Ask an agent, and wait for its answer. The fleet must run: in a daemon."""
    with reading(directory) as queries:
        agent_id = chosen_agent(queries, agent, fleet)
    screen = Screen(as_json=as_json)
    with changing(directory) as runtime:
        fleet_id = fleet_id_of(agent_id)
        after = runtime.fleet_status(fleet_id).position
        runtime.send_message("operator", agent_id, fleet_id, "question", question)
        screen.say(f"Asked {agent_name_of(agent_id)}; waiting up to {wait:g} s.", "dim")
        answer = _answer(runtime, agent_id, after, time.monotonic() + wait)
    if answer is None:
        raise NotFound(
            f"{agent_name_of(agent_id)} has not answered within {wait:g} s; its answer will be in the timeline"
        )
    said = _STEP.sub("", answer.summary, count=1)
    screen.json({"answer": said, "position": answer.position}) if as_json else screen.line(said)


def _answer(runtime: "Runtime | Client", agent_id: str, after: int, deadline: float) -> TimelineEntry | None:
    """The first thing the agent tells the operator behind this position."""
    fleet_id = fleet_id_of(agent_id)
    while (left := deadline - time.monotonic()) > 0:
        entries = runtime.timeline(fleet_id, after=after, limit=1_000, wait_s=min(left, 5.0))
        for entry in entries:
            if entry.agent_id == agent_id and entry.what == "message.sent" and " " in entry.summary:
                return entry
        after = entries[-1].position if entries else after
    return None


def alert(
    fleet: OneFleet,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What is wrong.")],
    severity: Annotated[str, typer.Option("--severity", help="info, warning, high or critical.")] = "warning",
    skill: Annotated[list[str] | None, typer.Option("--skill", help="Only agents with this skill.")] = None,
    key: Key = None,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Alert a fleet's agents, or those whose skills match."""
    with changing(directory) as runtime:
        fleet_id = runtime.resolve_fleet(fleet)
        reply = runtime.alert(fleet_id, severity, text, skills=skill or (), idempotency_key=key)  # type: ignore[arg-type]
    screen = Screen(as_json=as_json)
    if as_json:
        screen.json(reply)
    else:
        screen.line(f"Alerted {', '.join(map(agent_name_of, reply.recipients))}.")


def tail(
    fleet: FleetOrAll = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events come, until Ctrl-C.")] = False,
    after: Annotated[int | None, typer.Option(help="Begin behind this log position.")] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Without --after: the last so many.")] = 20,
    directory: Dir = DEFAULT_DIR,
    as_json: Json = False,
) -> None:
    """Show the last events, one a line; with -f those that come. Each line begins with its position."""
    screen = Screen(as_json=as_json)
    with reading(directory) as queries:
        fleet_id = queries.resolve_fleet(fleet) if fleet else None
        if after is None:
            newest = queries.timeline(fleet_id, 0, 100_000)[-lines:] if lines > 0 else []
            after = newest[0].position - 1 if newest else queries.position()
        try:
            while True:
                entries = queries.timeline(fleet_id, after, 1_000)
                for entry in entries:
                    _print(screen, entry)
                after = entries[-1].position if entries else after
                if not entries and not follow:
                    return
                if not entries:
                    time.sleep(TAIL_EVERY_S)
        except KeyboardInterrupt:
            screen.say(f"To go on: fleetlog tail -f --after {after}{dir_option(directory)}", "magenta")
            raise typer.Exit(130) from None


def _print(screen: Screen, entry: TimelineEntry) -> None:
    if screen.as_json:
        screen.json_line(entry)
        return
    who = agent_name_of(entry.agent_id) or entry.fleet_id
    screen.line(f"{entry.position:>8} {clock_time(entry.at)} {who:<16} {entry.what:<22} {entry.summary}".rstrip())
