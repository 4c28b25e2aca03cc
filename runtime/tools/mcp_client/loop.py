"""One asyncio loop on one daemon thread, for callers that are threads."""

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fleetlog.domain.errors import RuntimeClosed

__all__ = ["LoopThread"]

T = TypeVar("T")

_SLICE_S = 0.1


class LoopThread:
    """Runs coroutines for other threads until it is closed."""

    def __init__(self, name: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()  # guards _is_closed: nothing is given to a loop that has ended
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def result(self, work: Coroutine[Any, Any, T], check: Callable[[], None]) -> T:
        """What `work` returns or raises. `check` is called ten times a second; when it raises, the work is cancelled
        and the error goes on. Raises `RuntimeClosed` when the loop is closed meanwhile."""
        future = self._submit(work)
        try:
            while not future.done():
                check()
                if self._is_closed and not self._thread.is_alive():
                    raise RuntimeClosed("the runtime was closed during a call of an MCP server")
                concurrent.futures.wait([future], timeout=_SLICE_S)
            return future.result()
        except concurrent.futures.CancelledError as error:
            raise RuntimeClosed("the runtime was closed during a call of an MCP server") from error
        finally:
            future.cancel()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Have it run, and wait for nothing."""
        self._submit(work)

    def close(self, last: Coroutine[Any, Any, None], timeout_s: float) -> bool:
        """Run `last` for at most two thirds of the time, cancel everything, end the thread; did it end in time?"""
        deadline = time.monotonic() + timeout_s
        future = self._submit(last)
        with self._lock:
            self._is_closed = True
        concurrent.futures.wait([future], timeout=timeout_s * 2 / 3)
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        return not self._thread.is_alive()

    def _submit(self, work: Coroutine[Any, Any, T]) -> "concurrent.futures.Future[T]":
        with self._lock:
            if self._is_closed:
                work.close()
                raise RuntimeClosed("the runtime is closed; no MCP server can be called")
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._cancel_all())
        finally:
            self._loop.close()

    async def _cancel_all(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=0.3)
        await self._loop.shutdown_asyncgens()
