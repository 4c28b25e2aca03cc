"""The Messages API, through the `anthropic` package: one model call, streamed, from a worker's thread.

Its rules: one event loop on one thread serves all calls of a runtime, so that a call can be given up at any moment;
nothing is retried here (the caller's schedule does that); and whatever goes wrong is one of the errors below, which
say whether the call can have cost anything. `anthropic` is imported here alone, at the first call.
"""

import asyncio
import contextlib
import email.utils
import math
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from fleetlog.domain.errors import Fault, RuntimeClosed
from fleetlog.domain.values import Usage
from fleetlog.runtime.brains.paid_step import Uncharged
from fleetlog.runtime.brains.reply_stream import BrokenStream, ReplyStream

if TYPE_CHECKING:
    import ssl

    import anthropic

__all__ = [
    "ClaudeSettings",
    "Limited",
    "ModelReply",
    "Provider",
    "Refused",
    "Stoppable",
    "TooLong",
    "Transient",
    "Unanswered",
    "retry_after_s",
    "usage_of",
]

T = TypeVar("T")

DEFAULT_MODEL = "claude-sonnet-5-5"
DEFAULT_URL = "https://api.anthropic.com"
CALLS_A_CLIENT = 8
"""The pool of a client looks at each of its connections whenever a call begins or ends, and asks the system about those
that are idle: with one pool for all, that took more time than anything else."""
_POLL_S = 0.1
_LIMIT_TYPES = ("rate_limit_error", "overloaded_error")


class ClaudeSettings(msgspec.Struct, frozen=True):
    """Where model calls go. What is None comes from the environment: ANTHROPIC_API_KEY, ANTHROPIC_BASE_URL,
    FLEETLOG_MODEL. `max_concurrency` calls of one model run at once. A call is given up when nothing has come for
    `idle_timeout_s`; one that failed for a passing reason is made again up to `max_failures` times in a row."""

    api_key: str | None = None
    base_url: str | None = None
    model: str | None = None
    max_concurrency: int = 64
    idle_timeout_s: float = 120.0
    connect_timeout_s: float = 10.0
    max_failures: int = 8
    max_tokens: int = 16_000

    def from_environment(self) -> "ClaudeSettings":
        """These settings with what is missing taken from the environment."""
        return msgspec.structs.replace(
            self,
            api_key=self.api_key or os.environ.get("ANTHROPIC_API_KEY") or None,
            base_url=self.base_url or os.environ.get("ANTHROPIC_BASE_URL") or DEFAULT_URL,
            model=self.model or os.environ.get("FLEETLOG_MODEL") or DEFAULT_MODEL,
        )


class Limited(Uncharged):
    """429 or 529: the provider limits the rate, of everybody who uses the account."""

    def __init__(self, status: int, said: str, retry_after_s: float | None) -> None:
        super().__init__(said)
        self.status, self.retry_after_s = status, retry_after_s


class Transient(Uncharged):
    """The call was refused or never arrived, for a reason that passes: a server error, no connection."""


class TooLong(Uncharged):
    """The prompt does not fit the model's window."""


class Refused(Uncharged):
    """The provider refuses the call, and would refuse it again. `is_account` when it is about the key or the account
    (401, 402, 403), not about the request."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.is_account = status in (401, 402, 403)


class Unanswered(Fault):
    """The call was on its way, and its reply never came whole: it may have been charged. `is_limit`: the provider broke
    it off because it is overloaded."""

    def __init__(self, said: str, *, is_limit: bool = False) -> None:
        super().__init__(said)
        self.is_limit = is_limit


class ModelReply(msgspec.Struct, frozen=True):
    """A finished reply, as it is recorded. `content` are the blocks in the API's form; `usage` is the API's own."""

    content: list[dict[str, Any]]
    stop_reason: str
    usage: dict[str, Any]
    request_id: str
    model: str
    id: str
    stop_details: dict[str, Any] | None = None


class Stoppable(Protocol):
    """The run a call belongs to."""

    @property
    def is_stopped(self) -> bool:
        """It was told to end."""

    def check(self) -> None:
        """Raise if it was told to end."""


class Provider:
    """The calls of one runtime. `call` and `count_tokens` are for workers' threads; they block."""

    def __init__(self, settings: ClaudeSettings) -> None:
        self.settings = settings.from_environment()
        self._changed = threading.Condition()  # guards _loop, _thread, _closed and _submitting
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._submitting = 0
        self._tls: ssl.SSLContext | None = None  # this, and what follows, is the loop's alone
        self._clients: list[anthropic.AsyncAnthropic] = []
        self._busy: list[int] = []

    @property
    def account(self) -> str:
        """What names whose rate limits are met: the server and the key."""
        return f"{self.settings.base_url} {self.settings.api_key or ''}"

    def call(self, request: Mapping[str, Any], run: Stoppable, on_text: Callable[[str], None]) -> ModelReply:
        """Make the call; `on_text` gets pieces of the reply as they come, on the loop's thread. Ends within a moment
        when the run is told to stop (raising what its `check` raises)."""
        body = msgspec.json.encode({**request, "stream": True})
        return self._wait(self._stream(body, on_text), run)

    def count_tokens(self, request: Mapping[str, Any], run: Stoppable) -> int:
        """The prompt's tokens, counted by the provider (which charges nothing for it)."""
        counted = {
            name: request[name] for name in ("model", "messages", "system", "tools", "thinking") if name in request
        }
        return self._wait(self._count(counted), run)

    def close(self, timeout_s: float = 3.0) -> None:
        """Give up the calls that are under way and end the thread. A second call only waits for that."""
        with self._changed:
            is_first, self._closed = not self._closed, True
            self._changed.wait_for(lambda: self._submitting == 0, timeout_s)
            if self._loop is not None and is_first:
                self._loop.call_soon_threadsafe(self._loop.stop)
            thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    # --- the worker's side -------------------------------------------------------------------

    def _wait(self, work: Coroutine[Any, Any, T], run: Stoppable) -> T:
        future = self._submitted(work)
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    return future.result(_POLL_S)
                if future.done():  # a TimeoutError of the work's own
                    return future.result()
                run.check()
                if self._closed:
                    raise RuntimeClosed("the runtime was closed during a model call")
        except CancelledError as error:
            run.check()
            raise RuntimeClosed("the runtime was closed during a model call") from error
        finally:
            future.cancel()

    def _submitted(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """The work is a task before `close` stops the loop, which then cancels it. The lock is not held while the loop
        is woken: that is a system call, at which many callers would queue."""
        with self._changed:
            if self._closed:
                work.close()
                raise RuntimeClosed("the runtime is closed")
            loop = self._loop or self._start()
            self._submitting += 1
        try:
            return asyncio.run_coroutine_threadsafe(work, loop)
        finally:
            with self._changed:
                self._submitting -= 1
                self._changed.notify_all()

    def _start(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(self._loop,), name="fleetlog-claude", daemon=True)
        self._thread.start()
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            for client in self._clients:
                loop.run_until_complete(client.close())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()

    # --- on the loop -------------------------------------------------------------------------

    @contextlib.contextmanager
    def _client(self) -> "Iterator[anthropic.AsyncAnthropic]":
        """The first client with a place: what is called seldom is called over the same few connections."""
        place = next((place for place, busy in enumerate(self._busy) if busy < CALLS_A_CLIENT), len(self._busy))
        if place == len(self._busy):
            self._clients.append(self._connected())
            self._busy.append(0)
        self._busy[place] += 1
        try:
            yield self._clients[place]
        finally:
            self._busy[place] -= 1

    def _connected(self) -> "anthropic.AsyncAnthropic":
        import anthropic
        import httpx2

        settings = self.settings
        if not settings.api_key:
            raise Refused(401, NO_KEY)
        self._tls = self._tls or httpx2.create_ssl_context()
        return anthropic.AsyncAnthropic(
            api_key=settings.api_key,
            base_url=settings.base_url,
            timeout=anthropic.Timeout(settings.idle_timeout_s, connect=settings.connect_timeout_s),
            max_retries=0,
            http_client=anthropic.DefaultAsyncHttpxClient(verify=self._tls),
        )

    async def _stream(self, body: bytes, on_text: Callable[[str], None]) -> ModelReply:
        """The request is sent as it is: `messages.create` would copy all of it, part by part, to encode it, which for a
        long conversation holds up every other call of the loop (see docs/benchmarks.md)."""
        reply = ReplyStream()
        try:
            with self._client() as client:
                from anthropic import AsyncStream  # it is imported by now, if there is a key
                from anthropic.types import Message

                sent = client.post(
                    "/v1/messages", cast_to=Message, content=body, stream=True, stream_cls=AsyncStream[Any]
                )
                async with await sent as stream:
                    async for line in stream.response.aiter_lines():
                        if piece := reply.feed(line):
                            on_text(piece)
                    return _reply(reply.message(), stream.response.headers.get("request-id", ""))
        except Exception as error:
            raise _translated(error) from error

    async def _count(self, request: dict[str, Any]) -> int:
        try:
            with self._client() as client:
                counted = await client.messages.count_tokens(**request)
        except Exception as error:
            raise _translated(error) from error
        return counted.input_tokens


NO_KEY = (
    "there is no API key: set ANTHROPIC_API_KEY "
    "(and, for another server that speaks the Messages API, ANTHROPIC_BASE_URL)"
)


def _reply(message: Mapping[str, Any], request_id: str) -> ModelReply:
    """The reply as it is recorded."""
    blocks = [{name: part for name, part in block.items() if part is not None} for block in message["content"]]
    usage = {name: part for name, part in message["usage"].items() if part is not None}
    model, own_id = str(message.get("model") or ""), str(message.get("id") or "")
    return ModelReply(blocks, message["stop_reason"], usage, request_id, model, own_id, message.get("stop_details"))


def usage_of(reply: ModelReply) -> Usage:
    """The tokens of a reply, without their price."""
    usage = reply.usage
    written = usage.get("cache_creation_input_tokens") or 0
    for_an_hour = (usage.get("cache_creation") or {}).get("ephemeral_1h_input_tokens") or 0
    return Usage(
        input_tokens=usage.get("input_tokens") or 0,
        output_tokens=usage.get("output_tokens") or 0,
        cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
        cache_write_tokens=written - for_an_hour,
        cache_write_1h_tokens=for_an_hour,
        calls=1,
    )


# --- errors --------------------------------------------------------------------------------------


def _translated(error: Exception) -> Exception:
    """One of this room's errors, for one of the libraries'."""
    import anthropic
    import httpx2

    if isinstance(error, Unanswered | Uncharged):
        return error
    if isinstance(error, BrokenStream):
        return Unanswered(f"the reply broke off: {error}", is_limit=error.kind in _LIMIT_TYPES)
    if isinstance(error, anthropic.APIStatusError):
        return _refusal(error)
    if isinstance(error, anthropic.APITimeoutError | TimeoutError | httpx2.TimeoutException):
        never_sent = isinstance(error.__cause__, httpx2.ConnectTimeout | httpx2.PoolTimeout)
        return Transient(_said(error)) if never_sent else Unanswered(f"nothing came in time: {_said(error)}")
    if isinstance(error, anthropic.APIConnectionError):
        never_sent = isinstance(error.__cause__, httpx2.ConnectError)
        return Transient(_said(error)) if never_sent else Unanswered(f"the connection was lost: {_said(error)}")
    return Unanswered(f"the reply could not be read: {type(error).__name__}: {_said(error)}")


def _refusal(error: "anthropic.APIStatusError") -> Exception:
    status, said = error.status_code, _said(error)
    if status in (429, 529):
        return Limited(status, said, retry_after_s(error.response.headers))
    if status in (408, 409) or status >= 500:
        return Transient(f"{status}: {said}")
    if status == 413 or (status == 400 and "too long" in said):
        return TooLong(said)
    return Refused(status, f"{status}: {said}")


def _said(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(body, dict) and isinstance(body.get("error"), dict):
        return str(body["error"].get("message") or error)[:1_000]
    return (str(error) or type(error).__name__)[:1_000]


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds from `retry-after-ms` or `retry-after` (seconds, or an HTTP date)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with contextlib.suppress(KeyError, ValueError):
            if math.isfinite(seconds := float(headers[name]) * scale):
                return max(0.0, seconds)
    with contextlib.suppress(KeyError, ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    return None
