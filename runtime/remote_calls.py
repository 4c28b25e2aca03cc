"""A call of the facade on its way to a daemon and back: what is sent, and what the answer means. No I/O.

Its rule: a call that changes something carries an idempotency key, the caller's or one of its own, so that it may be
sent again whenever it is not known what became of it.
"""

import inspect
import json
import os
import secrets
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_type_hints
from urllib.parse import quote, urlsplit

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import DaemonUnreachable, FleetlogError, InvalidArgument, RuntimeClosed, Unauthenticated
from fleetlog.runtime.error_kinds import error_of
from fleetlog.runtime.places import place_of
from fleetlog.runtime.servers.address import DaemonAddress

__all__ = [
    "SLICE_S",
    "STREAM_TIMEOUT_S",
    "Address",
    "Following",
    "Frames",
    "Outbound",
    "Patience",
    "RemoteCall",
    "error_in",
    "reply_of",
    "stream_path",
]

T = TypeVar("T")

SLICE_S = 20.0
"""A call that waits longer is made several times."""
STREAM_TIMEOUT_S = 45.0
"""A stream that does not even say that it is still there, three times, is lost."""
KEY = "idempotency_key"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0


class Outbound(msgspec.Struct, frozen=True):
    """A request as it is sent: the same each time."""

    path: str
    headers: dict[bytes, bytes]
    body: bytes


class RemoteCall:
    """A method of the facade, called with these arguments. Raises `InvalidArgument` for what no JSON can hold."""

    def __init__(self, method: Callable[..., Any], args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        self._shape = _shape_of(method)
        given = self._shape.signature.bind(None, *args, **kwargs).arguments
        self.outbound = self._shape.outbound(dict(list(given.items())[1:]))

    def reply(self, content: bytes) -> Any:
        """What the daemon has answered."""
        if self._shape.reply is bytes:
            return content
        return msgspec.json.decode(content, type=self._shape.reply)


class _Shape:
    """What is known of a method before it is called."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.name = method.__name__
        self.signature = inspect.signature(method)
        hints = get_type_hints(method)
        self.reply = hints.pop("return")
        self._takes_key = KEY in self.signature.parameters
        self._raw = next((name for name, hint in hints.items() if hint == str | bytes), "")

    def outbound(self, given: dict[str, Any]) -> Outbound:
        """The request."""
        key = given.pop(KEY, None)
        headers: dict[bytes, bytes] = {}
        if self._takes_key:
            headers[b"idempotency-key"] = _key(key)
        if self._raw:
            content = given.pop(self._raw)
            headers[b"content-type"] = b"application/octet-stream"
            body = content.encode() if isinstance(content, str) else content
        else:
            headers[b"content-type"] = b"application/json"
            body = _json(self.name, given)
        return Outbound(f"/v1/{self.name}", headers, body)


@cache
def _shape_of(method: Callable[..., Any]) -> _Shape:
    return _Shape(method)


def _key(given: str | None) -> bytes:
    if given is None:
        return f"client-{secrets.token_hex(16)}".encode()
    key = checks.identifier(KEY, given)
    if key != key.strip():
        raise InvalidArgument(f"'{KEY}' must not begin or end with a space, got {checks.shown(key)}")
    return key.encode()


def _json(name: str, given: dict[str, Any]) -> bytes:
    """The arguments as JSON, and nothing that would become something else on its way."""
    try:
        plain = msgspec.to_builtins(given, builtin_types=_NO_JSON)
        return json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidArgument(f"{name}: an argument cannot be sent as JSON: {error}") from error


_NO_JSON = (bytes, bytearray)
"""Kept as they are, so that they are refused instead of becoming text."""


# --- answers -------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    kind: str
    message: str


class _ErrorReply(msgspec.Struct):
    error: _Error


def reply_of(call: RemoteCall, status: int, content: bytes) -> Any:
    """The reply in an answer; raises the error if it is one."""
    if status != 200:
        raise error_in(status, content)
    return call.reply(content)


def error_in(status: int, content: bytes) -> FleetlogError:
    """The error of an answer that is no reply."""
    try:
        said = msgspec.json.decode(content, type=_ErrorReply).error
    except msgspec.DecodeError:
        text = content[:200].decode(errors="replace").strip()
        known = RuntimeClosed if status == 503 else DaemonUnreachable  # of the server itself: it is full, or no daemon
        return known(f"the answer is not fleetlog's: HTTP status {status}: {text}")
    return error_of(said.kind, said.message, status)


class Address:
    """Where the daemon is. In a directory, it is looked up again when it does not answer: a new one has another port
    and another token."""

    def __init__(self, url: str, token: str = "", directory: Path | None = None) -> None:
        self._directory, self._keeps_token = directory, bool(token)
        self.url, self.token = url.rstrip("/"), token
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise InvalidArgument(f"'url' must be http://HOST:PORT, got {checks.shown(url)}")

    @classmethod
    def of(cls, directory: str | os.PathLike[str], token: str = "") -> "Address":
        """Of the directory's daemon; without a token of one's own, as its operator. Raises `DaemonUnreachable` when
        none has run there, or the last one was stopped."""
        place = place_of(directory)
        found = None if place is None else DaemonAddress.read(place.folder)
        if place is None or found is None:
            where = place or directory
            raise DaemonUnreachable(f"no daemon serves {where}: start one with fleetlog serve --dir {where}")
        address = cls(found.url, token, place.folder)
        address.look_again()
        return address

    @property
    def is_loopback(self) -> bool:
        """Is it on this machine?"""
        host = urlsplit(self.url).hostname or ""
        return host in ("localhost", "::1") or host.startswith("127.")

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Who calls."""
        return {b"authorization": b"Bearer " + self.token.encode()} if self.token else {}

    def look_again(self) -> bool:
        """Has the daemon another address now?"""
        found = None if self._directory is None else DaemonAddress.read(self._directory)
        if found is None:
            return False
        before = self.url, self.token
        self.url = found.url
        if not self._keeps_token:
            self.token = found.token
        return (self.url, self.token) != before


class Patience:
    """How long an unanswered call is repeated: what failed goes in, the pause before the next try comes out."""

    def __init__(self, address: Address, patience_s: float, now: Callable[[], float]) -> None:
        self._address, self._now = address, now
        self._deadline = now() + patience_s
        self._pause_s = FIRST_PAUSE_S

    def pause_after(self, error: Exception) -> float:
        """Seconds to wait; raises the error when it is final, or the patience is over."""
        moved = self._address.look_again()
        if isinstance(error, Unauthenticated) and not moved:
            raise error
        if self._now() + self._pause_s > self._deadline:
            raise self.final(error) from error
        pause_s, self._pause_s = self._pause_s, min(LONGEST_PAUSE_S, self._pause_s * 2)
        return pause_s

    def final(self, error: Exception) -> FleetlogError:
        """The error as the caller gets it."""
        if isinstance(error, FleetlogError):
            return error
        said = f"{type(error).__name__}: {error}".rstrip(": ")
        return DaemonUnreachable(f"the daemon at {self._address.url} does not answer: {said}")


# --- event streams -------------------------------------------------------------------------------


class Frame(msgspec.Struct, frozen=True):
    """An event of a stream, or (without data) only where the stream is. -1: it does not say."""

    name: str
    position: int
    data: bytes


class Frames:
    """Server-sent events, out of bytes as they arrive."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[Frame]:
        """The events that are whole now; comments are left out."""
        *whole, self._rest = (self._rest + chunk).split(b"\n\n")
        return [_frame(one) for one in whole if not one.startswith(b":")]


def _frame(lines: bytes) -> Frame:
    fields = dict(line.partition(b": ")[::2] for line in lines.split(b"\n"))
    return Frame(fields.get(b"event", b"").decode(), int(fields.get(b"id", -1)), fields.get(b"data", b""))


class Following(Generic[T]):
    """A stream that is followed, over as many connections as it takes: where it is, and what its events mean."""

    def __init__(self, path: str, after: int | Literal["now"], wanted: type[T]) -> None:
        self.path, self._after, self._decoder = path, str(after), msgspec.json.Decoder(wanted)

    @property
    def headers(self) -> dict[bytes, bytes]:
        """Where to go on."""
        return {b"last-event-id": self._after.encode()}

    def take(self, frame: Frame) -> T | None:
        """The event, if the frame holds one; raises the error that has ended the stream."""
        if frame.name == "fault":
            raise error_in(500, frame.data)
        if frame.position >= 0:
            self._after = str(frame.position)
        return self._decoder.decode(frame.data) if frame.data else None


def stream_path(fleet_id: str | None = None, agent_id: str | None = None) -> str:
    """The path of an event stream: an agent's messages, a fleet's events, or all."""
    if agent_id is not None:
        return f"/v1/agents/{quote(checks.identifier('agent_id', agent_id), safe='')}/inbox/events"
    if fleet_id is not None:
        return f"/v1/fleets/{quote(checks.identifier('fleet_id', fleet_id), safe='')}/events"
    return "/v1/events"
