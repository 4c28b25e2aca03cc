"""Threads for brains: bounded, fair between fleets, bounded within each, and gone when they are told to."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from fleetlog.runtime.workers import Workers


class Job:
    """A run of a brain, as the pool sees it. `work` is called on the worker's thread."""

    def __init__(self, fleet_id: str, work: Callable[[], None] = lambda: None, limit: int | None = None) -> None:
        self.fleet_id, self.limit, self._work = fleet_id, limit, work
        self.done, self.stopped, self.interrupted = threading.Event(), threading.Event(), threading.Event()

    def execute(self) -> None:
        try:
            self._work()
        finally:
            self.done.set()

    def stop(self, reason: str) -> None:
        assert reason == "the runtime is closing"
        self.stopped.set()

    def interrupt(self) -> None:
        self.interrupted.set()


class Meter:
    """How many are at work at once, by fleet and in all. Each stays until the gate opens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.now: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[str] = []
        self.gate = threading.Event()

    def job(self, fleet_id: str, limit: int | None = None) -> Job:
        def work() -> None:
            with self._lock:
                self.order.append(fleet_id)
                self.now.update((fleet_id, "all"))
                self.most |= self.now
            assert self.gate.wait(20)
            with self._lock:
                self.now.subtract((fleet_id, "all"))

        return Job(fleet_id, work, limit)

    def wait_for(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while self.now["all"] != count:
            assert time.monotonic() < deadline, self.now
            time.sleep(0.001)


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter()
    yield made
    made.gate.set()


@pytest.fixture
def workers() -> Iterator[Workers]:
    pool = Workers(4)
    yield pool
    assert pool.close(5)


def submit(workers: Workers, *jobs: Job) -> None:
    for job in jobs:
        workers.submit(job)


def finish(meter: Meter, *jobs: Job) -> None:
    meter.gate.set()
    for job in jobs:
        assert job.done.wait(10)


def test_no_more_run_than_there_are_threads(workers: Workers, meter: Meter) -> None:
    jobs = [meter.job(f"fleet-{number}") for number in range(20)]
    submit(workers, *jobs)
    meter.wait_for(4)
    assert workers.executing() == 4
    assert workers.has_waiting()
    finish(meter, *jobs)
    assert meter.most["all"] == 4
    assert len(meter.order) == 20


def test_no_more_of_a_fleet_run_than_its_limit_and_others_use_the_rest(workers: Workers, meter: Meter) -> None:
    narrow = [meter.job("narrow", limit=1) for _ in range(6)]
    submit(workers, *narrow)
    wide = [meter.job("wide") for _ in range(6)]
    submit(workers, *wide)
    meter.wait_for(4)
    assert meter.now["narrow"] == 1
    assert meter.now["wide"] == 3
    finish(meter, *narrow, *wide)
    assert meter.most["narrow"] == 1


def test_fleets_take_turns_however_many_runs_one_of_them_has() -> None:
    workers, meter = Workers(1), Meter()
    blocker = meter.job("blocker")
    submit(workers, blocker)
    meter.wait_for(1)
    jobs = [meter.job("large") for _ in range(50)] + [meter.job("small") for _ in range(2)]
    submit(workers, *jobs)
    finish(meter, blocker, *jobs)
    assert workers.close(5)
    assert meter.order[1:5] == ["large", "small", "large", "small"]


def test_runs_of_a_fleet_start_in_the_order_they_were_submitted() -> None:
    workers, order = Workers(1), list[int]()
    gate = threading.Event()
    first = Job("f", lambda: assert_open(gate))
    jobs = [Job("f", lambda number=number: order.append(number)) for number in range(30)]  # type: ignore[misc]
    submit(workers, first, *jobs)
    gate.set()
    for job in jobs:
        assert job.done.wait(10)
    assert workers.close(5)
    assert order == list(range(30))


def assert_open(gate: threading.Event) -> None:
    assert gate.wait(10)


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(1), KeyboardInterrupt()])
def test_a_run_that_raises_does_not_cost_a_thread(workers: Workers, error: BaseException) -> None:
    def work() -> None:
        raise error

    for _ in range(3):
        submit(workers, *[Job("bad", work) for _ in range(8)])
    good = Job("good")
    submit(workers, good)
    assert good.done.wait(10)


def test_closing_stops_what_runs_forgets_what_waits_and_ends_the_threads() -> None:
    workers = Workers(1)
    running = Job("a")
    running._work = lambda: assert_open(running.stopped)
    waiting = Job("a")
    submit(workers, running, waiting)
    while workers.executing() == 0:
        time.sleep(0.001)
    assert workers.close(5)
    assert running.stopped.is_set()
    assert not running.interrupted.is_set()
    assert not waiting.done.is_set()
    submit(workers, late := Job("a"))
    assert not late.done.is_set()
    assert not [thread for thread in threading.enumerate() if "brains" in thread.name]


def test_closing_interrupts_what_does_not_stop_and_leaves_behind_what_cannot_be_interrupted() -> None:
    workers, gate = Workers(2), threading.Event()
    stubborn = Job("a")
    stubborn._work = lambda: assert_open(stubborn.interrupted)
    stuck = Job("b", lambda: assert_open(gate))
    submit(workers, stubborn, stuck)
    while workers.executing() < 2:
        time.sleep(0.001)
    started = time.monotonic()
    assert not workers.close(0.6)
    assert time.monotonic() - started < 5
    assert stubborn.done.wait(10)
    assert stuck.interrupted.is_set()
    gate.set()
    for thread in workers._threads:
        thread.join(10)


def test_without_threads_nothing_runs() -> None:
    workers = Workers(0)
    submit(workers, job := Job("a"))
    assert workers.has_waiting()
    assert workers.close(1)
    assert not job.done.is_set()
