"""An agent's paid calls, its budget and its pauses: given / when / then."""

from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import Budget, Usage
from tests.domain.given import Story, agent_story, at, message, value

BOUND = Usage(output_tokens=100, calls=1, cost_nusd=10)
USED = Usage(output_tokens=40, calls=1, cost_nusd=4)
STARTED = e.CallStarted(0, "ask", 1, BOUND)
SHORT = "$0.000000004 are spent and the next call may use up to $0.00000001, of $0.000000013"


def spender(*given: Any, **limits: Any) -> Story:
    return agent_story(*given, budget=Budget(**limits) if limits else None)


def paid(index: int = 0, usage: Usage = USED) -> e.StepCompleted:
    return e.StepCompleted(index, "ask", "pure", value(), usage)


def start(number: int = 1, index: int = 0) -> c.StartCall:
    return c.StartCall(index, "ask", number, BOUND)


# --- calls ---------------------------------------------------------------------------------------


def test_a_call_starts_when_the_budget_admits_its_bound() -> None:
    assert spender(cost_nusd=10).when(start()) == [STARTED]
    assert spender().when(start()) == [STARTED]


def test_a_call_that_the_budget_does_not_admit_pauses_the_agent_once() -> None:
    agent = spender(STARTED, paid(), cost_nusd=13)
    assert agent.when(start(2, 1)) == [e.AgentPaused(SHORT, "budget", BOUND)]
    assert agent.when(start(2, 1)) == []
    assert not agent.state.is_due(at(0.0))
    assert agent.state.status == "running"


def test_what_a_completed_call_has_used_is_counted_with_its_step() -> None:
    agent = spender(STARTED)
    assert agent.when(c.CompleteStep(0, "ask", "pure", value(), USED)) == [paid()]
    assert (agent.state.spent, agent.state.calls, agent.state.open_call) == (USED, 1, None)


def test_a_released_call_costs_nothing_and_the_next_has_a_new_number() -> None:
    agent = spender(STARTED)
    assert agent.when(c.ReleaseCall(1)) == [e.CallReleased(0, 1)]
    assert (agent.state.spent, agent.state.calls, agent.state.steps) == (Usage(), 1, [])
    agent.refuses(start(1), NotAllowed, "is at paid call 2, not 1")
    assert agent.when(start(2)) == [e.CallStarted(0, "ask", 2, BOUND)]


@pytest.mark.parametrize(("known", "counted"), [(None, BOUND), (USED, USED)])
def test_a_lost_call_counts_whole_or_as_far_as_is_known(known: Usage | None, counted: Usage) -> None:
    agent = spender(STARTED)
    assert agent.when(c.LoseCall(1, known)) == [e.CallLost(0, 1, counted)]
    assert (agent.state.spent, agent.state.calls) == (counted, 1)


@pytest.mark.parametrize("command", [c.ReleaseCall(1), c.LoseCall(1)])
def test_a_call_ends_once(command: Any) -> None:
    agent = spender(STARTED)
    agent.when(command)
    agent.refuses(c.ReleaseCall(1), NotAllowed, "is not inside its paid call 1")
    agent.refuses(c.LoseCall(1), NotAllowed, "is not inside its paid call 1")
    agent.refuses(c.CompleteStep(0, "ask", "pure", value(), USED), NotAllowed, "is not inside a paid call 'ask'")


@pytest.mark.parametrize(
    "command",
    [
        start(2),
        c.CompleteStep(0, "ask", "pure", value()),
        c.CompleteStep(0, "other", "pure", value(), USED),
        c.CompleteStep(1, "ask", "pure", value(), USED),
        c.StartStep(0, "write"),
        c.TakeMessage(0, "receive"),
        c.SubmitResult(0, value()),
    ],
)
def test_inside_a_paid_call_no_other_step_is_recorded(command: Any) -> None:
    agent = spender(STARTED)
    with pytest.raises(NotAllowed, match=r"inside (its|a) paid call '"):
        agent.when(command)


def test_a_run_that_begins_after_a_crash_counts_the_call_that_was_cut_off() -> None:
    agent = spender(STARTED)
    assert agent.when(c.BeginRun(interrupted=True)) == [e.CallLost(0, 1, BOUND), e.AgentResumed(1)]
    assert agent.state.spent == BOUND


@pytest.mark.parametrize(
    "command",
    [c.CancelAgent(), c.StopAgent("timed_out"), c.StopAgent("cancelled"), c.FailRun("it broke", retryable=False)],
)
def test_an_end_in_the_middle_of_a_call_counts_the_call_whole(command: Any) -> None:
    agent = spender(STARTED)
    agent.when(command)
    assert (agent.state.has_ended, agent.state.spent, agent.state.open_call) == (True, BOUND, None)
    agent.refuses(c.CompleteStep(0, "ask", "pure", value(), USED), NotAllowed, "is not inside a paid call")
    assert agent.state.spent == BOUND


def test_an_attempt_that_fails_in_the_middle_of_a_call_counts_it_whole() -> None:
    agent = spender(STARTED)
    assert agent.when(c.FailRun("it broke"))[0] == e.CallLost(0, 1, BOUND)
    assert agent.state.spent == BOUND


def test_a_call_is_no_progress_for_an_agent_that_dies_again_and_again() -> None:
    agent = agent_story(max_interruptions=2)
    for number in (1, 2):
        agent.when(start(number))
        agent.when(c.BeginRun(interrupted=True))
    agent.when(start(3))
    lost, failed = agent.when(c.BeginRun(interrupted=True))
    assert isinstance(lost, e.CallLost)
    assert isinstance(failed, e.AgentFailed)
    assert agent.state.spent.cost_nusd == 30


# --- pauses --------------------------------------------------------------------------------------


def test_a_paused_agent_takes_messages_and_can_be_cancelled_but_is_not_due() -> None:
    agent = spender()
    assert agent.when(c.PauseAgent("lunch")) == [e.AgentPaused("lunch", "operator")]
    agent.when(c.DeliverMessage(message()))
    assert not agent.state.is_due(at(0.0))
    assert agent.when(c.PauseAgent("again")) == []
    assert agent.when(c.ResumeAgent()) == [e.AgentUnpaused()]
    assert agent.state.is_due(at(0.0))
    agent.when(c.PauseAgent("lunch"))
    assert agent.when(c.CancelAgent()) == [e.AgentCancelled("")]


def test_what_has_ended_in_a_pause_is_not_resumed() -> None:
    agent = spender(e.AgentPaused("lunch"), e.AgentCancelled())
    agent.refuses(c.ResumeAgent(), NotAllowed, "is cancelled: there is nothing to resume")


def test_a_call_that_is_under_way_ends_in_a_pause_and_no_other_starts() -> None:
    agent = spender(STARTED, e.AgentPaused("lunch"))
    assert agent.when(c.CompleteStep(0, "ask", "pure", value(), USED)) == [paid()]
    assert agent.when(start(2, 1)) == []


def test_a_person_may_pause_over_a_budget_and_a_raised_budget_does_not_end_that() -> None:
    agent = spender(e.AgentPaused("spent", "budget", BOUND), cost_nusd=5)
    assert agent.when(c.PauseAgent("lunch")) == [e.AgentPaused("lunch", "operator")]
    assert agent.when(c.SetBudget(Budget(cost_nusd=100))) == [e.AgentBudgetSet(Budget(cost_nusd=100))]
    assert agent.state.pause is not None
    assert agent.when(c.PauseAgent("spent", "budget")) == []


def test_a_pause_by_the_budget_ends_when_the_budget_admits_the_call_it_came_of() -> None:
    agent = spender(STARTED, paid(), cost_nusd=13)
    agent.when(start(2, 1))
    agent.refuses(c.ResumeAgent(), NotAllowed, f"is paused by its budget ({SHORT}): raise it")
    assert agent.when(c.SetBudget(Budget(cost_nusd=13))) == []
    assert agent.when(c.SetBudget(Budget(cost_nusd=12))) == [e.AgentBudgetSet(Budget(cost_nusd=12))]
    enough = Budget(cost_nusd=14)
    assert agent.when(c.SetBudget(enough)) == [e.AgentBudgetSet(enough), e.AgentUnpaused()]
    assert agent.when(start(2, 1)) == [e.CallStarted(1, "ask", 2, BOUND)]


def test_a_budget_below_what_is_spent_is_taken_and_pauses_at_the_next_call() -> None:
    agent = spender(STARTED, paid())
    assert agent.when(c.SetBudget(Budget(cost_nusd=1))) == [e.AgentBudgetSet(Budget(cost_nusd=1))]
    assert agent.state.pause is None
    assert isinstance(agent.when(start(2, 1))[0], e.AgentPaused)


def test_wall_time_counts_from_the_start_of_the_agent() -> None:
    agent = agent_story(e.AgentStarted(100.0), budget=Budget(wall_s=60.0))
    assert agent.state.wall_over_uptime_s == 160.0
    assert agent.when(c.ExpireBudget(), 159.0) == []
    over = "its 60 seconds of wall time are over"
    assert agent.when(c.ExpireBudget(), 160.0) == [e.AgentPaused(over, "budget")]
    assert agent.when(c.ExpireBudget(), 161.0) == []
    more = Budget(wall_s=90.0)
    assert agent.when(c.SetBudget(more), 170.0) == [e.AgentBudgetSet(more), e.AgentUnpaused()]
    assert agent.when(start(), 189.0) == [STARTED]
