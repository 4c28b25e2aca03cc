"""A token: issued once, revoked once; forgeries are recorded, and bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.access import FORGERY_EVERY_MS, MAX_FORGERIES, Token
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import Now

DIGEST = "ab" * 32
AGENT = "agent-261123-014647-k3f2q7-ann"
ISSUED = e.TokenIssued("agent", DIGEST, AGENT, "ann's editor", 5_000_000)


def token(*events: e.TokenEvent) -> Token:
    found = Token("token-1")
    for event in events:
        found.evolve(event)
    return found


def at(ms: int) -> Now:
    return Now(ms, 0.0)


def test_a_token_is_issued_once() -> None:
    issue = c.IssueToken("agent", DIGEST, AGENT, "ann's editor", 5_000_000)
    assert token().decide(issue, at(1)) == [ISSUED]
    with pytest.raises(NotAllowed, match="exists already"):
        token(ISSUED).decide(issue, at(1))


@pytest.mark.parametrize(
    ("issue", "message"),
    [
        (c.IssueToken("god", DIGEST), "'scope' must be exactly one of operator | read | agent"),
        (c.IssueToken("agent", DIGEST), "'agent_id' is for tokens of the scope agent"),
        (c.IssueToken("read", DIGEST, AGENT), "'agent_id' is for tokens of the scope agent"),
        (c.IssueToken("read", "secret"), "'digest' must be a SHA-256"),
        (c.IssueToken("read", DIGEST, expires_ms=10), "'expires_at' must be an epoch millisecond to come, got 10"),
        (c.IssueToken("read", DIGEST, label="x" * 201), "'label' has 201 characters"),
        (c.IssueToken("read", DIGEST, label="two\nlines"), "'label' must be printable, without spaces around it"),
        (c.IssueToken("read", DIGEST, label=" "), "'label' must be printable, without spaces around it"),
        (
            c.IssueToken("operator", DIGEST, label="operator"),
            "'label' must not read as an id or as the owner (operator)",
        ),
        (c.IssueToken("operator", DIGEST, label=AGENT), "'label' must not read as an id or as the owner (operator)"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_issued(issue: c.IssueToken, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        token().decide(issue, at(10))
    assert str(refused.value).startswith(message)


def test_a_token_is_revoked_once() -> None:
    assert token(ISSUED).decide(c.RevokeToken("lost"), at(1)) == [e.TokenRevoked("lost")]
    assert token(ISSUED, e.TokenRevoked("lost")).decide(c.RevokeToken("again"), at(1)) == []
    with pytest.raises(NotFound, match="No such token: token-1"):
        token().decide(c.RevokeToken(), at(1))


def test_a_forgery_is_recorded_once_a_minute() -> None:
    forgery = c.RecordForgery("send_message", "agent-x")
    known = token(ISSUED)
    assert known.decide(forgery, at(1_000)) == [e.ForgeryRefused("send_message", "agent-x", 1_000)]
    known.evolve(e.ForgeryRefused("send_message", "agent-x", 1_000))
    assert known.decide(forgery, at(1_000 + FORGERY_EVERY_MS - 1)) == []
    assert known.decide(c.RecordForgery("ack", "agent-x"), at(1_001)) != []
    assert known.decide(forgery, at(1_000 + FORGERY_EVERY_MS)) != []


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 60), st.integers(0, 5_000)), max_size=200))
def test_whoever_tries_many_names_cannot_fill_the_log(tries: list[tuple[int, int, int]]) -> None:
    known, now_ms, recorded = token(ISSUED), 0, list[int]()
    for claimed, operation, later_ms in tries:
        now_ms += later_ms
        for event in known.decide(c.RecordForgery(f"{operation}", f"agent-{claimed}"), at(now_ms)):
            known.evolve(event)
            recorded.append(now_ms)
    for moment in recorded:
        assert sum(moment - FORGERY_EVERY_MS < one <= moment for one in recorded) <= MAX_FORGERIES
