"""Actors on a few threads: whose turn it is, what order holds, and what a failing actor cannot do to the others."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope

from fleetlog.domain.errors import Fault, FleetlogError, RuntimeClosed
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.dispatcher import TURN, Dispatcher, PooledActor
from fleetlog.runtime.engine import Request, Residents
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.testing import wait_until

OpenDispatcher = Callable[..., Dispatcher]
OpenRuntime = Callable[..., Runtime]
DEADLY = [ZeroDivisionError, SystemExit, KeyboardInterrupt, GeneratorExit]


@pytest.fixture
def open_dispatcher() -> Iterator[OpenDispatcher]:
    """`open_dispatcher(threads)`; closed after the test, with no thread and no registered actor left."""
    before = set(threading.enumerate())
    opened: list[Dispatcher] = []

    def make(threads: int = 2) -> Dispatcher:
        opened.append(Dispatcher(threads))
        return opened[-1]

    yield make
    for dispatcher in opened:
        dispatcher.close(10)
    assert set(threading.enumerate()) <= before
    assert pykka.ActorRegistry.get_all() == []


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads change as often as Python lets them: races that can happen do."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


class Doer(PooledActor):
    """Does what its messages say, and keeps what it was told of failures."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__(dispatcher)
        self.failures: list[Exception] = []

    def on_receive(self, message: Callable[[], Any]) -> Any:
        return message()

    def on_message_failure(self, message: object, error: Exception) -> None:
        self.failures.append(error)


class Narrow(Doer):
    """With a mailbox for ten."""

    mailbox_capacity = 10


class Gate:
    """A message that holds its actor, and with it a thread, until `open`."""

    def __init__(self) -> None:
        self._reached, self._opened = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._reached.set()
        assert self._opened.wait(20)

    def wait_until_reached(self) -> None:
        assert self._reached.wait(20)

    def open(self) -> None:
        self._opened.set()


class Note:
    """A message that wants to be told when it is refused."""

    def __init__(self) -> None:
        self.refusals: list[FleetlogError] = []

    def __call__(self) -> None:
        raise AssertionError("it is not to be handled")

    def refuse(self, error: FleetlogError) -> None:
        self.refusals.append(error)


def fail(error: type[BaseException]) -> None:
    raise error("on purpose")


def until(found: Callable[[], bool]) -> None:
    """Look again and again, where nothing says that it has come."""
    deadline, never = time.monotonic() + 20, threading.Event()
    while not found():
        assert time.monotonic() < deadline
        never.wait(0.001)


def run_all(targets: list[Callable[[], None]]) -> None:
    """Each on a thread of its own, to its end."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


def hold(dispatcher: Dispatcher) -> Gate:
    """Occupy one of the dispatcher's threads until the gate is opened."""
    gate = Gate()
    Doer.start(dispatcher).tell(gate)
    gate.wait_until_reached()
    return gate


# --- threads and turns ---------------------------------------------------------------------------


def test_ten_thousand_actors_need_two_threads(open_dispatcher: OpenDispatcher) -> None:
    before = set(threading.enumerate())
    dispatcher = open_dispatcher(2)
    actors = [Doer.start(dispatcher) for _ in range(10_000)]
    asked = [actor.ask(threading.current_thread, block=False) for actor in actors]
    ran_on = list(pykka.get_all(asked, timeout=30))
    added = set(threading.enumerate()) - before
    assert len(ran_on) == 10_000
    assert len(added) == 2
    assert set(ran_on) <= added


def test_actors_take_turns_in_the_order_in_which_they_got_mail(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(1)
    gate = hold(dispatcher)
    handled: list[str] = []
    actors = {name: Doer.start(dispatcher) for name in "abc"}
    for name, actor in actors.items():
        for _ in range(2 * TURN):
            actor.tell(partial(handled.append, name))
    gate.open()
    for actor in actors.values():
        actor.ask(lambda: None, timeout=10)
    assert "".join(handled) == ("a" * TURN + "b" * TURN + "c" * TURN) * 2


def test_an_actor_is_asked_and_told_as_any_pykka_actor(open_dispatcher: OpenDispatcher) -> None:
    reference = Doer.start(open_dispatcher())
    handled: list[str] = []
    assert reference.ask(lambda: "hello", timeout=10) == "hello"
    reference.tell(partial(handled.append, "news"))
    assert reference.ask(lambda: list(handled), timeout=10) == ["news"]
    assert reference.proxy().failures.get(timeout=10) == []
    assert reference.stop(timeout=10)
    with pytest.raises(pykka.ActorDeadError):
        reference.ask(lambda: "anybody there?", timeout=10)


def test_mail_that_comes_before_the_start_is_handled_after_it(open_dispatcher: OpenDispatcher) -> None:
    actor, handled = Doer(open_dispatcher()), list[str]()
    actor.post(partial(handled.append, "early"))
    actor.actor_ref.actor_inbox.put(Envelope(partial(handled.append, "bird")))
    actor._start_actor_loop()
    actor.actor_ref.ask(lambda: None, timeout=10)
    assert handled == ["early", "bird"]


def test_an_actor_that_never_runs_out_of_mail_starves_nobody(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(1)
    busy = Doer(dispatcher)

    def again() -> None:
        busy.post(again)

    busy._start_actor_loop()
    busy.post(again)
    others = [Doer.start(dispatcher) for _ in range(200)]
    for _ in range(3):
        assert pykka.get_all([other.ask(lambda: 7, block=False) for other in others], timeout=20) == [7] * 200


@pytest.mark.usefixtures("eager_switching")
def test_mail_is_handled_in_the_order_in_which_each_sender_put_it(open_dispatcher: OpenDispatcher) -> None:
    actor = Doer.start(open_dispatcher(4))
    handled: list[tuple[int, int]] = []

    def send(sender: int) -> None:
        for number in range(1_000):
            actor.tell(partial(handled.append, (sender, number)))

    run_all([partial(send, sender) for sender in range(6)])
    actor.ask(lambda: None, timeout=20)
    assert len(handled) == 6_000
    for sender in range(6):
        assert [number for who, number in handled if who == sender] == list(range(1_000))


@pytest.mark.usefixtures("eager_switching")
def test_an_actor_is_never_on_two_threads_at_once(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(4)
    actors = [Doer.start(dispatcher) for _ in range(8)]
    inside = [threading.Lock() for _ in actors]
    handled, overlaps = [0] * len(actors), []

    def enter(number: int) -> None:
        if not inside[number].acquire(blocking=False):
            overlaps.append(number)
            return
        seen = handled[number]
        for _ in range(20):  # time in which another thread could come in
            seen += 0
        handled[number] = seen + 1
        inside[number].release()

    def send() -> None:
        for turn in range(2_400):
            actors[turn % 8].tell(partial(enter, turn % 8))

    run_all([send] * 5)
    pykka.get_all([actor.ask(lambda: None, block=False) for actor in actors], timeout=20)
    assert overlaps == []
    assert handled == [1_500] * 8


class ReleasedBefore:
    """A lock after whose first release something else happens, before its holder goes on."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._lock, self._then = threading.Lock(), [then]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        if self._then:
            self._then.pop()()


def test_an_actor_that_gets_mail_while_it_is_opened_is_put_in_line_once(open_dispatcher: OpenDispatcher) -> None:
    actor, gate, second = Doer(open_dispatcher(2)), Gate(), threading.Event()

    def put_both() -> None:
        actor.post(gate)
        actor.post(second.set)

    actor.mailbox._lock = ReleasedBefore(put_both)  # type: ignore[assignment]
    actor._start_actor_loop()
    gate.wait_until_reached()
    was_overtaken = second.wait(0.3)
    gate.open()
    assert second.wait(10)
    assert not was_overtaken


# --- bounded mailboxes ---------------------------------------------------------------------------


def test_a_mailbox_holds_what_it_may_and_its_sender_waits_with_the_rest(open_dispatcher: OpenDispatcher) -> None:
    dispatcher, handled = open_dispatcher(1), list[int]()
    actor, gate = Narrow(dispatcher), Gate()
    actor._start_actor_loop()
    actor.actor_ref.tell(gate)
    gate.wait_until_reached()
    put = []

    def send() -> None:
        for number in range(100):
            actor.actor_ref.tell(partial(handled.append, number))
            put.append(len(actor.mailbox))

    sender = threading.Thread(target=send)
    sender.start()
    until(lambda: bool(actor.mailbox.waiters))
    assert len(put) == len(actor.mailbox) == 10
    gate.open()
    sender.join(20)
    actor.actor_ref.ask(lambda: None, timeout=10)
    assert handled == list(range(100))
    assert max(put) <= 10


@pytest.mark.usefixtures("eager_switching")
def test_many_senders_overfill_a_mailbox_by_one_message_each_at_most(open_dispatcher: OpenDispatcher) -> None:
    actor = Narrow(open_dispatcher(2))
    actor._start_actor_loop()
    lengths = []

    def send() -> None:
        for _ in range(300):
            actor.actor_ref.tell(lambda: lengths.append(len(actor.mailbox)))

    run_all([send] * 6)
    actor.actor_ref.ask(lambda: None, timeout=20)
    assert len(lengths) == 1_800
    assert max(lengths) < 10 + 6


def test_what_actors_tell_each_other_never_waits(open_dispatcher: OpenDispatcher) -> None:
    actor, gate, handled = Narrow(open_dispatcher(1)), Gate(), list[int]()
    actor._start_actor_loop()
    actor.post(gate)
    gate.wait_until_reached()
    for number in range(100):
        actor.post(partial(handled.append, number))
    assert len(actor.mailbox) == 100
    gate.open()
    actor.actor_ref.ask(lambda: None, timeout=10)
    assert handled == list(range(100))


def test_a_sender_that_waits_for_room_is_refused_as_soon_as_the_residents_are_closed(
    open_dispatcher: OpenDispatcher,
) -> None:
    dispatcher, late = open_dispatcher(1), Note()
    gate, residents = hold(dispatcher), Residents(lambda _: Narrow(dispatcher))
    for _ in range(10):
        residents.post("full", lambda: None)
    (actor,) = residents.all()
    sender = threading.Thread(target=residents.send, args=("full", late))
    sender.start()
    until(lambda: bool(actor.mailbox.waiters))
    dispatcher.close(0)
    residents.close()
    sender.join(1)
    is_waiting = sender.is_alive()
    with dispatcher.room:
        dispatcher.room.notify_all()
    sender.join(10)
    gate.open()
    assert [type(refusal) for refusal in late.refusals] == [RuntimeClosed]
    assert not is_waiting


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", DEADLY)
def test_who_asked_gets_what_the_handler_raised_and_the_actor_goes_on(
    open_dispatcher: OpenDispatcher, error: type[BaseException]
) -> None:
    actor = Doer(open_dispatcher(1))
    actor._start_actor_loop()
    expected = error if issubclass(error, Exception) else Fault
    with pytest.raises(expected, match="on purpose") as caught:
        actor.actor_ref.ask(partial(fail, error), timeout=10)
    assert actor.actor_ref.ask(lambda: "on", timeout=10) == "on"
    assert actor.failures == [caught.value]


@pytest.mark.parametrize("error", DEADLY)
@pytest.mark.parametrize("way", ["tell", "post"])
def test_a_failure_nobody_asked_about_is_logged_and_the_actor_goes_on(
    open_dispatcher: OpenDispatcher, error: type[BaseException], way: str, caplog: pytest.LogCaptureFixture
) -> None:
    actor = Doer(open_dispatcher(1))
    actor._start_actor_loop()
    send = actor.post if way == "post" else actor.actor_ref.tell
    send(partial(fail, error))
    assert actor.actor_ref.ask(lambda: "on", timeout=10) == "on"
    (logged,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert logged.getMessage() == f"action=message_failed actor={actor}"
    assert logged.exc_info is not None
    assert logged.exc_info[0] is error
    (failure,) = actor.failures
    assert type(failure) is (error if issubclass(error, Exception) else Fault)


def test_a_failure_somebody_asked_about_is_logged_too(
    open_dispatcher: OpenDispatcher, caplog: pytest.LogCaptureFixture
) -> None:
    actor = Doer.start(open_dispatcher(1))
    with pytest.raises(ZeroDivisionError):
        actor.ask(partial(fail, ZeroDivisionError), timeout=10)
    actor.ask(lambda: None, timeout=10)
    assert "message_failed" in caplog.text


@pytest.mark.parametrize("error", DEADLY)
def test_whatever_one_actor_raises_the_others_and_the_threads_go_on(
    open_dispatcher: OpenDispatcher, error: type[BaseException]
) -> None:
    before = set(threading.enumerate())
    dispatcher = open_dispatcher(2)
    threads = set(threading.enumerate()) - before
    others = [Doer.start(dispatcher) for _ in range(4)]
    bad = [Doer(dispatcher) for _ in range(10)]
    for actor in bad:
        actor.post(partial(fail, error))
        actor.mailbox.put_internal(partial(fail, error))
        actor._start_actor_loop()
        actor.actor_ref.tell(partial(fail, error))
        actor.actor_ref.ask(partial(fail, error), block=False)
    everybody = [actor.actor_ref for actor in bad] + others
    for _ in range(3):
        answers = [actor.ask(threading.current_thread, block=False) for actor in everybody]
        assert set(pykka.get_all(answers, timeout=10)) <= threads
    assert all(thread.is_alive() for thread in threads)
    assert [len(actor.failures) for actor in bad] == [4] * 10


class Clumsy(Doer):
    """Whose hooks raise, all of them."""

    def __init__(self, dispatcher: Dispatcher, error: type[BaseException]) -> None:
        super().__init__(dispatcher)
        self.error = error

    def on_start(self) -> None:
        fail(self.error)

    def on_message_failure(self, message: object, error: Exception) -> None:
        fail(self.error)

    def on_stop(self) -> None:
        fail(self.error)


@pytest.mark.parametrize("error", DEADLY)
def test_a_hook_that_raises_is_logged_and_ends_neither_its_actor_nor_the_thread(
    open_dispatcher: OpenDispatcher, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    dispatcher = open_dispatcher(1)
    clumsy = Clumsy.start(dispatcher, error)
    with pytest.raises(OSError, match="on purpose"):
        clumsy.ask(partial(fail, OSError), timeout=10)
    assert clumsy.ask(lambda: "on", timeout=10) == "on"
    assert clumsy.stop(timeout=10)
    assert Doer.start(dispatcher).ask(lambda: "on", timeout=10) == "on"
    said = [record.exc_info for record in caplog.records if "hook_failed" in record.getMessage()]
    assert [info and info[0] for info in said] == [error] * 3


class Poison:
    """A command at which whoever looks at its class raises: a bug in the domain, as its host meets it."""

    def __init__(self, error: type[BaseException]) -> None:
        self.error = error

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            fail(object.__getattribute__(self, "error"))
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("error", DEADLY)
def test_an_agent_whose_decision_fails_answers_and_is_rebuilt_from_its_log(
    open_runtime: OpenRuntime, error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    runtime = open_runtime()
    agents = tuple(AgentSpec(role=name, prompt="worked from outside") for name in ("a", "b"))
    fleet = runtime.spawn_fleet(FleetSpec(agents=agents))
    wait_until(runtime, fleet.fleet_id, lambda status: status.fleet.agents.get("running") == 2)
    sent = runtime.send_message("operator", "a", fleet.fleet_id, "alert", "before")
    residents = runtime._parts.engine.residents
    (actor,) = (actor for actor in residents.all() if str(actor) == fleet.agent_ids[0])
    state = actor._state  # type: ignore[attr-defined]
    reply = Reply[Receipt]()
    residents.post(fleet.agent_ids[0], Request(Poison(error), reply))
    with pytest.raises(Fault, match=f"{fleet.agent_ids[0]} failed: .*{error.__name__}"):
        reply.result(10)
    assert runtime.ack(fleet.agent_ids[0], sent.message_id).ok  # it knows what it has been told
    assert runtime.send_message("operator", "b", fleet.fleet_id, "alert", "after").position
    assert actor._state is not state  # type: ignore[attr-defined]
    assert f"action=state_discarded actor={fleet.agent_ids[0]}" in caplog.text


# --- stopping ------------------------------------------------------------------------------------


def test_what_an_actor_did_not_handle_before_it_stopped_is_refused(open_dispatcher: OpenDispatcher) -> None:
    actor, gate, early, late = Doer(open_dispatcher(1)), Gate(), Note(), Note()
    actor._start_actor_loop()
    actor.post(gate)
    stopped = actor.actor_ref.stop(block=False)
    asked = actor.actor_ref.ask(early, block=False)
    again = actor.actor_ref.ask(early, block=False)
    actor.post(early)
    gate.open()
    assert stopped.get(timeout=10)
    for future in (asked, again):
        with pytest.raises(pykka.ActorDeadError, match="stopped before handling"):
            future.get(timeout=10)
    until(lambda: len(early.refusals) == 3)
    with pytest.raises(pykka.ActorDeadError):
        actor.actor_ref.tell(late)
    actor.post(late)
    for refusal in early.refusals + late.refusals:
        assert type(refusal) is RuntimeClosed
    assert len(late.refusals) == 1
    assert actor.failures == []


@pytest.mark.usefixtures("eager_switching")
def test_however_a_stop_races_with_senders_every_question_is_answered(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(2)
    for _ in range(60):
        actor = Doer.start(dispatcher)
        futures: list[pykka.Future[Any]] = []

        def ask(actor: pykka.ActorRef[Doer] = actor, futures: list[pykka.Future[Any]] = futures) -> None:
            futures.extend(actor.ask(lambda: "handled", block=False) for _ in range(20))

        def stop(actor: pykka.ActorRef[Doer] = actor) -> None:
            actor.stop(block=False)

        run_all([ask, ask, stop])
        assert len(futures) == 40
        for future in futures:
            try:
                assert future.get(timeout=10) == "handled"
            except pykka.ActorDeadError:
                assert not actor.is_alive()


def test_closing_ends_the_threads_though_actors_keep_each_other_busy(open_dispatcher: OpenDispatcher) -> None:
    before = set(threading.enumerate())
    dispatcher = open_dispatcher(2)
    busy = [Doer(dispatcher) for _ in range(50)]

    def again(number: int) -> None:
        busy[(number + 7) % 50].post(partial(again, (number + 7) % 50))

    for number, actor in enumerate(busy):
        actor._start_actor_loop()
        actor.post(partial(again, number))
    started = time.monotonic()
    dispatcher.close()
    assert time.monotonic() - started < 2
    assert set(threading.enumerate()) == before
    assert sum(len(actor.mailbox) for actor in busy) == 50  # they were at it still


def test_closing_waits_no_longer_than_it_may_for_an_actor_that_is_stuck(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(2)
    gate = hold(dispatcher)
    started = time.monotonic()
    dispatcher.close(0.2)
    assert 0.2 <= time.monotonic() - started < 2
    gate.open()


def test_an_actor_may_close_its_own_dispatcher(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(2)
    assert Doer.start(dispatcher).ask(dispatcher.close, timeout=1) is None


def test_what_waits_when_the_dispatcher_is_closed_is_not_handled(open_dispatcher: OpenDispatcher) -> None:
    dispatcher = open_dispatcher(1)
    gate, handled = hold(dispatcher), list[int]()
    for number in range(100):
        Doer.start(dispatcher).tell(partial(handled.append, number))
    dispatcher.close(0)
    gate.open()
    dispatcher.close(10)
    assert handled == []
