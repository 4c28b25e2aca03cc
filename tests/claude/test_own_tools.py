"""A tool that the embedding program brings is offered to the agents that name it, and called as a step."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.extensions import Extensions
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun
from tests.claude.conftest import agent
from tests.fakes.messages_api.replies import Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.server import FakeMessagesApi

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"sku": {"type": "string"}},
    "required": ["sku"],
    "additionalProperties": False,
}


class Stock:
    """The program's: how often it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def level(self, run: ToolRun, arguments: Mapping[str, Any]) -> ToolOutput:
        with self._lock:
            self.asked.append(arguments["sku"])
        if arguments["sku"] == "gone":
            raise ToolError("there is no such article: list them with list_peers")
        return ToolOutput("17 on stock")

    @property
    def tool(self) -> Tool:
        return Tool("stock_level", "How many of an article are on stock.", SCHEMA, "pure", self.level)


def ask(request: ParsedRequest) -> Reply:
    if request.turn == 0:
        return reply(tool_use("stock_level", sku="A-1"), tool_use("stock_level", sku="gone"))
    said = str(request.messages[-1])
    assert "17 on stock" in said
    assert "no such article" in said
    return reply(tool_use("submit_result", result="there are 17"))


def refrain(request: ParsedRequest) -> Reply:
    assert "stock_level" not in request.tools
    return reply(tool_use("submit_result", result="nothing to ask with"))


def test_an_own_tool_is_called_once_by_the_agent_that_names_it(tmp_path: Path) -> None:
    stock = Stock()
    with FakeMessagesApi({"buyer": ask, "other": refrain}) as api:
        claude = ClaudeSettings(api_key=api.api_key, base_url=api.url, idle_timeout_s=2.0)
        with Runtime.open(
            tmp_path, config=RuntimeConfig(claude=claude), extensions=Extensions(tools=(stock.tool,))
        ) as runtime:
            fleet = runtime.spawn_fleet(
                FleetSpec(
                    agents=(
                        agent("buyer", "How many?", tools=("stock_level",)),
                        agent("other", "Nothing."),
                    )
                )
            )
            results = runtime.collect_results(fleet.fleet_id, wait_s=30)
    assert {row.name: row.output for row in results.results} == {
        "buyer": "there are 17",
        "other": "nothing to ask with",
    }
    assert stock.asked == ["A-1", "gone"]
