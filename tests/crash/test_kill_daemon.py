"""kill -9 of the daemon while clients are at it: what was acknowledged is there, in order, and nothing twice."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.stdio_client import StdioClient, kill_daemon

pytestmark = pytest.mark.slow

SENDS, KILLS = 3_000, 12
EXCHANGES = 60


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "d"
    yield directory
    kill_daemon(directory)


def two_mailboxes(client: StdioClient) -> tuple[str, list[str]]:
    agents = [{"role": role, "prompt": "write letters"} for role in ("ann", "bob")]
    spawned = client.call("spawn_fleet", agents=agents, keep_open=True)
    return spawned["fleet_id"], spawned["agent_ids"]


def test_pipelined_sends_survive_the_daemon(directory: Path) -> None:
    client = StdioClient(directory)
    fleet_id, (ann, bob) = two_mailboxes(client)
    letter = {"from_agent_id": ann, "to_agent_id": bob, "fleet_id": fleet_id, "type": "question"}
    dice = random.Random(5)
    kills = set(dice.sample(range(100, SENDS - 100), KILLS))
    posted = []
    for number in range(SENDS):
        posted.append(client.post("send_message", **letter, payload=f"{number}"))
        if number in kills:
            client.result(posted[number - dice.randrange(90)])  # some are acknowledged, some are on their way
            kill_daemon(directory)
    message_ids = [client.result(one)["structuredContent"]["message_id"] for one in posted]

    inbox = client.call("get_inbox", agent_id=bob)["messages"]
    assert [message["payload"] for message in inbox] == [f"{number}" for number in range(SENDS)]
    assert [message["id"] for message in inbox] == message_ids
    assert client.doubled == []
    assert client.call("verify_ledger")["ok"]
    assert client.close() == 0


def test_two_clients_write_to_each_other_while_a_third_kills_the_daemon(directory: Path) -> None:
    operator = StdioClient(directory)
    fleet_id, (ann, bob) = two_mailboxes(operator)
    done = threading.Event()
    said: dict[str, list[str]] = {}
    failures: list[BaseException] = []

    def live(me: str, peer: str) -> None:
        """Send, and answer what comes, until the last letter has come."""
        try:
            said[me] = _correspond(StdioClient(directory), fleet_id, me, peer)
        except BaseException as error:  # noqa: BLE001 - told to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=live, args=pair) for pair in ((ann, bob), (bob, ann))]
    for thread in threads:
        thread.start()
    dice = random.Random(7)
    while any(thread.is_alive() for thread in threads):
        done.wait(0.5 + 2 * dice.random())
        kill_daemon(directory)
    for thread in threads:
        thread.join()
    assert failures == []
    assert said == {
        ann: [f"{number}" for number in range(EXCHANGES)],
        bob: [f"{number}" for number in range(EXCHANGES)],
    }
    timeline = operator.call("timeline", fleet_id=fleet_id, limit=10_000)["entries"]
    assert len([entry for entry in timeline if entry["what"] == "message.delivered"]) == 2 * EXCHANGES
    assert operator.call("verify_ledger")["ok"]
    operator.close()


def _correspond(client: StdioClient, fleet_id: str, me: str, peer: str) -> list[str]:
    heard: list[str] = []
    sent = 0
    while len(heard) < EXCHANGES or sent < EXCHANGES:
        if sent < EXCHANGES and sent <= len(heard) + 3:
            client.call(
                "send_message", from_agent_id=me, to_agent_id=peer, fleet_id=fleet_id, type="result", payload=f"{sent}"
            )
            sent += 1
        for message in client.call("get_inbox", agent_id=me, wait_ms=200)["messages"]:
            heard.append(message["payload"])
            assert client.call("ack_message", agent_id=me, message_id=message["id"])["ok"]
    assert client.close() == 0
    assert client.doubled == []
    return heard
