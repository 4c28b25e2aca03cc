"""What tests of several folders share."""

import itertools
from collections.abc import Callable, Iterator

import pytest

from tests.postgres import IS_INSTALLED, PostgresServer

NewLog = Callable[[], str]


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for all who leave it running; everyone takes a schema of his own."""
    if not IS_INSTALLED:
        pytest.skip("there is no PostgreSQL server below /usr/lib/postgresql")
    server = PostgresServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def new_log(postgres: PostgresServer) -> NewLog:
    """`new_log()`: the url of a log that is not there yet."""
    numbers = itertools.count(1)
    return lambda: f"{postgres.url()}?schema=log_{next(numbers)}"
