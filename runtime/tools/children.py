"""A child process under supervision: fed, listened to, and ended, with everything it started, at its limits.

The thread that supervises never waits for the child without looking at the clock, the run and the load.
"""

import os
import select
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import IO, Literal

import msgspec

from fleetlog.runtime.tools.loads import overload_in_namespace, overload_in_session
from fleetlog.runtime.tools.tool import ToolRun

__all__ = ["Bounds", "Child", "Ending", "is_readable", "supervise"]

_TICK_S = 0.05
_LOAD_EVERY_S = 0.1
_EMPTY_S = 10.0
_CHUNK_BYTES = 65_536
_IN_MEMORY_BYTES = 1_000_000

Cause = Literal["ended", "stopped", "time", "output", "load"]


class Bounds(msgspec.Struct, frozen=True):
    """Where a child is ended. `grace_s`: from SIGTERM to SIGKILL, when its time is over."""

    timeout_s: float
    max_output_bytes: int
    max_tasks: int
    max_memory_bytes: int
    grace_s: float = 2.0


class Ending(msgspec.Struct, frozen=True):
    """How a child ended, and by which bound. `exit_code` is negative for a signal."""

    cause: Cause
    exit_code: int
    duration_s: float
    size_bytes: int
    detail: str = ""


class Child:
    """A process that leads a session of its own, with pipes to stdin (or none) and from stdout. In a sandbox,
    `first_pid` is the first process of its namespace: when that is killed, all of them are."""

    def __init__(self, process: subprocess.Popen[bytes], first_pid: int | None = None) -> None:
        self.process, self._first_pid = process, first_pid
        self._first_fd: int | None = None
        self._is_closed = False
        if first_pid is not None:
            with suppress(ProcessLookupError):
                self._first_fd = os.pidfd_open(first_pid)  # keeps meaning this process, if its number is used again

    def terminate(self) -> None:
        """Ask all of its processes to end."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._first_pid or self.process.pid, signal.SIGTERM)

    def kill(self) -> None:
        """End all of its processes."""
        if self._first_fd is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._first_fd, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def overload(self, bounds: Bounds) -> str:
        """What it uses too much of; else empty."""
        if self._first_pid is not None:
            return overload_in_namespace(self._first_pid, bounds.max_tasks, bounds.max_memory_bytes)
        return overload_in_session(self.process.pid, bounds.max_tasks, bounds.max_memory_bytes)

    def close(self) -> None:
        """Kill it, collect it, close its pipes; once. A sandbox is empty when this returns."""
        if self._is_closed:
            return  # its number may be another process's by now
        self._is_closed = True
        self.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        if self._first_fd is not None:
            is_readable(self._first_fd, _EMPTY_S)  # its end, which comes after all others' of its namespace
            os.close(self._first_fd)


def is_readable(fd: int, timeout_s: float) -> bool:
    """Wait for it. Unlike `select`, also with thousands of open files."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def supervise(run: ToolRun, child: Child, feed: Iterator[bytes], bounds: Bounds) -> tuple[Ending, IO[bytes]]:
    """Until the child has ended; its output is in the file, which the caller closes. Raises what `run.check` raises.

    However this returns, no process of the child's group or sandbox is left.
    """
    output = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 the caller's
    group = child.process.pid
    run.add_process_group(group)
    try:
        ending = _Supervision(run, child, bounds, output).ending(feed)
        run.check()
    except BaseException:
        output.close()
        raise
    finally:
        child.close()
        run.remove_process_group(group)
    return ending, output


class _Supervision:
    def __init__(self, run: ToolRun, child: Child, bounds: Bounds, output: IO[bytes]) -> None:
        self._run, self._child, self._bounds, self._output = run, child, bounds, output
        self._feed: Iterator[bytes] = iter(())
        self._selector = selectors.DefaultSelector()
        self._pending = b""
        self._size = 0
        self._started = time.monotonic()
        self._load_at = self._started
        self._detail = ""

    def ending(self, feed: Iterator[bytes]) -> Ending:
        self._feed = feed
        with self._selector:
            self._open(self._child.process.stdout, selectors.EVENT_READ, self._receive)
            self._open(self._child.process.stdin, selectors.EVENT_WRITE, self._send)
            cause = self._until(self._reason)
            if cause == "time":
                self._child.terminate()
                kill_at = time.monotonic() + self._bounds.grace_s
                self._until(lambda: "time" if time.monotonic() > kill_at else self._reason_at_once())
            self._child.kill()
            code = self._child.process.wait()
            self._receive_rest()
        return Ending(cause, code, time.monotonic() - self._started, self._size, self._detail)

    def _open(self, pipe: IO[bytes] | None, event: int, move: Callable[[IO[bytes]], None]) -> None:
        if pipe is not None:
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, event, move)

    def _until(self, reason: Callable[[], Cause | None]) -> Cause:
        """Move the bytes until the child ends or there is a reason to end it."""
        while True:
            if self._child.process.poll() is not None:
                return "ended"
            if (found := reason()) is not None:
                return found
            if self._selector.get_map():
                for key, _ in self._selector.select(_TICK_S):
                    key.data(key.fileobj)
            else:
                with suppress(subprocess.TimeoutExpired):
                    self._child.process.wait(_TICK_S)

    def _reason(self) -> Cause | None:
        if (found := self._reason_at_once()) is not None:
            return found
        return "time" if time.monotonic() - self._started > self._bounds.timeout_s else None

    def _reason_at_once(self) -> Cause | None:
        if self._run.is_stopped:
            return "stopped"
        if self._size > self._bounds.max_output_bytes:
            return "output"
        now = time.monotonic()
        if now >= self._load_at:
            self._load_at = now + _LOAD_EVERY_S
            self._detail = self._child.overload(self._bounds)
        return "load" if self._detail else None

    def _send(self, pipe: IO[bytes]) -> None:
        self._pending = self._pending or next(self._feed, b"")
        try:
            if self._pending:
                self._pending = self._pending[os.write(pipe.fileno(), self._pending) :]
                return
        except BlockingIOError:
            return
        except BrokenPipeError:
            pass  # it does not want to hear more
        self._selector.unregister(pipe)
        pipe.close()

    def _receive(self, pipe: IO[bytes]) -> None:
        try:
            chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return
        if chunk:
            room = max(0, self._bounds.max_output_bytes - self._size)
            self._output.write(chunk[:room])
            self._size += len(chunk)
        else:
            self._selector.unregister(pipe)
            pipe.close()

    def _receive_rest(self) -> None:
        """What is still in the pipe. A process that has left the group may hold its other end: never wait for it."""
        pipe = self._child.process.stdout
        while pipe is not None and not pipe.closed and self._size <= self._bounds.max_output_bytes:
            before = self._size
            self._receive(pipe)
            if self._size == before:
                return
