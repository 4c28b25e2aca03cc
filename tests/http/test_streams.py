"""Event streams: everything once, in order, from any position; slow and silent clients; the end of the daemon."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.batch import Outgoing
from fleetlog.runtime.client import Client
from fleetlog.runtime.remote_calls import Frame, Frames
from fleetlog.runtime.servers.address import DaemonAddress
from fleetlog.runtime.servers.daemon import STOP_S
from fleetlog.runtime.servers.http.streams import INBOX_PAGE
from tests.http.place import Place
from tests.servers.house import House, wait_for


class Stream:
    """An open stream, read event by event."""

    def __init__(self, http: httpx2.Client, path: str, headers: dict[str, str] | None = None) -> None:
        self._context = http.stream("GET", path, headers=headers)
        self.response = self._context.__enter__()
        self._frames = self._read()

    def _read(self) -> Iterator[Frame]:
        frames = Frames()
        for chunk in self.response.iter_bytes():
            yield from frames.feed(chunk)

    def next(self) -> tuple[str, int, Any]:
        """(name, position, data) of the next event."""
        frame = next(frame for frame in self._frames if frame.data)
        return frame.name, frame.position, json.loads(frame.data)

    def ends(self) -> bool:
        """Read to its end: True when it ends."""
        return not [frame for frame in self._frames if frame.data]

    def close(self) -> None:
        self._context.__exit__(None, None, None)


def test_a_fleets_events_are_those_of_its_timeline_and_then_each_as_it_happens(
    place: Place, http: httpx2.Client
) -> None:
    stream = Stream(http, f"/v1/fleets/{place.fleet_id}/events")
    assert stream.response.headers["content-type"].startswith("text/event-stream")
    for entry in place.runtime.timeline(place.fleet_id):
        assert stream.next() == (entry.what, entry.position, {f: getattr(entry, f) for f in entry.__struct_fields__})
    sent = place.send("later")
    assert stream.next()[:2] == ("message.delivered", sent.position)
    stream.close()


def test_all_events_are_those_of_every_fleet(place: Place, http: httpx2.Client) -> None:
    other = place.runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="c", prompt="x"),)))
    place.settled()
    stream = Stream(http, "/v1/events")
    entries = place.runtime.timeline()
    found = [stream.next() for _ in entries]
    assert [position for _, position, _ in found] == [entry.position for entry in entries]
    assert {data["fleet_id"] for _, _, data in found} == {place.fleet_id, other.fleet_id}
    stream.close()


def test_an_inbox_stream_has_the_messages_that_wait_and_then_each_that_comes(place: Place, http: httpx2.Client) -> None:
    for number in range(40):  # more than one page
        place.send(f"number {number}")
    place.runtime.ack(place.b, place.message_id)
    stream = Stream(http, f"/v1/agents/{place.b}/inbox/events")
    said = [stream.next()[2]["payload"] for _ in range(40)]
    assert said == [f"number {number}" for number in range(40)]
    late = place.send("late")
    name, position, data = stream.next()
    assert (name, position, data["payload"], data["id"]) == ("message", late.position, "late", late.message_id)
    stream.close()


def test_a_stream_goes_on_behind_the_last_event_wherever_it_was_cut(place: Place, http: httpx2.Client) -> None:
    everything = [entry.position for entry in place.runtime.timeline(place.fleet_id)]
    path = f"/v1/fleets/{place.fleet_id}/events"
    for cut, position in enumerate(everything[:-1]):
        by_header = Stream(http, f"{path}?after=1", {"last-event-id": str(position)})  # which counts more
        by_query = Stream(http, f"{path}?after={position}")
        assert by_header.next()[1] == by_query.next()[1] == everything[cut + 1]
        by_header.close()
        by_query.close()


def test_a_stream_can_begin_now(place: Place, http: httpx2.Client) -> None:
    stream = Stream(http, "/v1/events?after=now")
    sent = place.send("after now")
    assert stream.next()[1] == sent.position
    stream.close()


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/fleets/fleet-x/events", 404, "not_found"),
        ("/v1/agents/agent-x/inbox/events", 404, "not_found"),
        ("/v1/events?after=-1", 400, "invalid_argument"),
        ("/v1/events?after=" + "9" * 19, 400, "invalid_argument"),
        ("/v1/events?after=later", 400, "invalid_argument"),
        ("/v1/events?aftr=1", 400, "invalid_argument"),
    ],
)
def test_what_cannot_be_followed_is_refused_before_the_stream_begins(
    path: str, status: int, kind: str, place: Place, http: httpx2.Client
) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.json()["error"]["kind"]) == (status, kind)


def test_a_hundred_that_wait_cost_no_thread_and_hear_everything(place: Place, http: httpx2.Client) -> None:
    with httpx2.Client(
        base_url=place.house.url, timeout=30, trust_env=False, limits=httpx2.Limits(max_connections=200)
    ) as many:
        streams = [Stream(many, f"/v1/agents/{place.b}/inbox/events?after=now") for _ in range(100)]
        threads = threading.active_count()
        place.send("to everybody who listens")
        assert {stream.next()[2]["payload"] for stream in streams} == {"to everybody who listens"}
        assert threading.active_count() <= threads + 32  # the daemon's own, however many listen
        for stream in streams:
            stream.close()


class SlowReader:
    """A client of an inbox's stream that has little room, and reads when it is told to."""

    def __init__(self, url: str, agent_id: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        self._socket.settimeout(20)
        self._socket.connect((host, int(port)))
        path = f"/v1/agents/{agent_id}/inbox/events"
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    def read(self, events: int) -> int:
        """Read at least so many events; how many there were, at most until the stream is cut."""
        heard, tail = 0, b""
        while heard < events and (chunk := self._socket.recv(1_000_000)):
            heard += (tail + chunk).count(b"event: message\n")
            tail = (tail + chunk)[-len(b"event: message") :]
        return heard

    def close(self) -> None:
        self._socket.close()


def fill(place: Place, megabytes: int) -> int:
    """Send so much, 50 KB a message; how many messages there are now."""
    outgoing = Outgoing(place.a, place.b, place.fleet_id, "question", "x" * 50_000)
    for _ in range(megabytes):
        place.runtime.send_messages([outgoing] * 20)
    return len(place.runtime.inbox(place.b).messages)


def pages_asked(place: Place) -> Callable[[], int]:
    """Counts how many pages streams ask for from now on."""
    counted = 0
    queries = place.runtime._parts.queries
    inbox = queries.inbox

    def counting(*args: Any, **options: Any) -> Any:
        nonlocal counted
        counted += options.get("limit") is not None
        return inbox(*args, **options)

    queries.inbox = counting  # type: ignore[method-assign]
    return lambda: counted


def test_a_client_that_reads_slowly_is_held_back_and_misses_nothing(place: Place, http: httpx2.Client) -> None:
    total, asked = fill(place, 30), pages_asked(place)
    slow = SlowReader(place.house.url, place.b)
    wait_for(asked, "the first page")
    quick = Stream(http, f"/v1/agents/{place.b}/inbox/events")
    for _ in range(total):
        quick.next()  # the others are not kept waiting
    quick.close()
    everything = total // INBOX_PAGE
    assert asked() < everything * 1.7  # what the system holds for the slow one, and no more
    assert slow.read(total) == total
    slow.close()


def test_a_client_that_reads_nothing_does_not_keep_the_daemon_from_stopping(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--dir", str(tmp_path / "d"), "--port", "0"]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as daemon:
        wait_for(lambda: DaemonAddress.read(tmp_path / "d"), "the daemon does not listen")
        with Client.of(tmp_path / "d") as client:
            agents = (AgentSpec(role="a", prompt="x"), AgentSpec(role="b", prompt="x"))
            fleet = client.spawn_fleet(FleetSpec(agents=agents))
            sender, reader = fleet.agent_ids
            outgoing = Outgoing(sender, reader, fleet.fleet_id, "question", "x" * 50_000)
            for _ in range(20):
                client.send_messages([outgoing] * 15)
            slow = SlowReader(client._address.url, reader)
            assert slow.read(1)
        began = time.monotonic()
        daemon.terminate()
        _, said = daemon.communicate(timeout=STOP_S + 10)
        assert time.monotonic() - began < STOP_S + 5
        assert daemon.returncode == 0
        assert "Traceback" not in said
        slow.close()


def test_a_client_that_goes_leaves_no_listener_behind(place: Place, http: httpx2.Client) -> None:
    listeners = place.runtime._parts.projector._listeners
    before = len(listeners)
    streams = [Stream(http, "/v1/events") for _ in range(5)]
    wait_for(lambda: len(listeners) == before + 5, "five listeners")
    for stream in streams:
        stream.close()
    wait_for(lambda: len(listeners) == before, "no listener")


def test_streams_and_calls_that_wait_end_when_the_daemon_stops(house: House) -> None:
    place = Place(house)
    with httpx2.Client(base_url=house.url, timeout=30, trust_env=False) as http:
        listeners = place.runtime._parts.projector._listeners
        before = len(listeners)
        stream = Stream(http, "/v1/events?after=now")
        wait_for(lambda: len(listeners) == before + 1, "the stream listens")
        answers: list[httpx2.Response] = []
        ask = {"fleet_id": place.fleet_id, "wait_s": 50}
        waiting = threading.Thread(target=lambda: answers.append(http.post("/v1/collect_results", json=ask)))
        waiting.start()
        wait_for(lambda: len(listeners) == before + 2, "the call waits")
        house.daemon.stop()
        assert stream.ends()
        stream.close()
        waiting.join(10)
        assert answers[0].json()["is_final"] is False


def test_a_stream_says_that_it_is_still_there(
    place: Place, http: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleetlog.runtime.servers.http.streams.HEARTBEAT_S", 0.05)
    with http.stream("GET", "/v1/events?after=now") as response:
        heard = b""
        for chunk in response.iter_bytes():
            heard += chunk
            if heard.count(b": still here\n\n") >= 3:
                break


def test_frames_are_read_wherever_they_are_cut() -> None:
    said = 'retry: 1\nid: 7\n\n: still here\n\nevent: a.b\nid: 8\ndata: {"x":"\u2028:  é"}\n\n'.encode()
    whole = Frames().feed(said)
    assert whole == [Frame("", 7, b""), Frame("a.b", 8, '{"x":"\u2028:  é"}'.encode())]
    for cut in range(len(said)):
        frames = Frames()
        assert frames.feed(said[:cut]) + frames.feed(said[cut:]) == whole
