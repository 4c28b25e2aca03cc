"""The server in a process of its own, as tests and benchmarks start and command it."""

import http.client
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.fakes.messages_api import control as c
from tests.fakes.messages_api.settings import Settings

__all__ = ["FakeProcess"]

ROOT = Path(__file__).resolve().parents[3]


class FakeProcess(c.Controls):
    """Starts the process; `stop` (or leaving the `with`) ends it. `scripts` are files that define SCRIPTS."""

    def __init__(
        self, state: Path, scripts: Sequence[Path] = (), settings: Settings | None = None, port: int = 0
    ) -> None:
        self.state = state
        self.api_key = (settings or Settings()).api_keys[0]
        state.mkdir(parents=True, exist_ok=True)
        script = Path(__file__).with_name("serve.py")
        arguments = ["--port", str(port), "--state", str(state)]
        for path in scripts:
            arguments += ["--scripts", str(path)]
        if settings is not None:
            (state / "settings.json").write_bytes(msgspec.json.encode(settings))
            arguments += ["--settings", str(state / "settings.json")]
        self._process = subprocess.Popen(
            [sys.executable, str(script), *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            code = self._process.wait(10)
            self.stop()
            raise RuntimeError(f"the fake server ended with {code} before it was ready")
        self.port = int(line)

    @property
    def pid(self) -> int:
        return self._process.pid

    def control(self, command: c.Command) -> Any:
        """Carry a command out over HTTP; gives its answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("POST", "/_control", msgspec.json.encode(command))
            answer = connection.getresponse()
            said = msgspec.json.decode(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(said["error"]["message"])
        return said

    def stop(self) -> int:
        """End it, gently; gives its exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(10)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
