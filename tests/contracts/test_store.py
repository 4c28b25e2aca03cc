"""What every event store must keep to, whatever it is made of."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from fleetlog.domain.errors import StoreFault, StoreUnavailable, VersionConflict
from fleetlog.runtime.store import NewEvent, RecorderStore, open_store
from fleetlog.runtime.store.postgres import PostgresLog

STORES = ["memory", "sqlite", "postgres"]


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RecorderStore]:
    if request.param == "postgres":
        with closing(PostgresLog(request.getfixturevalue("new_log")(), "the database", owned=True)) as log:
            yield log.store
        return
    with open_store(None if request.param == "memory" else tmp_path / "log.db") as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


def event(stream_id: str, version: int, state: bytes = b"state") -> NewEvent:
    return NewEvent(stream_id, version, "it.happened", state)


def versions(store: RecorderStore, stream_id: str) -> list[int]:
    return [stored.originator_version for stored in store.read(stream_id)]


# --- appending -----------------------------------------------------------------------------------


def test_what_was_appended_is_read_back_in_order(store: RecorderStore) -> None:
    assert list(store.append([event("a", 1, b"one"), event("b", 1), event("a", 2, b"two")])) == [1, 2, 3]
    assert [(s.originator_version, s.topic, s.state) for s in store.read("a")] == [
        (1, "it.happened", b"one"),
        (2, "it.happened", b"two"),
    ]
    assert [s.state for s in store.read("a", after=1)] == [b"two"]
    assert store.read("nobody") == []
    assert store.head() == 3


def test_appending_nothing_is_allowed_and_leaves_nothing(store: RecorderStore) -> None:
    assert list(store.append([])) == []
    assert store.head() == 0


@pytest.mark.parametrize(
    "wrong",
    [
        [event("a", 2), event("a", 2)],
        [event("a", 1)],
        [event("a", 3)],
        [event("b", 1), event("a", 3)],
        [event("a", 2), event("a", 4)],
        [event("b", 2)],
        [event("b", 1), event("b", 1)],
        [event("a", 2), event("a", 3), event("b", 1), event("c", 0)],
    ],
    ids=["twice", "taken", "gap", "gap beside", "gap inside", "gap first", "twice first", "before the first"],
)
def test_a_version_that_does_not_follow_is_refused_and_nothing_of_its_batch_is_there(
    store: RecorderStore, wrong: list[NewEvent]
) -> None:
    store.append([event("a", 1)])
    with pytest.raises(VersionConflict):
        store.append(wrong)
    assert store.head() == 1
    assert (versions(store, "a"), versions(store, "b"), versions(store, "c")) == ([1], [], [])
    store.append([event("a", 2), event("b", 1)])
    assert (versions(store, "a"), versions(store, "b")) == ([1, 2], [1])


def test_a_closed_store_says_so(store: RecorderStore) -> None:
    store.append([event("a", 1)])
    store.close()
    for call in (lambda: store.append([event("a", 2)]), lambda: store.read("a"), store.head):
        with pytest.raises(StoreUnavailable, match="the event store is closed"):
            call()


# --- subscriptions -------------------------------------------------------------------------------


def test_a_subscription_gives_what_is_behind_its_position_and_then_what_comes(store: RecorderStore) -> None:
    store.append([event("a", 1), event("a", 2), event("a", 3)])
    with store.subscribe(1) as log:
        assert [n.id for n in log.next_batch(1, 0)] == [2]
        assert [n.id for n in log.next_batch(10, 0)] == [3]
        assert log.next_batch(10, 0) == []
        store.append([event("b", 1)])
        assert [(n.id, n.originator_id) for n in log.next_batch(10, 0)] == [(4, "b")]
        log.seek(0)
        assert [n.id for n in log.next_batch(10, 0)] == [1, 2, 3, 4]


def test_our_own_commit_wakes_a_subscription_that_waits(store: RecorderStore) -> None:
    got: list[int] = []
    with store.subscribe() as log:
        reader = threading.Thread(target=lambda: got.extend(n.id for n in log.next_batch(10, 60)))
        reader.start()
        while not reader.is_alive():
            pass
        store.append([event("a", 1)])
        reader.join(10)
    assert got == [1]


def test_stopping_a_subscription_ends_the_thread_that_iterates_it(store: RecorderStore) -> None:
    store.append([event("a", 1), event("a", 2)])
    first = threading.Event()
    got: list[int] = []
    with store.subscribe() as log:

        def read() -> None:
            for notification in log:
                got.append(notification.id)
                first.set()

        reader = threading.Thread(target=read)
        reader.start()
        assert first.wait(10)
        log.stop()
        reader.join(10)
    assert not reader.is_alive()
    assert got[0] == 1


WRITER = """
import sys
from pathlib import Path
from fleetlog.domain.errors import VersionConflict
from fleetlog.runtime.store import NewEvent, open_store
path, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with open_store(path) as store:
    print("open", flush=True)
    sys.stdin.readline()
    won = 0
    for _ in range(count):
        version = len(store.read("shared")) + 1
        shared = NewEvent("shared", version, "it.happened", name.encode())
        try:
            store.append([shared, NewEvent(name, won + 1, "it.happened", b"x")])
            won += 1
        except VersionConflict:
            pass
    print(won, flush=True)
"""


def start(*arguments: object) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", *map(str, arguments)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "open\n"
    return child


def test_another_processs_commits_are_seen_by_the_periodic_pull(path: Path) -> None:
    with open_store(path) as store, store.subscribe() as log:
        child = start(WRITER, path, "other", 3)
        child.communicate("\n", timeout=30)
        seen: list[str] = []
        while len(seen) < 6:
            batch = log.next_batch(10, 0.25)
            seen += [str(notification.originator_id) for notification in batch]
    assert seen == ["shared", "other"] * 3


def test_of_two_processes_that_write_one_stream_each_version_has_one_winner_and_nothing_is_half_there(
    path: Path,
) -> None:
    children = [start(WRITER, path, name, 100) for name in ("left", "right")]
    for child in children:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    won = {name: int(child.communicate(timeout=60)[0]) for name, child in zip(("left", "right"), children, strict=True)}
    with open_store(path) as store:
        shared = store.read("shared")
        assert [stored.originator_version for stored in shared] == list(range(1, sum(won.values()) + 1))
        for name, wins in won.items():
            assert sum(stored.state == name.encode() for stored in shared) == wins
            assert versions(store, name) == list(range(1, wins + 1))


# --- bad luck ------------------------------------------------------------------------------------

FULL = """
import resource, signal, sys
from pathlib import Path
from fleetlog.domain.errors import StoreUnavailable
from fleetlog.runtime.store import NewEvent, open_store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_store(Path(sys.argv[1])) as store:
    store.append([NewEvent("a", 1, "it.happened", b"x")])
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
    version = 1
    try:
        while True:
            store.append([NewEvent("a", version + n, "it.happened", b"x" * 1000) for n in (1, 2, 3)])
            version += 3
    except StoreUnavailable as error:
        print(error)
    assert len(store.read("a")) == version
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.append([NewEvent("a", version + 1, "it.happened", b"there is room again")])
    print(version + 1)
"""


def test_on_a_disk_that_is_full_nothing_is_half_there_and_it_goes_on_when_there_is_room(path: Path) -> None:
    child = subprocess.run([sys.executable, "-c", FULL, path], capture_output=True, text=True, timeout=60, check=False)
    assert child.stderr == ""
    said, last = child.stdout.splitlines()
    assert said.startswith("the event store could not append: ")
    with open_store(path) as store:
        assert versions(store, "a") == list(range(1, int(last) + 1))


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"my diary\n" * 1000)
    with pytest.raises(StoreFault, match=r"the log .*log\.db cannot be opened: "):
        open_store(path)
    assert path.read_bytes() == b"my diary\n" * 1000


LEFT_OPEN = """
from fleetlog.runtime.store import NewEvent, open_store
from pathlib import Path
import sys, threading
store = open_store(Path(sys.argv[1]))
log = store.subscribe()
threading.Thread(target=lambda: list(log), daemon=True).start()
store.append([NewEvent("a", 1, "it.happened", b"x")])
print("open", flush=True)
"""


def test_a_store_that_is_left_open_does_not_keep_the_interpreter_from_ending(path: Path) -> None:
    child = start(LEFT_OPEN, path)
    child.communicate(timeout=20)
    assert child.returncode == 0
    with open_store(path) as store:
        assert versions(store, "a") == [1]


def test_what_was_appended_survives_a_kill(path: Path) -> None:
    child = start(WRITER, path, "victim", 100_000)
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()
    with open_store(path) as store:
        while store.head() < 50:
            pass
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        with suppress(BrokenPipeError):
            child.communicate()
        shared, own = versions(store, "shared"), versions(store, "victim")
    assert shared == own == list(range(1, len(shared) + 1))


def _inserting_connection(store: RecorderStore) -> sqlite3.Connection:
    connection = store._recorder._connection  # type: ignore[attr-defined]  # an SQLite recorder's
    assert isinstance(connection, sqlite3.Connection)
    return connection


def test_commits_are_synced_to_the_disk(path: Path) -> None:
    with open_store(path) as store:
        store.append([event("a", 1)])
        connection = _inserting_connection(store)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
