"""Every command in every state an agent can be in: what it leads to, as one table."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import NotFound, Refused
from fleetlog.domain.values import Budget, Usage
from tests.domain.given import NAME, Story, agent_that_is, at, id_of, message, value

ALIVE = (
    "pending",
    "running",
    "inside a step",
    "doubting",
    "waiting",
    "waiting in doubt",
    "backing off",
    "complete",
)
OVER = ("returned", "failed", "cancelled", "timed out")
NO = "NotAllowed"
NOTHING = ""
INSIDE = {"inside a step": NO}
AFTER_THE_END = {"complete": NO}
AFTER_RESULT = {"inside a step": NO, "complete": NO}


class Row(NamedTuple):
    """`make` gets the number of recorded steps. `alive` and `over` are the outcomes (stored names, a
    refusal, or nothing) in those states; `but` has the exceptions."""

    make: Callable[[int], Any]
    alive: str
    over: str
    but: Mapping[str, str] = {}


TABLE = {
    "deliver a handoff": Row(
        lambda _: c.DeliverMessage(message()), "message.delivered", NO, {"returned": "message.delivered"}
    ),
    "deliver a question": Row(lambda _: c.DeliverMessage(message(type="question")), "message.delivered", NO),
    "begin a run": Row(
        lambda _: c.BeginRun(),
        NOTHING,
        NO,
        {"pending": "agent.started", "inside a step": "step.doubted", "backing off": "agent.resumed"},
    ),
    "begin a run after a cut": Row(
        lambda _: c.BeginRun(interrupted=True),
        "agent.resumed",
        NO,
        {
            "pending": "agent.started",
            "inside a step": "agent.resumed step.doubted",
            "waiting": NOTHING,
            "waiting in doubt": NOTHING,
        },
    ),
    "start a step": Row(lambda n: c.StartStep(n, "next"), "step.started", NO, INSIDE),
    "complete a step": Row(lambda n: c.CompleteStep(n, "next", "pure", value()), "step.completed", NO, INSIDE),
    "complete step 0": Row(
        lambda _: c.CompleteStep(0, "write", "effectful", value()), "step.completed", NO, {"complete": NO}
    ),
    "fail a step": Row(lambda n: c.FailStep(n, "next", "pure", "OSError", "gone"), "step.failed", NO, INSIDE),
    "fail step 0": Row(
        lambda _: c.FailStep(0, "write", "effectful", "OSError", "gone"), "step.failed", NO, {"complete": NO}
    ),
    "record a send": Row(lambda n: c.RecordSend(n, "send", "message-9", 1), "message.sent", NO, INSIDE),
    "take a message": Row(
        lambda n: c.TakeMessage(n, "receive"),
        "agent.suspended",
        NO,
        {**INSIDE, "waiting": "step.wait_timed_out"},
    ),
    "note inside a step": Row(lambda _: c.NoteStep(0, "session-1"), NO, NO, {"inside a step": "step.noted"}),
    "attach to an agent that has a brain": Row(lambda _: c.AttachExternal("lease-1", "editor/1.0", 60.0), NO, NO),
    "expire an unknown lease": Row(lambda _: c.ExpireLease("lease-0"), NOTHING, NOTHING),
    "release an unknown lease": Row(lambda _: c.ReleaseLease("lease-0"), "LeaseLost", "LeaseLost"),
    "request help": Row(lambda n: c.RequestHelp("help-1", "stuck", index=n), "help.requested", NO, INSIDE),
    "request help from outside": Row(lambda _: c.RequestHelp("help-1", "stuck"), "help.requested", NO),
    "report progress": Row(lambda _: c.ReportProgress("half"), "agent.progress_reported", NO),
    "submit a result": Row(lambda n: c.SubmitResult(n, value()), "agent.completed", NO, AFTER_RESULT),
    "submit a result from outside": Row(lambda _: c.SubmitResult(-1, value()), NO, NO),
    "submit a result that does not fit": Row(
        lambda n: c.SubmitResult(n, value(), ("$: wrong",)), "agent.result_rejected", NO, AFTER_RESULT
    ),
    "suspend in doubt": Row(
        lambda _: c.SuspendInDoubt(0),
        NO,
        NO,
        {"doubting": "agent.suspended", "waiting in doubt": NOTHING},
    ),
    "resolve a doubt": Row(
        lambda _: c.ResolveDoubt("retry", "ann"), NO, NO, {"waiting in doubt": "step.doubt_resolved"}
    ),
    "undo a compaction": Row(lambda _: c.UndoCompaction(0, "ann"), "NotFound", NO),
    "expire the wait": Row(lambda _: c.ExpireWait(), NOTHING, NOTHING, {"waiting": "step.wait_timed_out"}),
    "finish the run": Row(lambda _: c.FinishRun(), NOTHING, NOTHING, {"complete": "agent.returned"}),
    "fail the run": Row(lambda _: c.FailRun("it broke"), "agent.attempt_failed", NOTHING),
    "fail the run for good": Row(
        lambda _: c.FailRun("it broke", retryable=False),
        "agent.failed",
        NOTHING,
        {"complete": "agent.returned"},
    ),
    "cancel": Row(lambda _: c.CancelAgent("enough"), "agent.cancelled", NO, {"complete": NO}),
    "stop as cancelled": Row(
        lambda _: c.StopAgent("cancelled"), "agent.cancelled", NOTHING, {"complete": "agent.returned"}
    ),
    "stop as timed out": Row(
        lambda _: c.StopAgent("timed_out"), "agent.timed_out", NOTHING, {"complete": "agent.returned"}
    ),
    "start a paid call": Row(lambda n: c.StartCall(n, "ask", 1, Usage(calls=1)), "call.started", NO, INSIDE),
    "release a call that is not open": Row(lambda _: c.ReleaseCall(1), NO, NO),
    "lose a call that is not open": Row(lambda _: c.LoseCall(1), NO, NO),
    "complete a paid call that is not open": Row(
        lambda n: c.CompleteStep(n, "ask", "pure", value(), Usage(calls=1)), NO, NO
    ),
    "pause": Row(lambda _: c.PauseAgent("lunch"), "agent.paused", NO),
    "resume what is not paused": Row(lambda _: c.ResumeAgent(), NOTHING, NOTHING),
    "set a budget": Row(lambda _: c.SetBudget(Budget(turns=1)), "agent.budget_set", NO),
    "expire a budget that has no wall time": Row(lambda _: c.ExpireBudget(), NOTHING, NOTHING),
    "give a receipt of an unknown message": Row(lambda _: c.GiveReceipt("message-0", "read"), "NotFound", "NotFound"),
    "park": Row(lambda _: c.ParkAgent(), NOTHING, NOTHING),
    "acknowledge an unknown message": Row(lambda _: c.AcknowledgeMessage("message-0"), NOTHING, NOTHING),
    "decide about an unknown request": Row(
        lambda _: c.DecideApproval("help-0", True, "", "ann"), "NotFound", "NotFound"
    ),
    "cancel an unknown request": Row(lambda _: c.CancelHelp("help-0"), "NotFound", "NotFound"),
    "age no tickets": Row(lambda _: c.AgeTickets(), NOTHING, NOTHING),
    "abandon a wait with a deadline": Row(lambda _: c.AbandonWait(0, "everyone waits"), NOTHING, NOTHING),
    "register a capability": Row(
        lambda _: c.RegisterCapability("reviewer", ("audit",)), "capability.registered", NO, AFTER_THE_END
    ),
    "record a routing outcome": Row(
        lambda _: c.RecordRoutingOutcome("audit", True), "routing.outcome_recorded", "routing.outcome_recorded"
    ),
    "answer an unknown request": Row(lambda _: c.AnswerHelp("help-0", "yes", "ann"), "NotFound", "NotFound"),
}


def outcome_of(story: Story, command: Any) -> str:
    try:
        return " ".join(e.stored_name(type(event)) for event in story.when(command, 60.0))
    except Refused as refusal:
        return type(refusal).__name__


@pytest.mark.parametrize("state", [*ALIVE, *OVER])
@pytest.mark.parametrize("told", TABLE)
def test_a_command_leads_to_what_the_table_says(told: str, state: str) -> None:
    row = TABLE[told]
    story = agent_that_is(state)
    expected = row.but.get(state, row.alive if state in ALIVE else row.over)
    assert outcome_of(story, row.make(len(story.state.steps))) == expected


def test_the_table_has_every_command() -> None:
    told = {type(row.make(0)) for row in TABLE.values()}
    assert told == set(c.AgentCommand.__args__)


@pytest.mark.parametrize("told", TABLE)
def test_an_agent_that_was_never_spawned_refuses_every_command(told: str) -> None:
    agent = Agent(id_of(NAME))
    with pytest.raises(NotFound, match=f"^No such agent: {id_of(NAME)}$"):
        agent.decide(TABLE[told].make(0), at(0.0))
    assert not agent.exists
    assert not agent.can_run


@pytest.mark.parametrize("state", OVER)
@pytest.mark.parametrize("told", TABLE)
def test_an_agent_that_is_over_stays_as_it_ended(told: str, state: str) -> None:
    story = agent_that_is(state)
    status = story.state.status
    outcome_of(story, TABLE[told].make(0))
    assert story.state.status == status
    assert not story.state.can_run


@pytest.mark.parametrize("state", ["doubting", "waiting in doubt"])
@pytest.mark.parametrize("end", [e.AgentCancelled(), e.AgentTimedOut(), e.AgentFailed(("it broke",))])
def test_a_doubt_does_not_bring_an_ended_agent_back(state: str, end: Any) -> None:
    story = agent_that_is(state)
    ended = Story(lambda: Agent(id_of(NAME)), [*story.events, end])
    assert outcome_of(ended, c.SuspendInDoubt(0)) == NO
    assert outcome_of(ended, c.ResolveDoubt("retry", "ann")) == NO
    assert ended.state.has_ended


@pytest.mark.parametrize(
    ("state", "status", "can_run", "is_reachable", "is_due"),
    [
        ("pending", "pending", True, True, True),
        ("running", "running", True, True, True),
        ("inside a step", "running", True, True, True),
        ("doubting", "running", True, True, True),
        ("waiting", "waiting", True, True, False),
        ("waiting in doubt", "waiting", True, True, False),
        ("backing off", "waiting", True, True, False),
        ("complete", "complete", True, True, True),
        ("returned", "complete", False, True, False),
        ("failed", "failed", False, False, False),
        ("cancelled", "cancelled", False, False, False),
        ("timed out", "timed_out", False, False, False),
    ],
)
def test_a_state_says_whether_the_agent_can_run_be_reached_and_is_due(
    state: str, status: str, can_run: bool, is_reachable: bool, is_due: bool
) -> None:
    agent = agent_that_is(state).state
    assert (agent.status, agent.can_run, agent.is_reachable) == (status, can_run, is_reachable)
    assert agent.is_due(at(10.0)) == is_due
