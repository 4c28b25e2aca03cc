"""A workspace, its tools, and a run for them: one that ends its processes as an agent's run does."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox, find_sandbox
from fleetlog.runtime.tools.tool import Tool, ToolOutput
from fleetlog.runtime.tools.workspace import WorkspacePolicy, workspace_tools


class Stopped(BaseException):
    """What `check` raises."""


class PlainRun:
    """A `ToolRun` without an agent."""

    def __init__(self) -> None:
        self.artifacts = ArtifactStore(None)
        self.groups: set[int] = set()
        self._stopped = threading.Event()
        self.has_started = threading.Event()

    @property
    def is_stopped(self) -> bool:
        return self._stopped.is_set()

    def check(self) -> None:
        if self.is_stopped:
            raise Stopped

    def add_process_group(self, group: int) -> None:
        self.groups.add(group)
        self.has_started.set()

    def remove_process_group(self, group: int) -> None:
        self.groups.discard(group)

    def stop(self) -> None:
        self._stopped.set()
        for group in set(self.groups):
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)


Call = Callable[..., ToolOutput]


class Desk:
    """Tools at a workspace, called by name. `policy` may be changed between calls."""

    def __init__(self, root: Path, sandbox: Sandbox | NoSandbox | None) -> None:
        self.root, self.sandbox = root, sandbox
        self.run = PlainRun()
        self.policy = WorkspacePolicy(write=True, commands=("*",))

    def tool(self, name: str) -> Tool:
        return next(tool for tool in workspace_tools(self.root, self.policy, self.sandbox) if tool.name == name)

    def call(self, name: str, **arguments: Any) -> ToolOutput:
        return self.tool(name).call(self.run, arguments)

    def text(self, name: str, **arguments: Any) -> str:
        return self.call(name, **arguments).text

    def allow(self, **changes: Any) -> None:
        self.policy = msgspec.structs.replace(self.policy, **changes)


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
