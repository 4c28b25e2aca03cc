"""Where brains run: a bounded pool of threads, fair between fleets, bounded within each.

Its rules: a fleet's runs start in the order they were submitted; fleets take turns; a fleet with a limit
never has more runs executing than that. A run that only waits for an answer from outside lends its place to another
meanwhile. A run is stopped by its own means (see brains/run.py); this room only hands out threads.
"""

import logging
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

__all__ = ["Task", "Workers"]

logger = logging.getLogger("fleetlog.workers")

MAX_THREADS = 512
"""Working and lent places together; a thread costs some 25 kB."""


class Task(Protocol):
    """A run, as the pool sees it."""

    @property
    def fleet_id(self) -> str:
        """Whose turn it takes."""

    @property
    def limit(self) -> int | None:
        """How many of the fleet's runs may execute at once."""

    def execute(self) -> None:
        """Run on a worker's thread to its end; raises nothing."""

    def stop(self, reason: str) -> None:
        """End soon: refuse further steps, kill children. Any thread."""

    def interrupt(self) -> None:
        """End now: raise in the brain's own code. Any thread."""


class Workers:
    """The pool. Threads are made when they are needed and stay until `close`."""

    def __init__(self, size: int = 16, name: str = "fleetlog") -> None:
        self._size, self._name = size, name
        self._changed = threading.Condition()  # guards all below
        self._waiting: OrderedDict[str, deque[Task]] = OrderedDict()
        self._executing: dict[str, set[Task]] = {}
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._working = 0
        """Places taken: runs that execute, less those that have lent theirs."""
        self._lent = 0
        self._closed = False

    def submit(self, task: Task) -> None:
        """Run the task when it is its turn."""
        with self._changed:
            if self._closed:
                return
            self._waiting.setdefault(task.fleet_id, deque()).append(task)
            self._find_thread()

    @contextmanager
    def lend(self) -> Iterator[None]:
        """Within this, the calling run only waits for something outside the process: its place is another's. For a
        moment after it there may be one more run at work than places."""
        with self._changed:
            self._working -= 1
            self._lent += 1
            if self._waiting and not self._closed:
                self._find_thread()
        try:
            yield
        finally:
            with self._changed:
                self._working += 1
                self._lent -= 1

    def _find_thread(self) -> None:
        """Have a thread look at what waits: an idle one, or a new one while there are places. `_changed` is held."""
        if self._working >= self._size:
            return
        if self._idle == 0 and len(self._threads) < min(MAX_THREADS, self._size + self._lent):
            number = len(self._threads) + 1
            thread = threading.Thread(target=self._work, name=f"{self._name}-brains-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        else:
            self._wake_one()

    def _wake_one(self) -> None:
        """Wake an idle thread, which is idle no longer: the next one to be woken is another. `_changed` is held."""
        if self._idle:
            self._idle -= 1
            self._changed.notify()

    def has_waiting(self) -> bool:
        """Does a run wait for a thread (or for its fleet's turn)?"""
        return bool(self._waiting)

    def executing(self) -> int:
        """How many runs have a thread now."""
        with self._changed:
            return sum(map(len, self._executing.values()))

    def close(self, timeout_s: float = 3.0) -> bool:
        """Stop what runs and end the threads. True when all ended; else some brain is stuck in a call
        that cannot be interrupted: its (daemon) thread is abandoned and can record nothing any more."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        for task in self._under_way():
            task.stop("the runtime is closing")
        deadline = time.monotonic() + timeout_s
        self._join(time.monotonic() + timeout_s / 3)
        for task in self._under_way():
            task.interrupt()
        self._join(deadline)
        stuck = [thread.name for thread in self._threads if thread.is_alive()]
        if stuck:
            logger.warning("action=workers_abandoned threads=%s", ",".join(stuck))
        return not stuck

    def _under_way(self) -> list[Task]:
        with self._changed:
            return [task for tasks in self._executing.values() for task in tasks]

    def _join(self, deadline: float) -> None:
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (task := self._next()) is not None:
            try:
                task.execute()
            except BaseException:  # includes an interrupt that came a moment too late
                logger.exception("action=run_failed fleet=%s", task.fleet_id)
            finally:
                self._done(task)

    def _next(self) -> Task | None:
        with self._changed:
            while not self._closed:
                task = self._pick()
                if task is not None:
                    return task
                self._idle += 1
                self._changed.wait()
            return None

    def _pick(self) -> Task | None:
        if self._working >= self._size:
            return None
        for fleet_id, tasks in self._waiting.items():
            executing = self._executing.get(fleet_id, ())
            limit = tasks[0].limit
            if limit is not None and len(executing) >= limit:
                continue
            task = tasks.popleft()
            if tasks:
                self._waiting.move_to_end(fleet_id)
            else:
                del self._waiting[fleet_id]
            self._executing.setdefault(fleet_id, set()).add(task)
            self._working += 1
            return task
        return None

    def _done(self, task: Task) -> None:
        with self._changed:
            tasks = self._executing[task.fleet_id]
            tasks.discard(task)
            self._working -= 1
            if not tasks:
                del self._executing[task.fleet_id]
            self._wake_one()
