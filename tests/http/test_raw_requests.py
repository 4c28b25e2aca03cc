"""Requests as only an enemy, or a broken program, writes them: byte by byte, over a plain socket."""

import json
import socket
from collections.abc import Iterator

import pytest

from tests.http.place import Place
from tests.servers.house import wait_for

MIB = 1024 * 1024


class Line:
    """A connection to the daemon."""

    def __init__(self, place: Place) -> None:
        self.host, _, port = place.house.url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((self.host, int(port)), timeout=20)

    def head(self, start: str, *headers: str) -> bytes:
        return "\r\n".join((f"{start} HTTP/1.1", f"Host: {self.host}", *headers, "", "")).encode()

    def say(self, data: bytes) -> None:
        self._socket.sendall(data)

    def hear(self) -> tuple[int, bytes]:
        """(status, what comes until the other side closes, or a whole JSON answer is there)."""
        heard = b""
        while not (b"\r\n\r\n" in heard and heard.rstrip().endswith(b"}")):
            chunk = self._socket.recv(65_536)
            if not chunk:
                break
            heard += chunk
        assert heard.startswith(b"HTTP/1.1 "), heard[:80]
        return int(heard[9:12]), heard.partition(b"\r\n\r\n")[2]

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def line(place: Place) -> Iterator[Line]:
    line = Line(place)
    yield line
    line.close()


POST = "POST /v1/list_fleets"
JSON = "Content-Type: application/json"


def kind(body: bytes) -> str:
    found: str = json.loads(body)["error"]["kind"]
    return found


@pytest.mark.parametrize("size", [MIB + 1, 3 * MIB])
def test_a_body_that_says_it_is_too_large_is_refused(size: int, place: Place, line: Line) -> None:
    line.say(line.head(POST, JSON, f"Content-Length: {size}"))
    line.say(b" " * size)
    status, body = line.hear()
    assert (status, kind(body)) == (413, "too_large")


def test_a_body_beyond_all_bounds_is_refused_before_it_comes(place: Place, line: Line) -> None:
    line.say(line.head(POST, JSON, f"Content-Length: {10**15}"))
    status, body = line.hear()
    assert (status, kind(body)) == (413, "too_large")


def test_a_body_in_chunks_is_refused_when_it_has_become_too_large(place: Place, line: Line) -> None:
    line.say(line.head(POST, JSON, "Transfer-Encoding: chunked"))
    chunk = b"%x\r\n%s\r\n" % (MIB // 2, b" " * (MIB // 2))
    line.say(chunk * 3 + b"0\r\n\r\n")
    status, body = line.hear()
    assert (status, kind(body)) == (413, "too_large")


def test_a_body_of_the_greatest_size_is_read(place: Place, line: Line) -> None:
    body = b'{"limit": 1' + b" " * (MIB - 12) + b"}"
    line.say(line.head(POST, JSON, f"Content-Length: {MIB}") + body)
    status, answer = line.hear()
    assert (status, len(json.loads(answer)["fleets"])) == (200, 1)


@pytest.mark.parametrize(
    "headers",
    [
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: -1",),
        ("Content-Length: x",),
        ("Content-Length: 2", "Transfer-Encoding: gzip"),
        ("Bad Header: x", "Content-Length: 2"),
    ],
)
def test_a_head_that_contradicts_itself_is_refused(headers: tuple[str, ...], place: Place, line: Line) -> None:
    line.say(line.head(POST, JSON, *headers) + b"{}")
    status, _ = line.hear()
    assert status in (400, 413, 501)


def test_a_client_that_leaves_in_the_middle_of_its_body_changes_nothing(place: Place, line: Line) -> None:
    before = place.settled()
    body = json.dumps({"fleet_id": place.fleet_id}).encode()
    line.say(line.head("POST /v1/cancel_fleet", JSON, f"Content-Length: {len(body) + 1}") + body)
    line.close()
    other = Line(place)
    other.say(other.head("GET /health"))
    assert other.hear()[0] == 200
    other.close()
    assert place.settled() == before


def test_clients_that_say_their_bodies_drop_by_drop_keep_nobody_else_waiting(place: Place, line: Line) -> None:
    slow = [Line(place) for _ in range(100)]
    for one in slow:
        one.say(one.head(POST, JSON, "Content-Length: 100") + b"{")
    line.say(line.head("GET /v1/list_fleets"))
    assert line.hear()[0] == 200
    for one in slow:
        one.say(b" ")
        one.close()


def test_two_requests_in_one_breath_are_answered_one_after_the_other(place: Place, line: Line) -> None:
    line.say(line.head("GET /health") + line.head("GET /v1/unread?agent_id=x"))
    heard = b""

    def both() -> bool:
        nonlocal heard
        heard += line._socket.recv(65_536)
        return heard.count(b"HTTP/1.1 ") == 2

    wait_for(both, "two answers")
    assert heard.startswith(b"HTTP/1.1 200")
