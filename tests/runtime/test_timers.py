"""Deadlines, by a clock that jumps."""

import threading
from collections.abc import Iterator

import pytest

from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.timers import Timers


class Bell:
    """Writes down what rang, and lets a test wait for it."""

    def __init__(self) -> None:
        self.rang: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, name: str) -> None:
        with self._changed:
            self.rang.append(name)
            self._changed.notify_all()

    def wait_for(self, *names: str) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.rang == list(names), 10), self.rang


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timers(clock: ManualClock) -> Iterator[Timers]:
    opened = Timers(clock)
    yield opened
    opened.close()


def arm(timers: Timers, bell: Bell, key: str, uptime_s: float, name: str = "") -> None:
    timers.arm(key, uptime_s, lambda: bell(name or key))


def test_deadlines_ring_in_their_order_when_their_time_has_come(timers: Timers, clock: ManualClock) -> None:
    bell = Bell()
    for key, uptime_s in (("late", 30.0), ("soon", 1.0), ("middle", 2.0)):
        arm(timers, bell, key, uptime_s)
    clock.advance(2.0)
    bell.wait_for("soon", "middle")
    clock.advance(28.0)
    bell.wait_for("soon", "middle", "late")


def test_a_deadline_that_has_passed_rings_at_once(timers: Timers, clock: ManualClock) -> None:
    clock.advance(100.0)
    bell = Bell()
    arm(timers, bell, "missed", 5.0)
    bell.wait_for("missed")


def test_arming_again_replaces_and_disarming_forgets(timers: Timers, clock: ManualClock) -> None:
    bell = Bell()
    arm(timers, bell, "moved", 1.0, "early")
    arm(timers, bell, "moved", 9.0, "late")
    arm(timers, bell, "gone", 2.0)
    timers.disarm("gone")
    timers.disarm("never there")
    arm(timers, bell, "witness", 5.0)
    clock.advance(5.0)
    bell.wait_for("witness")
    clock.advance(5.0)
    bell.wait_for("witness", "late")


@pytest.mark.filterwarnings("ignore")
def test_a_deadline_that_fails_does_not_stop_the_others(timers: Timers, clock: ManualClock) -> None:
    bell = Bell()

    def fail() -> None:
        raise ZeroDivisionError

    timers.arm("bad", 1.0, fail)
    arm(timers, bell, "good", 1.0)
    clock.advance(1.0)
    bell.wait_for("good")


def test_after_closing_nothing_rings(clock: ManualClock) -> None:
    timers, bell = Timers(clock), Bell()
    arm(timers, bell, "never", 1.0)
    timers.close()
    clock.advance(5.0)
    assert bell.rang == []


def test_an_action_may_arm_the_next_one(timers: Timers, clock: ManualClock) -> None:
    bell = Bell()

    def again() -> None:
        bell("first")
        arm(timers, bell, "chain", 2.0, "second")

    timers.arm("chain", 1.0, again)
    clock.advance(2.0)
    bell.wait_for("first", "second")
