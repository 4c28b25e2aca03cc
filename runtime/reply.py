"""The future of a command: set once, by the journal's thread, after the commit.

Much lighter than `concurrent.futures.Future` (there is one for every message), and enough: wait, look, be
called back. A waiter costs a lock; nobody waiting costs nothing.
"""

import _thread
import asyncio
from collections.abc import Callable, Generator
from typing import Any, Generic, TypeVar

__all__ = ["Reply"]

T = TypeVar("T")

_ADDING = _thread.allocate_lock()
"""Two callers may add their first callbacks at once. One lock for all replies: there is hardly ever a callback."""


class Reply(Generic[T]):
    """A value to come. Any thread may wait; only the first `set_...` counts. Awaitable in an event loop."""

    __slots__ = ("_callbacks", "_error", "_gate", "_is_set", "_value")

    def __init__(self) -> None:
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._is_set = False
        self._value: Any = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[Reply[T]], None]] | None = None  # made for the first of them: few have any

    def set_result(self, value: T) -> None:
        """The value has come."""
        self._value = value
        self._settle()

    def set_exception(self, error: BaseException) -> None:
        """It will not come."""
        if not self._is_set:
            self._error = error
        self._settle()

    def _settle(self) -> None:
        if self._is_set:
            return
        self._is_set = True
        self._gate.release()
        self._call_back()

    def _call_back(self) -> None:
        while self._callbacks is not None:
            try:
                callback = self._callbacks.pop()
            except IndexError:  # who sets and who adds may both be here: each takes what is left
                return
            callback(self)

    def done(self) -> bool:
        """Has it been set?"""
        return self._is_set

    def add_done_callback(self, callback: "Callable[[Reply[T]], None]") -> None:
        """Call back once it is set, on the thread that sets it (or now, if it is set already)."""
        with _ADDING:
            if self._callbacks is None:
                self._callbacks = []
            self._callbacks.append(callback)
        if self._is_set:
            self._call_back()

    def result(self, timeout: float | None = None) -> T:
        """Wait for the value; raises the error it was set to, or `TimeoutError`."""
        self._wait(timeout)
        if self._error is not None:
            raise self._error
        value: T = self._value
        return value

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for it to be set; its error, if it has one. Raises `TimeoutError`."""
        self._wait(timeout)
        return self._error

    def _wait(self, timeout: float | None) -> None:
        if not self._is_set:
            if not self._gate.acquire(timeout=-1 if timeout is None else timeout):
                raise TimeoutError(f"no reply within {timeout} seconds")
            self._gate.release()

    def __await__(self) -> Generator[Any, None, T]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        def arrived(_: "Reply[T]") -> None:
            loop.call_soon_threadsafe(wake)

        self.add_done_callback(arrived)
        yield from future
        return self.result()
