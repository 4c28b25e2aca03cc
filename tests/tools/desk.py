"""A desk at which the workspace's tools are called, and a run that ends its processes as an agent's run does."""

import os
import signal
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleetlog.runtime.artifacts import ArtifactStore
from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput
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

    def stop_when_started(self) -> None:
        """For a thread: as soon as there is a process."""
        if self.has_started.wait(10):
            self.stop()


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

    def refusal(self, name: str, **arguments: Any) -> str:
        """The sentence with which the call is refused."""
        with pytest.raises(ToolError) as caught:
            self.call(name, **arguments)
        return str(caught.value)

    def whole(self, output: ToolOutput) -> bytes:
        """What was kept of it."""
        return self.run.artifacts.get(output.whole_sha256)
