"""The fake server and real clients for it."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.fakes.messages_api.fixtures import messages_api as messages_api
from tests.fakes.messages_api.server import FakeMessagesApi


@pytest.fixture
def client(messages_api: FakeMessagesApi) -> Iterator[anthropic.Anthropic]:
    """A client that retries nothing."""
    with anthropic.Anthropic(
        base_url=messages_api.url, api_key=messages_api.api_key, max_retries=0, timeout=10
    ) as client:
        yield client
