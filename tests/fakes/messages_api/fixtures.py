"""Fixtures for any test: a conftest imports them by name.

from tests.fakes.messages_api.fixtures import messages_api as messages_api
"""

from collections.abc import Iterator

import pytest

from tests.fakes.messages_api.server import FakeMessagesApi

__all__ = ["messages_api"]


@pytest.fixture
def messages_api() -> Iterator[FakeMessagesApi]:
    """A server of the test's own. Tests that mean no harm assert `messages_api.violations == []`."""
    with FakeMessagesApi() as api:
        yield api
