"""Councils and receipts through the facade: proposals arrive, deadlines hold over restarts, nothing is said twice."""

import json

import pytest

from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import SpawnReply
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

TRIO = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="vote") for role in ("ann", "bob", "cid")), keep_open=True)


def messages(runtime: Runtime, agent_id: str) -> list[tuple[str, str, str]]:
    """(id, type, what it says) of an inbox."""
    return [(one.id, one.type, json.loads(one.payload)["text"]) for one in runtime.inbox(agent_id).messages]


def until_told(runtime: Runtime, fleet: SpawnReply, agent_id: str, count: int) -> list[tuple[str, str, str]]:
    wait_until(runtime, fleet.fleet_id, lambda _: len(runtime.inbox(agent_id).messages) >= count)
    return messages(runtime, agent_id)


def test_a_proposal_goes_to_all_voters_and_the_outcome_to_everybody(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(TRIO)
    ann, bob, cid = fleet.agent_ids
    opened = runtime.open_ratification(ann, fleet.fleet_id, "ship it?", 2, payload="the diff")
    asked = (opened.message_id, "question", f"Vote on: ship it? (cast_vote, message_id {opened.message_id})")
    assert until_told(runtime, fleet, bob, 1) == [asked]
    assert until_told(runtime, fleet, cid, 1) == [asked]
    assert (opened.status, opened.tally.pending, opened.tally.total_weight) == ("open", 2, 2)
    assert runtime.cast_vote(bob, opened.message_id, True, "good").status == "open"
    assert runtime.cast_vote(cid, opened.message_id, True).status == "ratified"
    told = (f"{opened.message_id}-outcome", "result", "ratified: ship it?")
    assert until_told(runtime, fleet, ann, 1) == [told]
    assert until_told(runtime, fleet, bob, 2) == [asked, told]
    found = runtime.ratification(opened.message_id)
    assert [(vote.agent_id, vote.approve, vote.note) for vote in found.votes] == [(bob, True, "good"), (cid, True, "")]
    assert found.tally.approvals == 2


def test_a_vote_is_counted_once_and_the_names_of_voters_may_be_used(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(TRIO)
    bob = fleet.agent_ids[1]
    opened = runtime.open_ratification("operator", fleet.fleet_id, "x", 2, voters=["ann", "bob"], idempotency_key="o")
    again = runtime.open_ratification("operator", fleet.fleet_id, "x", 2, voters=["ann", "bob"], idempotency_key="o")
    assert again.message_id == opened.message_id
    for _ in range(3):
        runtime.cast_vote(bob, opened.message_id, True, idempotency_key="v")
    assert len(runtime.ratification(opened.message_id).votes) == 1
    assert runtime.cast_vote(bob, opened.message_id, False).status == "rejected"
    with pytest.raises(NotAllowed, match="is rejected: no vote counts any more"):
        runtime.cast_vote(bob, opened.message_id, True)


def test_what_makes_no_sense_is_refused_and_records_nothing(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(TRIO)
    ann = fleet.agent_ids[0]
    with pytest.raises(NotFound, match="No such agent in fleet"):
        runtime.open_ratification(ann, fleet.fleet_id, "x", 1, voters=["dan"])
    with pytest.raises(InvalidArgument, match="'quorum' is 9"):
        runtime.open_ratification(ann, fleet.fleet_id, "x", 9)
    with pytest.raises(InvalidArgument, match="Payload too large"):
        runtime.open_ratification(ann, fleet.fleet_id, "x", 1, payload="x" * 65_536)
    with pytest.raises(NotFound, match="No such ratification: message-1"):
        runtime.cast_vote(ann, "message-1", True)
    with pytest.raises(NotFound, match="No such ratification: council-none"):
        runtime.cast_vote(ann, "council-none", True)
    with pytest.raises(NotFound, match="No such ratification: council-none"):
        runtime.ratification("council-none")
    assert not [entry for entry in runtime.timeline(limit=1_000) if entry.what.startswith("council.")]


def test_a_deadline_that_passes_while_nothing_runs_is_applied_at_the_start(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock)
    fleet = runtime.spawn_fleet(TRIO)
    ann, bob, _ = fleet.agent_ids
    deadline = clock.now().wall_ms + 3_600_000
    opened = runtime.open_ratification(ann, fleet.fleet_id, "x", 2, deadline=deadline, silence_policy="approve")
    runtime.cast_vote(bob, opened.message_id, True)
    runtime.close()
    later = ManualClock(deadline + 1)
    again = open_runtime(clock=later)
    assert until_told(again, fleet, ann, 1)[0][2] == "ratified: x"
    found = again.ratification(opened.message_id)
    assert (found.status, found.tally.approvals, len(found.votes)) == ("ratified", 2, 1)
    assert len(again.inbox(bob).messages) == 2  # asked once, told once, over both lives


def test_a_deadline_passes_by_itself_and_a_sweep_applies_it_at_once(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    runtime = open_runtime(clock=clock)
    fleet = runtime.spawn_fleet(TRIO)
    ann = fleet.agent_ids[0]
    soon = clock.now().wall_ms + 1_000
    opened = runtime.open_ratification("operator", fleet.fleet_id, "x", 3, deadline=soon)
    kept = runtime.open_ratification("operator", fleet.fleet_id, "y", 3)
    assert runtime.sweep_ratifications().resolved == ()
    clock.advance(2)
    assert runtime.ratification(kept.message_id).status == "open"
    outcome = [text for _, kind, text in until_told(runtime, fleet, ann, 3) if kind == "result"]
    assert outcome == ["expired: x"]
    assert runtime.ratification(opened.message_id).reason == "not ratified by its deadline: 0 of 3"


def test_a_receipt_is_given_once_for_each_action(open_runtime: OpenRuntime) -> None:
    runtime = open_runtime()
    fleet = runtime.spawn_fleet(TRIO)
    ann, bob, cid = fleet.agent_ids
    sent = runtime.send_message(ann, "*", fleet.fleet_id, "handoff", "read this").message_id
    runtime.give_receipt(bob, sent, "read", "twice")
    runtime.give_receipt(bob, sent, "read", "thrice")
    runtime.give_receipt(cid, sent, "filed")
    runtime.ack(bob, sent)
    runtime.ack(bob, sent)
    found = [(one.agent_id, one.action, one.note) for one in runtime.receipts(sent).receipts]
    assert found == [(bob, "read", "twice"), (cid, "filed", ""), (bob, "ack", "")]
    with pytest.raises(InvalidArgument, match="use ack_message"):
        runtime.give_receipt(bob, sent, "ack")
    with pytest.raises(NotFound, match=f"No such message: {sent}"):
        runtime.give_receipt(ann, sent, "read")
    with pytest.raises(NotFound, match="No such message: message-none"):
        runtime.receipts("message-none")
