"""Durable messages a second, from one to 10,000 agents, and the ceiling: the same bytes through bare SQLite.

One sending thread, everything in flight at once. A message counts when its reply is there, which is after the
fsync of the commit it is in; with the views, when they have the last position.
"""

import gc
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.conftest import Scale
from benchmarks.mailboxes import Mailboxes
from benchmarks.measuring import Benchmark, Line, report, timed

AGENTS = (1, 10, 100, 1_000, 10_000)
PROTOTYPE = {1: 53_000, 1_000: 34_000, 10_000: 22_000}
SECTION = "durable messages, {agents:,} agents"
PRAGMAS = ("synchronous", "wal_autocheckpoint", "cache_size")
FULL = 2

pytestmark = pytest.mark.parametrize("mailboxes", AGENTS, indirect=True)


def test_messages_with_views(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale) -> None:
    """Until the views have the last position."""
    mailboxes.start(views=True)
    count = mailboxes.count(scale.messages)

    def send_and_show() -> None:
        mailboxes.send(scale.messages)
        mailboxes.catch_up()

    seconds = timed(benchmark, send_and_show, scale.rounds, gc.collect)
    agents = mailboxes.agents
    report(
        benchmark,
        Line(
            section=_section(agents),
            label=_label("views kept up", agents),
            unit="messages/s",
            values=tuple(count / s for s in seconds),
            target=12_000 if agents == 1_000 else None,
        ),
    )


def test_messages_without_views(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale) -> None:
    """Everything is on but the projector."""
    mailboxes.start(views=False)
    cpu_s: list[float] = []
    count = mailboxes.count(scale.messages)
    seconds = timed(benchmark, _with_cpu(lambda: mailboxes.send(scale.messages), cpu_s), scale.rounds, gc.collect)
    agents = mailboxes.agents
    report(
        benchmark,
        Line(
            section=_section(agents),
            label=_label("without views", agents),
            unit="messages/s",
            values=tuple(count / s for s in seconds),
            target=25_000 if agents == 1_000 else None,
            prototype=PROTOTYPE.get(agents),
        ),
        Line(
            section=_section(agents),
            label=_label("CPU time a message, without views", agents),
            unit="µs",
            values=tuple(s / count * 1e6 for s in cpu_s),
            less=True,
        ),
    )


def test_raw_sqlite(benchmark: Benchmark, mailboxes: Mailboxes, scale: Scale, tmp_path: Path) -> None:
    """The rows the runtime has just written, in the commits it wrote them in, on a copy of what was there before."""
    if mailboxes.sent is None or mailboxes.has_views:
        mailboxes.start(views=False)
        mailboxes.send(scale.messages)
    replay = _Replay(mailboxes, tmp_path / "raw.db")
    seconds = timed(benchmark, replay.write, scale.rounds + 1, replay.prepare)
    replay.check()
    replay.close()
    agents = mailboxes.agents
    raw, runtime = _label("bare SQLite, same bytes", agents), _label("without views", agents)
    section = _section(agents)
    events_a_commit = len(replay.rows) / len(replay.sizes)
    report(
        benchmark,
        Line(section=section, label=raw, unit="events/s", values=tuple(len(replay.rows) / s for s in seconds)),
        Line(section=section, label=_label("share of bare SQLite", agents), unit="%", ratio=(runtime, raw)),
        Line(section=section, label=_label("events a commit", agents), unit="events", values=(events_a_commit,)),
    )


class _Replay:
    """The last round's rows, and a database that is as the log was before it."""

    def __init__(self, mailboxes: Mailboxes, path: Path) -> None:
        assert mailboxes.sent is not None
        self._log, self._path = mailboxes.path / "log.db", path
        self._before, after, self.sizes = mailboxes.sent
        with sqlite3.connect(self._log) as log:
            (self._schema,) = log.execute("SELECT group_concat(sql, ';') FROM sqlite_master WHERE sql > ''").fetchone()
            self.rows = log.execute(
                "SELECT originator_id, originator_version, topic, state FROM stored_events"
                " WHERE rowid > ? AND rowid <= ? ORDER BY rowid",
                (self._before, after),
            ).fetchall()
        log.close()
        assert sum(self.sizes) == len(self.rows)
        self._settings = _settings_of(mailboxes)
        self._connection = sqlite3.connect(path, isolation_level=None)

    def prepare(self) -> None:
        """A fresh database with the events before the round, its write-ahead log empty."""
        self._connection.close()
        for file in self._path.parent.glob(f"{self._path.name}*"):
            file.unlink()
        connection = self._connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        for name, value in self._settings.items():
            connection.execute(f"PRAGMA {name}={value}")
        connection.execute("ATTACH ? AS log", (str(self._log),))
        connection.executescript(self._schema)
        columns = "originator_id, originator_version, topic, state"
        connection.execute(
            f"INSERT INTO stored_events ({columns}) SELECT {columns} FROM log.stored_events WHERE rowid <= ?",
            (self._before,),
        )
        connection.execute("DETACH log")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        gc.collect()

    def write(self) -> None:
        """One transaction for each commit of the journal."""
        connection, at = self._connection, 0
        for size in self.sizes:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                "INSERT INTO stored_events (originator_id, originator_version, topic, state) VALUES (?,?,?,?)",
                self.rows[at : at + size],
            )
            connection.execute("COMMIT")
            at += size

    def check(self) -> None:
        """Everything is there."""
        (last,) = self._connection.execute("SELECT max(rowid) FROM stored_events").fetchone()
        assert last == self._before + len(self.rows)

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


def _settings_of(mailboxes: Mailboxes) -> dict[str, int]:
    """The settings of the store's own connections; a log that is not fully synced must not be measured."""
    connection = mailboxes.store.recorded._recorder._connect()
    settings: dict[str, int] = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in PRAGMAS}
    connection.close()
    assert settings["synchronous"] == FULL
    return settings


def _with_cpu(target: Callable[[], object], cpu_s: list[float]) -> Callable[[], None]:
    """The target, noting the CPU time of all threads for each call."""

    def measured() -> None:
        before = time.process_time()
        target()
        cpu_s.append(time.process_time() - before)

    return measured


def _section(agents: int) -> str:
    return f"Durable messages, {agents:,} agent{'s' if agents > 1 else ''}"


def _label(what: str, agents: int) -> str:
    return f"{agents:,}: {what}"
