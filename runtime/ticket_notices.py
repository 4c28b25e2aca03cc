"""People are told of tickets: a host's function, or a command of the operator's (a mail, a notice on the desktop).

Its rules: what follows from it follows on a thread of its own, so that nobody waits for a slow mail server; each
notice is given at least once, over restarts too (the file `notified` has the last one's log position); what a hook
raises is logged, and the next notice is given.
"""

import logging
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import msgspec

from fleetlog.domain.errors import Fault, FleetlogError
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.queries import Queries
from fleetlog.runtime.rows import TicketNotice

__all__ = ["OnTicket", "TicketNotices", "command_hook"]

logger = logging.getLogger("fleetlog.tickets")

OnTicket = Callable[[TicketNotice], object]

COMMAND_TIMEOUT_S = 30.0


class TicketNotices:
    """Gives every notice to the hooks, from the first that they have not had. `position_file`: None for a runtime in
    memory; where there is none yet, only of tickets that are open."""

    def __init__(
        self, queries: Queries, projector: Projector, hooks: Sequence[OnTicket], position_file: Path | None
    ) -> None:
        self._queries, self._hooks, self._file = queries, hooks, position_file
        self._after, self._open_only = self._read_position()
        self._moved = threading.Event()
        self._moved.set()
        self._closed = False
        self._listening = ExitStack()
        self._listening.enter_context(projector.listening(self._moved.set))
        self._thread = threading.Thread(target=self._work, name="fleetlog-notices", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give no more; a hook at work is left to itself after two seconds."""
        self._closed = True
        self._listening.close()
        self._moved.set()
        self._thread.join(2)

    def _work(self) -> None:
        while self._moved.wait() and not self._closed:
            self._moved.clear()
            try:
                while not self._closed and (notices := self._next()):
                    for notice in notices:
                        self._give(notice)
            except FleetlogError as error:
                logger.warning("action=notices_paused error=%s", error)

    def _next(self) -> list[TicketNotice]:
        found = self._queries.ticket_notices(self._after, open_only=self._open_only)
        if not found:
            self._open_only = False
        return found

    def _give(self, notice: TicketNotice) -> None:
        for hook in self._hooks:
            if self._closed:
                return
            try:
                hook(notice)
            except Exception:
                logger.exception("action=notice_failed ticket=%s what=%s", notice.ticket.help_id, notice.what)
        self._after = notice.position
        self._write_position()

    def _read_position(self) -> tuple[int, bool]:
        try:
            return (int(self._file.read_text()), False) if self._file is not None else (0, True)
        except (OSError, ValueError):
            return 0, True

    def _write_position(self) -> None:
        if self._file is None:
            return
        try:
            temporary = self._file.with_suffix(".new")
            temporary.write_text(f"{self._after}\n")
            temporary.replace(self._file)
        except OSError as error:  # the notice is given again after a restart
            logger.warning("action=notice_position_lost error=%s", error)


def command_hook(command: Sequence[str]) -> OnTicket:
    """Runs a program for each notice, with the notice as JSON on its stdin."""

    def run(notice: TicketNotice) -> None:
        try:
            subprocess.run(
                list(command),
                input=msgspec.json.encode(notice),
                check=True,
                timeout=COMMAND_TIMEOUT_S,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            raise Fault(f"notify_command failed: {error} {said.decode(errors='replace')[:500]}".rstrip()) from error

    return run
