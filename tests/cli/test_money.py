"""Pauses, budgets and what was spent: what a person says, and what they are shown."""

from typing import Any

import pytest

from fleetlog.domain.budget import budget
from fleetlog.domain.values import AgentSpec, FleetSpec, Usage
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.testing import wait_until
from tests.cli.conftest import Fleetlog

CENT = 10_000_000


def pays(ctx: Context) -> dict[str, Any]:
    used = Usage(input_tokens=900, output_tokens=100, calls=1, cost_nusd=4 * CENT)
    for number in range(2):
        ctx.paid_step(f"ask {number}", Usage(calls=1, cost_nusd=10 * CENT), lambda: ("said", used))
    return {"report": "# Paid"}


@pytest.fixture
def paused(fleetlog: Fleetlog) -> str:
    """A fleet that has spent four cents of twelve, and is paused as the next call may cost ten."""
    spec = AgentSpec(role="ann", prompt="x", brain="tests.cli.test_money:pays")
    with Runtime.open(".fleetlog") as runtime:
        fleet_id = runtime.spawn_fleet(FleetSpec(agents=(spec,), budget=budget(usd="0.12"))).fleet_id
        wait_until(runtime, fleet_id, lambda status: status.fleet.status == "paused")
        wait_until(runtime, fleet_id, lambda _: runtime.spend(fleet_id).reserved == Usage())
    return fleet_id


def test_status_and_spend_show_what_was_spent_the_budget_and_why_it_is_paused(fleetlog: Fleetlog, paused: str) -> None:
    shown = fleetlog("status")
    assert "$0.04, 1,000 tokens, 1 call; budget: $0.12" in shown.out
    assert "paused: $0.04 are spent and the next call may use up to $0.10, of $0.12" in shown.out
    assert f"fleetlog resume {paused}" in shown.err
    spend = fleetlog("spend")
    assert f"{paused} has spent $0.04, 1,000 tokens, 1 call; budget: $0.12" in spend.out
    assert "ann" in spend.out
    as_json = fleetlog("spend", "--json").json
    assert as_json["spent"]["cost_nusd"] == 4 * CENT  # type: ignore[index]
    assert [(call["step_name"], call["state"]) for call in as_json["calls"]] == [  # type: ignore[attr-defined]
        ("ask 0", "completed")
    ]


def test_a_fleet_paused_by_its_budget_is_not_resumed_until_that_is_raised(fleetlog: Fleetlog, paused: str) -> None:
    refused = fleetlog("resume", paused)
    assert refused.code == 3
    assert "raise it, and the fleet goes on" in refused.err
    assert fleetlog("budget", paused, "--usd", "0.14").code == 0
    resumed = fleetlog("resume", paused)
    assert resumed.code == 0
    assert "# Paid" in fleetlog("results").out
    assert "has spent $0.08, 2,000 tokens, 2 calls; budget: $0.14" in fleetlog("spend", paused).out


def test_a_pause_stays_until_resume_names_the_fleet(fleetlog: Fleetlog, paused: str) -> None:
    assert f"Paused {paused}" in fleetlog("pause", paused, "--reason", "not tonight").out
    fleetlog("budget", paused, "--usd", "5")
    assert "paused: not tonight" in fleetlog("status").out
    assert fleetlog("fleets", "--status", "paused", "--json").json["fleets"][0]["id"] == paused  # type: ignore[index]
    assert fleetlog("resume", paused).code == 0
    assert "complete" in fleetlog("status").out


def test_one_agent_is_paused_and_resumed_by_its_id(fleetlog: Fleetlog, paused: str) -> None:
    agent = f"agent-{paused[6:]}-ann"
    assert f"Paused {agent}" in fleetlog("pause", agent, "--reason", "look first").out
    assert fleetlog("budget", paused, "--usd", "5").code == 0
    assert fleetlog("status", "--json").json["agents"][0]["pause_reason"] == "look first"  # type: ignore[index]
    assert fleetlog("resume", agent).code == 0
    assert "complete" in fleetlog("status").out


def test_limits_that_are_not_given_stay(fleetlog: Fleetlog, paused: str) -> None:
    agent = f"agent-{paused[6:]}-ann"
    for target in (paused, agent):
        assert fleetlog("budget", target, "--tokens", "5000", "--wall-s", "60.5").code == 0
        assert fleetlog("budget", target, "--turns", "9").code == 0
    found = fleetlog("status", "--json").json
    limits = {"tokens": 5_000, "turns": 9, "wall_s": 60.5}
    assert found["fleet"]["budget"] == {**limits, "cost_nusd": 12 * CENT}  # type: ignore[index]
    assert found["agents"][0]["budget"] == limits  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give at least one limit: --usd, --tokens, --turns or --wall-s"),
        (["--usd", "ten"], "'usd' must be an amount of dollars like 2.50"),
        (["--usd", "1e999999"], "'usd' must be an amount of dollars like 2.50"),
        (["--tokens", "-1"], "'budget.tokens' must be >= 0, got -1"),
        (["--wall-s", "nan"], "'budget.wall_s' must be a finite number, got nan"),
    ],
)
def test_a_budget_that_is_none_is_refused(fleetlog: Fleetlog, paused: str, arguments: list[str], words: str) -> None:
    said = fleetlog("budget", paused, *arguments)
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "Traceback" not in said.err


def test_who_is_not_there_is_neither_paused_nor_given_a_budget(fleetlog: Fleetlog, paused: str) -> None:
    nobody = f"agent-{paused[6:]}-nobody"
    for arguments in (["pause", nobody], ["resume", nobody], ["budget", nobody, "--usd", "1"]):
        said = fleetlog(*arguments)
        assert said.code == 3
        assert f"No such agent: {nobody}" in said.err
