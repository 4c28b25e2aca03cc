"""What a running command uses, read from /proc: processes and threads, and memory.

The limits a kernel keeps by itself are not enough: the one on processes does not bind root, and the one on memory is
per process.
"""

import os
from collections.abc import Iterator

import msgspec

__all__ = ["overload_in_namespace", "overload_in_session"]

_THREADS, _SESSION, _RESIDENT_PAGES = 17, 3, 21  # fields of stat after the name, which may hold anything
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class _Process(msgspec.Struct):
    folder: str
    fields: list[bytes]

    @property
    def resident_bytes(self) -> int:
        return int(self.fields[_RESIDENT_PAGES]) * _PAGE_BYTES


def overload_in_namespace(first_pid: int, max_tasks: int, max_memory_bytes: int) -> str:
    """What is too much in the process namespace whose first process, as seen from here, is this one; else empty."""
    folder = f"/proc/{first_pid}/root/proc"
    try:
        if os.stat(folder).st_dev == os.stat("/proc").st_dev:
            return ""  # the sandbox is not set up yet: these are our own processes
    except OSError:
        return ""
    return _overload(_processes(folder), max_tasks, max_memory_bytes)


def overload_in_session(session: int, max_tasks: int, max_memory_bytes: int) -> str:
    """The same for a session; what has left it is not seen."""
    wanted = str(session).encode()
    members = (one for one in _processes("/proc") if one.fields[_SESSION] == wanted)
    return _overload(members, max_tasks, max_memory_bytes)


def _processes(folder: str) -> Iterator[_Process]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if name.isdigit():
            try:
                with open(f"{folder}/{name}/stat", "rb") as file:
                    yield _Process(f"{folder}/{name}", file.read().rpartition(b")")[2].split())
            except OSError:
                continue  # it has ended meanwhile


def _overload(processes: Iterator[_Process], max_tasks: int, max_memory_bytes: int) -> str:
    seen, tasks = [], 0
    for process in processes:
        seen.append(process)
        tasks += int(process.fields[_THREADS])
        if tasks > max_tasks:
            return f"more than {max_tasks} processes and threads"
    resident = [one.resident_bytes for one in seen]
    if sum(resident) <= max_memory_bytes:
        return ""
    # Pages that are shared were counted for each: count them once, which takes longer.
    if max(resident) > max_memory_bytes or sum(map(_own_bytes, seen)) > max_memory_bytes:
        return f"more than {max_memory_bytes} bytes of memory"
    return ""


def _own_bytes(process: _Process) -> int:
    try:
        with open(f"{process.folder}/smaps_rollup", "rb") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith(b"Pss:")), 0)
    except OSError:
        return process.resident_bytes
