"""Senders wait while a mailbox is full, and no longer."""

import threading
import time

import pytest
from pykka._envelope import Envelope

from fleetlog.domain.errors import Overloaded
from fleetlog.runtime.dispatcher import TURN, Dispatcher, PooledActor

CAPACITY = TURN + 6


class Slow(PooledActor):
    """Handles nothing until it is told to."""

    mailbox_capacity = CAPACITY

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__(dispatcher)
        self.began, self.go = threading.Event(), threading.Event()
        self.handled: list[object] = []

    def on_receive(self, message: object) -> None:
        self.began.set()
        self.go.wait(20)
        self.handled.append(message)


def put(actor: Slow, number: int) -> None:
    actor.mailbox.put(Envelope(number))


def test_a_sender_goes_on_as_soon_as_a_mailbox_that_filled_up_during_a_turn_has_room() -> None:
    dispatcher = Dispatcher(1)
    actor = Slow(dispatcher)
    for number in range(CAPACITY - 1):
        put(actor, number)
    actor._start_actor_loop()
    assert actor.began.wait(10)
    put(actor, CAPACITY)
    put(actor, CAPACITY + 1)  # the turn has taken one: this one fills it
    late = threading.Thread(target=put, args=(actor, CAPACITY + 2))
    late.start()
    while not actor.mailbox.waiters:
        time.sleep(0.001)
    actor.go.set()
    late.join(10)

    assert not late.is_alive()
    dispatcher.close(5)


def test_a_mailbox_that_stays_full_is_said_to_be_overloaded() -> None:
    dispatcher = Dispatcher(1)
    actor = Slow(dispatcher)
    actor._start_actor_loop()
    put(actor, 0)
    assert actor.began.wait(10)
    for number in range(CAPACITY):
        put(actor, number)
    actor.mailbox.put_timeout_s = 0.1
    with pytest.raises(Overloaded, match=f"has {CAPACITY} messages waiting"):
        put(actor, CAPACITY)
    actor.go.set()
    dispatcher.close(5)
