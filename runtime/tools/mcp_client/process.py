"""A server as a child process: in a group of its own that dies with the runtime, its stderr kept as a short tail.

Everything here belongs to the loop's thread, but `kill`.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncIterator, Mapping, Sequence

from fleetlog.runtime.tools.mcp_client import launcher
from fleetlog.runtime.tools.mcp_client.lines import LineCutter, Tail, TooLong

__all__ = ["MAX_MESSAGE_BYTES", "ServerProcess"]

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""A message above this is read past and never held."""

_TAIL_BYTES = 2_000
_CHUNK_BYTES = 65_536
_SETTLE_S = 0.5


class ServerProcess:
    """One run of a server's program."""

    def __init__(self, transport: asyncio.SubprocessTransport, pipes: "_Pipes", life: int) -> None:
        self._transport, self._pipes = transport, pipes
        self._process = asyncio.subprocess.Process(transport, pipes, asyncio.get_running_loop())
        self._pid = self._process.pid
        self._lock = threading.Lock()  # guards _life: as long as it is open, the group's id is the group's
        self._life = life
        self._tail = Tail(_TAIL_BYTES)
        self._stderr = asyncio.create_task(self._read_stderr())
        self._end = asyncio.create_task(self._bury())

    @classmethod
    async def start(cls, command: Sequence[str], environment: Mapping[str, str]) -> "ServerProcess":
        """Start the program, found by the PATH in `environment`. Raises `OSError`."""
        if shutil.which(command[0], path=environment.get("PATH")) is None:
            raise FileNotFoundError(f"the program {command[0]} is not there, or cannot be executed")
        watched, life = os.pipe()
        launch = (sys.executable, "-I", "-S", launcher.__file__, str(watched), *command)
        loop = asyncio.get_running_loop()
        try:
            transport, pipes = await loop.subprocess_exec(
                lambda: _Pipes(limit=_CHUNK_BYTES, loop=loop),
                *launch,
                env=environment,
                start_new_session=True,
                pass_fds=(watched,),
            )
        except BaseException:
            os.close(life)
            raise
        finally:
            os.close(watched)
        return cls(transport, pipes, life)

    async def lines(self) -> AsyncIterator[bytes | TooLong]:
        """What the server writes, line by line, until it ends."""
        assert self._process.stdout is not None
        cutter = LineCutter(MAX_MESSAGE_BYTES)
        while data := await self._process.stdout.read(_CHUNK_BYTES):
            for line in cutter.feed(data):
                yield line

    async def write(self, line: bytes) -> None:
        """Give the server a line. Raises `OSError` when it is gone."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + b"\n")
        await self._process.stdin.drain()

    def note(self, line: bytes) -> None:
        """Keep a line that makes no sense with what the server said on stderr."""
        self._tail.add(line[:_TAIL_BYTES] + b"\n")

    async def last_words(self) -> str:
        """How it ended, if it has, and the end of its stderr; for an error's text."""
        assert self._process.stdout is not None
        ending = "it has closed its output" if self._process.stdout.at_eof() else "it goes on running"
        if await self._has_ended(_SETTLE_S):
            code = self._process.returncode or 0
            ending = f"it ended with exit code {code}" if code >= 0 else f"it was killed by signal {-code}"
        await asyncio.wait([self._stderr], timeout=_SETTLE_S)
        return f"{ending}; its last words: {self.said}" if self.said else f"{ending}, saying nothing on stderr"

    @property
    def said(self) -> str:
        """The end of its stderr so far."""
        return self._tail.text()

    async def stop(self, grace_s: float) -> None:
        """Close its stdin, then ask it to end, then kill it: `grace_s` seconds for each."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if not await self._has_ended(grace_s):
            self._signal(signal.SIGTERM)
            await self._has_ended(grace_s)
        self.kill()
        await self._has_ended(_SETTLE_S)
        for task in (self._stderr, self._end):
            task.cancel()
        await asyncio.wait([self._stderr, self._end])
        self._transport.close()

    def kill(self) -> None:
        """Kill the whole group. Any thread, any number of times."""
        self._signal(signal.SIGKILL, is_last=True)

    def _signal(self, number: signal.Signals, *, is_last: bool = False) -> None:
        with self._lock:
            if self._life < 0:
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, number)
            if is_last:
                os.close(self._life)
                self._life = -1

    async def _has_ended(self, timeout_s: float) -> bool:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._pipes.exited.wait(), timeout_s)
        return self._pipes.exited.is_set()

    async def _bury(self) -> None:
        """When the program has ended, so do those it started: they could hold its pipes, and nobody would know."""
        await self._pipes.exited.wait()
        self.kill()
        await asyncio.sleep(_SETTLE_S)  # for what was written before
        for fd in (1, 2):
            pipe = self._transport.get_pipe_transport(fd)
            if pipe is not None:
                pipe.close()

    async def _read_stderr(self) -> None:
        assert self._process.stderr is not None
        while data := await self._process.stderr.read(_CHUNK_BYTES):
            self._tail.add(data)


class _Pipes(asyncio.subprocess.SubprocessStreamProtocol):
    """The three streams, and the moment the process itself has ended, whoever still holds its pipes."""

    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit, loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()
