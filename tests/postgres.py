"""A real PostgreSQL server of the tests' own, on loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

PROGRAMS = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), Path("/nowhere"))
IS_INSTALLED = PROGRAMS.is_dir()


class PostgresServer:
    """As the user `postgres` where it refuses root. Its folder is not pytest's, which only the user who runs the tests
    may enter."""

    def __init__(self, *settings: str) -> None:
        self.folder, self.port = Path(tempfile.mkdtemp(prefix="postgres-")), free_port()
        folder = self.folder
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        if self._as_user:
            shutil.chown(folder, "postgres")
        self._run("initdb", "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync")
        own = (f"port = {self.port}", "listen_addresses = '127.0.0.1'", f"unix_socket_directories = '{folder}'")
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join((*own, *settings)) + "\n")
        self.start()

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        self._run(*self.control("start"))

    def stop(self) -> None:
        """As a kill -9 of all its processes, as far as what is stored is concerned."""
        self._run(*self.control("stop", "-m", "immediate"))

    def control(self, what: str, *more: str) -> list[str]:
        return ["pg_ctl", "-D", str(self.folder / "data"), "-l", str(self.folder / "log"), "-w", *more, what]

    def command(self, words: Sequence[str]) -> list[str]:
        """The program as the server's user runs it."""
        return [*self._as_user, str(PROGRAMS / words[0]), *words[1:]]

    def _run(self, *words: str) -> None:
        subprocess.run(
            self.command(words), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60, cwd="/"
        )

    def url(self, user: str = "postgres", database: str = "postgres") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def connection(self, user: str = "postgres", database: str = "postgres") -> "Iterator[psycopg.Connection[Any]]":
        with psycopg.connect(self.url(user, database), autocommit=True) as connection:
            yield connection

    def close(self) -> None:
        """Stop it, and leave nothing."""
        with suppress(subprocess.CalledProcessError):  # it was stopped before
            self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
