"""Discussions: bounded in turns and time, and nobody answers twice."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.discussion import Discussion
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound, Refused
from fleetlog.domain.values import Now

FLEET = "fleet-261123-014647-k3f2q7"


def opening(**changes: Any) -> c.OpenDiscussion:
    fields = {
        "fleet_id": FLEET,
        "asker": "ann",
        "peer": "bob",
        "payload": "1",
        "max_turns": 3,
        "timeout_s": 100.0,
        "turn_timeout_s": 10.0,
        **changes,
    }
    return c.OpenDiscussion(**fields)


class Talk:
    """A discussion that lives on what it decides."""

    def __init__(self, **changes: Any) -> None:
        self.state = Discussion("discussion-1")
        self.uptime_s = 0.0
        self.events: list[e.DiscussionEvent] = []
        self.told(opening(**changes))

    @property
    def status(self) -> str:
        return self.state.status

    def told(self, command: c.DiscussionCommand) -> list[str]:
        events = self.state.decide(command, Now(0, self.uptime_s))
        for event in events:
            self.state.evolve(event)
            self.events.append(event)
        return [type(event).__name__ for event in events]

    def wake(self, agent: str, attempt: str, head: str = "") -> list[str]:
        return self.told(c.ReserveTurn(attempt, agent, head or self.state.head))

    def reply(self, agent: str, attempt: str, head: str = "", *, close: bool = False) -> list[str]:
        return self.told(c.ReplyDiscussion(agent, attempt, head or self.state.head, "result", "2", close))


def test_two_agents_answer_each_other_until_the_turns_are_used_up() -> None:
    talk = Talk()
    assert talk.wake("bob", "t1") == ["TurnReserved"]
    assert talk.status == "active"
    assert talk.reply("bob", "t1") == ["TurnReplied"]
    assert talk.status == "open"
    talk.wake("ann", "t2")
    talk.reply("ann", "t2")
    talk.wake("bob", "t3")
    assert talk.reply("bob", "t3") == ["TurnReplied", "DiscussionEnded"]
    assert talk.state.status == "exhausted"
    with pytest.raises(NotAllowed, match="is exhausted"):
        talk.wake("ann", "t4")


def test_a_reply_may_close_it() -> None:
    talk = Talk(attempt_id="t1")
    assert talk.reply("bob", "t1", close=True) == ["TurnReplied", "DiscussionEnded"]
    assert talk.state.status == "closed"


def test_one_turn_at_a_time_at_the_head_by_the_other() -> None:
    talk = Talk()
    with pytest.raises(NotAllowed, match="it is bob's turn"):
        talk.wake("ann", "t1")
    with pytest.raises(NotAllowed, match="stale_head: the head of discussion discussion-1 is discussion-1-1"):
        talk.wake("bob", "t1", "discussion-1-0")
    with pytest.raises(NotAllowed, match="cid does not take part"):
        talk.wake("cid", "t1")
    talk.wake("bob", "t1")
    with pytest.raises(NotAllowed, match="turn_already_active: attempt t1"):
        talk.wake("bob", "t2")


def test_an_attempt_replies_once_and_only_its_own_agent() -> None:
    talk = Talk(attempt_id="t1")
    first = talk.state.head
    with pytest.raises(NotAllowed, match="attempt t1 is bob's, not ann's"):
        talk.reply("ann", "t1")
    with pytest.raises(NotFound, match="No such attempt in discussion discussion-1: t9"):
        talk.reply("bob", "t9")
    with pytest.raises(NotAllowed, match="stale_head"):
        talk.reply("bob", "t1", "discussion-1-7")
    talk.reply("bob", "t1")
    with pytest.raises(NotAllowed, match="attempt t1 has replied already: discussion-1-2"):
        talk.reply("bob", "t1", first)


def test_a_turn_that_gets_no_reply_ends_it() -> None:
    talk = Talk(attempt_id="t1")
    talk.uptime_s = 9.9
    assert talk.told(c.ExpireDiscussion()) == []
    talk.uptime_s = 10.0
    with pytest.raises(NotAllowed, match="is deadman"):
        talk.reply("bob", "t1")
    assert talk.told(c.ExpireDiscussion()) == ["DiscussionEnded"]
    assert talk.state.status == "deadman"
    assert talk.told(c.ExpireDiscussion()) == []


def test_its_own_time_ends_it() -> None:
    talk = Talk()
    assert talk.state.due_uptime_s == 100.0
    talk.uptime_s = 100.0
    with pytest.raises(NotAllowed, match="is expired"):
        talk.wake("bob", "t1")
    assert talk.told(c.ExpireDiscussion()) == ["DiscussionEnded"]
    assert talk.state.status == "expired"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"peer": "ann"}, "'to_agent_id' must be another agent"),
        ({"max_turns": 1}, "'max_turns' must be between 2 and 32, got 1"),
        ({"max_turns": 33}, "'max_turns' must be between 2 and 32, got 33"),
        ({"timeout_s": 0.5}, "'timeout_ms' must be between 1000 and 900000, got 500"),
        ({"timeout_s": 901.0}, "'timeout_ms' must be between 1000 and 900000, got 901000"),
        ({"turn_timeout_s": 301.0}, "'turn_timeout_ms' must be between 1000 and 300000, got 301000"),
        ({"timeout_s": 5.0}, "'turn_timeout_ms' must be <= timeout_ms"),
    ],
)
def test_bounds_are_kept(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Talk(**changes)
    assert str(refused.value) == message


class Machine(RuleBasedStateMachine):
    """Anything may be tried at any time; what was said must make sense."""

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.attempts = 0

    @rule(seconds=st.sampled_from([0.0, 1.0, 5.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.talk.uptime_s += seconds

    @rule(agent=st.sampled_from(["ann", "bob", "cid"]), is_stale=st.booleans())
    def wake(self, agent: str, is_stale: bool) -> None:
        self.attempts += 1
        self.attempt(lambda: self.talk.wake(agent, f"t{self.attempts}", "old" if is_stale else ""))

    @rule(agent=st.sampled_from(["ann", "bob"]), back=st.integers(0, 3), close=st.booleans())
    def reply(self, agent: str, back: int, close: bool) -> None:
        self.attempt(lambda: self.talk.reply(agent, f"t{self.attempts - back}", close=close))

    @rule()
    def expire(self) -> None:
        self.attempt(lambda: self.talk.told(c.ExpireDiscussion()))

    def attempt(self, deed: Any) -> None:
        was_over = self.talk.state.ended
        before = len(self.talk.events)
        try:
            deed()
        except Refused:
            assert len(self.talk.events) == before
        assert not was_over or len(self.talk.events) == before

    @invariant()
    def it_is_a_discussion(self) -> None:
        events = self.talk.events
        turns = [event for event in events if isinstance(event, e.TurnReserved)]
        replies = [event for event in events if isinstance(event, e.TurnReplied)]
        assert len(turns) <= 3
        assert [turn.agent_id for turn in turns] == ["bob", "ann", "bob"][: len(turns)]
        assert len({reply.attempt_id for reply in replies}) == len(replies) >= len(turns) - 1
        assert [reply.message_id for reply in replies] == [f"discussion-1-{n + 2}" for n in range(len(replies))]
        assert sum(isinstance(event, e.DiscussionEnded) for event in events) <= 1


def test_a_discussion_stays_one_whatever_is_tried() -> None:
    run_state_machine_as_test(Machine, settings=settings(max_examples=200, stateful_step_count=30, deadline=None))
