"""The provider's calls, a fake Messages API, and runs that can be stopped."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fleetlog.runtime.brains.provider import ClaudeSettings, Provider
from tests.fakes.messages_api.fixtures import messages_api as messages_api
from tests.fakes.messages_api.server import FakeMessagesApi

MakeProvider = Callable[..., Provider]


@pytest.fixture
def make_provider(messages_api: FakeMessagesApi) -> Iterator[MakeProvider]:
    """`make_provider(idle_timeout_s=...)` talks to the fake server; after the test no thread of it is left."""
    before = set(threading.enumerate())
    made: list[Provider] = []

    def make(**settings: Any) -> Provider:
        given = {"api_key": messages_api.api_key, "base_url": messages_api.url, **settings}
        made.append(Provider(ClaudeSettings(**given)))
        return made[-1]

    yield make
    for provider in made:
        provider.close()
    left = [thread.name for thread in set(threading.enumerate()) - before if thread.name == "fleetlog-claude"]
    assert left == []
