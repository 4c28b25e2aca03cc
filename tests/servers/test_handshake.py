"""What the bridge says to a client's first words is what the daemon would say."""

import json
import socket
from typing import Any

import pytest

from fleetlog.runtime.servers.stdio import greeting
from tests.servers.house import House

HELLO = {"capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
FIRST_WORDS: list[dict[str, Any]] = [
    *({"method": "initialize", "params": {"protocolVersion": version, **HELLO}} for version in VERSIONS),
    {"method": "server/discover", "params": {"_meta": ENVELOPE}},
]


def said_by_the_daemon(house: House, line: str) -> dict[str, Any]:
    """Its answer to the first line of a session."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(house.daemon.address.socket)
        connection.sendall(b'{"fleetlog": 1}\n' + f"key\t{line}\n".encode())
        with connection.makefile("rb") as frames:
            answered, _, answer = frames.readline().partition(b"\t")
    assert answered == b"1"
    found: dict[str, Any] = json.loads(answer)
    return found


@pytest.mark.parametrize("words", FIRST_WORDS, ids=lambda words: str(words["params"].get("protocolVersion", "new")))
def test_the_bridge_greets_as_the_daemon_does(house: House, words: dict[str, Any]) -> None:
    message = {"jsonrpc": "2.0", "id": 1, **words}
    greeted = greeting(message)
    assert greeted is not None
    assert json.loads(greeted) == said_by_the_daemon(house, json.dumps(message))


def test_versions_that_are_not_known_are_left_to_the_daemon() -> None:
    unknown = {"id": 1, "method": "initialize", "params": {"protocolVersion": "1999-01-01", **HELLO}}
    assert greeting(unknown) is None
    newer = {
        "id": 1,
        "method": "server/discover",
        "params": {"_meta": {**ENVELOPE, next(iter(ENVELOPE)): "2099-01-01"}},
    }
    assert greeting(newer) is None
