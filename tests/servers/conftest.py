"""A daemon of one's own for a test."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    before = set(threading.enumerate())
    house = House(tmp_path / "d")
    yield house
    house.close()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in left if not name.startswith("fleetlog-tools")}
