"""The tool that runs a command: granted by the policy, in a sandbox, within bounds."""

import os
import platform
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from shutil import which
from typing import IO, Any

from fleetlog.runtime.tools.children import Bounds, Ending, supervise
from fleetlog.runtime.tools.confined import ConfinedFolder
from fleetlog.runtime.tools.environment import command_environment
from fleetlog.runtime.tools.policy import WorkspacePolicy, allows
from fleetlog.runtime.tools.sandbox import Launch, NoSandbox, Sandbox, Unsandboxed, find_sandbox
from fleetlog.runtime.tools.texts import head_and_tail
from fleetlog.runtime.tools.tool import Tool, ToolError, ToolOutput, ToolRun

__all__ = ["run_command_tool"]

_DEFAULT_TIMEOUT_S = 60.0
_MAX_WRITTEN_BYTES = 2**30
_OPEN_FILES = 1_024
_ADDRESS_SPACES = 4
"""Programs reserve far more addresses than memory: Node 20 with WebAssembly needs 10 GiB of them."""


def run_command_tool(workspace: ConfinedFolder, policy: WorkspacePolicy, sandbox: Sandbox | NoSandbox | None) -> Tool:
    """See `workspace.workspace_tools`."""
    limit = policy.command_timeout_s
    return Tool(
        name="run_command",
        description=(
            "Run a program in the workspace and wait for it. There is no shell: give the program and its arguments as "
            "a list, without quoting; pipes, redirections, globs and variables are not known. The answer has the exit "
            "code and what was printed (stdout and stderr together; the middle of a long output is left out). "
            + _granted(policy)
        ),
        input_schema={
            "type": "object",
            "additionalProperties": False,
            "required": ["command"],
            "properties": {
                "command": {
                    "type": "array",
                    "minItems": 1,
                    "items": {"type": "string"},
                    "description": "The program, then each argument: ['python', '-m', 'pytest', '-q', 'tests'].",
                },
                "cwd": {"type": "string", "description": "The folder to run it in. Default: the workspace's root."},
                "timeout_s": {
                    "type": "number",
                    "exclusiveMinimum": 0,
                    "maximum": limit,
                    "description": f"It is ended after so many seconds; default {min(_DEFAULT_TIMEOUT_S, limit):g}.",
                },
                "stdin": {"type": "string", "description": "What it reads from its standard input. Default: nothing."},
            },
        },
        effect="effectful",
        call=_Commands(workspace, policy, sandbox).run,
        verify=(
            "It is not known how far the command came. Look at what it would have changed (list_files, read_file, "
            "`git status`) and run it again only if doing it twice does no harm."
        ),
    )


def _granted(policy: WorkspacePolicy) -> str:
    if "*" in policy.commands:
        return "Any program is granted."
    if not policy.commands:
        return "No program is granted without approval."
    return f"Granted without approval, with any further arguments: {', '.join(policy.commands)}."


class _Commands:
    def __init__(self, workspace: ConfinedFolder, policy: WorkspacePolicy, sandbox: Sandbox | NoSandbox | None) -> None:
        self._workspace, self._policy, self._given = workspace, policy, sandbox

    def run(self, run: ToolRun, arguments: Mapping[str, Any]) -> ToolOutput:
        """The tool's `call`."""
        words = _words(arguments["command"])
        if not allows(self._policy, "run_command", arguments):
            raise ToolError(f'"{_quoted(words)}" is not granted. {_granted(self._policy)} Ask for approval.')
        bounds = self._bounds(arguments.get("timeout_s", _DEFAULT_TIMEOUT_S))
        launch = self._launch(words, arguments.get("cwd") or ".", bounds.timeout_s)
        feed = iter([arguments.get("stdin", "").encode(errors="replace")])
        run.check()
        with self._sandbox.started(launch) as child:
            ending, output = supervise(run, child, feed, bounds)
        with output:
            return _told(run, ending, output, self._policy, bounds)

    @cached_property
    def _sandbox(self) -> Sandbox:
        sandbox = find_sandbox() if self._given is None else self._given
        if isinstance(sandbox, NoSandbox) and self._policy.unsandboxed:
            return Unsandboxed()
        if isinstance(sandbox, NoSandbox):
            reason = f"there is no sandbox: {sandbox.reason}"
        elif not sandbox.is_confining and not self._policy.unsandboxed:
            reason = "they would run without a sandbox"
        else:
            return sandbox
        raise ToolError(f"Commands are refused, because {reason}. Only the operator can allow them without one.")

    def _bounds(self, timeout_s: float) -> Bounds:
        policy = self._policy
        return Bounds(
            timeout_s=min(timeout_s, policy.command_timeout_s),
            max_output_bytes=policy.max_output_bytes,
            max_tasks=policy.max_processes,
            max_memory_bytes=policy.max_memory_bytes,
        )

    def _launch(self, words: Sequence[str], cwd: str, timeout_s: float) -> Launch:
        policy, root = self._policy, self._workspace.root
        located = self._workspace.locate(cwd)
        with self._workspace.folder(located):
            folder = os.path.join(root, located) if located else root
        environment = command_environment(os.environ, policy.environment)
        _check_program(words[0], environment["PATH"])
        return Launch(
            words=words,
            root=root,
            cwd=folder,
            environment=environment,
            limits=_limits(policy, timeout_s),
            hidden=[os.path.realpath(os.path.join(root, path)) for path in policy.hidden],
            is_writable=policy.write,
            has_network=policy.network,
        )


def _words(command: object) -> list[str]:
    if not isinstance(command, list | tuple) or not command or not all(isinstance(word, str) for word in command):
        raise ToolError("'command' must be a list of strings: the program, then each argument.")
    if not command[0] or any("\0" in word for word in command):
        raise ToolError("'command' must begin with a program's name, and have no NUL characters.")
    return list(command)


def _check_program(program: str, path: str) -> None:
    if "/" in program or which(program, path=path):
        return
    hint = ""
    if re.search(r"[\s|&;<>$`]", program):
        hint = " There is no shell: give the program alone first, then each argument as a string of its own."
    raise ToolError(f'There is no program "{_quoted([program])}" on the PATH.{hint}')


def _limits(policy: WorkspacePolicy, timeout_s: float) -> dict[str, int]:
    limits = {
        "RLIMIT_AS": policy.max_memory_bytes * _ADDRESS_SPACES,
        "RLIMIT_CPU": int(timeout_s * (os.cpu_count() or 1)) + 5,
        "RLIMIT_FSIZE": _MAX_WRITTEN_BYTES,
        "RLIMIT_NOFILE": _OPEN_FILES,
        "RLIMIT_CORE": 0,
    }
    # Since Linux 5.14 processes are counted per user and namespace; before, the user's other programs would count.
    release = tuple(int(number) for number in re.findall(r"\d+", platform.release())[:2])
    return limits | ({"RLIMIT_NPROC": policy.max_processes} if release >= (5, 14) else {})


def _told(run: ToolRun, ending: Ending, output: IO[bytes], policy: WorkspacePolicy, bounds: Bounds) -> ToolOutput:
    output.seek(0)
    content = output.read()
    said = head_and_tail(content, policy.max_output_chars)
    is_cut = len(content) > policy.max_output_chars
    heading = f"{_outcome(ending, bounds)} {_size(ending, len(content), is_cut)}"
    return ToolOutput(
        f"{heading}\n{said}".rstrip("\n"),
        is_error=ending.cause != "ended" or ending.exit_code != 0,
        whole_sha256=run.artifacts.put(content).sha256 if is_cut else "",
    )


def _outcome(ending: Ending, bounds: Bounds) -> str:
    after = f"after {ending.duration_s:.1f} s"
    match ending.cause:
        case "time":
            return f"Ended {after}: it took longer than the {bounds.timeout_s:g} s it had. What it had done stays done."
        case "output":
            return f"Killed {after}: it printed more than the {bounds.max_output_bytes} bytes that are allowed."
        case "load":
            return f"Killed {after}: it used {ending.detail}."
    if ending.exit_code < 0:
        return f"Ended by signal {-ending.exit_code} {after}."
    return f"Exit code {ending.exit_code} {after}."


def _size(ending: Ending, kept_bytes: int, is_cut: bool) -> str:
    if not kept_bytes:
        return "It printed nothing."
    kept = f"; the first {kept_bytes} are kept" if kept_bytes < ending.size_bytes else ""
    whole = ", as an artifact; its ends follow" if is_cut else ""
    return f"It printed {ending.size_bytes} bytes{kept}{whole}:"


def _quoted(words: Sequence[str]) -> str:
    text = " ".join(words)
    return text if len(text) <= 200 else text[:200] + "..."
