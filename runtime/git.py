"""The one door to the git binary. The repository is a stranger's: nothing in its configuration may run or fetch."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

# A repository can name programs to run (fsmonitor, gpg, external diffs) and servers to fetch missing objects from.
_HARMLESS = (
    "-c", "core.fsmonitor=false",
    "-c", "core.hooksPath=/dev/null",
    "-c", "log.showSignature=false",
    "-c", "protocol.allow=never",
    "-c", "core.quotePath=false",
)  # fmt: skip


class GitFailed(Exception):
    """git is not there, refused, or took too long; the message is one line for a reader."""


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    return kept | {
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_PAGER": "cat",
        "LC_ALL": "C",
    }


def _command(arguments: tuple[str, ...]) -> list[str]:
    return ["git", *_HARMLESS, *arguments]


def git_output(workspace: str, *arguments: str, timeout_s: float = 20.0) -> bytes:
    """What git wrote to its standard output. Raises GitFailed."""
    try:
        done = subprocess.run(
            _command(arguments),
            cwd=workspace,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except OSError as error:
        raise GitFailed(_not_started(workspace, error)) from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} did not end within {timeout_s:.0f} s") from error
    if done.returncode != 0:
        raise GitFailed(_first_line(done.stderr, arguments[0]))
    return done.stdout


@contextmanager
def git_stream(workspace: str, *arguments: str) -> Iterator[IO[bytes]]:
    """The standard output of git while it runs; leaving the block ends git.

    Raises GitFailed, also at the end of a block that has read everything, if git did not come to a good end.
    """
    try:
        process = subprocess.Popen(
            _command(arguments),
            cwd=workspace,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError as error:
        raise GitFailed(_not_started(workspace, error)) from error
    with process:
        assert process.stdout is not None
        try:
            yield process.stdout
            if not process.stdout.read(1) and process.wait():
                raise GitFailed(f"git {arguments[0]} failed on the way: the repository is damaged")
        finally:
            process.kill()


def _not_started(workspace: str, error: OSError) -> str:
    if not os.path.isdir(workspace):
        return "there is no such folder"
    if isinstance(error, FileNotFoundError):
        return "git is not installed, or not on the PATH"
    return f"git could not be started ({error.strerror})"


def _first_line(stderr: bytes, command: str) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    said = lines[0].removeprefix("fatal: ") if lines else "no reason given"
    if "not a git repository" in said:
        return "not a git repository"
    if "dubious ownership" in said:
        return "git refuses the repository because another user owns it (safe.directory)"
    return f"git {command} failed: {said[:160]}"
