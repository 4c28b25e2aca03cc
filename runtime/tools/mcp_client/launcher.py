"""Starts a program that must not outlive its owner. Run as a script (`python -I -S launcher.py FD PROGRAM ...`), never
imported: it becomes the program, and leaves a watcher behind in the same process group.

FD is the reading end of a pipe whose writing end the owner holds. When that closes (the owner is done, or was
killed), the watcher kills the whole group.
"""

import os
import signal
import sys


def main(life: int, command: list[str]) -> None:
    """Become `command`. Exits with 127 when that is not possible."""
    os.set_inheritable(life, False)
    first = os.fork()
    if not first:
        if not os.fork():  # a grandchild: the program should have no children that it did not start
            _watch(life)
        os._exit(0)
    os.waitpid(first, 0)
    for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(ignored_by_python, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
        os._exit(127)


def _watch(life: int) -> None:
    for ending in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(ending, signal.SIG_IGN)
    for stream in (0, 1, 2):  # the program's pipes must close when the program closes them
        os.close(stream)
    os.read(life, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
