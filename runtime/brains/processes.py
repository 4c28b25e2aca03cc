"""A program as a step: a child process in a group of its own, which dies with the run it belongs to."""

import subprocess
from pathlib import Path

from msgspec import Struct

from fleetlog.runtime.brains.run import Run

__all__ = ["CommandResult", "run_process"]

_OUTPUT_LIMIT_BYTES = 1_000_000


class CommandResult(Struct, frozen=True):
    """How a child process ended. `output` is stdout and stderr together, cut in the middle at 1 MB."""

    exit_code: int
    output: str
    timed_out: bool = False


def run_process(run: Run, command: list[str], cwd: str | None, timeout_s: float | None, stdin: str) -> CommandResult:
    """Run the program and wait for it, at most `timeout_s` seconds. A cancelled run kills it with its children."""
    process = subprocess.Popen(
        command,
        cwd=Path(cwd) if cwd else None,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    run.add_process_group(process.pid)
    try:
        output, _ = process.communicate(stdin.encode(), timeout=timeout_s)
        timed_out = False
    except subprocess.TimeoutExpired:
        run.kill_processes()
        output, _ = process.communicate()
        timed_out = True
    finally:
        run.remove_process_group(process.pid)
    run.check()
    return CommandResult(process.returncode, _cut(output), timed_out)


def _cut(output: bytes) -> str:
    if len(output) > _OUTPUT_LIMIT_BYTES:
        half = _OUTPUT_LIMIT_BYTES // 2
        left_out = len(output) - 2 * half
        output = output[:half] + f"\n... {left_out} bytes left out ...\n".encode() + output[-half:]
    return output.decode(errors="replace")
