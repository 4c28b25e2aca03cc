"""Many messages in one commit."""

import pytest

from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.host import Runtime
from tests.runtime.conftest import OpenRuntime

MAILBOXES = FleetSpec(agents=tuple(AgentSpec(role=role, prompt="wait") for role in "abc"), keep_open=True)


class Post:
    """A fleet of three mailboxes."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        spawned = runtime.spawn_fleet(MAILBOXES)
        self.fleet_id, self.agent_ids = spawned.fleet_id, spawned.agent_ids

    def letter(self, sender: int, to: int | str, payload: str) -> Outgoing:
        recipient = to if isinstance(to, str) else self.agent_ids[to]
        return Outgoing(self.agent_ids[sender], recipient, self.fleet_id, "question", payload)

    def inbox(self, agent: int) -> list[str]:
        return [message.payload for message in self.runtime.inbox(self.agent_ids[agent]).messages]


@pytest.fixture
def post(open_runtime: OpenRuntime) -> Post:
    return Post(open_runtime())


def test_a_batch_is_delivered_in_its_order(post: Post) -> None:
    letters = [post.letter(0, 1 + number % 2, f"{number}") for number in range(100)]
    reply = post.runtime.send_messages(letters)
    assert post.inbox(1) == [f"{number}" for number in range(0, 100, 2)]
    assert post.inbox(2) == [f"{number}" for number in range(1, 100, 2)]
    assert [sent.recipients for sent in reply.results] == [(letter.to_agent_id,) for letter in letters]
    assert len({sent.message_id for sent in reply.results}) == 100


def test_a_batch_is_one_commit(post: Post) -> None:
    reply = post.runtime.send_messages([post.letter(0, "*", "to all"), post.letter(1, 0, "to one")])
    delivered = [entry for entry in post.runtime.timeline(post.fleet_id) if entry.what == "message.delivered"]
    assert [entry.position for entry in delivered] == [reply.position - 2, reply.position - 1, reply.position]
    assert (post.inbox(0), post.inbox(1), post.inbox(2)) == (["to one"], ["to all"], ["to all"])


def test_a_batch_that_is_repeated_with_its_key_is_sent_once(post: Post) -> None:
    letters = [post.letter(0, 1, "once"), post.letter(0, 2, "once too")]
    first = post.runtime.send_messages(letters, idempotency_key="a")
    assert post.runtime.send_messages(letters, idempotency_key="a").results == first.results
    with pytest.raises(NotAllowed, match="used for another call"):
        post.runtime.send_messages(letters[:1], idempotency_key="a")
    assert (post.inbox(1), post.inbox(2)) == (["once"], ["once too"])


def test_one_message_that_cannot_be_delivered_refuses_all(post: Post) -> None:
    post.runtime.cancel_agent(post.agent_ids[2])
    with pytest.raises(NotAllowed, match="is cancelled and takes no messages"):
        post.runtime.send_messages([post.letter(0, 1, "x"), post.letter(0, 2, "x")])
    with pytest.raises(NotFound, match=r"messages\[1\]: No such agent in fleet .*: nobody"):
        post.runtime.send_messages([post.letter(0, 1, "x"), post.letter(0, "nobody", "x")])
    assert post.inbox(1) == []
    post.runtime.send_messages([post.letter(0, 1, "after")])
    assert post.inbox(1) == ["after"]


def test_a_batch_that_makes_no_sense_is_refused(post: Post) -> None:
    good = post.letter(0, 1, "x")
    with pytest.raises(InvalidArgument, match="at least one"):
        post.runtime.send_messages([])
    with pytest.raises(InvalidArgument, match=r"Batch too large: 1001 messages \(limit 1000\)"):
        post.runtime.send_messages([good] * 1001)
    with pytest.raises(InvalidArgument, match=r"messages\[1\].*65537 bytes \(limit 65536\)"):
        post.runtime.send_messages([good, post.letter(0, 1, "x" * 65_537)])
    other = Post(post.runtime)
    with pytest.raises(InvalidArgument, match="must be of one fleet"):
        post.runtime.send_messages([good, other.letter(0, 1, "x")])
    assert post.inbox(1) == []
