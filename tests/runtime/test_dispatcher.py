"""Actors that share threads: fair, in order, one thread at a time, and nobody's failure is another's."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope

from fleetlog.domain.errors import RuntimeClosed
from fleetlog.runtime.dispatcher import TURN, Dispatcher, PooledActor


@pytest.fixture
def dispatcher() -> Iterator[Dispatcher]:
    opened = Dispatcher(2)
    yield opened
    opened.close(5)
    assert not [thread for thread in threading.enumerate() if "actors" in thread.name]


class Recorder(PooledActor):
    """Handles what it is told, and writes it down."""

    def __init__(self, dispatcher: Dispatcher, log: list[Any] | None = None, name: str = "") -> None:
        super().__init__(dispatcher)
        self.log: list[Any] = [] if log is None else log
        self.name = name
        self.failures: list[tuple[object, Exception]] = []
        self.here = 0
        self.crowded = False

    def __str__(self) -> str:
        return self.name or "recorder"

    def on_receive(self, message: Any) -> Any:
        self.here += 1
        self.crowded = self.crowded or self.here > 1
        try:
            if callable(message):
                return message()
            self.log.append((self.name, message) if self.name else message)
            return message
        finally:
            self.here -= 1

    def on_message_failure(self, message: object, error: Exception) -> None:
        self.failures.append((message, error))


def begin(dispatcher: Dispatcher, *arguments: Any) -> Recorder:
    actor = Recorder(dispatcher, *arguments)
    actor._start_actor_loop()
    return actor


def settle(*actors: Recorder) -> None:
    """Everything that was put before has been handled."""
    for actor in actors:
        done = threading.Event()
        actor.post(done.set)
        assert done.wait(20)


def blocking(began: threading.Event, gate: threading.Event) -> Callable[[], None]:
    """A handler that says when it is at work, and is so until the gate opens."""

    def handler() -> None:
        began.set()
        gate.wait(20)

    return handler


def fail(error: BaseException) -> Any:
    def handler() -> None:
        raise error

    return handler


def test_an_actor_is_asked_and_told_as_any_pykka_actor(dispatcher: Dispatcher) -> None:
    reference = Recorder.start(dispatcher)
    assert reference.ask("hello", timeout=10) == "hello"
    reference.tell("news")
    assert reference.ask("more", timeout=10) == "more"
    assert reference.proxy().log.get(timeout=10) == ["hello", "news", "more"]
    assert pykka.ActorRegistry.get_all() == []
    assert reference.stop(timeout=10)
    with pytest.raises(pykka.ActorDeadError):
        reference.ask("anybody there?", timeout=10)


def test_messages_of_a_mailbox_are_handled_in_order_on_one_thread_at_a_time(dispatcher: Dispatcher) -> None:
    actors = [begin(dispatcher) for _ in range(20)]

    def send(sender: int) -> None:
        for number in range(200):
            for actor in actors:
                actor.post((sender, number))

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(4)]
    for thread in senders:
        thread.start()
    for thread in senders:
        thread.join()
    settle(*actors)
    for actor in actors:
        assert not actor.crowded
        for sender in range(4):
            assert [number for who, number in actor.log if who == sender] == list(range(200))


def test_a_busy_actor_gives_way_to_the_others_after_its_turn() -> None:
    dispatcher, log = Dispatcher(1), list[Any]()
    gate, began = threading.Event(), threading.Event()
    blocker = begin(dispatcher)
    blocker.post(blocking(began, gate))
    assert began.wait(10)
    busy, modest = begin(dispatcher, log, "busy"), begin(dispatcher, log, "modest")
    for number in range(TURN * 3):
        busy.post(number)
    modest.post(0)
    gate.set()
    settle(busy, modest)
    dispatcher.close(5)
    assert log.index(("modest", 0)) == TURN


def test_thousands_of_actors_need_no_thread_each(dispatcher: Dispatcher) -> None:
    before = threading.active_count()
    actors = [begin(dispatcher) for _ in range(5_000)]
    for actor in actors:
        actor.post("hello")
    settle(*actors)
    assert threading.active_count() == before
    assert all(actor.log == ["hello"] for actor in actors)


@pytest.mark.parametrize("error", [ValueError("wrong"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_a_handler_that_raises_whatever_it_raises_hurts_nobody_else(
    dispatcher: Dispatcher, error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    failing, other = begin(dispatcher), begin(dispatcher)
    with caplog.at_level(logging.ERROR):
        for _ in range(10):
            failing.post(fail(error))
            other.post("unhurt")
        settle(failing, other)
    assert other.log == ["unhurt"] * 10
    assert len(failing.failures) == 10
    assert all(isinstance(told, Exception) for _, told in failing.failures)
    assert sum("action=message_failed" in record.getMessage() for record in caplog.records) == 10
    assert failing.actor_ref.ask("still here", timeout=10) == "still here"


def test_who_asks_gets_the_exception(dispatcher: Dispatcher) -> None:
    actor = begin(dispatcher)
    with pytest.raises(ZeroDivisionError, match="by nothing"):
        actor.actor_ref.ask(fail(ZeroDivisionError("by nothing")), timeout=10)
    with pytest.raises(Exception, match="SystemExit"):
        actor.actor_ref.ask(fail(SystemExit(1)), timeout=10)
    assert [type(error).__name__ for _, error in actor.failures] == ["ZeroDivisionError", "Fault"]


class Refusable:
    def __init__(self) -> None:
        self.refusal: Exception | None = None

    def refuse(self, error: Exception) -> None:
        self.refusal = error


def test_what_waits_for_an_actor_that_stops_is_refused_and_so_is_what_comes_later(dispatcher: Dispatcher) -> None:
    actor = begin(dispatcher)
    began, gate = threading.Event(), threading.Event()
    actor.post(blocking(began, gate))
    assert began.wait(10)
    waiting, late = Refusable(), Refusable()
    stopped = actor.actor_ref.stop(block=False)
    actor.post(waiting)
    gate.set()
    assert stopped.get(timeout=10)
    while waiting.refusal is None:
        time.sleep(0.001)
    actor.post(late)
    assert isinstance(waiting.refusal, RuntimeClosed)
    assert isinstance(late.refusal, RuntimeClosed)


def test_closing_ends_the_threads_within_its_time_whatever_an_actor_does() -> None:
    dispatcher, gate, began = Dispatcher(2), threading.Event(), threading.Event()
    stuck, other = begin(dispatcher), begin(dispatcher)
    stuck.post(blocking(began, gate))
    assert began.wait(10)
    started = time.monotonic()
    dispatcher.close(0.2)
    assert time.monotonic() - started < 5
    other.post("nobody is left")
    gate.set()
    for thread in dispatcher._threads:
        thread.join(10)
    assert other.log == []


def test_mail_that_comes_before_the_start_is_handled_after_it(dispatcher: Dispatcher) -> None:
    actor = Recorder(dispatcher)
    actor.post("early")
    actor.mailbox.put(Envelope("bird"))
    actor._start_actor_loop()
    settle(actor)
    assert actor.log == ["early", "bird"]
