"""Clients of a daemon that cost next to nothing themselves: lines over stdio, requests over plain sockets."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fleetlog.runtime.servers.address import DaemonAddress

__all__ = ["Stdio", "daemon", "http_load"]

_HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}}
_HEAD = (
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    "Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n"
)


class Stdio:
    """`fleetlog mcp` on a directory; the daemon is started by it, if there is none."""

    def __init__(self, directory: Path) -> None:
        words = [sys.executable, "-m", "fleetlog.runtime.entry", "mcp", "--dir", str(directory)]
        begun = time.perf_counter()
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._number = 0
        self._ask("initialize", _HELLO)
        self.first_reply_s = time.perf_counter() - begun
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _write(self, message: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _post(self, method: str, params: dict[str, Any]) -> None:
        self._number += 1
        self._write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        result: dict[str, Any] = json.loads(self._process.stdout.readline())["result"]
        return result

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._post(method, params)
        return self._read()

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool and wait for its answer."""
        content: dict[str, Any] = self._ask("tools/call", {"name": tool, "arguments": arguments})["structuredContent"]
        assert "error" not in content, content
        return content

    def pipeline(self, tool: str, calls: Sequence[dict[str, Any]]) -> None:
        """Make the calls without waiting in between."""
        for arguments in calls:
            self._post("tools/call", {"name": tool, "arguments": arguments})
        for _ in calls:
            assert not self._read()["isError"]

    def close(self) -> None:
        """End its input."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(5)
        self._process.stdout.close()


@contextmanager
def daemon(directory: Path) -> Iterator[DaemonAddress]:
    """`fleetlog serve`, as a process of its own."""
    words = [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--dir", str(directory), "--port", "0"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    while (address := DaemonAddress.read(directory)) is None:
        time.sleep(0.05)
    try:
        yield address
    finally:
        os.kill(process.pid, signal.SIGTERM)
        process.wait(30)


async def http_load(url: str, clients: int, letters: Sequence[dict[str, Any]]) -> list[float]:
    """Send the letters over MCP, each client its share one after the other; the seconds each took."""
    port = int(url.rpartition(":")[2])
    shares = [letters[number::clients] for number in range(clients)]
    taken = await asyncio.gather(*(_send_all(port, share) for share in shares))
    return [seconds for one in taken for seconds in one]


async def _send_all(port: int, letters: Sequence[dict[str, Any]]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken = []
    for number, letter in enumerate(letters):
        params = {"name": "send_message", "arguments": letter}
        body = json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})
        begun = time.perf_counter()
        writer.write((_HEAD % len(body) + body).encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        answer = await reader.readexactly(length)
        taken.append(time.perf_counter() - begun)
        assert b'"isError":false' in answer, answer
    writer.close()
    return taken
