"""A daemon in this process, and MCP clients of every kind that talk to it."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

from mcp import Client, StdioServerParameters

from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.servers.daemon import Daemon, ServerConfig

T = TypeVar("T")
Way = Literal["stdio", "http"]
Era = Literal["legacy", "2026-07-28"]


class House:
    """An open runtime and its daemon, on a thread."""

    def __init__(self, directory: Path, config: ServerConfig | None = None) -> None:
        self.directory = directory
        self.runtime = Runtime.open(directory, config=RuntimeConfig(linger_s=0))
        self.daemon = Daemon(self.runtime, directory, config or ServerConfig(port=0))
        self._thread = threading.Thread(target=self.daemon.run, name="daemon")
        self._thread.start()
        wait_for(lambda: (directory / "daemon.json").exists(), "the daemon does not listen")

    @property
    def url(self) -> str:
        return self.daemon.url

    def close(self) -> None:
        self.daemon.stop()
        self._thread.join(20)
        assert not self._thread.is_alive()
        self.runtime.close()

    @asynccontextmanager
    async def client(self, way: Way, era: Era = "legacy", token: str = "") -> AsyncIterator[Client]:
        """A client of the official package."""
        if way == "http":
            async with Client(f"{self.url}/mcp", mode=era) as client:
                yield client
            return
        words = ["-m", "fleetlog.runtime.entry", "mcp", "--dir", str(self.directory)]
        words += ["--token", token] if token else []
        async with Client(StdioServerParameters(command=sys.executable, args=words), mode=era) as client:
            yield client


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = 20.0) -> None:
    """Wait for a condition of another process or thread."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run it to its end, at most a minute."""

    async def bounded() -> T:
        async with asyncio.timeout(60):
            return await coroutine

    return asyncio.run(bounded())
