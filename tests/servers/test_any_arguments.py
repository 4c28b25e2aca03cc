"""Whatever a tool is called with, it answers: with what it did, or with a sentence and no event."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import inspect

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.access.principal import OWNER
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.rows import TimelineEntry
from fleetlog.runtime.servers.surface import Surface
from fleetlog.runtime.servers.tools.all import all_tools
from fleetlog.runtime.servers.tools.tool import Tool
from tests.servers.bad_calls import bare

TOOLS = all_tools(default_brain="", stream_url="http://127.0.0.1:1")
MAX_WAIT_MS = 5

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


class Place:
    """A runtime with a fleet of two mailboxes, and its tools."""

    def __init__(self, directory: Path) -> None:
        self.runtime = Runtime.open(directory, config=RuntimeConfig(stuck_after_s=None))
        self.surface = Surface(self.runtime, TOOLS)
        agents = tuple(AgentSpec(role=role, prompt="x", skills=("sql",)) for role in "ab")
        fleet = self.runtime.spawn_fleet(FleetSpec(agents=agents, keep_open=True))
        ann, bob = fleet.agent_ids
        sent = self.runtime.send_message(ann, bob, fleet.fleet_id, "question", "x")
        ticket = self.runtime.request_help(fleet.agent_ids[0], "help")
        self.ids = (fleet.fleet_id, *fleet.agent_ids, sent.message_id, ticket.help_id, "operator", "*")

    def call(self, tool: Tool, arguments: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        """(was it refused, the answer)."""
        if "wait_ms" in arguments and type(arguments["wait_ms"]) is int:
            arguments["wait_ms"] = min(arguments["wait_ms"], MAX_WAIT_MS)
        answer = asyncio.run(self.surface.answer(OWNER, tool.name, arguments))
        assert answer.text
        return answer.is_error, answer.structure

    def recorded_since(self, position: int) -> list[TimelineEntry]:
        """What callers have had recorded behind this position; what follows by itself from earlier calls does not
        count."""
        return [entry for entry in self.runtime.timeline(after=position, limit=10_000) if entry.by == OWNER.name]

    def close(self) -> None:
        self.surface.close()
        self.runtime.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path / "d")
    yield place
    place.close()


def values(kind: inspect.Type, ids: tuple[str, ...]) -> st.SearchStrategy[Any]:
    """Mostly of the type, sometimes anything."""
    return st.integers(0, 9).flatmap(lambda n: JSON if n == 0 else _of_type(bare(kind), ids))


def _of_type(kind: inspect.Type, ids: tuple[str, ...]) -> st.SearchStrategy[Any]:
    match kind:
        case inspect.StrType():
            return st.sampled_from(ids) | st.text(max_size=30)
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType() | inspect.FloatType():
            low = int(kind.ge) if kind.ge is not None else -5
            return st.integers(low, low + 50) | st.sampled_from([2**31, 2**63, 10**30, -1])
        case inspect.LiteralType():
            return st.sampled_from(kind.values)
        case inspect.VarTupleType():
            return st.lists(values(kind.item_type, ids), max_size=3)
        case inspect.DictType():
            return st.dictionaries(st.sampled_from(ids) | st.text(max_size=8), values(kind.value_type, ids), max_size=3)
        case inspect.StructType():
            return objects(kind, ids)
        case _:
            return JSON


def objects(info: inspect.StructType, ids: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    """Every required field, some of the others, sometimes one that is not known."""
    fields = {field.encode_name: values(field.type, ids) for field in info.fields}
    must = {field.encode_name for field in info.fields if field.required}
    return st.fixed_dictionaries(
        {name: strategy for name, strategy in fields.items() if name in must},
        optional={name: strategy for name, strategy in fields.items() if name not in must},
    )


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_any_arguments_are_answered_and_a_refusal_records_nothing(place: Place, tool: Tool) -> None:
    info = inspect.type_info(tool.arguments)
    assert isinstance(info, inspect.StructType)

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(objects(info, place.ids) | st.dictionaries(st.text(max_size=10), JSON, max_size=4))
    def check(arguments: dict[str, Any]) -> None:
        before = place.runtime.position
        was_refused, content = place.call(tool, arguments)
        assert "defect" not in str(content.get("error", "")), content
        if was_refused:
            assert list(content) == ["error"]
        if was_refused or tool.hints.reads:
            assert place.recorded_since(before) == [], content

    check()
