"""A workspace with its tools, without a sandbox and with this machine's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox, find_sandbox
from tests.tools.desk import Desk


@pytest.fixture(scope="session")
def found_sandbox() -> Sandbox | NoSandbox:
    return find_sandbox()


@pytest.fixture
def sandbox(found_sandbox: Sandbox | NoSandbox) -> Sandbox:
    """Skips the test where there is none."""
    if isinstance(found_sandbox, NoSandbox):
        pytest.skip(found_sandbox.reason)
    return found_sandbox


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def desk(root: Path) -> Iterator[Desk]:
    """For the tools that need no sandbox."""
    desk = Desk(root, NoSandbox("this test has none"))
    yield desk
    assert desk.run.groups == set()


@pytest.fixture
def boxed(root: Path, sandbox: Sandbox) -> Iterator[Desk]:
    """With the sandbox of this machine."""
    desk = Desk(root, sandbox)
    yield desk
    assert desk.run.groups == set()
