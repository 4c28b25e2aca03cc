"""MCP clients whose token ends while they are connected: the next thing they ask is refused."""

from pathlib import Path

import pytest
from mcp import MCPError
from mcp.types import CallToolResult

from fleetlog.domain.values import AgentSpec, FleetSpec
from tests.servers.house import Era, House, run

MAILBOX = FleetSpec(agents=(AgentSpec(role="ann", prompt="wait"),), keep_open=True)


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
def test_a_stdio_client_is_refused_once_its_token_is_revoked(tmp_path: Path, era: Era) -> None:
    house = House(tmp_path / "d")
    fleet = house.runtime.spawn_fleet(MAILBOX)
    (ann,) = fleet.agent_ids
    token = house.runtime.issue_token("agent", agent_id=ann)

    async def worked() -> CallToolResult:
        async with house.client("stdio", era, token=token.token) as client:
            before = await client.call_tool("get_inbox", {"agent_id": ann})
            house.runtime.revoke_token(token.token_id, "lost")
            for ask in (
                lambda: client.call_tool("get_inbox", {"agent_id": ann}),
                lambda: client.call_tool("request_help", {"agent_id": ann, "fleet_id": fleet.fleet_id, "blocker": "x"}),
                lambda: client.read_resource(f"fleet://{fleet.fleet_id}"),
                lambda: client.list_tools(),
            ):
                with pytest.raises(MCPError, match=f"token {token.token_id} was revoked"):
                    await ask()
            return before

    try:
        before = run(worked())
        assert not before.is_error
        assert house.runtime.list_help().requests == ()
    finally:
        house.close()
