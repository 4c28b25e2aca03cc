"""Councils of brains: one opens, others vote, all hear how it ended; a step that was cut off counts once."""

import json
from typing import Any

import pytest

from fleetlog.domain.errors import StepFailed
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.context import Context
from fleetlog.runtime.brains.run import RunStopped
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SpawnReply
from tests.runtime.conftest import OpenRuntime

COUNCIL = FleetSpec(agents=tuple(AgentSpec(role=name, prompt="vote", brain=name) for name in ("chair", "ann", "bob")))


def chair(ctx: Context) -> dict[str, Any]:
    council_id = ctx.open_ratification("ship it?", 2, payload="the diff", voters=("ann", "bob"))
    outcome = ctx.receive(("result",), correlation_id=council_id)
    return {"id": council_id, "from": outcome.sender, "status": json.loads(outcome.payload)["status"]}


def yes(ctx: Context) -> str:
    return ctx.cast_vote(ctx.receive(("question",), sender="chair").id, True, "fine")


def no(ctx: Context) -> str:
    return ctx.cast_vote(ctx.receive(("question",), sender="chair").id, False, "not yet")


def outputs(runtime: Runtime, fleet: SpawnReply) -> dict[str, Any]:
    found = runtime.collect_results(fleet.fleet_id, wait_s=20)
    return {result.name: result.output if result.status == "complete" else result.error for result in found.results}


@pytest.mark.parametrize(("bob", "status"), [(yes, "ratified"), (no, "rejected")])
def test_a_brain_opens_a_council_and_hears_how_it_ended(open_runtime: OpenRuntime, bob: Any, status: str) -> None:
    runtime = open_runtime(brains={"chair": chair, "ann": yes, "bob": bob})
    fleet = runtime.spawn_fleet(COUNCIL)
    said = outputs(runtime, fleet)["chair"]
    assert said == {"id": said["id"], "from": "operator", "status": status}
    found = runtime.ratification(said["id"])
    assert (found.subject, found.payload, found.status) == ("ship it?", "the diff", status)
    assert {vote.agent_id: vote.note for vote in found.votes}.items() <= {
        fleet.agent_ids[1]: "fine",
        fleet.agent_ids[2]: "fine" if bob is yes else "not yet",
    }.items()


def test_a_step_that_is_cut_off_after_the_council_knows_is_made_again_and_counts_once(
    open_runtime: OpenRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: set[str] = set()
    tell = Context._tell_council

    def cut_off_once(self: Context, council_id: str, command: Any) -> Any:
        tally = tell(self, council_id, command)
        if self.name not in cut:
            cut.add(self.name)
            raise RunStopped("the process is gone before the step is recorded")
        return tally

    monkeypatch.setattr(Context, "_tell_council", cut_off_once)
    brains = {"chair": chair, "ann": yes, "bob": yes}
    runtime = open_runtime(brains=brains)
    fleet = runtime.spawn_fleet(COUNCIL)
    said = outputs(runtime, fleet)
    assert cut == {"chair", "ann", "bob"}
    assert said["chair"]["status"] == "ratified"
    assert sorted(said[name] for name in ("ann", "bob"))[-1] == "ratified"
    assert len(runtime.ratification(said["chair"]["id"]).votes) == 2


def test_what_a_council_refuses_is_a_failed_step(open_runtime: OpenRuntime) -> None:
    def refused(ctx: Context, *arguments: Any, **options: Any) -> str:
        with pytest.raises(StepFailed) as failed:
            ctx.open_ratification(*arguments, **options)
        return str(failed.value)

    def asks(ctx: Context) -> list[str]:
        return [refused(ctx, "x", 3), refused(ctx, "x", 1, voters=("dan",)), refused(ctx, "x", 1, payload="x" * 65_536)]

    def votes(ctx: Context) -> str:
        with pytest.raises(StepFailed) as failed:
            ctx.cast_vote("message-1", True)
        return str(failed.value)

    runtime = open_runtime(brains={"chair": asks, "ann": votes, "bob": votes})
    said = outputs(runtime, runtime.spawn_fleet(COUNCIL))
    assert "'quorum' is 3, but all voters together have a weight of 2" in said["chair"][0]
    assert "No such agent in fleet" in said["chair"][1]
    assert "Payload too large" in said["chair"][2]
    assert "No such ratification: message-1" in said["ann"]


def test_a_vote_that_comes_too_late_is_refused_and_recorded_as_that(open_runtime: OpenRuntime) -> None:
    def late(ctx: Context) -> str:
        council_id = ctx.receive(("question",), sender="chair").id
        ctx.receive(("result",), correlation_id=council_id)
        with pytest.raises(StepFailed) as failed:
            ctx.cast_vote(council_id, True)
        return str(failed.value)

    runtime = open_runtime(brains={"chair": chair, "ann": no, "bob": late})
    said = outputs(runtime, runtime.spawn_fleet(COUNCIL))
    assert "is rejected: no vote counts any more" in said["bob"]
