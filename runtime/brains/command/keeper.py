"""Keeps a program that must not outlive its owner, nor leave anything behind. Run as a script
(`python -I -S keeper.py FD PROGRAM ...`), never imported: it starts the program as its child and ends as that ends.

FD is the reading end of a pipe whose writing end the owner holds. When that closes (the owner is done, or was killed),
when the program has ended, and at no other time, everything the program has started is killed: on Linux also what has
left its session, since orphans become the keeper's children. SIGTERM is passed on to all of them.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
TICK_MS = 250
KILLING_S = 10.0
IS_LINUX = sys.platform == "linux"


def main(life: int, command: list[str]) -> None:
    """Start `command`, keep it, end as it has ended; 127 when it cannot be started."""
    os.set_inheritable(life, False)
    set_process(PR_SET_CHILD_SUBREAPER, 1)
    keeper = os.getpid()
    program = os.fork()
    if not program:
        become(command, keeper)
    signal.signal(signal.SIGTERM, lambda *_: end_all(program, signal.SIGTERM))
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    let_go_of_streams()
    status = keep(program, life)
    kill_rest(program)
    end_like(status)


def set_process(option: int, value: int) -> None:
    """A setting of this process that only Linux has."""
    if IS_LINUX:
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def become(command: list[str], keeper: int) -> None:
    """In the child: lead a group of its own, die with the keeper, be the program."""
    os.setpgid(0, 0)
    set_process(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != keeper:
        os._exit(1)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
    os._exit(127)


def let_go_of_streams() -> None:
    """The program's pipes must close when the program closes them."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def keep(program: int, life: int) -> int | None:
    """Until the program has ended (its wait status), or the owner is gone (None)."""
    poll = select.poll()
    poll.register(life, select.POLLIN)
    if IS_LINUX:
        poll.register(os.pidfd_open(program), select.POLLIN)
    while True:
        ready = poll.poll(TICK_MS if IS_LINUX else 20)
        status = reap(program)
        if status is not None:
            return status
        if any(fd == life for fd, _ in ready):
            return None


def reap(program: int) -> int | None:
    """Bury whoever has ended; the program's wait status, if it was among them."""
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        if pid == program:
            found = status


def kill_rest(program: int) -> None:
    """Until nobody is left. Those who are killed cannot start others; those who were started meanwhile are found in
    the next round."""
    until = time.monotonic() + KILLING_S
    while end_all(program, signal.SIGKILL) and time.monotonic() < until:
        time.sleep(0.005)
        reap(program)
    reap(program)  # who is dead and not buried would be left to a process that may never do it


def end_all(program: int, number: int) -> bool:
    """Signal the program and everything it has started. Was anybody there?"""
    found = descendants() if IS_LINUX else []
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    if IS_LINUX:
        return bool(found)
    try:
        os.killpg(program, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def descendants() -> list[int]:
    """Every living process below this one."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            if fields and fields[0] not in (b"Z", b"X"):
                children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    below = [os.getpid()]
    while below:
        mine = children.get(below.pop(), [])
        found += mine
        below += mine
    return found


def end_like(status: int | None) -> None:
    """End as the program has."""
    if status is None:
        os._exit(1)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
