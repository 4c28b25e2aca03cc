"""`fleetlog mcp`: what an MCP client starts. Lines from its stdin go to the directory's daemon, answers to its stdout.

Its rules: nothing but protocol ever goes to stdout; it holds no state that the daemon does not have; it starts a
daemon when something is asked and there is none, and never stops one. When the daemon goes away, it connects again,
says the handshake once more, and repeats what was not answered: each request carries an idempotency key, so nothing
is made twice. It imports only what loads at once: a client waits for its first answer.
"""

import contextlib
import fcntl
import json
import os
import secrets
import socket
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.places import place_of
from fleetlog.runtime.servers.reaching import Daemons, NoDaemon

__all__ = ["Bridge", "Reach", "greeting", "serve_stdio"]

LAST_ANSWERS_S = 0.5
LOOK_EVERY_S = 0.25
READ_BYTES = PIPE_BYTES = 1 << 20
INTERNAL_ERROR = -32603
USAGE = 2

_KEPT = ("initialize", "notifications/initialized", "resources/subscribe")
"""Methods that are said again to a new connection, their answers kept from the client."""
_STANDING = "subscriptions/listen"
"""A request that is answered only when it ends: it waits for a daemon, and starts none."""
_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"


class Reach(Protocol):
    """How the daemon is found."""

    def connect(self, *, may_start: bool, stem: str, sent: int) -> socket.socket | None:
        """A connection, or None while there is no daemon and none may be started. It is told that no frame with a key
        `STEM-NUMBER` above `sent` was ever sent. Raises `NoDaemon`."""


class Bridge:
    """One client's session: its lines, and what of them is not answered yet.

    Frames to the daemon are `KEY TAB LINE`, frames from it `ID TAB LINE`, where ID is the JSON of the id a line
    answers, or empty.
    """

    def __init__(self, reach: Reach, out: BinaryIO) -> None:
        self._reach, self._out = reach, out
        self._stem = secrets.token_hex(8)
        self._number, self._sent = 0, 0
        """The number of the last line, and of the last that a connection was given."""
        self._saying = threading.Lock()  # one line after the other; held by nobody who holds _changed
        self._changed = threading.Condition()  # guards all below, and the order of lines on the socket
        self._socket: socket.socket | None = None
        self._unanswered: dict[str, bytes] = {}
        self._standing: set[str] = set()
        self._kept: list[tuple[str, bytes]] = []
        """(the id that is answered, or empty for a notification; the frame), in their order."""
        self._silent: set[str] = set()
        self._closed = threading.Event()

    def start(self) -> None:
        """Find the daemon, on a thread of its own."""
        threading.Thread(target=self._work, name="fleetlog-bridge", daemon=True).start()

    def take(self, line: bytes) -> None:
        """A line of the client's."""
        message = _parsed(line)
        method = message.get("method")
        with self._changed:
            self._number += 1
            frame = b"%s-%d\t%s\n" % (self._stem.encode(), self._number, line.strip())
            request_id = json.dumps(message["id"]) if "id" in message and method else ""
            if method in _KEPT:
                self._kept.append((request_id, frame))
            answer = greeting(message) if request_id and self._socket is None else None
            if answer is None:
                self._ask(request_id, frame, stands=method == _STANDING)
        if answer is not None:
            self._say(answer)

    def _ask(self, request_id: str, frame: bytes, *, stands: bool) -> None:
        if request_id:
            self._unanswered[request_id] = frame
            if stands:
                self._standing.add(request_id)
        self._send(frame)
        self._changed.notify_all()

    def finish(self) -> None:
        """The client says no more: wait a moment for answers that are on their way, and leave."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_asked, LAST_ANSWERS_S)
            self._closed.set()
            self._changed.notify_all()
            if self._socket is not None:
                self._socket.close()

    @property
    def _is_asked(self) -> bool:
        return bool(self._unanswered.keys() - self._standing)

    def _send(self, frame: bytes) -> None:
        """Send, if there is a connection; what is asked without one is sent when there is again."""
        if self._socket is not None:
            self._sent = self._number
            with contextlib.suppress(OSError):
                self._socket.sendall(frame)

    def _say(self, line: bytes | memoryview) -> None:
        """Waits while the client does not read; what it writes is taken all the same."""
        with self._saying:
            self._out.write(line)
            self._out.flush()

    # --- the daemon's side ---------------------------------------------------------------------

    def _work(self) -> None:
        while not self._closed.is_set():
            try:
                connection = self._reach.connect(may_start=self._is_asked, stem=self._stem, sent=self._sent)
            except NoDaemon as error:
                self._fail(str(error))
                connection = None
            if connection is None:
                with self._changed:
                    self._changed.wait_for(lambda: self._is_asked or self._closed.is_set(), LOOK_EVERY_S)
                continue
            self._begin(connection)
            with contextlib.suppress(OSError), connection.makefile("rb", buffering=READ_BYTES) as frames:
                for frame in frames:
                    self._hear(frame)
            with self._changed:
                self._socket = None
                connection.close()

    def _begin(self, connection: socket.socket) -> None:
        """The session goes on, on this connection."""
        with self._changed:
            self._socket = connection
            for request_id, frame in self._kept:
                if request_id in self._unanswered:
                    continue
                if request_id:
                    self._silent.add(request_id)
                self._send(frame)
            for frame in self._unanswered.values():
                self._send(frame)

    def _hear(self, frame: bytes) -> None:
        tab = frame.index(b"\t")
        request_id, line = frame[:tab].decode(), memoryview(frame)[tab + 1 :]
        with self._changed:
            if request_id in self._silent:
                self._silent.discard(request_id)
                return
            asked = self._unanswered.get(request_id)
        self._say(line)
        with self._changed:
            if self._unanswered.get(request_id) is asked:  # else a client that was quick has used the id again
                self._unanswered.pop(request_id, None)
                self._standing.discard(request_id)
            self._changed.notify_all()

    def _fail(self, reason: str) -> None:
        """Answer what is asked with an error: there is no daemon, and none can be started."""
        error = {"code": INTERNAL_ERROR, "message": reason}
        with self._changed:
            failed = self._unanswered.keys() - self._standing
        for request_id in failed:
            self._say(_line({"jsonrpc": "2.0", "id": json.loads(request_id), "error": error}))
        with self._changed:
            for request_id in failed:
                del self._unanswered[request_id]
            self._changed.notify_all()


def _parsed(line: bytes) -> dict[str, Any]:
    """The message, as far as it is one; what is wrong with it is the daemon's to say."""
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message
    return {}


def _line(message: object) -> bytes:
    return json.dumps(message).encode() + b"\n"


def greeting(message: dict[str, Any]) -> bytes | None:
    """The answer to a client's first words while a daemon is only being started: just what the daemon would say
    (handshake.json; a test compares them). None for other messages, and for what the daemon is to judge."""
    method, params = message.get("method"), message.get("params")
    if method not in ("initialize", "server/discover") or not isinstance(params, dict):
        return None
    said = json.loads(Path(__file__).with_name("handshake.json").read_bytes())
    if method == "initialize":
        known = params.get("protocolVersion") in said["versions"]
        if not known or not {"capabilities", "clientInfo"} <= params.keys():
            return None
        result = {**said["initialize"], "protocolVersion": params["protocolVersion"]}
    else:
        meta = params.get("_meta")
        if not isinstance(meta, dict) or meta.get(_VERSION_KEY) not in said["discover"]["supportedVersions"]:
            return None
        result = said["discover"]
    return _line({"jsonrpc": "2.0", "id": message["id"], "result": result})


def _refused(said: str) -> int:
    sys.stderr.write(f"fleetlog mcp: {said}\n")
    return USAGE


def _widen(out: BinaryIO) -> None:
    """Have a pipe take a long line at once, where the system can: else its two ends take turns for each 64 kB."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # no pipe, or no more room for this user
            fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def serve_stdio(directory: str, token: str) -> int:
    """Serve the client on this process's stdin and stdout until its input ends; the exit code."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints to stderr
    try:
        place = place_of(directory)
    except InvalidArgument as error:
        return _refused(str(error))
    if place is None:
        return _refused("'--dir' must be a directory: nobody else finds a runtime in memory")
    _widen(out)
    bridge = Bridge(Daemons(place, token), out)
    bridge.start()
    for line in sys.stdin.buffer:
        if line.strip():
            bridge.take(line)
    bridge.finish()
    return 0
