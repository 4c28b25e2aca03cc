"""One run of a program: fed, listened to, and ended with everything it has started.

Its rule: the child never waits for us. Whatever it writes is read at once, and of all of it only a bounded part is
held; and we never wait for the child without looking at the clock, at the run, and whether the agent is paused.
"""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Literal, Protocol

from msgspec import Struct

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.brains.command import keeper

__all__ = ["Bounds", "Cause", "ChildEnd", "ChildJob", "Listener", "Watched", "run_child"]

Cause = Literal["ended", "time", "idle", "paused", "stopped"]

_TICK_S = 0.05
_CHUNK_BYTES = 262_144
_GRACE_S = 2.0
_STOPPED_GRACE_S = 0.5
"""A run that is stopped is interrupted by force after a second: its child has to be gone by then."""
_DEAD_S = 12.0


class Bounds(Struct, frozen=True):
    """When a child is ended: by its whole time, or by the time since it wrote something."""

    timeout_s: float
    idle_timeout_s: float | None = None


class ChildJob(Struct, frozen=True):
    """What is run, where, and what is written to its stdin."""

    argv: Sequence[str]
    cwd: str | None
    environment: Mapping[str, str]
    stdin: bytes
    bounds: Bounds


class ChildEnd(Struct, frozen=True):
    """How it ended, and why. `exit_code` is negative for a signal."""

    cause: Cause
    exit_code: int
    duration_s: float


class Watched(Protocol):
    """The run, as far as it is watched."""

    @property
    def is_stopped(self) -> bool:
        """It was told to end."""

    @property
    def is_held(self) -> bool:
        """Its agent, or its fleet, is paused."""


class Listener(Protocol):
    """Who hears what a child writes. Called on the thread that runs it, which waits for it meanwhile."""

    def out(self, data: bytes) -> None:
        """A piece of stdout."""

    def err(self, data: bytes) -> None:
        """A piece of stderr."""

    def tick(self) -> None:
        """Time has passed: called many times a second."""


def run_child(job: ChildJob, watched: Watched, listener: Listener) -> ChildEnd:
    """Run the program to its end, or to where it is ended.

    However this returns, nothing that the program has started is left. Raises `InvalidArgument` when it cannot be
    started, and what the listener raises.
    """
    with _started(job) as child:
        return _Supervision(child, job, watched, listener).end()


class _Child:
    """A keeper and what it keeps. Its life ends with the pipe that we hold."""

    def __init__(self, process: subprocess.Popen[bytes], life: int) -> None:
        self.process, self._life = process, life

    def terminate(self) -> None:
        """Ask all of it to end."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End all of it, by letting go of the keeper."""
        if self._life >= 0:
            os.close(self._life)
            self._life = -1

    def close(self) -> None:
        """Nothing of it is left when this returns; but for what a keeper cannot kill in time, which is killed as a
        group."""
        self.kill()
        try:
            self.process.wait(_DEAD_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()


@contextmanager
def _started(job: ChildJob) -> Iterator[_Child]:
    watched, life = os.pipe()
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", keeper.__file__, str(watched), *job.argv],
            cwd=job.cwd,
            env=dict(job.environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            pass_fds=(watched,),
        )
    except (OSError, ValueError) as error:
        os.close(life)
        raise InvalidArgument(f"'command': {job.argv[0]} cannot be started: {_reason(error, job)}") from error
    finally:
        os.close(watched)
    child = _Child(process, life)
    try:
        yield child
    finally:
        child.close()


def _reason(error: OSError | ValueError, job: ChildJob) -> str:
    if isinstance(error, OSError) and error.errno == 7:
        return "its words are too long together; have the prompt written to stdin instead of {prompt}"
    if isinstance(error, FileNotFoundError) and job.cwd is not None and not os.path.isdir(job.cwd):
        return f"the workspace {job.cwd} is not there"
    return str(error)


class _Supervision:
    def __init__(self, child: _Child, job: ChildJob, watched: Watched, listener: Listener) -> None:
        self._child, self._job, self._watched = child, job, watched
        self._hear = {child.process.stdout: listener.out, child.process.stderr: listener.err}
        self._tick = listener.tick
        self._pending = memoryview(job.stdin)
        self._selector = selectors.PollSelector()
        self._started = self._heard = time.monotonic()

    def end(self) -> ChildEnd:
        process = self._child.process
        with self._selector:
            self._open(process.stdout, selectors.EVENT_READ, self._receive)
            self._open(process.stderr, selectors.EVENT_READ, self._receive)
            self._open(process.stdin, selectors.EVENT_WRITE, self._send)
            cause = self._until(self._reason)
            if cause != "ended":
                self._child.terminate()
                grace = _STOPPED_GRACE_S if cause == "stopped" else _GRACE_S
                until = time.monotonic() + grace
                self._until(lambda: cause if time.monotonic() > until or self._is_too_late(cause) else None)
            self._child.kill()
            self._drain()
        return ChildEnd(cause, process.wait(), time.monotonic() - self._started)

    def _open(self, pipe: IO[bytes] | None, event: int, move: Callable[[IO[bytes]], object]) -> None:
        assert pipe is not None
        os.set_blocking(pipe.fileno(), False)
        self._selector.register(pipe, event, move)

    def _until(self, reason: Callable[[], Cause | None]) -> Cause:
        while True:
            if self._child.process.poll() is not None:
                return "ended"
            if (found := reason()) is not None:
                return found
            self._move()
            self._tick()

    def _move(self) -> None:
        if not self._selector.get_map():
            with suppress(subprocess.TimeoutExpired):
                self._child.process.wait(_TICK_S)
            return
        for key, _ in self._selector.select(_TICK_S):
            key.data(key.fileobj)

    def _reason(self) -> Cause | None:
        now, bounds = time.monotonic(), self._job.bounds
        if self._watched.is_stopped:
            return "stopped"
        if self._watched.is_held:
            return "paused"
        if now - self._started > bounds.timeout_s:
            return "time"
        if bounds.idle_timeout_s is not None and now - self._heard > bounds.idle_timeout_s:
            return "idle"
        return None

    def _is_too_late(self, cause: Cause) -> bool:
        """It was given time to end by itself, and there is none any more."""
        return cause != "stopped" and self._watched.is_stopped

    def _send(self, pipe: IO[bytes]) -> None:
        if self._pending:
            try:
                self._pending = self._pending[os.write(pipe.fileno(), self._pending[:_CHUNK_BYTES]) :]
            except BlockingIOError:
                return
            except BrokenPipeError:
                self._pending = self._pending[:0]  # it does not want to hear more
        if not self._pending:
            self._close(pipe)

    def _receive(self, pipe: IO[bytes]) -> bool:
        try:
            chunk = os.read(pipe.fileno(), _CHUNK_BYTES)
        except BlockingIOError:
            return False
        if not chunk:
            self._close(pipe)
            return False
        self._heard = time.monotonic()
        self._hear[pipe](chunk)
        return True

    def _close(self, pipe: IO[bytes]) -> None:
        self._selector.unregister(pipe)
        with suppress(OSError):
            pipe.close()

    def _drain(self) -> None:
        """What was written before the end. Everyone who could write more is gone, or soon is."""
        until = time.monotonic() + _DEAD_S
        while self._child.process.poll() is None and time.monotonic() < until:
            self._move()
        for pipe in (self._child.process.stdout, self._child.process.stderr):
            while pipe is not None and not pipe.closed and time.monotonic() < until and self._receive(pipe):
                continue
