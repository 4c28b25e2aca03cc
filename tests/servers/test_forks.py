"""Forks and the past, through the tools."""

import json
import time
from typing import Any

from tests.servers.house import House, run, wait_for


def now_ms() -> int:
    """The present millisecond, when it is over."""
    now = time.time_ns() // 1_000_000
    wait_for(lambda: time.time_ns() // 1_000_000 > now, "the clock stands still")
    return now


def test_a_fleet_is_shown_as_it_was_and_forked_as_it_was(house: House) -> None:
    async def worked() -> None:
        async with house.client("http") as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                return dict(json.loads((await client.call_tool(tool, arguments)).content[0].text))  # type: ignore[union-attr]

            before = now_ms()
            agents = [{"role": "pair", "prompt": "work", "brain": "external"}]
            made = await call("spawn_fleet", agents=agents, name="one way")
            await call("attach_external", agent_id=made["agent_ids"][0], client="editor/1.0")
            then = now_ms()
            done = await call("submit_result", agent_id=made["agent_ids"][0], output="old")
            assert done["ok"], done
            results = await call("collect_results", fleet_id=made["fleet_id"], wait_ms=10_000)
            assert results["status"] == "complete", results

            past = await call("fleet_status", fleet_id=made["fleet_id"], at=then)
            assert (past["fleet"]["status"], past["agents"][0]["output"]) == ("running", None)
            present = await call("fleet_status", fleet_id=made["fleet_id"], at=now_ms())
            assert (present["fleet"]["status"], present["agents"][0]["output"]) == ("complete", "old")
            assert "not found" in (await call("fleet_status", fleet_id=made["fleet_id"], at=before))["error"]

            forked = await call("fork_fleet", fleet_id=made["fleet_id"], at=then, name="another way")
            assert forked["forked_from"] == made["fleet_id"]
            assert [fleet["name"] for fleet in (await call("list_fleets"))["fleets"]] == ["another way", "one way"]
            assert [fleet["name"] for fleet in (await call("list_fleets", at=then))["fleets"]] == ["one way"]
            (agent_id,) = forked["agent_ids"]
            lease = await call("attach_external", agent_id=agent_id, client="editor/2.0")
            assert "error" not in lease
            assert (await call("submit_result", agent_id=agent_id, output="new"))["ok"]
            results = await call("collect_results", fleet_id=forked["fleet_id"], wait_ms=10_000)
            assert results["results"][0]["output"] == "new"
            assert "is complete by then" in (await call("fork_fleet", fleet_id=made["fleet_id"]))["error"]

    run(worked())
