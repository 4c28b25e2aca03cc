"""Fixtures for any test: a conftest imports them by name.

    from tests.fakes.messages_api.fixtures import messages_api as messages_api

They fail a test whose client broke a rule of the API; one that does so on purpose calls `reset_stats` at its end.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.server import FakeMessagesApi

__all__ = ["checked", "messages_api", "messages_api_process"]

Server = TypeVar("Server", FakeMessagesApi, FakeProcess)


@contextmanager
def checked(server: Server) -> Iterator[Server]:
    """Runs the server, and asserts at the end that no request broke a rule."""
    with server as api:
        yield api
        broken = api.violations
        assert not broken, f"{len(broken)} requests broke rules of the API: {broken}"


@pytest.fixture
def messages_api() -> Iterator[FakeMessagesApi]:
    """A server of the test's own, on a thread."""
    with checked(FakeMessagesApi()) as api:
        yield api


@pytest.fixture
def messages_api_process(tmp_path: Path) -> Iterator[FakeProcess]:
    """A server in a process of its own, which outlives the runtime under test."""
    with checked(FakeProcess(tmp_path / "messages_api")) as api:
        yield api
