"""A Pykka actor type whose actors share a few threads instead of owning one each.

Its rules: an actor runs on at most one thread at a time; messages of a mailbox are handled in the
order they were put; an actor handles at most `TURN` messages, then goes to the end of the line; and a
handler that raises, whatever it raises, hurts nobody else: the asker gets the exception, it is logged,
`on_message_failure` is called, and the actor lives on. (Pykka's own loop kills an actor whose `tell`
raises, and on a `BaseException` stops every actor of the process.)

Actors of this type are not entered in Pykka's process-wide registry: they belong to their dispatcher,
so that stopping one runtime never touches another, nor the host program's own actors.
"""

import logging
import queue
import threading
import time
from collections import deque
from typing import Any, ClassVar, Self

import pykka
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from fleetlog.domain.errors import Fault, Overloaded, RuntimeClosed

__all__ = ["Dispatcher", "Mailbox", "PooledActor"]

logger = logging.getLogger("fleetlog.dispatcher")

TURN = 64
"""How many messages an actor may handle before it is another actor's turn."""


class Dispatcher:
    """The threads, and the line of actors that have messages."""

    def __init__(self, threads: int = 2, name: str = "fleetlog") -> None:
        self._ready: queue.SimpleQueue[PooledActor | None] = queue.SimpleQueue()
        self.room = threading.Condition()
        """Notified when a mailbox that was full has room again."""
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"{name}-actors-{number}", daemon=True)
            for number in range(1, threads + 1)
        ]
        for thread in self._threads:
            thread.start()

    def schedule(self, actor: "PooledActor") -> None:
        """Put the actor at the end of the line. Only its mailbox calls this, once for each turn."""
        self._ready.put(actor)

    def close(self, timeout_s: float = 2.0) -> None:
        """End the threads after the messages they are handling; what waits is not handled."""
        self._closed = True
        for _ in self._threads:
            self._ready.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while (actor := self._ready.get()) is not None and not self._closed:
            actor.take_turn()


class Mailbox:
    """A bounded queue of envelopes that puts its actor in the dispatcher's line when it has mail."""

    __slots__ = ("_actor", "_closed", "_envelopes", "_lock", "_scheduled", "capacity", "put_timeout_s", "waiters")

    def __init__(self) -> None:
        self._envelopes: deque[Any] = deque()
        self._lock = threading.Lock()  # guards _scheduled and _closed with the deque's emptiness
        self._scheduled = False
        self._closed = False
        self._actor: PooledActor | None = None
        self.capacity = 10_000
        self.put_timeout_s = 30.0
        self.waiters = 0  # how many wait for room; guarded by the dispatcher's `room`

    def open(self, actor: "PooledActor") -> None:
        """Deliver to `actor` from now on, beginning with what is here already."""
        with self._lock:
            self._actor = actor
            has_mail = self._scheduled = bool(self._envelopes)
        if has_mail:  # not `_scheduled`: a put that came since may have set it, and put the actor in line
            actor.dispatcher.schedule(actor)

    def put(self, envelope: Envelope[Any]) -> None:
        """Put from outside: waits while the mailbox is full, then raises `Overloaded`."""
        self.wait_for_room()
        self.put_internal(envelope)

    def put_internal(self, envelope: object) -> None:
        """Put what actors, the journal and timers say to each other, bare or in an envelope: never waits."""
        with self._lock:
            closed = self._closed
            if not closed:
                self._envelopes.append(envelope)
                wake = not self._scheduled and self._actor is not None
                self._scheduled = self._scheduled or wake
        if closed:
            _refuse(envelope)
        elif wake and self._actor is not None:
            self._actor.dispatcher.schedule(self._actor)

    def get(self) -> Any:
        """The oldest envelope (or bare message). Only the actor's turn calls this; IndexError when empty."""
        return self._envelopes.popleft()

    def empty(self) -> bool:
        """Is there no mail?"""
        return not self._envelopes

    def __len__(self) -> int:
        return len(self._envelopes)

    def end_turn(self) -> bool:
        """True when there is more mail: the actor goes to the end of the line."""
        with self._lock:
            self._scheduled = bool(self._envelopes)
            return self._scheduled

    def close(self, *, only_if_empty: bool = False) -> bool:
        """Refuse mail from now on (not, if asked so, while there is some)."""
        with self._lock:
            if only_if_empty and self._envelopes:
                return False
            self._closed = True
            return True

    def wait_for_room(self) -> None:
        """Wait while the mailbox is full; raises `Overloaded` when it stays so. Not for actors."""
        if self._actor is None or len(self._envelopes) < self.capacity:
            return
        room = self._actor.dispatcher.room
        with room:
            self.waiters += 1  # before looking again: a turn that ends later sees it
            try:
                found = room.wait_for(self._has_room, self.put_timeout_s)
            finally:
                self.waiters -= 1
            if not found:
                raise Overloaded(
                    f"{self._actor} has {len(self)} messages waiting (limit {self.capacity}) and took none "
                    f"for {self.put_timeout_s:g} seconds; try again later"
                )

    def _has_room(self) -> bool:
        return self._closed or len(self._envelopes) < self.capacity


def _refuse(envelope: object) -> None:
    message = envelope
    if isinstance(envelope, Envelope):
        message = envelope.message
    if isinstance(envelope, Envelope) and envelope.reply_to is not None:
        if isinstance(envelope.message, _ActorStop):
            envelope.reply_to.set(None)
        else:
            dead = pykka.ActorDeadError("the actor stopped before handling the message")
            envelope.reply_to.set_exception((pykka.ActorDeadError, dead, None))
    refuse = getattr(message, "refuse", None)
    if refuse is not None:
        refuse(RuntimeClosed("the actor stopped before handling the message"))


class PooledActor(pykka.Actor):
    """Base of our actors. Handlers and hooks run on a dispatcher thread, `__init__` on the caller's."""

    mailbox_capacity: ClassVar[int] = 10_000

    def __init__(self, dispatcher: Dispatcher) -> None:
        super().__init__()
        self.dispatcher = dispatcher
        self._has_started = False

    @classmethod
    def start(cls, *args: Any, **kwargs: Any) -> pykka.ActorRef[Self]:
        """Start an actor of this class; unlike Pykka's own, without registering it."""
        actor = cls(*args, **kwargs)
        actor._start_actor_loop()
        return actor.actor_ref

    @staticmethod
    def _create_actor_inbox() -> Mailbox:
        return Mailbox()

    @staticmethod
    def _create_future() -> pykka.Future[Any]:
        return pykka.ThreadingFuture()

    @property
    def mailbox(self) -> Mailbox:
        """The actor's inbox as what it is."""
        assert isinstance(self.actor_inbox, Mailbox)
        return self.actor_inbox

    def _start_actor_loop(self) -> None:
        self.mailbox.capacity = self.mailbox_capacity
        self.mailbox.open(self)

    def post(self, message: object) -> None:
        """Put a message without ever waiting. For actors, the journal and timers; any thread."""
        self.mailbox.put_internal(message)

    def take_turn(self) -> None:
        """Handle up to `TURN` messages. Called by the dispatcher, by one thread at a time."""
        if not self._has_started:
            self._has_started = True
            self._guard(self.on_start)
        mailbox = self.mailbox
        for _ in range(TURN):
            if mailbox.empty() or self.actor_stopped.is_set():
                break
            item = mailbox.get()
            if type(item) is Envelope:
                self._handle_envelope(item)
            else:
                self._handle_posted(item)
        if mailbox.waiters:
            with self.dispatcher.room:
                self.dispatcher.room.notify_all()
        if self.actor_stopped.is_set():
            self._tear_down()
        elif mailbox.end_turn():
            self.dispatcher.schedule(self)

    def _handle_posted(self, message: object) -> None:
        try:
            self.on_receive(message)
        except BaseException as error:  # as below; nobody waits for an answer through Pykka
            logger.exception("action=message_failed actor=%s", self)
            failure = error if isinstance(error, Exception) else Fault(f"{self} failed: {error!r}")
            self._guard(lambda: self.on_message_failure(message, failure))

    def _handle_envelope(self, envelope: Envelope[Any]) -> None:
        try:
            response = self._handle_receive(envelope.message)
            if envelope.reply_to is not None:
                envelope.reply_to.set(response)
        except BaseException as error:  # the boundary this class exists for
            failure = error if isinstance(error, Exception) else Fault(f"{self} failed: {error!r}")
            if envelope.reply_to is not None:
                envelope.reply_to.set_exception((type(failure), failure, error.__traceback__))
            logger.exception("action=message_failed actor=%s", self)
            self._guard(lambda: self.on_message_failure(envelope.message, failure))

    def _guard(self, hook: Any) -> None:
        try:
            hook()
        except BaseException:  # a hook must not end the thread that others need
            logger.exception("action=hook_failed actor=%s", self)

    def on_message_failure(self, message: object, error: Exception) -> None:
        """A handler raised. Put the actor's own state right; the message has been answered."""

    def _stop(self) -> None:
        self.actor_stopped.set()
        self._guard(self.on_stop)

    def _tear_down(self) -> None:
        self.mailbox.close()
        while not self.mailbox.empty():
            _refuse(self.mailbox.get())
        with self.dispatcher.room:
            self.dispatcher.room.notify_all()
