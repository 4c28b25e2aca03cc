"""A workspace with its tools, without a sandbox and with this machine's."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox, find_sandbox
from tests.tools.desk import Desk


@pytest.fixture(scope="session")
def found_sandbox() -> Sandbox | NoSandbox:
    return find_sandbox()


@pytest.fixture
def sandbox(found_sandbox: Sandbox | NoSandbox) -> Sandbox:
    """Skips the test where bubblewrap is missing or forbidden, and only there."""
    if isinstance(found_sandbox, NoSandbox):
        assert not is_bubblewrap_usable(), f"bubblewrap works, but no sandbox was found: {found_sandbox.reason}"
        pytest.skip(found_sandbox.reason)
    return found_sandbox


def is_bubblewrap_usable() -> bool:
    """Asked in the simplest way."""
    program = which("bwrap")
    plain = ["--unshare-user", "--unshare-pid", "--unshare-net", "--ro-bind", "/", "/", "--proc", "/proc", "true"]
    return program is not None and subprocess.run([program, *plain], capture_output=True).returncode == 0


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


@pytest.fixture
def mark() -> str:
    """A number of seconds that no other process on the machine sleeps."""
    return f"4321.{os.getpid()}{time.monotonic_ns()}"
