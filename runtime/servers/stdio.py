"""`fleetlog mcp`: what an MCP client starts. Lines from its stdin go to the directory's daemon, answers to its stdout.

Its rules: nothing but protocol ever goes to stdout; it holds no state that the daemon does not have; it starts a
daemon when there is none, and never stops one. When the daemon goes away, it connects again, says the handshake
once more, and repeats what was not answered: each request carries an idempotency key, so nothing is made twice.
It imports only what loads at once: a client waits for its first answer.
"""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from fleetlog.runtime.servers.address import DaemonAddress

__all__ = ["Bridge", "connect", "serve_stdio"]

START_TIMEOUT_S = 30.0
LAST_ANSWERS_S = 0.5
LOOK_EVERY_S = 0.02
OWN_START_AFTER_S = 0.5
HELLO_VERSION = 1

_KEEPS = ("initialize", "notifications/initialized", "resources/subscribe")
"""Methods that are said again to a new connection, their answers kept from the client."""


class NoDaemon(Exception):
    """There is no daemon, and none could be started; the text says why."""


class Bridge:
    """One client's session: its lines, and what of them is not answered yet.

    Frames to the daemon are `KEY TAB LINE`, frames from it `ID TAB LINE`, where ID is the JSON of the id a line
    answers, or empty.
    """

    def __init__(self, reach: Callable[[], socket.socket], out: BinaryIO) -> None:
        self._reach, self._out = reach, out
        self._stem = secrets.token_hex(8)
        self._number = 0
        self._lock = threading.Lock()  # guards all below, and the order of lines on the socket
        self._socket: socket.socket | None = None
        self._unanswered: dict[str, bytes] = {}
        self._kept: dict[str, bytes] = {}
        self._silent: set[str] = set()
        self._answered = threading.Condition(self._lock)
        self._closed = threading.Event()

    def open(self) -> None:
        """Connect; raises `NoDaemon`."""
        self._socket = self._reach()
        threading.Thread(target=self._listen, args=(self._socket,), daemon=True).start()

    def take(self, line: bytes) -> None:
        """A line of the client's."""
        message = _parsed(line)
        with self._lock:
            self._number += 1
            frame = b"%s-%d\t%s\n" % (self._stem.encode(), self._number, line.strip())
            request_id = json.dumps(message["id"]) if "id" in message and "method" in message else ""
            if message.get("method") in _KEEPS:
                self._kept[request_id or str(self._number)] = frame
            if request_id:
                self._unanswered[request_id] = frame
            self._send(frame)

    def _send(self, frame: bytes) -> None:
        """Send, if there is a connection; without one, the frame is sent when there is again."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendall(frame)

    def finish(self) -> None:
        """The client says no more: wait a moment for answers that are on their way, and leave."""
        with self._lock:
            self._answered.wait_for(lambda: not self._unanswered, LAST_ANSWERS_S)
            self._closed.set()
            if self._socket is not None:
                self._socket.close()

    # --- the daemon's side ---------------------------------------------------------------------

    def _listen(self, connection: socket.socket) -> None:
        while not self._closed.is_set():
            with contextlib.suppress(OSError), connection.makefile("rb") as lines:
                for frame in lines:
                    self._hear(frame)
            with self._lock:
                if self._closed.is_set():
                    return
                self._socket = None
            connection = self._again()

    def _hear(self, frame: bytes) -> None:
        answered, _, line = frame.partition(b"\t")
        request_id = answered.decode()
        with self._lock:
            if request_id in self._silent:
                self._silent.discard(request_id)
                return
            self._unanswered.pop(request_id, None)
            self._out.write(line)
            self._out.flush()
            self._answered.notify_all()

    def _again(self) -> socket.socket:
        """A new connection, on which the session goes on."""
        while True:
            try:
                connection = self._reach()
            except NoDaemon as error:
                self._fail_unanswered(str(error))
                time.sleep(1.0)
                continue
            with self._lock:
                self._socket = connection
                for request_id, frame in self._kept.items():
                    if request_id not in self._unanswered:
                        self._silent.add(request_id)
                        self._send(frame)
                for frame in self._unanswered.values():
                    self._send(frame)
            return connection

    def _fail_unanswered(self, reason: str) -> None:
        with self._lock:
            for request_id in self._unanswered:
                error = {"code": -32603, "message": reason}
                answer = {"jsonrpc": "2.0", "id": json.loads(request_id), "error": error}
                self._out.write(json.dumps(answer).encode() + b"\n")
            self._unanswered.clear()
            self._out.flush()
            self._answered.notify_all()


def _parsed(line: bytes) -> dict[str, Any]:
    """The message, as far as it is one; what is wrong with it is the daemon's to say."""
    with contextlib.suppress(ValueError):
        message = json.loads(line)
        if isinstance(message, dict):
            return message
    return {}


# --- finding the daemon ------------------------------------------------------------------------


def connect(directory: Path, token: str, start: Callable[[Path], object]) -> socket.socket:
    """A connection to the directory's daemon, which is started if there is none. Raises `NoDaemon`."""
    began = time.monotonic()
    starter: subprocess.Popen[bytes] | None = None
    while time.monotonic() - began < START_TIMEOUT_S:
        connection = _try(directory, token)
        if connection is not None:
            return connection
        address = DaemonAddress.read(directory)
        is_patient = address is not None and time.monotonic() - began < OWN_START_AFTER_S
        if starter is None and not is_patient:
            started = start(directory)
            starter = started if isinstance(started, subprocess.Popen) else None
        if starter is not None and starter.poll() is not None and (why := _said_last(directory)):
            connection = _try(directory, token)  # another one was faster
            if connection is not None:
                return connection
            raise NoDaemon(why)
        time.sleep(LOOK_EVERY_S)
    raise NoDaemon(f"the daemon of {directory} does not answer after {START_TIMEOUT_S:g} s; see {directory}/daemon.log")


def _try(directory: Path, token: str) -> socket.socket | None:
    address = DaemonAddress.read(directory)
    if address is None:
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(address.socket)
        hello = {"fleetlog": HELLO_VERSION, "token": token}
        connection.sendall(json.dumps(hello).encode() + b"\n")
    except OSError:
        connection.close()
        return None
    return connection


def _said_last(directory: Path) -> str:
    """The last line of the daemon's log: why it could not start."""
    try:
        lines = (directory / "daemon.log").read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    return lines[-1] if lines else f"the daemon of {directory} could not be started"


def start_daemon(directory: Path) -> subprocess.Popen[bytes]:
    """Start a daemon that outlives this process."""
    directory.mkdir(parents=True, exist_ok=True)
    with open(directory / "daemon.log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--dir", str(directory), "--port", "0"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/" if directory.is_absolute() else None,
        )


def serve_stdio(directory: str, token: str) -> int:
    """Serve the client on this process's stdin and stdout until its input ends; the exit code."""
    path = Path(directory).absolute()
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints, prints to stderr
    bridge = Bridge(lambda: connect(path, token, start_daemon), out)
    try:
        bridge.open()
    except NoDaemon as error:
        print(f"fleetlog mcp: {error}", file=sys.stderr)  # noqa: T201 - the one line a client's log shows
        return 4
    for line in sys.stdin.buffer:
        if line.strip():
            bridge.take(line)
    bridge.finish()
    return 0
