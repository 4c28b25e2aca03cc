"""Finding a directory's daemon, and starting one where there is none. Loads at once: stdio clients wait for it."""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from fleetlog.domain.errors import FleetlogError
from fleetlog.runtime.places import Place
from fleetlog.runtime.servers.address import DaemonAddress

__all__ = ["Daemons", "NoDaemon"]

START_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.02
OWN_START_AFTER_S = 0.5
HELLO = 1


class NoDaemon(Exception):
    """There is no daemon, and none could be started; the text says why."""


class Daemons:
    """The daemons of one directory, one after the other. One thread."""

    def __init__(self, place: Place, token: str = "") -> None:
        self._place, self._directory, self._token = place, place.folder, token
        self._hello: dict[str, object] = {}

    def connect(self, *, may_start: bool, stem: str = "", sent: int = 0) -> socket.socket | None:
        """A connection to the daemon, which is started if there is none and it may be; else None. One that has just
        gone away may come back by itself: it gets a moment. The keys `STEM-NUMBER` above `sent` are said to be new.
        Raises `NoDaemon`."""
        self._hello = {"fleetlog": HELLO, "token": self._token, "stem": stem, "sent": sent}
        connection = self._try()
        if connection is not None or not may_start:
            return connection
        if DaemonAddress.read(self._directory) is not None and (connection := self._awaited(OWN_START_AFTER_S)):
            return connection
        started = self._start()
        if connection := self._awaited(START_TIMEOUT_S, started):
            return connection
        raise NoDaemon(self._last_words())

    def _awaited(self, timeout_s: float, started: "subprocess.Popen[bytes] | None" = None) -> socket.socket | None:
        """A connection within this time; sooner None when the one that was started has ended."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            has_ended = started is not None and started.poll() is not None
            if connection := self._try():
                return connection
            if has_ended:
                return None  # another process may have been faster: then it was just tried
            time.sleep(LOOK_EVERY_S)
        return None

    def _try(self) -> socket.socket | None:
        address = DaemonAddress.read(self._directory)
        if address is None:
            return None
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.connect(address.socket)
            connection.sendall(json.dumps(self._hello).encode() + b"\n")
        except OSError:
            connection.close()
            return None
        return connection

    def _start(self) -> "subprocess.Popen[bytes]":
        """Start a daemon that outlives this process."""
        try:
            self._place.make_folder()
            log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except FleetlogError as error:
            raise NoDaemon(str(error)) from error
        except OSError as error:
            raise NoDaemon(f"the directory {self._directory} cannot be used: {error}") from error
        serve = [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--port", "0"]
        environment = dict(os.environ)
        if self._place.url:
            environment["FLEETLOG_DIR"] = self._place.url  # among the words, everybody would see its password
        else:
            serve += ["--dir", str(self._directory)]
        try:
            return subprocess.Popen(
                serve,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
                env=environment,
            )
        finally:
            os.close(log)

    @property
    def _log_path(self) -> Path:
        return self._directory / "daemon.log"

    def _last_words(self) -> str:
        """The last line of the daemon's log: why it could not start."""
        try:
            lines = self._log_path.read_text(errors="replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"the daemon of {self._place} does not answer; see {self._log_path}"
