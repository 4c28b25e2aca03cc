"""A daemon on loopback, a fleet in it, and ways to call it."""

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from fleetlog.runtime.client import Client
from tests.http.place import Place
from tests.servers.house import House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    before = set(threading.enumerate())
    house = House(tmp_path / "d")
    yield house
    house.close()
    left = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in left if not name.startswith("fleetlog-tools")}


@pytest.fixture
def place(house: House) -> Place:
    return Place(house)


@pytest.fixture
def http(house: House) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=house.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def client(house: House) -> Iterator[Client]:
    with Client.of(house.directory) as client:
        yield client
