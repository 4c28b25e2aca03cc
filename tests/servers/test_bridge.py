"""The bridge of a stdio client: what it says while there is no daemon, again to a new one, and to nobody twice."""

import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from fleetlog.runtime.servers.reaching import NoDaemon
from fleetlog.runtime.servers.stdio import Bridge, greeting
from tests.servers.house import wait_for

INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}


class Daemon:
    """The other end of the bridge's connections: it is there, or not, as the test says."""

    def __init__(self) -> None:
        self.is_there = False
        self.refusal = ""
        self.starts = 0
        self.hellos: list[tuple[str, int]] = []
        """(stem, the last number sent) that each connection was told."""
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()

    def connect(self, *, may_start: bool, stem: str, sent: int) -> socket.socket | None:
        self.starts += may_start
        if may_start and self.refusal:
            raise NoDaemon(self.refusal)
        if not self.is_there:
            return None
        ours, theirs = socket.socketpair()
        self.hellos.append((stem, sent))
        with self._lock:
            self._ends.append(ours)
        return theirs

    @property
    def connection(self) -> socket.socket:
        wait_for(lambda: self._ends, "nobody has connected")
        return self._ends[-1]

    def frames(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """(idempotency key, message) of the next frames of the newest connection."""
        lines = self.connection.makefile("rb")
        found = []
        for _ in range(count):
            key, _, line = lines.readline().partition(b"\t")
            found.append((key.decode(), json.loads(line)))
        return found

    def answer(self, request_id: int) -> None:
        line = json.dumps({"jsonrpc": "2.0", "id": request_id, "result": {}})
        self.connection.sendall(f"{request_id}\t{line}\n".encode())

    def die(self) -> None:
        with self._lock:
            gone = self._ends.pop()
        gone.close()


class Wired:
    """A bridge and its daemon."""

    def __init__(self) -> None:
        self.daemon, self.out = Daemon(), io.BytesIO()
        self.bridge = Bridge(self.daemon, self.out)
        self.bridge.start()

    def say(self, method: str, request_id: int | None = None, **params: Any) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            message["id"] = request_id
        self.bridge.take(json.dumps(message).encode())

    def heard(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def wait_for_answers(self, *ids: int) -> None:
        wait_for(lambda: [answer["id"] for answer in self.heard()] == list(ids), f"{self.heard()}")


def test_a_client_may_write_on_while_it_does_not_read() -> None:
    readable, writable = os.pipe()
    daemon = Daemon()
    daemon.is_there = True
    with open(writable, "wb") as out, open(readable, "rb") as client:
        bridge = Bridge(daemon, out)
        bridge.start()
        bridge.take(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode())
        daemon.frames(1)
        long = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"text": "x" * 3_000_000}}).encode() + b"\n"
        answering = threading.Thread(target=daemon.connection.sendall, args=(b"1\t" + long,))
        answering.start()
        assert client.read(1) == b"{"  # it has begun to be written, and the pipe is full

        def write_on() -> None:
            for number in range(2, 52):
                bridge.take(json.dumps({"jsonrpc": "2.0", "id": number, "method": "ping"}).encode())

        writing = threading.Thread(target=write_on, daemon=True)
        writing.start()
        writing.join(10)
        assert not writing.is_alive()
        assert client.readline() == long[1:]
        answering.join(10)
        daemon.die()
        bridge.finish()


@pytest.fixture
def wired() -> Iterator[Wired]:
    wired = Wired()
    yield wired
    wired.bridge.finish()


def test_a_client_is_greeted_before_there_is_a_daemon_and_the_daemon_hears_of_it(wired: Wired) -> None:
    wired.say("initialize", 1, **INITIALIZE)
    wired.wait_for_answers(1)
    assert wired.heard()[0]["result"]["protocolVersion"] == "2025-06-18"
    assert wired.daemon.starts == 0
    wired.say("notifications/initialized")
    wired.say("tools/call", 2, name="ping")
    wired.daemon.is_there = True
    methods = [message["method"] for _, message in wired.daemon.frames(3)]
    assert methods == ["initialize", "notifications/initialized", "tools/call"]
    wired.daemon.answer(1)  # the client has this answer already
    wired.daemon.answer(2)  # and this one has the number the notification came with
    wired.wait_for_answers(1, 2)


def test_what_was_not_answered_is_asked_of_the_next_daemon_with_the_same_key(wired: Wired) -> None:
    wired.daemon.is_there = True
    wired.say("tools/call", 7, name="a")
    wired.say("tools/call", 8, name="b")
    first = wired.daemon.frames(2)
    wired.daemon.answer(7)
    wired.wait_for_answers(7)
    wired.daemon.die()
    assert wired.daemon.frames(1) == [first[1]]
    wired.daemon.answer(8)
    wired.wait_for_answers(7, 8)
    assert first[0][0] != first[1][0]


def test_a_daemon_is_told_which_keys_none_before_it_has_seen(wired: Wired) -> None:
    wired.daemon.is_there = True
    wired.say("tools/call", 7, name="a")
    (seen,) = wired.daemon.frames(1)
    wired.daemon.die()
    wired.daemon.frames(1)
    wired.say("tools/call", 8, name="b")
    (new,) = wired.daemon.frames(1)
    stem, sent = wired.daemon.hellos[-1]
    assert (seen[0], new[0]) == (f"{stem}-{sent}", f"{stem}-{sent + 1}")


def test_a_daemon_that_has_gone_is_not_started_again_before_something_is_asked(wired: Wired) -> None:
    wired.daemon.is_there = True
    wired.say("subscriptions/listen", 1)
    wired.daemon.frames(1)
    wired.daemon.is_there = False
    before = wired.daemon.starts
    wired.daemon.die()
    assert wired.daemon.starts == before
    wired.daemon.is_there = True
    assert wired.daemon.frames(1)[0][1]["method"] == "subscriptions/listen"


def test_what_is_asked_where_no_daemon_can_be_started_is_answered_with_the_reason(wired: Wired) -> None:
    wired.daemon.refusal = "the directory is owned by process 7"
    wired.say("tools/list", 3)
    wired.wait_for_answers(3)
    assert wired.heard()[0]["error"]["message"] == "the directory is owned by process 7"


@pytest.mark.parametrize("line", ["[]", "{", '{"method": "initialize", "id": 1}', '{"method": 3, "id": 1}'])
def test_what_is_no_message_is_left_to_the_daemon(line: str) -> None:
    message = json.loads(line) if line != "{" else {}
    assert greeting(message if isinstance(message, dict) else {}) is None
