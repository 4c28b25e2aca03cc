"""What a program adds of its own: read models that are fed like ours, and whose faults stay theirs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, StoreFault
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.projections.projection import Handler, Recorded, Rows
from fleetlog.runtime import codec
from fleetlog.runtime.extensions import Extensions
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.tools.tool import Tool, ToolOutput

OpenRuntime = Callable[..., Runtime]


class Prices:
    """What was priced, by agent: of the steps called `priced`."""

    name = "prices"
    version = 1
    tables: Sequence[str] = ("prices",)
    schema: Sequence[str] = ("CREATE TABLE prices (agent_id TEXT, cents INTEGER)",)

    def __init__(self) -> None:
        self.handlers: Mapping[type, Handler] = {e.StepCompleted: self._priced}

    def _priced(self, recorded: Recorded, rows: Rows) -> None:
        if recorded.event.name == "priced":
            value: Any = codec.unpack(recorded.event.value)
            rows.add("INSERT INTO prices VALUES (?,?)", recorded.stream_id, value["cents"])


class Broken(Prices):
    def _priced(self, recorded: Recorded, rows: Rows) -> None:
        raise RuntimeError("a bug of the program's")


def shop(ctx: Any) -> str:
    ctx.step("priced", "pure", lambda: {"cents": 250})
    ctx.step("priced", "pure", lambda: {"cents": 120})
    return "done"


def sold(runtime: Runtime) -> str:
    fleet = runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="shop", prompt="sell", brain="shop"),)))
    assert runtime.collect_results(fleet.fleet_id, wait_s=20).status == "complete"
    return fleet.agent_ids[0]


SUM = "SELECT agent_id, sum(cents) AS cents FROM prices GROUP BY agent_id"


def test_a_read_model_of_the_programs_own_is_fed_from_the_log_also_from_its_past(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"shop": shop})
    before = sold(runtime)
    runtime.close()
    runtime = open_runtime(brains={"shop": shop}, extensions=Extensions(projections=(Prices(),)))
    assert runtime.query_view("prices", SUM) == [{"agent_id": before, "cents": 370}]
    after = sold(runtime)
    assert runtime.query_view("prices", SUM + " HAVING agent_id=?", after) == [{"agent_id": after, "cents": 370}]


def test_a_read_model_that_fails_is_missed_by_nobody_else(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"shop": shop}, extensions=Extensions(projections=(Broken(),)))
    agent_id = sold(runtime)
    assert runtime.fleet_status(runtime.list_fleets().fleets[0].id).agents[0].id == agent_id
    with pytest.raises(StoreFault, match="projection prices failed: RuntimeError: a bug of the program's at position"):
        runtime.query_view("prices", SUM)


def test_a_view_is_only_read(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"shop": shop}, extensions=Extensions(projections=(Prices(),)))
    with pytest.raises(StoreFault, match="readonly"):
        runtime.query_view("prices", "DELETE FROM fleets")
    with pytest.raises(StoreFault, match="no such column"):
        runtime.query_view("prices", "SELECT missing FROM prices")


def tool(name: str) -> Tool:
    return Tool(name, "d", {"type": "object", "additionalProperties": False}, "pure", lambda run, given: ToolOutput(""))


class Taken(Prices):
    name = "other"
    tables: Sequence[str] = ("fleets",)


@pytest.mark.parametrize(
    ("extensions", "said"),
    [
        (Extensions(tools=(tool("ask_peer"),)), "two tools called 'ask_peer'"),
        (Extensions(tools=(tool("mine"), tool("mine"))), "two tools called 'mine'"),
        (Extensions(tools=(tool("my tool"),)), 'got "my tool"'),
        (Extensions(projections=(Prices(), Prices())), "two projections called 'prices'"),
        (Extensions(projections=(Taken(),)), "two tables called 'fleets'"),
    ],
)
def test_names_that_are_taken_are_refused_before_anything_is_opened(
    open_runtime: OpenRuntime, extensions: Extensions, said: str
) -> None:
    with pytest.raises(InvalidArgument, match=said):
        open_runtime(extensions=extensions)
