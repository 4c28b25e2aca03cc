"""What a template's spec is shown as can be given to `spawn_fleet` again, and means the same."""

import msgspec

from fleetlog.domain.values import AgentSpec, Budget, CommandSpec, FleetSpec
from fleetlog.runtime.servers.tools.checking import checked
from fleetlog.runtime.servers.tools.fleets import SpawnFleet
from fleetlog.runtime.servers.tools.specs import agent_spec, budget, shown_fleet_spec
from fleetlog.runtime.servers.tools.tool import seconds

SPEC = FleetSpec(
    agents=(
        AgentSpec(role="a", prompt="x", name="a", skills=("s",), budget=Budget(cost_nusd=1_250_000_001, wall_s=1.5)),
        AgentSpec(
            role="b",
            prompt="y",
            brain="command",
            depends_on=("a",),
            command=CommandSpec(argv=("program",), timeout_s=2.5, idle_timeout_s=1.0),
        ),
    ),
    name="n",
    timeout_s=60.0,
    budget=Budget(tokens=5, turns=2),
)


def test_a_shown_spec_means_the_same_when_it_is_spawned() -> None:
    shown = shown_fleet_spec(SPEC)
    assert shown["agents"][0]["budget"] == {"cost_usd": "1.250000001", "wall_ms": 1_500}
    given = checked("spawn_fleet", msgspec.json.decode(msgspec.json.encode(shown)), SpawnFleet)
    agents = tuple(agent_spec("spawn_fleet", agent, "") for agent in given.agents)
    assert agents == SPEC.agents
    assert (given.name, seconds(given.timeout_ms), budget("spawn_fleet", given.budget)) == ("n", 60.0, SPEC.budget)
