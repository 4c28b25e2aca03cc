"""Writes the golden log of the stored format as it is now: once, when a version with a new format is released.

    python tests/golden/write_log.py tests/golden/format-1.jsonl

Never write over an older one: it stands for the logs that people have.
"""

import base64
import json
import sys
from pathlib import Path

from fleetlog.domain import events as e
from fleetlog.domain.values import (
    AgentSpec,
    Artifact,
    Budget,
    CommandSpec,
    FleetSpec,
    HelpPolicy,
    Member,
    Message,
    Stored,
    TemplateVariable,
    Usage,
    Waiting,
)
from fleetlog.runtime import codec

FLEET = "fleet-260101-120000-golden"
A, B = "agent-260101-120000-golden-a", "agent-260101-120000-golden-b"

SPEC = FleetSpec(
    name="golden",
    goal="never to break",
    workspace="/work space/ü",
    agents=(
        AgentSpec(role="a", name="a", prompt="do", brain="a", skills=("x",), result_schema={"type": "object"}),
        AgentSpec(role="b", name="b", prompt="do", depends_on=("a",), max_attempts=5),
    ),
    timeout_s=3600.0,
    max_concurrency=2,
    keep_open=True,
)

BUDGET = Budget(tokens=1_000, cost_nusd=1_000_000_000, turns=5, wall_s=900.0)
BOUND = Usage(input_tokens=100, output_tokens=50, calls=1, cost_nusd=500_000_000)
SPENDER = AgentSpec(role="s", name="s", prompt="spend", brain="s", budget=BUDGET)
SPENDER_ID = "agent-260101-120005-golden-s"
WORKER = AgentSpec(role="w", prompt="do", brain="command", command=CommandSpec(preset="claude", args=("--verbose",)))
ROUTED = AgentSpec(role="reviewer", name="r", prompt="review", agent="code-reviewer", skills=("review",))
POLICY = HelpPolicy(remind_after_s=(60.0, 600.0), escalate_after_s=3600.0, escalate_to="ann", expire_after_s=86400.0)

STREAMS: dict[str, list[e.Event]] = {
    FLEET: [
        e.FleetSpawned(SPEC, (Member("a", A, "a", (), ("x",)), Member("b", B, "b", ("a",))), 12.5),
        e.AgentsAdmitted(("a",)),
        e.FleetTimeoutSet(7200.0),
        e.AgentEnded("a", "complete", returned=False),
        e.AgentsAdmitted(("b",)),
        e.AgentAttached(Member("late", f"{A[:-2]}-late", "c")),
        e.FleetClosed("no more"),
        e.AgentEnded("b", "failed"),
        e.AgentEnded("late", "timed_out"),
        e.FleetCompleted(),
        e.FleetArchived("old"),
    ],
    A: [
        e.AgentSpawned(FLEET, "a", SPEC.agents[0], SPEC.goal, SPEC.workspace, {"n": [1, 2.5, None, "ü"]}),
        e.AgentStarted(),
        e.StepCompleted(0, "read", "pure", Stored(codec.pack(["x", 1]))),
        e.StepStarted(1, "pay"),
        e.StepDoubted(1, "pay"),
        e.AgentResumed(1),
        e.AgentSuspended(1, "pay", doubt=True),
        e.StepDoubtResolved(1, "done", Stored(codec.pack(7)), "ann"),
        e.StepFailed(2, "fetch", "idempotent", "OSError", "busy"),
        e.AgentAttemptFailed(1, "step 'fetch' failed", 20.25),
        e.StepCompleted(2, "big", "pure", Stored(artifact=Artifact("ab" * 32, 300_000, "previ"))),
        e.ProgressReported("half", 0.5),
        e.MessageSent(3, "send question to b", "message-q", 1),
        e.AgentSuspended(4, "answer from b", ("result",), correlation_id="message-q", until_uptime_s=99.0),
        e.MessageDelivered(Message("message-r", B, "result", "yes", "message-q")),
        e.MessageSeen(4, "answer from b", "message-r", acknowledged=True),
        e.MessageDelivered(Message("message-b", "operator", "alert", "all", broadcast_size=2)),
        e.MessageAcknowledged("message-b"),
        e.WaitTimedOut(5, "receive"),
        e.HelpRequested("help-1", "which?", "all", 1_800_000_000_000, 6),
        e.HelpAnswered("help-1", "that one", "ann"),
        e.AgentResultRejected(7, ("$: 1 is not of type 'object'",)),
        e.AgentCompleted(8, Stored(codec.pack({"ok": True}))),
        e.AgentReturned(),
    ],
    B: [
        e.AgentSpawned(FLEET, "b", SPEC.agents[1], SPEC.goal, SPEC.workspace),
        e.AgentStarted(),
        e.MessageDelivered(Message("message-q", A, "question", "well?")),
        e.MessageSent(0, "send result to operator", "message-o", 0, "message-q", "to a person"),
        e.AgentFailed(("first", "second")),
    ],
    "fleet-260101-120001-golden": [
        e.FleetSpawned(FleetSpec(agents=()), (), 0.0),
        e.FleetFailed("no agent completed"),
    ],
    "fleet-260101-120002-golden": [e.FleetSpawned(FleetSpec(agents=()), (), 0.0), e.FleetCancelled("why")],
    "fleet-260101-120003-golden": [e.FleetSpawned(FleetSpec(agents=()), (), 0.0), e.FleetTimedOut(60.0)],
    "agent-260101-120002-golden-x": [
        e.AgentSpawned("fleet-260101-120002-golden", "x", SPEC.agents[1]),
        e.AgentCancelled("why"),
    ],
    "agent-260101-120003-golden-x": [
        e.AgentSpawned("fleet-260101-120003-golden", "x", SPEC.agents[1]),
        e.AgentTimedOut("late"),
    ],
    "call-0123456789abcdef": [e.CallRecorded("spawn_fleet", "digest", b"\x81\xa8fleet_id\xa1x")],
    "gate-01234567-a-model": [e.GateClosed("a-model", 1_800_000_000_000, 429, "slow down")],
    "council-260101-120000-golden-0a1b2c3d": [
        e.CouncilOpened(FLEET, A, "merge?", 3, (A, B), "the diff", (A,), 1_800_000_000_000, "approve", {A: 2}),
        e.VoteCast(A, approve=False, note="no"),
        e.VoteCast(A, approve=True),
        e.CouncilRatified((B,)),
    ],
    "council-260101-120000-golden-0a1b2c3e": [
        e.CouncilOpened(FLEET, "operator", "ship?", 1, (A,)),
        e.VoteCast(A, approve=False),
        e.CouncilRejected("only 0 of the quorum of 1 can still be reached"),
    ],
    "council-260101-120000-golden-0a1b2c3f": [
        e.CouncilOpened(FLEET, "operator", "ship?", 1, (A,), deadline_ms=1_767_268_900_000),
        e.CouncilExpired("not ratified by its deadline: 0 of 1"),
    ],
    "fleet-260101-120008-golden": [
        e.FleetSpawned(FleetSpec(agents=(AgentSpec(role="a", name="a", prompt="do"),)), (), 1.0),
        e.FleetForked(FLEET, 1_767_268_900_000),
    ],
    "agent-260101-120007-golden-r": [
        e.AgentSpawned("fleet-260101-120007-golden", "r", AgentSpec(role="r", name="r", prompt="read")),
        e.MessageDelivered(Message("message-r", "operator", "handoff", "read me")),
        e.ReceiptGiven("message-r", "filed", "under r"),
        e.AgentParked(),
    ],
    "discussion-260101-120000-golden-0a1b2c3d": [
        e.DiscussionOpened(FLEET, A, B, '{"q":1}', 4, 60.0, 10.0, 12.5),
        e.TurnReserved("turn-1", B, "discussion-260101-120000-golden-0a1b2c3d-1", 22.5),
        e.TurnReplied("turn-1", "discussion-260101-120000-golden-0a1b2c3d-2", "result", '{"a":1}'),
        e.DiscussionEnded("closed"),
    ],
    "token-260101-120000-golden-0a1b2c3d": [
        e.TokenIssued("agent", "ab" * 32, A, "its program", 1_900_000_000_000),
        e.ForgeryRefused("send_message", B, 1_767_268_900_000),
        e.TokenRevoked("its run is over"),
    ],
    # Lines below were appended while the format was the same: only what is new may be added, at the end.
    "fleet-260101-120004-golden": [
        e.FleetSpawned(FleetSpec(agents=(), help_policy=POLICY), (), 0.0),
        e.FleetStuck((Waiting("x", 3, "answer from y", "y"), Waiting("y", 0, "receive")), 2, "everyone waits"),
    ],
    "agent-260101-120004-golden-x": [
        e.AgentSpawned("fleet-260101-120004-golden", "x", AgentSpec(role="x", prompt="do", help_policy=POLICY)),
        e.HelpRequested("help-2", "delete", "old", None, 0, "approval", '{"path":"a"}', POLICY, 1_700_000_000_000),
        e.HelpReminded("help-2", 2),
        e.HelpEscalated("help-2", "ann"),
        e.HelpAnswered("help-2", "no", "ann", granted=False),
        e.HelpRequested("help-3", "which?", policy=HelpPolicy(remind_after_s=60.0), requested_ms=1),
        e.HelpExpired("help-3"),
        e.HelpRequested("help-4", "when?"),
        e.HelpCancelled("help-4", "solved"),
        e.WaitAbandoned(1, "receive", "everyone waits"),
    ],
    "fleet-260101-120005-golden": [
        e.FleetSpawned(FleetSpec(agents=(SPENDER,), budget=BUDGET), (Member("s", SPENDER_ID, "s"),), 1.0),
        e.AgentsAdmitted(("s",)),
        e.SpendReserved("s", 1, BOUND),
        e.SpendReserved("s", 2, BOUND),
        e.SpendSettled("s", 1, Usage(5, 6, 7, 8, 9, 1, 250_000_000)),
        e.SpendReleased("s", 1),
        e.FleetPaused("$0.90 are spent", "budget", BOUND),
        e.FleetBudgetSet(Budget(cost_nusd=2_000_000_000)),
        e.FleetResumed(),
        e.FleetPaused("lunch"),
    ],
    SPENDER_ID: [
        e.AgentSpawned("fleet-260101-120005-golden", "s", SPENDER),
        e.AgentStarted(2.5),
        e.CallStarted(0, "ask the model", 1, BOUND),
        e.StepCompleted(0, "ask the model", "pure", Stored(codec.pack("x")), Usage(5, 6, 7, 8, 9, 1, 250_000_000)),
        e.CallStarted(1, "ask the model", 2, BOUND),
        e.CallReleased(1, 2),
        e.CallStarted(1, "ask the model", 3, BOUND),
        e.CallLost(1, 3, BOUND),
        e.AgentPaused("no key", "provider"),
        e.AgentUnpaused(),
        e.AgentBudgetSet(Budget(turns=3, wall_s=60.0)),
        e.StepCompleted(1, "compact", "pure", Stored(codec.pack({"summary": "s"}))),
        e.CompactionUndone(1, "ann"),
    ],
    "agent-260101-120006-golden-w": [
        e.AgentSpawned("fleet-260101-120006-golden", "w", WORKER),
        e.AgentStarted(1.0),
        e.StepStarted(0, "run 1"),
        e.StepNoted(0, "session-1"),
        e.StepDoubted(0, "run 1"),
    ],
    "agent-260101-120006-golden-m": [
        e.AgentSpawned("fleet-260101-120006-golden", "m", AgentSpec(role="m", prompt="do", brain="external")),
        e.LeaseTaken("lease-1", "editor/1.0", 60.0, 1_700_000_000_000),
        e.LeaseLost("lease-1", "editor/1.0", "other/2.0 has attached"),
        e.LeaseTaken("lease-2", "other/2.0", 30.0, 1_700_000_001_000),
        e.LeaseReleased("lease-2", "other/2.0"),
        e.LeaseTaken("lease-3", "editor/1.1", 60.0, 1_700_000_002_000),
    ],
    "agent-260101-120006-golden-r": [
        e.AgentSpawned("fleet-260101-120006-golden", "r", ROUTED, description="Reviews code."),
        e.CapabilityRegistered("security reviewer", ("audit", "threat models"), "claude-opus", 200_000),
        e.RoutingOutcomeRecorded("audit", True),
        e.RoutingOutcomeRecorded("Audit", False),
    ],
    "template-golden": [
        e.TemplateSaved(
            1, FleetSpec(agents=(ROUTED,), goal="${goal}"), "a job", (TemplateVariable("goal", "why", "x"),)
        ),
        e.TemplateSaved(2, FleetSpec(agents=(ROUTED,))),
        e.TemplateDeleted("not used"),
    ],
}


def lines() -> list[str]:
    """One JSON object a stored event, in log order."""
    found = []
    for stream_id, events in STREAMS.items():
        chain = codec.GENESIS
        for version, event in enumerate(events, start=1):
            origin = (1_767_268_800_000 + version, "operator", "because")
            topic, state, chain = codec.encode(event, stream_id, version, chain, origin)
            row = {"stream": stream_id, "version": version, "topic": topic}
            found.append(json.dumps({**row, "state": base64.b64encode(state).decode()}))
    return found


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if target.exists():
        raise SystemExit(f"{target} is there: a golden log is never written over")
    target.write_text("\n".join(lines()) + "\n")
