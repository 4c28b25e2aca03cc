"""Options and fixtures of the benchmarks. They run with `make bench`, never with `make test`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from benchmarks.mailboxes import Mailboxes


class Scale(msgspec.Struct, frozen=True):
    """How much is measured."""

    messages: int = 12_000
    rounds: int = 2
    large_fleet: int = 10_000
    threads: int = 2_000
    long_stream: int = 30_000
    log_events: int = 50_000
    calls: int = 300
    fleets: int = 1_000
    turns: int = 200
    claude_agents: int = 1_000
    steps: int = 3_000
    mesh_messages: int = 100_000


QUICK = Scale(2_000, 1, 2_000, 200, 3_000, 5_000, 50, 50, 20, 20, 400, 2_000)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`: everything runs, on a tenth of the data; the figures mean little."""
    parser.addoption("--quick", action="store_true", help="a small pass: does it run, not how fast")


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    """How much is measured in this run."""
    return QUICK if request.config.getoption("--quick") else Scale()


@pytest.fixture(scope="module")
def mailboxes(
    request: pytest.FixtureRequest, scale: Scale, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mailboxes]:
    """A fleet of as many mailbox agents as the parameter says, for all benchmarks of the module."""
    with _fleet(tmp_path_factory, min(request.param, scale.large_fleet)) as fleet:
        yield fleet


@contextmanager
def _fleet(tmp_path_factory: pytest.TempPathFactory, agents: int) -> Iterator[Mailboxes]:
    directory: Path = tmp_path_factory.mktemp(f"fleet-{agents}")
    fleet = Mailboxes(directory, agents)
    yield fleet
    fleet.close()
