"""What every read model must keep to: rows are a function of the log alone, however it is fed to them."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetlog.domain import events as e
from fleetlog.domain.errors import StoreFault
from fleetlog.projections.all import all_projections
from fleetlog.projections.projection import Handler, Projection, Recorded, Rows
from fleetlog.runtime import codec, projector
from fleetlog.runtime.projector import Projector
from fleetlog.runtime.store import EventStore, NewEvent, open_store
from fleetlog.runtime.views import ViewFile
from tests.golden.write_log import STREAMS

LENGTHS = {stream_id: len(events) for stream_id, events in STREAMS.items()}


class Logins:
    """A read model of the tests: who was spawned, in order."""

    name = "logins"
    tables: Sequence[str] = ("logins",)
    schema: Sequence[str] = ("CREATE TABLE logins (position INTEGER PRIMARY KEY, name TEXT NOT NULL)",)

    def __init__(self, version: int = 1, prefix: str = "", fails_at: str = "") -> None:
        self.version, self._prefix, self._fails_at = version, prefix, fails_at
        self.folded = 0
        self.handlers: Mapping[type, Handler] = {e.AgentSpawned: self._spawned}

    def _spawned(self, recorded: Recorded, rows: Rows) -> None:
        assert recorded.event.name != self._fails_at, "this read model has a bug"
        self.folded += 1
        rows.add("INSERT INTO logins VALUES (?,?)", recorded.position, self._prefix + recorded.event.name)


def append_all(store: EventStore, order: Sequence[str]) -> None:
    """Every stream's events in their order, the streams interleaved as `order` says."""
    at = dict.fromkeys(STREAMS, 0)
    chains = dict.fromkeys(STREAMS, codec.GENESIS)
    stored: list[NewEvent] = []
    for stream_id in order:
        at[stream_id] += 1
        origin = (1_767_268_800_000 + len(stored), "operator", "because")
        event = STREAMS[stream_id][at[stream_id] - 1]
        topic, state, chains[stream_id] = codec.encode(event, stream_id, at[stream_id], chains[stream_id], origin)
        stored.append(NewEvent(stream_id, at[stream_id], topic, state))
    store.append(stored)


@pytest.fixture
def store() -> Iterator[EventStore]:
    with open_store(None) as opened:
        append_all(opened, [stream_id for stream_id, length in LENGTHS.items() for _ in range(length)])
        yield opened


@contextmanager
def projecting(store: EventStore, path: Path, projections: Sequence[Projection] | None = None) -> Iterator[Projector]:
    """A projector over the log, caught up."""
    found = projections or all_projections()
    working = Projector(store, ViewFile(path, found), found)
    try:
        yield working
    finally:
        working.close()


def fold(store: EventStore, path: Path, projections: Sequence[Projection] | None = None) -> None:
    with projecting(store, path, projections) as working:
        working.wait(store.head(), timeout_s=20)


def rows(path: Path, *tables: str) -> dict[str, list[Any]]:
    names = tables or [table for projection in all_projections() for table in projection.tables]
    with closing(sqlite3.connect(path)) as connection:
        return {table: sorted(map(repr, connection.execute(f"SELECT * FROM {table}"))) for table in names}


@settings(max_examples=30, deadline=None)
@given(
    order=st.permutations([stream_id for stream_id, length in LENGTHS.items() for _ in range(length)]),
    batch=st.integers(1, 12),
)
def test_however_the_log_is_cut_into_batches_the_rows_are_the_same(order: list[str], batch: int) -> None:
    whole = projector.BATCH
    with TemporaryDirectory() as folder, open_store(None) as store:
        append_all(store, order)
        fold(store, Path(folder) / "whole.db")
        try:
            projector.BATCH = batch
            fold(store, Path(folder) / "pieces.db")
        finally:
            projector.BATCH = whole
        assert rows(Path(folder) / "pieces.db") == rows(Path(folder) / "whole.db")


def test_rows_go_on_where_an_earlier_process_left_them(store: EventStore, tmp_path: Path) -> None:
    first, second = Logins(), Logins(prefix="never used ")
    fold(store, tmp_path / "views.db", [first])
    fold(store, tmp_path / "views.db", [second])
    assert first.folded == sum(isinstance(event, e.AgentSpawned) for events in STREAMS.values() for event in events)
    assert second.folded == 0


def test_a_read_model_of_another_version_is_folded_anew_and_only_that_one(store: EventStore, tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    fold(store, path, [*all_projections(), Logins()])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE fleets SET name='kept as it was'")
    fold(store, path, [*all_projections(), Logins(version=2, prefix="new ")])
    assert all("new " in row for row in rows(path, "logins")["logins"])
    assert all("kept as it was" in row for row in rows(path, "fleets")["fleets"])


def test_a_bug_in_one_read_model_is_told_and_stops_no_other(store: EventStore, tmp_path: Path) -> None:
    path = tmp_path / "views.db"
    told = "projection logins failed: AssertionError: this read model has a bug"
    broken = [Logins(fails_at="b"), *all_projections()]
    with projecting(store, path, broken) as working, pytest.raises(StoreFault, match=told):
        working.wait(store.head(), timeout_s=20)
    whole = tmp_path / "whole.db"
    fold(store, whole)
    assert rows(path) == rows(whole)


def test_rows_and_position_move_together_or_not_at_all(tmp_path: Path) -> None:
    logins = Logins()
    file = ViewFile(tmp_path / "views.db", [logins])
    good, bad = Rows(), Rows()
    good.add("INSERT INTO logins VALUES (?,?)", 1, "ann")
    file.write([(logins, good, 5)])
    bad.add("INSERT INTO logins VALUES (?,?)", 2, "ben")
    bad.add("INSERT INTO logins VALUES (?,?)", 1, "taken")
    assert isinstance(file.write([(logins, bad, 9)])["logins"], sqlite3.IntegrityError)
    file.close()
    assert rows(tmp_path / "views.db", "logins") == {"logins": ["(1, 'ann')"]}
    again = ViewFile(tmp_path / "views.db", [logins])
    assert again.positions == {"logins": 5}
    again.close()


@pytest.mark.parametrize("damage", ["delete", "truncate", "garble"])
def test_a_file_that_is_gone_or_damaged_is_made_anew(store: EventStore, tmp_path: Path, damage: str) -> None:
    path, whole = tmp_path / "views.db", tmp_path / "whole.db"
    fold(store, whole)
    fold(store, path)
    if damage == "delete":
        path.unlink()
    else:
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2] if damage == "truncate" else b"\0" * 50 + content[50:])
    fold(store, path)
    assert rows(path) == rows(whole)


# --- each of them --------------------------------------------------------------------------------

every_projection = pytest.mark.parametrize("projection", all_projections(), ids=lambda projection: projection.name)


@every_projection
def test_a_read_model_owns_the_tables_it_names(projection: Projection, tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in projection.schema:
            connection.execute(statement)
        made = connection.execute(
            "SELECT name FROM pragma_table_list WHERE type<>'shadow' AND name NOT LIKE 'sqlite_%'"
        )
        assert {name for (name,) in made} == set(projection.tables)


@every_projection
def test_a_read_model_writes_to_no_table_but_its_own(projection: Projection, store: EventStore) -> None:
    others = {table for other in all_projections() for table in other.tables} - set(projection.tables)
    written = Rows()
    for position, event in enumerate((event for events in STREAMS.values() for event in events), start=1):
        handler = projection.handlers.get(type(event))
        if handler is not None:
            handler(Recorded(position, "agent-260101-120000-golden-a", 1, 0, "operator", event), written)
    statements = {sql for sql, _ in written.runs()}
    assert statements
    for statement in statements:
        assert not {word.strip("(),;") for word in statement.split()} & others


def test_read_models_share_no_name_and_no_table() -> None:
    names = [projection.name for projection in all_projections()]
    tables = [table for projection in all_projections() for table in projection.tables]
    assert len(set(names)) == len(names)
    assert len(set(tables)) == len(tables)


def test_every_kind_of_event_shows_somewhere() -> None:
    shown: set[type] = set()
    for projection in all_projections():
        shown |= set(projection.handlers)
    assert {kind.__name__ for kind in e.ALL_EVENTS} - {kind.__name__ for kind in shown} == {
        "CallRecorded",
        "GateClosed",
    }


def test_the_log_of_these_tests_has_every_kind_of_event() -> None:
    kinds = {type(event).__name__ for log in STREAMS.values() for event in log}
    assert kinds == {kind.__name__ for kind in e.ALL_EVENTS}
