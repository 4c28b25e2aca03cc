"""A brain staffs its fleet: it attaches agents, routes work, closes what is kept open; a cut step counts once."""

from typing import Any

import pytest

from fleetlog.domain.errors import StepFailed
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.run import RunStopped
from fleetlog.runtime.host import Runtime
from tests.runtime.conftest import OpenRuntime

FLEET = FleetSpec(agents=(AgentSpec(role="boss", prompt="staff it", brain="boss"),), keep_open=True)
FIELDS = {"database": "schema, sql", "browser": "javascript, layout"}


def specialist(field: str) -> AgentSpec:
    return AgentSpec(
        role="specialist", name=field, prompt="work", brain="hand", skills=tuple(FIELDS[field].split(", "))
    )


def hand(ctx: Context) -> str:
    question = ctx.receive(("question",))
    ctx.reply(question, f"{ctx.name} did: {question.payload}")
    return question.payload


def boss(ctx: Context) -> dict[str, Any]:
    names = [ctx.attach_agent(specialist(field)) for field in FIELDS]
    works = ["the javascript of the page", "a wrong sql schema"]
    matches = [ctx.route_work(work, 2)[0] for work in works]
    answers = [ctx.ask(match.name, work).payload for match, work in zip(matches, works, strict=True)]
    ctx.close_fleet("all is done")
    return {"names": names, "answers": answers, "why": matches[0].why}


def output_of_boss(runtime: Runtime, fleet_id: str) -> Any:
    found = runtime.collect_results(fleet_id, wait_s=20)
    (row,) = [result for result in found.results if result.role == "boss"]
    return row.output if row.status == "complete" else f"{row.status}: {row.error}"


def test_a_brain_attaches_agents_routes_work_to_them_and_closes_its_fleet(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime(brains={"boss": boss, "hand": hand})
    fleet = runtime.spawn_fleet(FLEET)
    said = output_of_boss(runtime, fleet.fleet_id)
    assert said["names"] == ["database", "browser"]
    assert said["answers"] == ["browser did: the javascript of the page", "database did: a wrong sql schema"]
    assert '"javascript" in its skills' in said["why"]
    assert runtime.collect_results(fleet.fleet_id, wait_s=20).status == "complete"
    attached = [entry for entry in runtime.timeline(fleet.fleet_id, limit=1_000) if "attached" in entry.what]
    assert len(attached) == 2


def test_an_attachment_that_is_cut_off_after_the_fleet_knows_makes_one_agent(
    open_runtime: OpenRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[str] = []
    attached = Context._attached

    def cut_off_once(self: Context, spec: AgentSpec, key: str) -> str:
        name = attached(self, spec, key)
        if name not in cut:
            cut.append(name)
            raise RunStopped("the process is gone before the step is recorded")
        return name

    monkeypatch.setattr(Context, "_attached", cut_off_once)
    runtime = open_runtime(brains={"boss": boss, "hand": hand})
    fleet = runtime.spawn_fleet(FLEET)
    assert output_of_boss(runtime, fleet.fleet_id)["names"] == ["database", "browser"] == cut
    assert [agent.name for agent in runtime.fleet_status(fleet.fleet_id).agents] == ["boss", "database", "browser"]


def test_what_the_fleet_refuses_is_a_failed_step(open_runtime: OpenRuntime) -> None:
    def refused(ctx: Context, spec: AgentSpec) -> str:
        with pytest.raises(StepFailed) as failed:
            ctx.attach_agent(spec)
        return str(failed.value)

    def asks(ctx: Context) -> list[str]:
        taken = refused(ctx, AgentSpec(role="boss", prompt="x", brain="hand"))
        unknown = refused(ctx, AgentSpec(role="x", prompt="x", brain="no_such_brain"))
        ctx.close_fleet()
        ctx.close_fleet("again")
        return [taken, unknown, refused(ctx, specialist("browser"))]

    runtime = open_runtime(brains={"boss": asks, "hand": hand})
    said = output_of_boss(runtime, runtime.spawn_fleet(FLEET).fleet_id)
    assert 'has an agent called "boss" already' in said[0]
    assert "no_such_brain" in said[1]
    assert "is closed: no agent can be attached any more" in said[2]


def test_work_that_nobody_fits_has_no_match_and_the_asker_is_none(open_runtime: OpenRuntime) -> None:
    def asks(ctx: Context) -> list[int]:
        found = [len(ctx.route_work(work)) for work in ("staff the boss", "zzz", "?!")]
        ctx.close_fleet()
        return found

    runtime = open_runtime(brains={"boss": asks})
    assert output_of_boss(runtime, runtime.spawn_fleet(FLEET).fleet_id) == [0, 0, 0]
