"""A shop, a database and monitors, which are closed after the test."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import IS_INSTALLED
from tests.scenarios.monitor.places import Database, Monitor, Served, Shop

MakeMonitor = Callable[..., Monitor]
Serve = Callable[[Callable[[int], int]], Served]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path / "shop")
    yield shop
    shop.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(answer)`: a web server whose statuses a function decides."""
    made: list[Served] = []

    def make(answer: Callable[[int], int]) -> Served:
        made.append(Served(answer))
        return made[-1]

    yield make
    for served in made:
        served.close()


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    if not IS_INSTALLED:
        pytest.skip("there is no PostgreSQL server below /usr/lib/postgresql")
    database = Database()
    yield database
    database.close()


@pytest.fixture
def make_monitor(tmp_path: Path) -> Iterator[MakeMonitor]:
    """`make_monitor(text, folder)`; afterwards no thread of the runtime is left."""
    made: list[Monitor] = []

    def make(text: str, folder: Path, **options: Any) -> Monitor:
        monitor = Monitor(tmp_path / f"d{len(made)}", text, folder, **options)
        made.append(monitor)
        return monitor

    yield make
    for monitor in made:
        monitor.close()
    assert not [thread.name for thread in threading.enumerate() if "brains" in thread.name]
