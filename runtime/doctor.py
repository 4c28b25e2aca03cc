"""Is everything there that fleets need? Each check looks at one thing, and says how to mend it."""

import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

from fleetlog.domain.errors import FleetlogError, NotFound
from fleetlog.runtime.configuration import Settings
from fleetlog.runtime.opening import anyone_at, reading_log
from fleetlog.runtime.places import Place
from fleetlog.runtime.servers.address import DaemonAddress

__all__ = ["Finding", "Patient", "examine"]

LOW_DISK_BYTES = 500_000_000
MIN_FILES = 512
Outcome = Literal["ok", "warning", "problem"]


class Finding(msgspec.Struct, frozen=True):
    """What a check found; `mend` is what to do about it."""

    check: str
    outcome: Outcome
    said: str
    mend: str = ""


class Patient(msgspec.Struct, frozen=True):
    """What is looked at."""

    place: Place
    workspace: Path
    settings: Settings


def examine(patient: Patient) -> list[Finding]:
    """Every check, in the order in which things are needed."""
    return [check(patient) for check in _CHECKS]


def _python(_: Patient) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    packages = ("pykka", "eventsourcing", "msgspec", "anthropic", "mcp", "starlette", "uvicorn")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in packages)
    return Finding("python", "ok", f"Python {version}, SQLite {sqlite3.sqlite_version}; {versions}")


def _search(_: Patient) -> Finding:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("CREATE VIRTUAL TABLE words USING fts5(word)")
    except sqlite3.Error:
        said = "this Python's SQLite has no full-text search (FTS5): work cannot be routed"
        return Finding(
            "search", "warning", said, "use a Python whose SQLite has FTS5 (python.org's and the distributions' have)"
        )
    finally:
        connection.close()
    return Finding("search", "ok", "SQLite has full-text search")


def _directory(patient: Patient) -> Finding:
    path = patient.place.folder
    if not path.exists():
        return Finding("directory", "ok", f"{path} is not there yet; the first fleet makes it")
    try:
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        return Finding("directory", "problem", f"{path} cannot be written: {error}", "give yourself the right to write")
    return Finding("directory", "ok", f"{path} can be written")


def _lock(patient: Patient) -> Finding:
    try:
        owner = anyone_at(patient.place)
    except FleetlogError as error:
        return Finding("lock", "problem", str(error), "start the server, or mend the url")
    if owner is None:
        return Finding("lock", "ok", "nobody runs this directory now")
    address = DaemonAddress.read(patient.place.folder)
    if address is not None:
        return Finding("lock", "ok", f"a daemon serves it at {address.url}: {owner}")
    said = f"{owner} runs it, and is no daemon"
    return Finding("lock", "warning", said, "commands that change something wait until it ends")


def _database(patient: Patient) -> Finding:
    place = patient.place
    if not place.url:
        return Finding("database", "ok", f"the log is a file, in {place.folder}")
    try:
        with reading_log(place) as opened:
            assert opened.database is not None
            version, is_synced = opened.database.server
    except FleetlogError as error:
        return Finding("database", "problem", str(error), "start the server, or mend the url")
    if not is_synced:
        said = f"{place} (PostgreSQL {version}) does not sync its commits: a crash of its machine loses some"
        return Finding("database", "problem", said, "set fsync = on in postgresql.conf")
    return Finding("database", "ok", f"{place} answers (PostgreSQL {version})")


def _log(patient: Patient) -> Finding:
    from fleetlog.runtime.cli.visits import audited

    place = patient.place
    try:
        verdict = audited(place.url or str(place.folder))
    except NotFound:
        return Finding("log", "ok", "there is no log yet")
    except FleetlogError as error:
        return Finding("log", "problem", str(error), "restore the log from a backup")
    if not verdict.ok:
        return Finding("log", "problem", verdict.findings[0], "fleetlog verify lists all; restore from a backup")
    return Finding("log", "ok", f"{verdict.events:,} events in {verdict.streams:,} streams, whole")


def _key(_: Patient) -> Finding:
    key = os.environ.get("ANTHROPIC_API_KEY", "")
    if not key:
        said = "ANTHROPIC_API_KEY is not set: no agents driven by Claude"
        return Finding("key", "warning", said, "export ANTHROPIC_API_KEY=...; offline fleets need none")
    if key != key.strip() or not key.isascii() or len(key) < 10:
        said = "ANTHROPIC_API_KEY does not look like a key"
        return Finding("key", "problem", said, "set it anew, without spaces or quotes")
    return Finding("key", "ok", f"ANTHROPIC_API_KEY is set ({len(key)} characters)")


def _workspace(patient: Patient) -> Finding:
    path = patient.workspace
    if not path.is_dir() or not os.access(path, os.R_OK | os.X_OK):
        return Finding("workspace", "problem", f"{path} is no folder that can be read", "give another with --workspace")
    return Finding("workspace", "ok", f"{path} can be read")


def _git(patient: Patient) -> Finding:
    if shutil.which("git") is None:
        return Finding("git", "warning", "git is not installed: no history in reports", "install git")
    inside = subprocess.run(
        ["git", "-C", str(patient.workspace), "rev-parse", "--is-inside-work-tree"], capture_output=True, check=False
    )
    said = "the workspace is a repository" if inside.returncode == 0 else "the workspace is no repository"
    return Finding("git", "ok", said)


def _sandbox(_: Patient) -> Finding:
    mend = "install bubblewrap (apt install bubblewrap), or grant `unsandboxed`"
    program = shutil.which("bwrap")
    if program is None:
        return Finding("sandbox", "warning", "bubblewrap is not installed: agents run no commands", mend)
    try:
        tried = subprocess.run(
            [program, "--ro-bind", "/", "/", "--unshare-net", "--unshare-pid", "--proc", "/proc", "true"],
            capture_output=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("sandbox", "warning", f"bubblewrap does not work: {error}", mend)
    if tried.returncode:
        said = tried.stderr.decode(errors="replace").strip()
        return Finding("sandbox", "warning", f"bubblewrap does not work here: {said}", "allow user namespaces")
    return Finding("sandbox", "ok", "bubblewrap works")


def _clock(patient: Patient) -> Finding:
    log = patient.place.log
    now = time.time()
    if now < 1_700_000_000:
        return Finding("clock", "problem", f"the clock says {time.ctime(now)}", "set the machine's clock")
    if log.exists() and log.stat().st_mtime > now + 60:
        said = "the log was written in the future: the clock was set back"
        return Finding("clock", "warning", said, "deadlines of tickets and votes may come late")
    return Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now)))


def _disk(patient: Patient) -> Finding:
    folder = next(path for path in (patient.place.folder, *patient.place.folder.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    said = f"{free / 1e9:.1f} GB free"
    if free < LOW_DISK_BYTES:
        return Finding("disk", "problem", said, "make room: a full disk stops every fleet (nothing is lost)")
    return Finding("disk", "ok", said)


def _files(_: Patient) -> Finding:
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MIN_FILES:
        said = f"at most {soft} open files"
        return Finding("files", "warning", said, f"ulimit -n {MIN_FILES * 8}: many agents need many connections")
    return Finding("files", "ok", f"at most {soft} open files")


_CHECKS: tuple[Callable[[Patient], Finding], ...] = (
    _python,
    _search,
    _directory,
    _database,
    _lock,
    _log,
    _key,
    _workspace,
    _git,
    _sandbox,
    _clock,
    _disk,
    _files,
)
