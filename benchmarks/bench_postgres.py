"""The log in PostgreSQL beside the log in a file: the same commits, on the same disk, in the same minute."""

import itertools
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from benchmarks.conftest import Scale
from benchmarks.mailboxes import PAYLOAD, mailbox_fleet
from benchmarks.measuring import Benchmark, Line, percentile, report, timed
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.store import EventStore, NewEvent, open_store
from fleetlog.runtime.store.postgres import PostgresLog
from tests.postgres import IS_INSTALLED, PostgresServer

SECTION = "The log in PostgreSQL, on the same machine"
BATCH = 1_000
PLACES = {"file": "SQLite", "database": "PostgreSQL"}

pytestmark = pytest.mark.skipif(not IS_INSTALLED, reason="there is no PostgreSQL server below /usr/lib/postgresql")


@pytest.fixture(scope="module")
def urls() -> Iterator[Iterator[str]]:
    server = PostgresServer()
    yield (f"{server.url()}?schema=log_{number}" for number in itertools.count(1))
    server.close()


@contextmanager
def _store(where: str, folder: Path, urls: Iterator[str]) -> Iterator[EventStore]:
    if where == "file":
        with open_store(folder / "log.db") as store:
            yield store
    else:
        with closing(PostgresLog(next(urls), "the database", owned=True)) as log:
            yield log.store


@pytest.mark.parametrize("where", PLACES)
def test_one_event(benchmark: Benchmark, scale: Scale, tmp_path: Path, urls: Iterator[str], where: str) -> None:
    """One event, durable when it returns."""
    versions = itertools.count(1)
    with _store(where, tmp_path, urls) as store:
        seconds = timed(
            benchmark, lambda: store.append([NewEvent("a", next(versions), "x", PAYLOAD.encode())]), scale.calls
        )
    report(benchmark, *_latencies(f"a commit of one event, {PLACES[where]}", seconds))


@pytest.mark.parametrize("where", PLACES)
def test_many_events(benchmark: Benchmark, scale: Scale, tmp_path: Path, urls: Iterator[str], where: str) -> None:
    """A thousand events of a hundred streams in one commit."""
    first = itertools.count(1, BATCH // 100)
    with _store(where, tmp_path, urls) as store:

        def append() -> None:
            version = next(first)
            batch = [(f"s{stream}", version + n) for n in range(BATCH // 100) for stream in range(100)]
            store.append([NewEvent(stream, number, "x", PAYLOAD.encode()) for stream, number in batch])

        seconds = timed(benchmark, append, scale.calls // 10)
    values = tuple(BATCH / one for one in seconds)
    label = f"events in commits of {BATCH:,}, {PLACES[where]}"
    report(benchmark, Line(section=SECTION, label=label, unit="events/s", values=(percentile(values, 0.5),)))


@pytest.mark.parametrize("where", PLACES)
def test_send(
    benchmark: Benchmark,
    scale: Scale,
    tmp_path: Path,
    urls: Iterator[str],
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`send_message` in the runtime's process, from the call to the reply."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with Runtime.open(tmp_path / "d" if where == "file" else next(urls)) as runtime:
        fleet = runtime.spawn_fleet(mailbox_fleet(1))
        (agent_id,) = fleet.agent_ids

        def send() -> None:
            runtime.send_message("operator", agent_id, fleet.fleet_id, "alert", PAYLOAD)

        seconds = timed(benchmark, send, scale.calls)
    report(benchmark, *_latencies(f"send_message, {PLACES[where]}", seconds))


def _latencies(label: str, seconds: list[float]) -> tuple[Line, ...]:
    return tuple(
        Line(
            section=SECTION,
            label=f"{label}, p{round(share * 100)}",
            unit="ms",
            values=(percentile(seconds, share) * 1e3,),
            less=True,
        )
        for share in (0.5, 0.99)
    )
