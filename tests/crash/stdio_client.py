"""A stdio client without a library: lines out, lines in, as fast as they come."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fleetlog.runtime.servers.address import DaemonAddress


class StdioClient:
    """`fleetlog mcp` on a directory. Requests may be pipelined: `post` does not wait."""

    def __init__(self, directory: Path, token: str = "") -> None:
        words = [sys.executable, "-m", "fleetlog.runtime.entry", "mcp", "--dir", str(directory)]
        environment = {**os.environ, "FLEETLOG_TOKEN": token}
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self.doubled: list[int] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
        self.result(self._say("initialize", hello))
        self._write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            answer = json.loads(line)
            with self._changed:
                if answer["id"] in self._answers:
                    self.doubled.append(answer["id"])
                self._answers[answer["id"]] = answer
                self._changed.notify_all()

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _say(self, method: str, params: Mapping[str, Any]) -> int:
        self._number += 1
        self._write({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def post(self, tool: str, **arguments: Any) -> int:
        """Call a tool without waiting; the request's id."""
        return self._say("tools/call", {"name": tool, "arguments": arguments})

    def result(self, request_id: int, timeout_s: float = 60.0) -> dict[str, Any]:
        """Its result, once it is there."""
        with self._changed:
            assert self._changed.wait_for(lambda: request_id in self._answers, timeout_s), "no answer"
            answer = self._answers[request_id]
        assert "result" in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """Call a tool; its answer."""
        result = self.result(self.post(tool, **arguments))
        content: dict[str, Any] = result["structuredContent"]
        assert not result["isError"], content
        return content

    def close(self) -> int:
        """End its input; the exit code, which must come within a second."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        code = self.process.wait(1.0)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


def kill_daemon(directory: Path) -> None:
    """kill -9, if there is one."""
    address = DaemonAddress.read(directory)
    if address is not None and _is_daemon(address.pid):
        os.kill(address.pid, signal.SIGKILL)


def _is_daemon(pid: int) -> bool:
    try:
        return b"fleetlog.runtime.entry\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
