"""Councils: what is decided, when, and that the order of the votes is nothing."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.council import Council
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import Now

FLEET = "fleet-261123-014647-k3f2q7"
ABC = ("a", "b", "c")
DEADLINE = 1_000_000


def opening(**changes: Any) -> c.OpenCouncil:
    fields = {"fleet_id": FLEET, "proposer": "p", "subject": "ship?", "quorum": 2, "voters": ABC, **changes}
    return c.OpenCouncil(**fields)


class Story:
    """A council that lives on what it decides."""

    def __init__(self, command: c.OpenCouncil) -> None:
        self.council = Council("council-1")
        self.told(command)

    def told(self, command: c.CouncilCommand, at_ms: int = 0) -> list[str]:
        events = self.council.decide(command, Now(at_ms, 0.0))
        for event in events:
            self.council.evolve(event)
        return [type(event).__name__ for event in events]

    def vote(self, agent: str, approve: bool) -> list[str]:
        return self.told(c.CastVote(agent, approve))


def test_a_quorum_of_approvals_ratifies() -> None:
    story = Story(opening())
    assert story.vote("a", True) == ["VoteCast"]
    assert story.vote("b", True) == ["VoteCast", "CouncilRatified"]
    with pytest.raises(NotAllowed, match="is ratified: no vote counts any more"):
        story.vote("c", True)


def test_what_cannot_be_reached_any_more_is_rejected() -> None:
    story = Story(opening())
    story.vote("a", False)
    assert story.council.tally().reachable
    assert story.vote("b", False) == ["VoteCast", "CouncilRejected"]
    assert story.council.reason == "only 1 of the quorum of 2 can still be reached"


def test_a_vote_may_be_changed_while_it_is_open() -> None:
    story = Story(opening())
    story.vote("a", False)
    story.vote("a", True)
    assert story.vote("b", True) == ["VoteCast", "CouncilRatified"]
    assert story.council.tally().declines == 0


def test_weights_count_and_sign_offs_must_approve() -> None:
    story = Story(opening(quorum=5, weights={"a": 10}, required_signoffs=("c",)))
    assert story.vote("a", True) == ["VoteCast"]
    assert not story.council.tally().signoffs_met
    assert story.vote("c", True) == ["VoteCast", "CouncilRatified"]
    declined = Story(opening(quorum=1, required_signoffs=("c",)))
    declined.vote("a", True)
    assert declined.vote("c", False) == ["VoteCast", "CouncilRejected"]
    assert declined.council.reason == "c, whose sign-off is required, declined"


def test_silence_at_the_deadline_counts_as_the_policy_says_and_never_as_a_sign_off() -> None:
    for policy, signoffs, expected in (
        ("abstain", (), "CouncilExpired"),
        ("approve", (), "CouncilRatified"),
        ("approve", ("c",), "CouncilExpired"),
        ("approve", ("a",), "CouncilRatified"),
    ):
        story = Story(opening(deadline_ms=DEADLINE, silence_policy=policy, quorum=3, required_signoffs=signoffs))
        story.vote("a", True)
        assert story.told(c.ExpireCouncil(), DEADLINE - 1) == []
        assert story.told(c.ExpireCouncil(), DEADLINE) == [expected]
        assert story.told(c.ExpireCouncil(), DEADLINE + 1) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"quorum": 4}, "'quorum' is 4, but all voters together have a weight of 3"),
        ({"quorum": 0}, "'quorum'"),
        ({"voters": ()}, "'voters' must name at least one agent"),
        ({"voters": ("a", "a")}, "'voters' names an agent twice"),
        ({"required_signoffs": ("x",)}, "'required_signoffs' names x, who is no voter"),
        ({"weights": {"x": 2}}, "'weights' names x, who is no voter"),
        ({"weights": {"a": 0}}, "'weights.a'"),
        ({"weights": {"a": 1_000_001}}, "'weights.a'"),
        ({"deadline_ms": 5}, "'deadline' must be a time to come, got 5"),
        ({"subject": " "}, "'subject' must be a non-empty string"),
    ],
)
def test_a_council_that_makes_no_sense_is_not_opened(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Council("council-1").decide(opening(**changes), Now(10, 0.0))
    assert str(refused.value).startswith(message)


def test_only_voters_vote_and_only_on_what_there_is() -> None:
    with pytest.raises(NotAllowed, match="p is no voter"):
        Story(opening()).vote("p", True)
    with pytest.raises(NotFound, match="No such ratification: council-1"):
        Council("council-1").decide(c.CastVote("a", True), Now(0, 0.0))


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 10**6), data=st.data())
def test_a_hundred_voters_with_weights_and_sign_offs_give_the_same_result_in_any_order(
    seed: int, data: st.DataObject
) -> None:
    dice = random.Random(seed)
    voters = tuple(f"v{number}" for number in range(100))
    weights = {voter: dice.randint(1, 1_000) for voter in dice.sample(voters, 40)}
    total = sum(weights.get(voter, 1) for voter in voters)
    command = opening(
        voters=voters,
        weights=weights,
        required_signoffs=tuple(dice.sample(voters, dice.randint(0, 3))),
        quorum=dice.randint(1, total),
        deadline_ms=DEADLINE,
        silence_policy=dice.choice(["abstain", "approve"]),
    )
    leaning = dice.random()
    silent = set(dice.sample(voters, dice.choice([0, 0, 5, 50])))
    votes = [(voter, dice.random() < leaning) for voter in voters if voter not in silent]
    results = {result_of(command, data.draw(st.permutations(votes))) for _ in range(4)}
    assert len(results) == 1


def result_of(command: c.OpenCouncil, votes: list[tuple[str, bool]]) -> str:
    story = Story(command)
    for voter, approves in votes:
        if story.council.is_open:
            story.vote(voter, approves)
    story.told(c.ExpireCouncil(), DEADLINE)
    return story.council.status


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ABC), st.booleans()), max_size=12),
    st.integers(1, 6),
    st.dictionaries(st.sampled_from(ABC), st.integers(1, 3)),
    st.sets(st.sampled_from(ABC)),
)
def test_a_council_keeps_to_a_small_model(
    votes: list[tuple[str, bool]], quorum: int, weights: dict[str, int], signoffs: set[str]
) -> None:
    total = sum(weights.get(voter, 1) for voter in ABC)
    if quorum > total:
        return
    story = Story(opening(quorum=quorum, weights=weights, required_signoffs=tuple(sorted(signoffs))))
    last: dict[str, bool] = {}
    for voter, approves in votes:
        if not story.council.is_open:
            break
        story.vote(voter, approves)
        last[voter] = approves
        approving = sum(weights.get(one, 1) for one, yes in last.items() if yes)
        missing = sum(weights.get(one, 1) for one in ABC if one not in last)
        signed = all(last.get(one) for one in signoffs)
        refused = any(last.get(one) is False for one in signoffs)
        expected = "ratified" if signed and approving >= quorum else "open"
        expected = "rejected" if refused or approving + missing < quorum else expected
        assert story.council.status == expected


def test_an_event_is_folded_whatever_came_before() -> None:
    council = Council("council-1")
    council.evolve(e.CouncilOpened(FLEET, "p", "ship?", 1, ABC))
    council.evolve(e.VoteCast("a", True))
    council.evolve(e.CouncilRatified())
    assert (council.status, council.votes) == ("ratified", {"a": True})


def test_saying_the_same_again_changes_nothing_also_after_the_end() -> None:
    story = Story(opening(payload="the diff"))
    assert story.told(opening(payload="the diff", voters=("a", "b"))) == []
    with pytest.raises(NotAllowed, match="Ratification council-1 exists already"):
        story.told(opening(payload="another diff"))
    assert story.told(c.CastVote("a", True, "fine")) == ["VoteCast"]
    assert story.told(c.CastVote("a", True, "fine")) == []
    assert story.told(c.CastVote("a", True, "very fine")) == ["VoteCast"]
    story.vote("b", True)
    assert story.vote("b", True) == []
    with pytest.raises(NotAllowed, match="no vote counts any more"):
        story.vote("b", False)
