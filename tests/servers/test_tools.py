"""Every tool, through real clients: a good call, and every kind of bad one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from mcp.types import CallToolResult

from fleetlog.runtime.servers.tools.all import all_tools
from tests.servers.bad_calls import bad_calls
from tests.servers.house import Era, House, Way, run

TOOLS = {tool.name: tool for tool in all_tools(default_brain="", stream_url="http://127.0.0.1:1")}
WAYS: list[tuple[Way, Era]] = [("stdio", "legacy"), ("stdio", "2026-07-28"), ("http", "legacy"), ("http", "2026-07-28")]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One daemon for the calls that change nothing."""
    house = House(tmp_path_factory.mktemp("shared") / "d")
    yield house
    house.close()


def content_of(result: CallToolResult) -> dict[str, Any]:
    """The answer; the text and the structured content must say the same."""
    assert len(result.content) == 1
    text = result.content[0]
    assert text.type == "text"
    assert json.loads(text.text) == result.structured_content
    return dict(result.structured_content or {})


async def refusal_of(client: Client, tool: str, arguments: dict[str, Any]) -> str:
    result = await client.call_tool(tool, arguments)
    content = content_of(result)
    assert result.is_error, f"{tool} {arguments} was not refused: {content}"
    assert list(content) == ["error"]
    return str(content["error"])


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_every_tool_is_listed_with_a_schema_and_hints(shared: House, way: tuple[Way, Era]) -> None:
    async def listed() -> dict[str, Any]:
        async with shared.client(*way) as client:
            return {tool.name: tool for tool in (await client.list_tools()).tools}

    tools = run(listed())
    assert list(tools) == list(TOOLS)
    for tool in tools.values():
        assert tool.input_schema["type"] == "object"
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is TOOLS[tool.name].hints.reads


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_every_bad_argument_of_every_tool_is_refused_by_name_and_records_nothing(
    shared: House, way: tuple[Way, Era]
) -> None:
    before = shared.runtime.position

    async def call_all() -> None:
        async with shared.client(*way) as client:
            for tool in TOOLS.values():
                for arguments, expected in bad_calls(tool.arguments):
                    said = await refusal_of(client, tool.name, arguments)
                    assert said.startswith(f"{tool.name}: "), said
                    assert expected in said, (said, expected)

    run(call_all())
    assert shared.runtime.position == before


def test_the_golden_refusals(shared: House) -> None:
    """Worded as clients of the older servers know them."""
    golden: list[tuple[str, dict[str, Any], str]] = [
        ("spawn_fleet", {}, "'agents' is required and must be a non-empty ARRAY of objects, got undefined"),
        ("spawn_fleet", {"agents": []}, "'agents' must be a non-empty ARRAY of objects, got [] (array)"),
        (
            "spawn_fleet",
            {"agents": [{"role": "a", "prompt": ""}]},
            "'agents[0].prompt' is required and must be a non-empty string, got \"\" (string)",
        ),
        ("get_inbox", {"agent_id": 7}, "'agent_id' is required and must be a non-empty string, got 7"),
        (
            "spawn_fleet",
            {"agents": [{"role": "a", "prompt": "x"}], "keep_open": "x"},
            "'keep_open' must be a boolean, got \"x\" (string)",
        ),
        (
            "spawn_fleet",
            {"agents": [{"role": "a", "prompt": "x", "skills": "python"}]},
            "'agents[0].skills' must be an ARRAY of strings, got \"python\" (string)",
        ),
        ("set_fleet_timeout", {"fleet_id": "f", "timeout_ms": 1.5}, "'timeout_ms' must be an integer, got 1.5"),
        ("set_fleet_timeout", {"fleet_id": "f", "timeout_ms": 0}, "'timeout_ms' must be >= 1, got 0"),
        (
            "alert",
            {"fleet_id": "f", "severity": "bad", "text": "x"},
            "'severity' must be exactly one of critical | high | info | warning, got \"bad\" (string)",
        ),
        ("ping", {"pong": 1}, "unknown argument 'pong' (known: none)"),
        ("get_inbox", {"agent": "x"}, "unknown argument 'agent'; did you mean 'agent_id'?"),
        ("get_inbox", {"agent_id": "x", "since": "noon"}, "'since' must be epoch milliseconds, or a time such as"),
    ]

    async def call_all() -> None:
        async with shared.client("http") as client:
            for tool, arguments, expected in golden:
                assert (await refusal_of(client, tool, arguments)).startswith(f"{tool}: {expected}")
            unknown = "fleet-261123-000000-aaaaaa"
            unknowns: list[tuple[str, dict[str, Any], str]] = [
                ("fleet_status", {"fleet_id": unknown}, f"Fleet {unknown} not found"),
                ("collect_results", {"fleet_id": "x"}, "Fleet x not found"),
                ("fleet_statu", {}, "There is no tool 'fleet_statu'; did you mean 'fleet_status'?"),
            ]
            for tool, arguments, expected in unknowns:
                assert await refusal_of(client, tool, arguments) == expected

    run(call_all())


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_fleet_is_worked_through_the_tools_alone(tmp_path: Path, way: tuple[Way, Era]) -> None:
    house = House(tmp_path / "d")
    try:
        run(_work_a_fleet(house, way))
    finally:
        house.close()


async def _work_a_fleet(house: House, way: tuple[Way, Era]) -> None:
    async with house.client(*way) as client:

        async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(tool, arguments)
            content = content_of(result)
            assert not result.is_error, content
            return content

        assert (await ask("ping"))["status"] == "ok"
        agents = [{"role": "writer", "prompt": "write"}, {"role": "reader", "prompt": "read", "skills": ["reading"]}]
        spawned = await ask("spawn_fleet", agents=agents, name="two", keep_open=True, timeout_ms=600_000)
        fleet_id, (writer, reader) = spawned["fleet_id"], spawned["agent_ids"]

        status = await ask("fleet_status", fleet_id=fleet_id)
        assert status["fleet"]["id"] == fleet_id
        assert status["fleet"]["timeout_ms"] == 600_000
        assert [agent["id"] for agent in status["agents"]] == [writer, reader]
        assert {"prompt", "agent_file", "output", "error", "started_at", "retry_count"} <= status["agents"][0].keys()
        assert [fleet["id"] for fleet in (await ask("list_fleets", query="two"))["fleets"]] == [fleet_id]
        assert (await ask("list_agents", fleet_id=fleet_id))["count"] == 2
        assert (await ask("list_agents", query="security"))["count"] >= 1

        letter = {"from_agent_id": writer, "fleet_id": fleet_id, "type": "question"}
        sent = await ask("send_message", **letter, to_agent_id=reader, payload="hello")
        assert sent["recipients"] == [reader]
        assert sent["unread"] == 0
        many = [{**letter, "to_agent_id": "*", "payload": "all"}, {**letter, "to_agent_id": reader, "payload": "you"}]
        assert len((await ask("send_messages", messages=many))["results"]) == 2
        inbox = await ask("get_inbox", agent_id=reader)
        assert [message["payload"] for message in inbox["messages"]] == ["hello", "all", "you"]
        assert inbox["messages"][1]["recipients"] == 1
        assert inbox["unread"] == 3
        assert inbox["messages"][0]["id"] == sent["message_id"]
        acked = await ask("ack_message", agent_id=reader, message_id=sent["message_id"])
        assert acked == {"ok": True, "unread": 2}
        assert (await ask("ack_message", agent_id=reader, message_id="no-such"))["ok"] is False
        alerted = await ask("alert", fleet_id=fleet_id, severity="high", text="fire", skills=["reading"])
        assert alerted["recipients"] == [reader]
        assert "stream_url" in await ask("subscribe_inbox", agent_id=reader)
        assert fleet_id in (await ask("subscribe_events", fleet_id=fleet_id))["stream_url"]

        help_id = (await ask("request_help", agent_id=reader, fleet_id=fleet_id, blocker="stuck"))["help_id"]
        assert (await ask("list_help", status="open"))["requests"][0]["help_id"] == help_id
        assert (await ask("answer_help", help_id=help_id, answer="go on", by="ann"))["ok"]
        assert (await ask("list_help", status="open"))["count"] == 0
        assert (await ask("list_approvals"))["count"] == 0
        assert (await ask("list_doubts"))["count"] == 0

        registered = await ask("register_capability", agent_id=reader, fleet_id=fleet_id, role="judge", skills=["wine"])
        assert registered == {"ok": True, "agent_id": reader, "fleet_id": fleet_id, "unread": 4}
        outcome = {"agent_id": reader, "capability_key": "wine", "success": True}
        assert await ask("record_routing_outcome", **outcome) == {"ok": True, **outcome}
        (match,) = (await ask("route_work", description="choose a wine", top_n=2, fleet_id=fleet_id))["matches"]
        assert {"agent_id": reader, "role": "judge"}.items() <= match.items()
        assert match["score"] > 1
        assert '"wine" in its skills' in match["why"]
        assert (await ask("route_work", description="zebra"))["note"].startswith("No match")

        attached = await ask("attach_agent", fleet_id=fleet_id, role="third", prompt="late")
        assert attached["role"] == "third"
        assert (await ask("cancel_agent", agent_id=attached["agent_id"]))["agent"]["status"] == "cancelled"
        assert (await ask("set_fleet_timeout", fleet_id=fleet_id, timeout_ms=5_000))["timeout_ms"] == 5_000
        assert (await ask("pause_fleet", fleet_id=fleet_id, reason="lunch"))["fleet"]["status"] == "paused"
        assert (await ask("resume_fleet", fleet_id=fleet_id))["fleet"]["status"] == "running"
        assert (await ask("close_fleet", fleet_id=fleet_id))["ok"]
        results = await ask("collect_results", fleet_id=fleet_id, wait_ms=50)
        assert (results["total"], results["lost"], results["still_running"]) == (3, 1, 2)
        assert (await ask("cancel_fleet", fleet_id=fleet_id, reason="done"))["fleet"]["status"] == "cancelled"
        assert (await ask("collect_results", fleet_id=fleet_id, wait_ms=20_000))["is_final"]
        assert (await ask("archive_fleet", fleet_id=fleet_id))["fleet"]["archived"]
        entries = (await ask("timeline", fleet_id=fleet_id, limit=1_000))["entries"]
        assert {"fleet.spawned", "message.delivered", "fleet.cancelled"} <= {entry["what"] for entry in entries}
        assert (await ask("get_health"))["fleets"] == {"cancelled": 1}
        assert (await ask("verify_ledger"))["ok"]
        ended = f"Fleet {fleet_id} is cancelled, not running"
        assert await refusal_of(client, "send_message", {**letter, "to_agent_id": reader, "payload": "x"}) == ended
        assert await refusal_of(client, "attach_agent", {"fleet_id": fleet_id, "role": "x", "prompt": "x"}) == ended


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_templates_are_worked_through_the_tools_alone(house: House, way: tuple[Way, Era]) -> None:
    async def work() -> None:
        async with house.client(*way) as client:

            async def ask(tool: str, **arguments: Any) -> dict[str, Any]:
                result = await client.call_tool(tool, arguments)
                content = content_of(result)
                assert not result.is_error, content
                return content

            agents = [{"role": "reader", "prompt": "read ${topic} as {}", "budget": {"cost_usd": "0.25", "turns": 3}}]
            variables = [{"name": "topic", "description": "what"}]
            rest = {"description": "reads", "variables": variables, "timeout_ms": 5_000, "fleet_name": "on ${topic}"}
            saved = await ask("save_fleet_template", name="reading", agents=agents, **rest)
            assert saved == {"ok": True, "name": "reading", "version": 1}
            (listed,) = (await ask("list_fleet_templates", query="READ"))["templates"]
            assert (listed["name"], listed["version"], listed["agent_count"]) == ("reading", 1, 1)
            template = (await ask("get_fleet_template", name="reading", version=1))["template"]
            assert template["variables"] == [{"name": "topic", "description": "what", "default": None}]
            assert template["spec"] == {"agents": agents, "name": "on ${topic}", "timeout_ms": 5_000}
            only = await ask("spawn_from_template", name="reading", variables={"topic": "bees"})
            assert only["spec"]["agents"][0]["prompt"] == "read bees as {}"
            assert only["spec"]["agents"][0]["budget"] == {"cost_usd": "0.25", "turns": 3}
            assert "fleet_id" not in only
            again = await ask("spawn_fleet", **only["spec"])
            assert again["fleet_id"] != ""
            call = {"name": "reading", "variables": {"topic": "ants"}, "spawn": True, "goal": "know"}
            spawned = await ask("spawn_from_template", **call, idempotency_key="once")
            assert await ask("spawn_from_template", **call, idempotency_key="once") == spawned
            fleet = (await ask("fleet_status", fleet_id=spawned["fleet_id"]))["fleet"]
            assert (fleet["name"], fleet["goal"], fleet["timeout_ms"]) == ("on ants", "know", 5_000)
            said = await refusal_of(client, "spawn_from_template", {"name": "reading", "variables": {"topik": "x"}})
            assert "did you mean 'topic'?" in said
            assert (await ask("delete_fleet_template", name="reading"))["version"] == 1
            for tool in ("get_fleet_template", "delete_fleet_template", "spawn_from_template"):
                assert await refusal_of(client, tool, {"name": "reading"}) == 'Template "reading" not found'

    run(work())


def test_agents_may_join_those_of_a_template(house: House) -> None:
    async def spawned() -> tuple[dict[str, Any], str]:
        async with house.client("http") as client:
            agents = [{"role": "saved", "prompt": "x"}]
            await client.call_tool("save_fleet_template", {"name": "pair", "agents": agents})
            call = {"agents": [{"role": "given", "prompt": "x"}], "template": "pair", "name": "mine"}
            made = content_of(await client.call_tool("spawn_fleet", call))
            return made, await refusal_of(client, "spawn_fleet", {**call, "template": "none"})

    made, refused = run(spawned())
    assert [one.rpartition("-")[2] for one in made["agent_ids"]] == ["saved", "given"]
    assert house.runtime.fleet_status(made["fleet_id"]).fleet.name == "mine"
    assert refused == 'Template "none" not found'


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_call_repeated_with_its_key_is_made_once(house: House, way: tuple[Way, Era]) -> None:
    async def twice() -> tuple[CallToolResult, CallToolResult, CallToolResult]:
        async with house.client(*way) as client:
            call = {"agents": [{"role": "a", "prompt": "x"}], "idempotency_key": "once"}
            first, second = await client.call_tool("spawn_fleet", call), await client.call_tool("spawn_fleet", call)
            other = {"agents": [{"role": "b", "prompt": "x"}], "idempotency_key": "once"}
            return first, second, await client.call_tool("spawn_fleet", other)

    first, second, other = run(twice())
    assert content_of(first)["fleet_id"] == content_of(second)["fleet_id"]
    assert "'idempotency_key' \"once\" was used for another call" in content_of(other)["error"]
    assert len(house.runtime.list_fleets().fleets) == 1


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_a_long_wait_reports_progress_and_ends_when_there_is_something(house: House, way: tuple[Way, Era]) -> None:
    from fleetlog.domain.values import AgentSpec, FleetSpec

    fleet = house.runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="a", prompt="x"),)))
    reported: list[float] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        reported.append(progress)
        if len(reported) == 1:
            house.runtime.submit_result(fleet.agent_ids[0], {"found": 42})

    async def wait() -> CallToolResult:
        async with house.client(*way) as client:
            call = {"fleet_id": fleet.fleet_id, "wait_ms": 30_000}
            return await client.call_tool("collect_results", call, progress_callback=progress)

    results = content_of(run(wait()))
    assert results["results"][0]["output"] == {"found": 42}
    assert reported


@pytest.mark.parametrize("way", WAYS, ids="-".join)
def test_resources_and_prompts(house: House, way: tuple[Way, Era]) -> None:
    from fleetlog.domain.values import AgentSpec, FleetSpec

    fleet = house.runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="a", prompt="x"),), name="mine"))
    house.runtime.submit_result(fleet.agent_ids[0], {"report": "# Found\n\nnothing\n"})

    async def read_all() -> None:
        async with house.client(*way) as client:
            listed = (await client.list_resources()).resources
            assert [(str(one.uri), one.name) for one in listed] == [(f"fleet://{fleet.fleet_id}", "mine")]
            assert len((await client.list_resource_templates()).resource_templates) == 4

            async def read(uri: str) -> str:
                contents = (await client.read_resource(uri)).contents[0]
                return str(getattr(contents, "text", ""))

            assert json.loads(await read(f"fleet://{fleet.fleet_id}"))["fleet"]["name"] == "mine"
            assert await read(f"fleet://{fleet.fleet_id}/report") == "# Found\n\nnothing\n"
            assert json.loads(await read(f"fleet://{fleet.fleet_id}/timeline"))[0]["what"] == "fleet.spawned"
            assert json.loads(await read(f"agent://{fleet.agent_ids[0]}/inbox"))["messages"] == []
            prompts = (await client.list_prompts()).prompts
            assert [prompt.name for prompt in prompts] == ["explore", "review", "triage", "research", "migrate", "heal"]
            got = await client.get_prompt("research", {"question": "why is the sky blue?"})
            assert "why is the sky blue?" in str(got.messages[0].content)

    run(read_all())
