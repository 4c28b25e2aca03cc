"""Discussions through the facade: each message arrives once, the times hold over restarts, one of many callers wins."""

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound, Refused
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.replies import DiscussionReply
from fleetlog.runtime.testing import wait_until
from tests.runtime.conftest import OpenRuntime

PAIR = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="talk") for role in ("ann", "bob", "cid")), keep_open=True)


class Pair:
    """A runtime with two who talk."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        fleet = runtime.spawn_fleet(PAIR)
        self.fleet_id, (self.ann, self.bob, self.cid) = fleet.fleet_id, fleet.agent_ids

    def ask(self, *, wake: bool = True, key: str | None = None, **changes: Any) -> DiscussionReply:
        bounds = {"max_turns": 4, "timeout_s": 100.0, "turn_timeout_s": 10.0, **changes}
        return self.runtime.ask_peer(
            self.ann, self.bob, self.fleet_id, '{"q": 1}', wake_peer=wake, idempotency_key=key, **bounds
        )

    def inbox(self, agent_id: str, count: int) -> list[dict[str, Any]]:
        """What an agent has been told, once it is so many messages."""
        wait_until(self.runtime, self.fleet_id, lambda _: len(self.runtime.inbox(agent_id).messages) >= count)
        return [json.loads(one.payload) for one in self.runtime.inbox(agent_id).messages]


@pytest.fixture
def pair(open_runtime: OpenRuntime) -> Pair:
    return Pair(open_runtime())


def test_a_discussion_from_the_question_to_its_close(pair: Pair) -> None:
    asked = pair.ask()
    assert asked.status == "active"
    told = pair.inbox(pair.bob, 2)
    assert told[0] == {"discussion_id": asked.discussion_id, "payload": {"q": 1}}
    assert told[1]["attempt_id"] == asked.attempt_id
    first = pair.runtime.reply_discussion(
        pair.bob, asked.discussion_id, asked.attempt_id, asked.message_id, "question", '"why?"'
    )
    assert first.status == "open"
    assert pair.inbox(pair.ann, 1)[0]["payload"] == "why?"
    turn = pair.runtime.wake_agent(pair.ann, asked.discussion_id, first.message_id)
    last = pair.runtime.reply_discussion(
        pair.ann, asked.discussion_id, turn.attempt_id, first.message_id, "result", '"because"', close=True
    )
    assert last.status == "closed"
    found = pair.runtime.discussion(asked.discussion_id)
    assert [said.payload for said in found.transcript] == ['{"q": 1}', '"why?"', '"because"']
    assert [attempt.status for attempt in found.attempts] == ["replied", "replied"]
    assert (found.status, found.turns_used, found.integrity_findings) == ("closed", 2, ())
    pair.inbox(pair.bob, 4)
    with pytest.raises(NotAllowed, match="is closed"):
        pair.runtime.wake_agent(pair.bob, asked.discussion_id, last.message_id)


def test_receipts_of_what_was_said_are_shown(pair: Pair) -> None:
    asked = pair.ask(wake=False)
    assert asked.status == "open"
    pair.inbox(pair.bob, 1)
    pair.runtime.give_receipt(pair.bob, asked.message_id, "read")
    found = pair.runtime.discussion(asked.discussion_id)
    assert [one.action for one in found.transcript[0].receipts] == ["read"]
    assert pair.runtime.discussion(asked.discussion_id, include_receipts=False).transcript[0].receipts == ()


def test_of_many_callers_at_once_one_wins(pair: Pair) -> None:
    asked = pair.ask(wake=False)

    def tried(call: Any) -> str:
        try:
            return str(call().attempt_id)
        except Refused as error:
            return str(error)

    with ThreadPoolExecutor(20) as pool:
        wake = lambda: pair.runtime.wake_agent(pair.bob, asked.discussion_id, asked.message_id)  # noqa: E731
        woken = list(pool.map(lambda _: tried(wake), range(20)))
        won = [one for one in woken if one.startswith("discussion-")]
        assert len(won) == 1
        assert all("turn_already_active" in one for one in woken if one not in won)
        reply = lambda: pair.runtime.reply_discussion(  # noqa: E731
            pair.bob, asked.discussion_id, won[0], asked.message_id, "result", "1"
        )
        replied = list(pool.map(lambda _: tried(reply), range(20)))
    assert replied.count(won[0]) == 1
    assert len(pair.runtime.discussion(asked.discussion_id).transcript) == 2


def test_a_call_repeated_with_its_key_pays_for_one_turn(pair: Pair) -> None:
    asked = pair.ask(key="a")
    assert pair.ask(key="a").attempt_id == asked.attempt_id

    def reply(key: str | None) -> DiscussionReply:
        attempt = (pair.bob, asked.discussion_id, asked.attempt_id, asked.message_id)
        return pair.runtime.reply_discussion(*attempt, "result", "1", idempotency_key=key)

    first = reply("r")
    assert reply("r").message_id == first.message_id
    with pytest.raises(NotAllowed, match="has replied already"):
        reply(None)
    turn = pair.runtime.wake_agent(pair.ann, asked.discussion_id, first.message_id, idempotency_key="w")
    again = pair.runtime.wake_agent(pair.ann, asked.discussion_id, first.message_id, idempotency_key="w")
    assert turn.attempt_id == again.attempt_id
    assert pair.runtime.discussion(asked.discussion_id).turns_used == 2


def test_a_turn_whose_time_is_over_ends_it_also_over_a_restart(open_runtime: OpenRuntime) -> None:
    clock = ManualClock()
    pair = Pair(open_runtime(clock=clock))
    asked, other = pair.ask(), pair.ask(wake=False)
    clock.advance(8)
    pair.runtime.close()
    later = ManualClock()
    later.advance(8)  # what the first life was up
    pair.runtime = open_runtime(clock=later)
    assert pair.runtime.discussion(asked.discussion_id).status == "active"
    later.advance(3)
    told = pair.inbox(pair.ann, 1)
    assert told == [{"discussion_id": asked.discussion_id, "status": "deadman", "text": "the discussion is deadman"}]
    found = pair.runtime.discussion(asked.discussion_id)
    assert (found.status, found.attempts[0].status) == ("deadman", "lost")
    assert pair.runtime.discussion(other.discussion_id).status == "open"
    assert len(pair.inbox(pair.bob, 4)) == 4  # two questions, one turn, one end: each once, over both lives


def test_what_makes_no_sense_is_refused(pair: Pair) -> None:
    asked = pair.ask(wake=False)
    runtime = pair.runtime
    with pytest.raises(InvalidArgument, match="'payload' must be JSON text"):
        runtime.ask_peer(
            pair.ann,
            pair.bob,
            pair.fleet_id,
            "not json",
            max_turns=2,
            timeout_s=10,
            turn_timeout_s=5,
            wake_peer=False,
        )
    with pytest.raises(InvalidArgument, match="Payload too large"):
        runtime.ask_peer(
            pair.ann,
            pair.bob,
            pair.fleet_id,
            f'"{"x" * 65_500}"',
            max_turns=2,
            timeout_s=10,
            turn_timeout_s=5,
            wake_peer=False,
        )
    with pytest.raises(InvalidArgument, match="'turn_timeout_ms' must be <= timeout_ms"):
        pair.ask(timeout_s=5.0)
    with pytest.raises(NotAllowed, match="does not take part"):
        runtime.wake_agent(pair.cid, asked.discussion_id, asked.message_id)
    with pytest.raises(NotFound, match="No such discussion: discussion-none"):
        runtime.wake_agent(pair.bob, "discussion-none", asked.message_id)
    with pytest.raises(NotFound, match="No such discussion: council-x"):
        runtime.discussion("council-x")
