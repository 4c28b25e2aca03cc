"""One run of a brain: what ties a worker's thread to the agent's actor.

A run that is stopped can record nothing more: its calls raise `RunStopped`, the processes it started are
killed, and, if its own code does not end by itself, an exception is raised in it.
"""

import contextlib
import ctypes
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain.agent import StepRecord
from fleetlog.domain.council import Tally
from fleetlog.domain.errors import Fault, Refused, RuntimeClosed
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import AgentSpec, Message, Usage
from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.routing.queries import RouteMatch
from fleetlog.runtime.shelves import PatientShelf

__all__ = ["AgentLink", "Run", "RunEnded", "RunParked", "RunStart", "RunStopped", "RunSuspended"]

logger = logging.getLogger("fleetlog.brains")

RETRY_BASE_S, RETRY_MAX_S = 0.05, 5.0


class RunSuspended(BaseException):
    """The brain waits: unwind its stack and give the thread back. Not an `Exception`, so that a brain's
    own `except Exception` does not catch it."""


class RunParked(RunSuspended):
    """The brain waits for something that is not an event of its agent's (a gate, a budget): whoever has it calls
    `AgentLink.unpark`. After a restart nothing is parked: the brain runs, and comes here again."""


class RunStopped(BaseException):
    """This run may do nothing more: it was cancelled, or the runtime is closing."""


class RunStart(msgspec.Struct, frozen=True):
    """What the agent was at the beginning of the run. `history` is its recorded steps, `calls` how many paid calls
    are over."""

    agent_id: str
    fleet_id: str
    name: str
    spec: AgentSpec
    goal: str
    workspace: str
    item: Any
    history: tuple[StepRecord, ...]
    calls: int = 0


class RunEnded(msgspec.Struct, frozen=True):
    """Told to the agent's actor. `clean`: the brain ended or waits, as its events say; `parked`: it waits for
    `unpark`."""

    run_id: int
    clean: bool
    parked: bool = False


class AgentLink(Protocol):
    """What a run needs of the runtime around it."""

    artifacts: ArtifactStore
    linger_s: float

    def tell(self, command: c.RunCommand, reply: Reply[Receipt]) -> None:
        """Give the agent's actor a command of this run."""

    def reserve(self, number: int, bound: Usage, reply: Reply[Receipt]) -> None:
        """Ask the agent's fleet to set this aside for the agent's paid call of this number. The outcome is `reserved`;
        or `waits`: the fleet unparks the agent when there may be room; or `paused`: the fleet is."""

    def is_held(self) -> bool:
        """Is the fleet paused?"""

    def send(self, message: Message, to: str) -> tuple[str, ...]:
        """Deliver to a peer, or with `*` to all others; the recipients. Raises `Refused` or `Fault`."""

    def attach(self, spec: AgentSpec, workspace: str, key: str) -> str:
        """Add an agent to the fleet, once for this key; its id, after the commit. Raises `Refused` or `Fault`."""

    def route(self, description: str, top_n: int) -> list[RouteMatch]:
        """The fleet's agents that fit this work best, by all that is committed."""

    def close_fleet(self, reason: str) -> None:
        """Let the fleet end with its last agent. Raises `Refused` or `Fault`."""

    def tell_council(self, council_id: str, command: c.CouncilCommand) -> Tally:
        """Give a council a command of this agent's; how it stands after the commit. Raises `Refused` or `Fault`."""

    def roster(self) -> Roster:
        """The fleet's members."""

    def results(self, names: tuple[str, ...]) -> Mapping[str, Any]:
        """The outputs of agents that have completed."""

    def is_thread_wanted(self) -> bool:
        """Does another run wait for a thread?"""

    def lend_place(self) -> AbstractContextManager[None]:
        """Within it, another run may have this one's place among those that execute."""

    def unpark(self) -> None:
        """Let the agent's brain run again that was (or is just being) parked. Any thread, also after the run."""

    def unpark_after(self, seconds: float) -> None:
        """The same, after so many seconds of uptime (once: a later call replaces an earlier one)."""

    def ended(self, event: RunEnded) -> None:
        """The run is over."""


class Run:
    """A task for the workers. `drive` calls the brain; it is given when the run is made."""

    def __init__(
        self,
        run_id: int,
        fleet_id: str,
        limit: int | None,
        link: AgentLink,
        drive: Callable[["Run", RunStart], None],
    ) -> None:
        self.run_id, self.link = run_id, link
        self.artifacts = ArtifactStore(PatientShelf(link.artifacts.shelf, self._bide))
        """Where large things are kept; while that cannot be reached, the run waits, as for the log."""
        self._fleet_id, self._limit, self._drive = fleet_id, limit, drive
        self.interrupted_before = False
        self.has_reserved = False
        """It has asked its fleet for money: the fleet is to know what became of that."""
        self.is_paused = False
        """Its agent is paused: it makes no new step."""
        self._stopped = threading.Event()
        self._woken = threading.Event()
        self._reason = ""
        self._lock = threading.Lock()  # guards _thread_id and _groups
        self._thread_id: int | None = None
        self._groups: set[int] = set()

    @property
    def fleet_id(self) -> str:
        """See `workers.Task`."""
        return self._fleet_id

    @property
    def limit(self) -> int | None:
        """See `workers.Task`."""
        return self._limit

    @property
    def is_stopped(self) -> bool:
        """It was told to end."""
        return self._stopped.is_set()

    # --- on the worker's thread --------------------------------------------------------------

    def execute(self) -> None:
        """See `workers.Task`."""
        clean = parked = False
        try:
            if not self.is_stopped:
                self._enter()
                clean = self._begin_and_drive()
        except RunSuspended as suspended:
            clean, parked = True, isinstance(suspended, RunParked)
        except RunStopped:
            logger.debug("action=run_stopped run=%d reason=%s", self.run_id, self._reason)
        except Exception:  # a fault of ours, not the brain's: said, and the run is made again later
            logger.exception("action=run_failed run=%d", self.run_id)
        finally:
            self._leave()
            self.link.ended(RunEnded(self.run_id, clean, parked))

    def _begin_and_drive(self) -> bool:
        start = self.record(c.BeginRun(self.interrupted_before)).outcome
        if isinstance(start, RunStart):
            self._drive(self, start)
        return True

    def record(self, command: c.RunCommand) -> Receipt:
        """Have the agent's actor record a command; returns after the commit.

        While the store cannot write (a full disk), this tries again until the run is stopped: the step's
        value is in memory here and nowhere else. Raises `RunStopped` when the agent has gone on without it.
        """
        return self._answered(lambda reply: self.link.tell(command, reply))

    def reserve(self, number: int, bound: Usage) -> None:
        """Have the fleet set this aside for the agent's paid call of this number; unwinds the run when it does not."""
        self.has_reserved = True
        outcome = self._answered(lambda reply: self.link.reserve(number, bound, reply)).outcome
        if outcome != "reserved":
            raise RunParked if outcome == "waits" else RunSuspended

    def _answered(self, ask: Callable[[Reply[Receipt]], None]) -> Receipt:
        delay = RETRY_BASE_S
        while True:
            self.check()
            reply: Reply[Receipt] = Reply()
            ask(reply)
            try:
                return reply.result()
            except RuntimeClosed as error:
                self.stop(str(error))
            except Refused as error:
                self.stop(str(error))
            except Fault as error:
                logger.warning("action=record_retried run=%d error=%s", self.run_id, error)
                self._stopped.wait(delay)
                delay = min(RETRY_MAX_S, delay * 2)

    def _bide(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Raise `RunStopped` if the run was told to end."""
        if self._stopped.is_set():
            raise RunStopped(self._reason)

    def check_may_step(self) -> None:
        """Unwind a run that may make no new step: it, its agent or its fleet is told to wait."""
        self.check()
        if self.is_paused or self.link.is_held():
            raise RunSuspended

    def wait(self, seconds: float) -> None:
        """Inside a step that waits for the world outside: so long, but not a moment longer than the run may go on.
        Raises `RunStopped` or `RunSuspended`, which leave the step as if it had not been begun. The place is
        another's meanwhile."""
        with self.link.lend_place():
            self._stopped.wait(seconds)
        self.check_may_step()

    def _enter(self) -> None:
        with self._lock:
            self._thread_id = threading.get_ident()

    def _leave(self) -> None:
        with self._lock:
            self._thread_id = None
        self.kill_processes()

    # --- waits -------------------------------------------------------------------------------

    def forget_wake(self) -> None:
        """Wakes so far are known; only later ones count."""
        self._woken.clear()

    def linger(self) -> bool:
        """Keep the thread for a moment, as long as nobody else needs it: an answer that comes at once finds
        the brain where it waits, without calling it again from its top. True when something came."""
        deadline = time.monotonic() + self.link.linger_s
        while not self.link.is_thread_wanted() and not self.is_stopped:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            if self._woken.wait(min(left, 0.03)):
                return True
        return self._woken.is_set()

    # --- processes ---------------------------------------------------------------------------

    def add_process_group(self, group: int) -> None:
        """This process group dies with the run."""
        with self._lock:
            self._groups.add(group)
        if self.is_stopped:
            self.kill_processes()

    def remove_process_group(self, group: int) -> None:
        """This process group has ended."""
        with self._lock:
            self._groups.discard(group)

    def kill_processes(self) -> None:
        """Kill every process (group) the run has started."""
        with self._lock:
            groups, self._groups = self._groups, set()
        for group in groups:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)

    # --- from other threads ------------------------------------------------------------------

    def wake(self) -> None:
        """What the brain waits for has come."""
        self._woken.set()

    def stop(self, reason: str) -> None:
        """See `workers.Task`."""
        self._reason = self._reason or reason
        self._stopped.set()
        self.kill_processes()

    def interrupt(self) -> None:
        """See `workers.Task`. Raises `RunStopped` in the brain's thread between two bytecodes; a call that
        blocks outside Python (a long `time.sleep`, a C extension) ends first."""
        with self._lock:
            if self._thread_id is not None:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread_id), ctypes.py_object(RunStopped)
                )
