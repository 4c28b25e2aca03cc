"""The fake server and real clients for it."""

from collections.abc import Iterator

import anthropic
import pytest

from tests.fakes.messages_api.server import FakeMessagesApi


@pytest.fixture
def messages_api() -> Iterator[FakeMessagesApi]:
    """A server whose rules a test may break."""
    with FakeMessagesApi() as api:
        yield api


@pytest.fixture
def client(messages_api: FakeMessagesApi) -> Iterator[anthropic.Anthropic]:
    """A client that retries nothing. It trusts no certificates, for to read them takes most of a test's time."""
    with anthropic.Anthropic(
        base_url=messages_api.url,
        api_key=messages_api.api_key,
        max_retries=0,
        timeout=10,
        http_client=anthropic.DefaultHttpxClient(verify=False),
    ) as client:
        yield client
