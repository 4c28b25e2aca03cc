"""An external agent worked by a client of its own, and an agent that is a program, through the tools."""

import json
import sys
from pathlib import Path
from typing import Any

from fleetlog.domain.command_spec import CommandSpec
from tests.servers.house import House, run


def test_an_external_agent_is_attached_to_renewed_and_finished(tmp_path: Path) -> None:
    house = House(tmp_path / "d")

    async def worked() -> list[dict[str, Any]]:
        async with house.client("http") as client:

            async def call(tool: str, **arguments: Any) -> dict[str, Any]:
                return json.loads((await client.call_tool(tool, arguments)).content[0].text)  # type: ignore

            made = await call("spawn_fleet", agents=[{"role": "pair", "prompt": "work", "brain": "external"}])
            (agent_id,) = made["agent_ids"]
            lease = await call("attach_external", agent_id=agent_id, client="editor/1.0", ttl_ms=30_000)
            renewed = await call("renew_lease", agent_id=agent_id, lease_id=lease["lease_id"])
            newer = await call("attach_external", agent_id=agent_id, client="editor/1.1")
            lost = await call("renew_lease", agent_id=agent_id, lease_id=lease["lease_id"])
            status = await call("fleet_status", fleet_id=made["fleet_id"])
            left = await call("release_lease", agent_id=agent_id, lease_id=newer["lease_id"])
            done = await call("submit_result", agent_id=agent_id, output={"said": "done"})
            results = await call("collect_results", fleet_id=made["fleet_id"], wait_ms=10_000)
            return [lease, renewed, lost, status, left, done, results]

    try:
        lease, renewed, lost, status, left, done, results = run(worked())
    finally:
        house.close()
    assert (lease["client"], lease["ttl_ms"]) == ("editor/1.0", 30_000)
    assert (renewed["lease"]["client"], renewed["lease"]["alive"]) == ("editor/1.0", True)
    assert lost["error"].startswith("lease_lost: ")
    assert status["agents"][0]["lease"]["client"] == "editor/1.1"
    assert left["ok"]
    assert done["ok"]
    assert results["results"][0]["output"] == {"said": "done"}


def test_an_agent_that_is_a_program_is_spawned(tmp_path: Path) -> None:
    house = House(tmp_path / "d")
    command = {"argv": [sys.executable, "-c", "print('{\"sheep\": 3}')"], "output": "json", "timeout_ms": 20_000}

    async def worked() -> dict[str, Any]:
        async with house.client("http") as client:
            agents = [{"role": "counter", "prompt": "count", "brain": "command", "command": command}]
            made = (await client.call_tool("spawn_fleet", {"agents": agents})).structured_content
            assert made is not None
            found = await client.call_tool("collect_results", {"fleet_id": made["fleet_id"], "wait_ms": 20_000})
            return dict(found.structured_content or {})

    try:
        results = run(worked())
    finally:
        house.close()
    assert results["results"][0]["output"] == {"sheep": 3}


def test_the_tools_defaults_are_the_specs() -> None:
    from fleetlog.runtime.servers.tools.specs import AgentArguments, CommandArguments, agent_spec

    given = AgentArguments(role="a", prompt="x", brain="command", command=CommandArguments(argv=("a",)))
    assert agent_spec("spawn_fleet", given, "").command == CommandSpec(argv=("a",))
