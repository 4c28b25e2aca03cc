"""One look at the outside world: does it answer, is there room, does it run? Each ends by its `timeout_s`, and never
raises.

What a look says of a failure has no times and no process ids: the same failure has the same words.
"""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from fleetlog.runtime.scenarios.monitor.runbooks import Check
from fleetlog.runtime.scenarios.monitor.sql import first_value

__all__ = ["Look", "look"]

_MB = 1_000_000
_BODY_BYTES = 256 * 1024
_PROCESSES = Path("/proc")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Look(Struct, frozen=True):
    """`said`: what was seen, in a few words."""

    ok: bool
    said: str


class _Failed(Exception):
    """The check fails; its text says why."""


def look(check: Check, folder: str = "") -> Look:
    """Make the check. Relative paths are meant from `folder`. Any thread."""
    try:
        match check.kind:
            case "http":
                return Look(True, _http(check))
            case "tcp":
                return Look(True, _tcp(check))
            case "disk":
                return Look(True, _disk(check, Path(folder, check.path)))
            case "process":
                return Look(True, _process(check, Path(folder, check.pid_file)))
            case "sql":
                return Look(True, _sql(check, folder))
    except _Failed as failure:
        return Look(False, str(failure))
    except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError, ImportError) as error:
        return Look(False, _worded(error, check.timeout_s))


def _worded(error: Exception, timeout_s: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {timeout_s:g} s"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, ConnectionResetError | http.client.RemoteDisconnected):
        return "the connection was cut"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"{type(error).__name__}: {error}"[:300]


def expanded(text: str) -> str:
    """The text with the environment's variables in the place of `${VAR}`."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise _Failed(f"the environment variable {found[1]} is not set")
        return os.environ[found[1]]

    return _VARIABLE.sub(value, text)


# --- the network ---------------------------------------------------------------------------------


def _http(check: Check) -> str:
    """GET; redirects are not followed. The deadline is for all of it, however slowly the answer drips."""
    url = urlsplit(expanded(check.url))
    deadline = time.monotonic() + check.timeout_s
    is_tls = url.scheme == "https"
    host, port = url.hostname or "", url.port or (443 if is_tls else 80)
    connection = (
        http.client.HTTPSConnection(host, port, timeout=check.timeout_s, context=ssl.create_default_context())
        if is_tls
        else http.client.HTTPConnection(host, port, timeout=check.timeout_s)
    )
    try:
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("GET", target, headers={"User-Agent": "fleetlog-monitor", "Connection": "close"})
        response = connection.getresponse()
        body = _read(response, deadline) if check.contains else b""
    finally:
        connection.close()
    _expect_status(response.status, check.status)
    if check.contains and check.contains not in body.decode(errors="replace"):
        raise _Failed(f"status {response.status}, but the page does not say '{check.contains[:80]}'")
    return f"status {response.status}"


def _read(response: http.client.HTTPResponse, deadline: float) -> bytes:
    parts, size = [], 0
    while size < _BODY_BYTES and (part := response.read1(65_536)):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(parts)


def _expect_status(status: int, allowed: tuple[int, ...]) -> None:
    if not (status in allowed if allowed else 200 <= status < 400):
        raise _Failed(f"status {status}")


def _tcp(check: Check) -> str:
    with socket.create_connection((check.host, check.port), timeout=check.timeout_s):
        return f"port {check.port} answers"


# --- the machine ---------------------------------------------------------------------------------


def _disk(check: Check, path: Path) -> str:
    usage = shutil.disk_usage(path)
    free_mb, used = usage.free / _MB, 100 * usage.used / (usage.used + usage.free or 1)
    if check.min_free_mb is not None and free_mb < check.min_free_mb:
        raise _Failed(f"less than {check.min_free_mb:g} MB are free")
    if check.max_used_percent is not None and used > check.max_used_percent:
        raise _Failed(f"more than {check.max_used_percent:g} % of the disk are used")
    if check.max_size_mb is not None and _size_bytes(path, check.timeout_s) > check.max_size_mb * _MB:
        raise _Failed(f"{check.path} holds more than {check.max_size_mb:g} MB")
    return "there is room"


def _size_bytes(path: Path, timeout_s: float) -> int:
    deadline, size = time.monotonic() + timeout_s, 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size
            except FileNotFoundError:
                continue  # it has gone meanwhile
        if time.monotonic() > deadline:
            raise TimeoutError
    return size


def _process(check: Check, pid_file: Path) -> str:
    if check.pid_file:
        _expect_process(pid_file, check)
    elif not any(check.command in line for line in _command_lines()):
        raise _Failed(f"no process is '{check.command[:80]}'")
    return "it runs"


def _expect_process(pid_file: Path, check: Check) -> None:
    """PostgreSQL and others write the process id into the first line. One that has ended and was not waited for has no
    command line."""
    try:
        pid = int(pid_file.read_text().split()[0])
        os.kill(pid, 0)
    except PermissionError:
        pass  # it runs, as somebody else
    except FileNotFoundError as error:
        raise _Failed(f"{check.pid_file} is not there") from error
    except (ProcessLookupError, ValueError, IndexError) as error:
        raise _Failed(f"the process of {check.pid_file} is gone") from error
    line = _command_line(pid)
    if not line:
        raise _Failed(f"the process of {check.pid_file} is gone")
    if check.command not in line:
        raise _Failed(f"the process of {check.pid_file} is another program")


def _command_lines() -> Iterator[str]:
    """Of all processes but this one."""
    own = os.getpid()
    if _PROCESSES.is_dir():
        yield from (_command_line(int(one)) for one in os.listdir(_PROCESSES) if one.isdecimal() and int(one) != own)
    else:
        yield from _ps("-ax")


def _command_line(pid: int) -> str:
    if not _PROCESSES.is_dir():
        return "".join(_ps("-p", str(pid)))
    try:
        return (_PROCESSES / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def _ps(*which: str) -> list[str]:
    found = subprocess.run(["ps", *which, "-o", "args="], capture_output=True, text=True, check=False, timeout=10)
    return found.stdout.splitlines()


# --- databases -----------------------------------------------------------------------------------


def _sql(check: Check, folder: str) -> str:
    value = first_value(expanded(check.url), check.query, check.timeout_s, folder)
    said = f"the query gives {value}"[:200]
    if check.equals is not None and str(value) != check.equals:
        raise _Failed(f"{said}, not {check.equals}")
    if check.at_least is None and check.at_most is None:
        return said
    try:
        number = float(str(value))
    except ValueError as error:
        raise _Failed(f"{said}, which is no number") from error
    if check.at_least is not None and number < check.at_least:
        raise _Failed(f"{said}, less than {check.at_least:g}")
    if check.at_most is not None and number > check.at_most:
        raise _Failed(f"{said}, more than {check.at_most:g}")
    return said
