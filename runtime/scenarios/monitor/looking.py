"""Checks made for a step that waits: several at once, on threads of their own, until the run may not go on.

A check that hangs until its time-out holds nothing: its thread is left behind, and what it says is not heard.
"""

import queue
import threading
import time
from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from fleetlog.runtime.scenarios.monitor.probes import Look, look
from fleetlog.runtime.scenarios.monitor.runbooks import Check

__all__ = ["Found", "Patience", "Room", "begin", "look_at", "look_until_well"]

SLICE_S = 0.25
AGAIN_S = 0.5


class Patience(Protocol):
    """What ends a wait: see `Run.wait`."""

    def wait(self, seconds: float) -> None:
        """Wait so long, or raise when the run may not go on."""


class Room(Struct, frozen=True):
    """Where the checks are made: `folder` is what relative paths are meant from."""

    patience: Patience
    folder: str


class Found(Struct, frozen=True):
    """What checks said: why each of `failing` fails, by name; when it was seen (epoch seconds)."""

    at_s: float
    passing: dict[str, str] = {}
    failing: dict[str, str] = {}

    def fails(self, names: Iterable[str]) -> bool:
        """Does one of them?"""
        return any(name in self.failing for name in names)


def begin(check: Check, folder: str, done: "queue.SimpleQueue[tuple[str, Look]]") -> None:
    """Make the check on a thread of its own; what it says goes into the queue."""
    threading.Thread(
        target=lambda: done.put((check.name, look(check, folder))), name=f"fleetlog-look-{check.name}", daemon=True
    ).start()


def look_at(checks: Iterable[Check], room: Room) -> Found:
    """Make the checks at once. One fails that fails `fails_after` times in a row."""
    open_ = {check.name: check for check in checks}
    passing: dict[str, str] = {}
    failing: dict[str, str] = {}
    for turn in range(max((check.fails_after for check in open_.values()), default=0)):
        if turn:
            room.patience.wait(AGAIN_S)
        for name, seen in _all_of(open_.values(), room).items():
            if seen.ok:
                passing[name] = seen.said
            elif turn + 1 >= open_[name].fails_after:
                failing[name] = seen.said
            else:
                continue
            del open_[name]
        if not open_:
            break
    return Found(time.time(), dict(sorted(passing.items())), dict(sorted(failing.items())))


def look_until_well(checks: Iterable[Check], settle_s: float, room: Room) -> Found:
    """Make the checks until all of them pass, for up to `settle_s` seconds."""
    wanted = list(checks)
    deadline = time.monotonic() + settle_s
    while True:
        seen = _all_of(wanted, room)
        failing = {name: one.said for name, one in sorted(seen.items()) if not one.ok}
        if not failing or time.monotonic() >= deadline:
            return Found(time.time(), {name: one.said for name, one in sorted(seen.items()) if one.ok}, failing)
        room.patience.wait(min(AGAIN_S, max(0.0, deadline - time.monotonic())))


def _all_of(checks: Iterable[Check], room: Room) -> dict[str, Look]:
    done: queue.SimpleQueue[tuple[str, Look]] = queue.SimpleQueue()
    missing = 0
    for check in checks:
        begin(check, room.folder, done)
        missing += 1
    seen: dict[str, Look] = {}
    while len(seen) < missing:
        try:
            name, one = done.get(timeout=SLICE_S)
            seen[name] = one
        except queue.Empty:
            room.patience.wait(0.0)
    return seen
