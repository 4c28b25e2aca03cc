"""Templates through the facade: saved, filled, spawned, repeated with a key, over restarts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec, TemplateVariable
from fleetlog.runtime.aio import AsyncRuntime
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.scenarios.templates import bundled_templates
from fleetlog.runtime.template_queries import BUNDLED_VERSION, TemplateSummary
from fleetlog.runtime.templates import SpecOverrides
from tests.runtime.conftest import leave_the_memory

OpenRuntime = Callable[..., Runtime]
TOPIC = TemplateVariable("topic", "what to look into")
DEPTH = TemplateVariable("depth", default="shallow")


def reading(prompt: str = 'Read on ${topic}, ${depth}. Answer as {"found": []}.', **more: Any) -> FleetSpec:
    reader = AgentSpec(role="reader of ${topic}", prompt=prompt, name="reader")
    writer = AgentSpec(role="writer", prompt="Write.", depends_on=("reader",))
    return FleetSpec(agents=(reader, writer), goal="know ${topic}", **more)


def saved(runtime: Runtime) -> list[TemplateSummary]:
    return [one for one in runtime.list_fleet_templates().templates if one.version != BUNDLED_VERSION]


def test_a_template_is_saved_listed_and_read_in_every_version(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    first = runtime.save_fleet_template("reading", reading(), description="reads", variables=(TOPIC, DEPTH))
    assert (first.name, first.version) == ("reading", 1)
    assert runtime.save_fleet_template("reading", FleetSpec(agents=(AgentSpec(role="a", prompt="b"),))).version == 2
    runtime.save_fleet_template("other", reading("x"), variables=(TOPIC,))
    listed = saved(runtime)
    assert [(one.name, one.version, one.agent_count) for one in listed] == [("other", 1, 2), ("reading", 2, 1)]
    assert [one.name for one in runtime.list_fleet_templates("OTH").templates] == ["other"]
    old = runtime.get_fleet_template("reading", 1)
    assert (old.version, old.latest, old.description, old.spec) == (1, 2, "reads", reading())
    assert old.variables == (TOPIC, DEPTH)
    assert runtime.get_fleet_template("reading").version == 2


def test_a_deleted_template_is_not_found_until_it_is_saved_anew(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    assert runtime.delete_fleet_template("job", reason="old").version == 1
    for ask in (
        lambda: runtime.get_fleet_template("job"),
        lambda: runtime.get_fleet_template("job", 1),
        lambda: runtime.spawn_from_template("job", {"topic": "x"}, spawn=True),
        lambda: runtime.delete_fleet_template("job"),
        lambda: runtime.get_fleet_template("never"),
    ):
        with pytest.raises(NotFound, match=r'^Template "\w+" not found$'):
            ask()
    assert not saved(runtime)
    assert runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH)).version == 2
    assert runtime.get_fleet_template("job", 1).version == 1
    with pytest.raises(NotFound, match=r'^Template "job" has no version 3 \(the last one is 2\)$'):
        runtime.get_fleet_template("job", 3)


def test_a_template_gives_a_spec_and_records_nothing_unless_it_is_to_spawn(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    before = runtime.verify_ledger().events
    made = runtime.spawn_from_template("job", {"topic": "bees"}, overrides=SpecOverrides(name="b", keep_open=True))
    assert (made.version, made.fleet_id, made.agent_ids) == (1, "", ())
    assert (made.spec.name, made.spec.goal, made.spec.keep_open) == ("b", "know bees", True)
    assert [agent.name for agent in made.spec.agents] == ["reader", "writer"]
    assert made.spec.agents[0].prompt == 'Read on bees, shallow. Answer as {"found": []}.'
    assert runtime.verify_ledger().events == before


def test_one_call_fills_a_template_and_spawns_the_fleet(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    made = runtime.spawn_from_template("job", {"topic": "bees"}, spawn=True, overrides=SpecOverrides(name="b"))
    status = runtime.fleet_status(made.fleet_id)
    assert (status.fleet.name, status.fleet.goal) == ("b", "know bees")
    assert [agent.id for agent in status.agents] == list(made.agent_ids)
    assert status.agents[0].role == "reader of bees"


def test_a_spawn_that_is_repeated_with_its_key_gives_the_first_fleet_whatever_became_of_the_template(
    open_runtime: OpenRuntime,
) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH), idempotency_key="s")
    assert runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH), idempotency_key="s").version == 1
    first = runtime.spawn_from_template("job", {"topic": "bees"}, spawn=True, idempotency_key="k")
    runtime.save_fleet_template("job", reading("${topic}"), variables=(TOPIC,))
    repeated = runtime.spawn_from_template("job", {"topic": "bees"}, spawn=True, idempotency_key="k")
    assert replace(repeated, position=first.position) == first
    runtime.delete_fleet_template("job", idempotency_key="d")
    assert runtime.delete_fleet_template("job", idempotency_key="d").version == 2
    runtime.close()
    again = open_runtime()
    repeated = again.spawn_from_template("job", {"topic": "bees"}, spawn=True, idempotency_key="k")
    assert replace(repeated, position=first.position) == first
    assert len(again.list_fleets().fleets) == 1
    with pytest.raises(NotAllowed, match="was used for another call"):
        again.spawn_from_template("job", {"topic": "ants"}, spawn=True, idempotency_key="k")


def test_an_older_version_can_be_spawned(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    runtime.save_fleet_template("job", FleetSpec(agents=(AgentSpec(role="a", prompt="b"),)))
    assert len(runtime.spawn_from_template("job", {"topic": "x"}, version=1, spawn=True).agent_ids) == 2
    assert len(runtime.spawn_from_template("job", spawn=True).agent_ids) == 1


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({}, r"'variables' lacks topic \(what to look into\)"),
        ({"topic": "x", "dept": "y"}, r"names \"dept\", which the template does not have; did you mean 'depth'\?"),
        ({"topic": 5}, r"'variables\.topic' must be a string, got 5"),
        (["topic"], r"'variables' must map names to texts"),
        ({"topic": "x" * 300}, r"'agents\[0\]\.role' has 310 characters"),
    ],
)
def test_values_that_do_not_fit_are_refused_and_nothing_is_recorded(
    open_runtime: OpenRuntime, variables: Any, said: str
) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    before = runtime.verify_ledger().events
    for spawn in (False, True):
        with pytest.raises(InvalidArgument, match=said):
            runtime.spawn_from_template("job", variables, spawn=spawn, idempotency_key="k" if spawn else None)
    assert runtime.verify_ledger().events == before
    assert runtime.spawn_from_template("job", {"topic": "x"}, spawn=True, idempotency_key="k").version == 1


def test_what_cannot_run_here_is_refused_when_it_is_spawned(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    spec = FleetSpec(agents=(AgentSpec(role="a", prompt="b", brain="not-known-here"),))
    runtime.save_fleet_template("job", spec)
    assert runtime.spawn_from_template("job").spec.agents[0].brain == "not-known-here"
    with pytest.raises(InvalidArgument, match="not-known-here"):
        runtime.spawn_from_template("job", spawn=True)


def test_a_template_that_has_left_the_memory_goes_on_counting(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock)
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    leave_the_memory(runtime, clock)
    assert runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH)).version == 2


def test_the_timeline_tells_of_templates_outside_any_fleet(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    runtime.save_fleet_template("job", reading(), variables=(TOPIC, DEPTH))
    runtime.delete_fleet_template("job", reason="old")
    told = [(entry.what, entry.fleet_id, entry.summary) for entry in runtime.timeline()]
    assert told == [("template.saved", "", "version 1: 2 agents"), ("template.deleted", "", "old")]


def test_the_awaitable_twin_has_the_same_methods() -> None:
    names = ("save", "list", "get", "delete")
    wanted = {f"{name}_fleet_template" + ("s" if name == "list" else "") for name in names}
    wanted |= {"spawn_from_template", "register_capability", "route_work", "record_routing_outcome"}
    assert wanted <= set(dir(AsyncRuntime)) & set(dir(Runtime))


@pytest.mark.parametrize("name", sorted(bundled_templates()))
def test_every_template_that_comes_along_makes_a_fleet(open_runtime: OpenRuntime, name: str, tmp_path: Path) -> None:
    runtime = open_runtime()
    template = runtime.get_fleet_template(name)
    values = {one.name: str(tmp_path) for one in template.variables if one.default is None}
    made = runtime.spawn_from_template(name, values)
    assert (made.version, len(made.spec.agents)) == (BUNDLED_VERSION, len(template.spec.agents))
    assert name in [one.name for one in runtime.list_fleet_templates(name).templates]


def test_a_template_that_comes_along_runs_and_one_of_ones_own_takes_its_place(
    open_runtime: OpenRuntime, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("def run(x):\n    return x + 1\n")
    runtime = open_runtime()
    order = {"workspace": str(tmp_path)}
    first = runtime.spawn_from_template("explore", order, spawn=True, idempotency_key="k")
    results = runtime.collect_results(first.fleet_id, wait_s=60)
    assert results.status == "complete"
    assert runtime.save_fleet_template("explore", FleetSpec(agents=(AgentSpec(role="a", prompt="b"),))).version == 1
    assert len(runtime.get_fleet_template("explore").spec.agents) == 1
    assert len(runtime.get_fleet_template("explore", BUNDLED_VERSION).spec.agents) == 3
    again = runtime.spawn_from_template("explore", order, spawn=True, idempotency_key="k")
    assert (again.fleet_id, again.version) == (first.fleet_id, BUNDLED_VERSION)
    runtime.delete_fleet_template("explore")
    assert runtime.get_fleet_template("explore").version == BUNDLED_VERSION
    with pytest.raises(NotFound, match=r'^Template "explore" not found$'):
        runtime.delete_fleet_template("explore")
