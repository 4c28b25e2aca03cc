"""The group commit: one append for all that waits, replies after it, and what a failing store may do to whom."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fleetlog.domain.errors import Overloaded, RuntimeClosed, StoreFault, StoreUnavailable, VersionConflict
from fleetlog.runtime import journal as journals
from fleetlog.runtime.journal import AppendFailed, Committed, Journal, Part, Receipt, Unit
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.store import NewEvent, RecorderStore, open_store

Fault = Callable[[Sequence[NewEvent]], None]


class Gated:
    """A real store in memory whose appends wait at a gate, and fail as they are told."""

    def __init__(self) -> None:
        self.store: RecorderStore = open_store(None)
        self.gate, self.arrived = threading.Event(), threading.Event()
        self.faults: list[Fault] = []
        self.batches: list[int] = []
        self.read, self.head, self.subscribe, self.close = (
            self.store.read,
            self.store.head,
            self.store.subscribe,
            self.store.close,
        )

    def append(self, events: Sequence[NewEvent]) -> Sequence[int]:
        self.arrived.set()
        assert self.gate.wait(20)
        self.batches.append(len(events))
        if self.faults:
            self.faults.pop(0)(events)
        return self.store.append(events)


class Actor:
    """What the journal tells an actor."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def post(self, message: object) -> None:
        self.told.append(message)


@pytest.fixture
def store() -> Iterator[Gated]:
    gated = Gated()
    yield gated
    gated.close()


@pytest.fixture
def journal(store: Gated) -> Iterator[Journal]:
    opened = Journal(store)
    yield opened
    store.gate.set()
    opened.close()


def event(stream_id: str, version: int, state: bytes = b"x") -> NewEvent:
    return NewEvent(stream_id, version, "it.happened", state)


def put(journal: Journal, *events: NewEvent, incarnation: int = 1, actor: Actor | None = None) -> Reply[Receipt]:
    """One unit with these events; the future of its reply."""
    reply: Reply[Receipt] = Reply()
    streams = dict.fromkeys(e.originator_id for e in events)
    parts = [Part(s, incarnation, [e for e in events if e.originator_id == s], actor, True) for s in streams]
    journal.put(Unit(parts, reply, outcome=len(events)))
    return reply


def hold(journal: Journal, store: Gated) -> None:
    """The journal is inside an append: what is put now waits for the next one."""
    store.gate.clear()
    put(journal, event("first", 1))
    assert store.arrived.wait(10)


def raising(error: Exception) -> Fault:
    def fault(_: Sequence[NewEvent]) -> None:
        raise error

    return fault


def conflict_on(stream_id: str) -> Fault:
    def fault(events: Sequence[NewEvent]) -> None:
        if any(e.originator_id == stream_id for e in events):
            raise VersionConflict(f"another writer has appended to {stream_id}")

    return fault


def test_all_that_waits_is_one_append_and_is_answered_after_it(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    replies = [put(journal, event(f"s{n}", 1), event(f"s{n}", 2)) for n in range(100)]
    assert not any(reply.done() for reply in replies)
    store.gate.set()
    receipts = [reply.result(10) for reply in replies]
    assert store.batches == [1, 200]
    assert [receipt.position for receipt in receipts] == list(range(3, 202, 2))
    assert {receipt.outcome for receipt in receipts} == {2}
    assert journal.position == store.head() == 201


def test_a_batch_is_bounded(journal: Journal, store: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MAX_BATCH_EVENTS", 10)
    hold(journal, store)
    replies = [put(journal, event("s", n)) for n in range(1, 26)]
    store.gate.set()
    assert [reply.result(10).position for reply in replies] == list(range(2, 27))
    assert store.batches == [1, 10, 10, 5]


def test_actors_are_told_up_to_where_they_are_stored(journal: Journal, store: Gated) -> None:
    store.gate.set()
    actor = Actor()
    put(journal, event("s", 1), event("s", 2), actor=actor).result(10)
    put(journal, event("s", 3), actor=actor).result(10)
    assert actor.told == [Committed(2, 2), Committed(3, 3)]


def test_one_stream_that_fails_takes_no_neighbour_with_it(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    actor = Actor()
    store.faults = [lambda _: None, *[conflict_on("bad")] * 20]
    good = [put(journal, event(f"s{n}", 1)) for n in range(5)]
    bad = put(journal, event("bad", 1), actor=actor)
    good += [put(journal, event(f"s{n}", 1)) for n in range(5, 12)]
    store.gate.set()
    assert len({reply.result(10).position for reply in good}) == 12
    with pytest.raises(VersionConflict, match="another writer has appended to bad"):
        bad.result(10)
    assert isinstance(actor.told[0], AppendFailed)
    assert store.read("bad") == []


def test_what_stands_on_a_failed_append_fails_with_it_until_its_actor_has_loaded_again(
    journal: Journal, store: Gated
) -> None:
    hold(journal, store)
    store.faults = [lambda _: None, raising(StoreFault("once")), raising(StoreFault("once"))]
    first = put(journal, event("s", 1))
    store.gate.set()
    with pytest.raises(StoreFault, match="once"):
        first.result(10)
    store.faults = []
    with pytest.raises(VersionConflict, match="an append before this one failed"):
        put(journal, event("s", 2)).result(10)
    assert put(journal, event("s", 1), incarnation=2).result(10).position == 2


def test_a_unit_over_several_streams_is_there_wholly_or_not_at_all(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    store.faults = [lambda _: None, *[conflict_on("b")] * 10]
    bundle = put(journal, event("a", 1), event("b", 1), event("c", 1))
    beside = put(journal, event("d", 1))
    store.gate.set()
    with pytest.raises(VersionConflict):
        bundle.result(10)
    assert beside.result(10).position == 2
    assert [store.read(stream_id) for stream_id in "abc"] == [[], [], []]


def test_when_the_store_can_do_nothing_for_anybody_it_is_asked_once(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    store.faults = [lambda _: None, raising(StoreUnavailable("the disk is full"))]
    replies = [put(journal, event(f"s{n}", 1)) for n in range(50)]
    store.gate.set()
    for reply in replies:
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            reply.result(10)
    assert store.batches == [1, 50]


def test_an_error_of_any_kind_is_the_callers_and_the_journal_goes_on(journal: Journal, store: Gated) -> None:
    store.gate.set()
    for error in (ZeroDivisionError("by nothing"), OSError("wires cut"), KeyError("gone")):
        store.faults = [raising(error)]
        with pytest.raises(StoreFault, match=type(error).__name__):
            put(journal, event(type(error).__name__, 1)).result(10)
    assert put(journal, event("s", 1)).result(10).position == 1


def test_a_barrier_is_answered_behind_what_was_put_before_it(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    put(journal, event("s", 1))
    barrier: Reply[Receipt] = Reply()
    journal.put(Unit([Part("s", 1, ())], barrier))
    assert not barrier.done()
    store.gate.set()
    barrier.result(10)
    assert len(store.read("s")) == 1


def test_callers_wait_while_the_queue_is_full(journal: Journal, store: Gated, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "MAX_QUEUED_UNITS", 5)
    hold(journal, store)
    replies = [put(journal, event("s", n)) for n in range(1, 8)]
    with pytest.raises(Overloaded, match=r"7 commits are waiting \(limit 5\); try again later"):
        journal.wait_for_room(timeout_s=0.02)
    store.gate.set()
    journal.wait_for_room(timeout_s=10)
    assert replies[-1].result(10).position == 8


def test_closing_commits_what_was_put_and_refuses_what_comes_after(journal: Journal, store: Gated) -> None:
    hold(journal, store)
    replies = [put(journal, event("s", n)) for n in range(1, 50)]
    closing = threading.Thread(target=journal.close)
    closing.start()
    store.gate.set()
    closing.join(10)
    assert [reply.result(0).position for reply in replies] == list(range(2, 51))
    with pytest.raises(RuntimeClosed):
        put(journal, event("s", 50)).result(0)
    assert len(store.read("s")) == 49


# --- any order, any failure ----------------------------------------------------------------------

STREAMS = ("a", "b", "c")
FAULTS = st.sampled_from(["works", "works", "refuses", "is full", "breaks", "writes and breaks", *STREAMS])


class JournalMachine(RuleBasedStateMachine):
    """Decisions are put, each a unit of one or more streams; now and then the store is let go on and fails in one
    way or another. The model is what every caller was told."""

    @initialize()
    def open(self) -> None:
        self.store = Gated()
        self.journal = Journal(self.store)
        self.versions = dict.fromkeys(STREAMS, 0)
        self.incarnations = dict.fromkeys(STREAMS, 1)
        self.actors = {stream_id: Actor() for stream_id in STREAMS}
        self.units: list[tuple[bytes, dict[str, int], Reply[Receipt]]] = []

    @rule(streams=st.sets(st.sampled_from(STREAMS), min_size=1), count=st.integers(1, 3))
    def decide(self, streams: set[str], count: int) -> None:
        token = str(len(self.units)).encode()
        parts = []
        for stream_id in sorted(streams):
            begin = self.versions[stream_id] + 1
            events = [event(stream_id, begin + n, token) for n in range(count)]
            self.versions[stream_id] += count
            parts.append(Part(stream_id, self.incarnations[stream_id], events, self.actors[stream_id]))
        reply: Reply[Receipt] = Reply()
        self.units.append((token, dict.fromkeys(streams, count), reply))
        self.journal.put(Unit(parts, reply))

    @rule(faults=st.lists(FAULTS, max_size=8))
    def go_on(self, faults: list[str]) -> None:
        """The store works off what waits; the actors whose appends failed load their streams again."""
        self.store.faults = [self.fault(kind) for kind in faults]
        self.store.gate.set()
        for _, _, reply in self.units:
            reply.exception(20)
        barrier: Reply[Receipt] = Reply()
        self.store.faults = []
        self.journal.put(Unit([], barrier))
        barrier.result(20)
        self.store.gate.clear()
        for stream_id, actor in self.actors.items():
            failed = {told.incarnation for told in actor.told if isinstance(told, AppendFailed)}
            if self.incarnations[stream_id] in failed:
                self.incarnations[stream_id] += 1
                self.versions[stream_id] = len(self.store.read(stream_id))
            actor.told.clear()
        self.check()

    def fault(self, kind: str) -> Fault:
        def write_and_break(events: Sequence[NewEvent]) -> None:
            self.store.store.append(events)
            raise OSError("the answer was lost")

        kinds: dict[str, Fault] = {
            "works": lambda _: None,
            "refuses": raising(StoreFault("not now")),
            "is full": raising(StoreUnavailable("the disk is full")),
            "breaks": raising(ZeroDivisionError("by nothing")),
            "writes and breaks": write_and_break,
        }
        return kinds.get(kind) or conflict_on(kind)

    def check(self) -> None:
        logs = {stream_id: self.store.read(stream_id) for stream_id in STREAMS}
        for stream_id, log in logs.items():
            assert [stored.originator_version for stored in log] == list(range(1, len(log) + 1)), "a gap"
            assert len(log) == self.versions[stream_id], "an actor does not know its own stream"
            order = [int(stored.state) for stored in log]
            assert order == sorted(order), "units of a stream in another order"
        for token, sizes, reply in self.units:
            found = {s: sum(stored.state == token for stored in logs[s]) for s in sizes}
            assert found == sizes or not any(found.values()), "a unit is half there"
            if reply.exception(0) is None:
                assert found == sizes, "what was acknowledged is lost"
        positions = [reply.result(0).position for _, _, reply in self.units if reply.exception(0) is None]
        assert positions == sorted(positions)

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.go_on([])
            self.store.gate.set()
            self.journal.close()
            self.store.close()


def test_whatever_the_store_does_what_was_acknowledged_is_there_once_and_nothing_is_half_there() -> None:
    run_state_machine_as_test(
        JournalMachine,
        settings=settings(
            max_examples=150,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
