"""One process owns a directory, and a dead one owns nothing."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fleetlog.domain.errors import DirectoryOwned
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime
from fleetlog.runtime.ownership import FolderLock, owner_of
from fleetlog.runtime.places import Place
from fleetlog.runtime.uptime import Heartbeat, UptimeFile

OWNER = """
import sys
from fleetlog.runtime.host import Runtime
with Runtime.open(sys.argv[1]):
    print("up", flush=True)
    sys.stdin.read()
"""


def start_owner(directory: Path) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    return child


def test_a_second_process_is_told_who_the_owner_is_and_takes_over_when_it_is_dead(tmp_path: Path) -> None:
    child = start_owner(tmp_path)
    try:
        with pytest.raises(DirectoryOwned, match=rf"is owned by process {child.pid} \(-c .*, since 20.*stop that"):
            Runtime.open(tmp_path)
        owner = owner_of(tmp_path)
        assert owner is not None
        assert owner.startswith(f"process {child.pid} (")
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
    assert owner_of(tmp_path) is None
    with Runtime.open(tmp_path):
        assert f"process {os.getpid()} (" in (owner_of(tmp_path) or "")


def test_a_second_runtime_of_the_same_process_is_refused_and_leaves_no_thread(tmp_path: Path) -> None:
    with Runtime.open(tmp_path) as first:
        before = set(threading.enumerate())
        with pytest.raises(DirectoryOwned, match=f"process {os.getpid()}"):
            Runtime.open(tmp_path)
        assert set(threading.enumerate()) == before
        assert first.list_fleets().fleets == ()
    Runtime.open(tmp_path).close()


def test_the_lock_of_a_process_that_stopped_is_free_whatever_the_file_says(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(json.dumps({"pid": os.getppid(), "command": "x", "since": "then"}))
    assert owner_of(tmp_path) is None
    FolderLock(Place(tmp_path)).release()


def test_uptime_goes_on_where_the_last_owner_left_it(tmp_path: Path) -> None:
    clock = ManualClock()
    heartbeat = Heartbeat(clock, UptimeFile(tmp_path))
    clock.advance(90)
    heartbeat.stop()
    later = ManualClock()
    Heartbeat(later, UptimeFile(tmp_path)).stop()
    assert later.now().uptime_s == 90
    (tmp_path / "uptime").write_text("not a number")
    fresh = ManualClock()
    Heartbeat(fresh, UptimeFile(tmp_path)).stop()
    assert fresh.now().uptime_s == 0


def test_a_new_directory_keeps_itself_out_of_the_work_tree_it_lies_in(tmp_path: Path) -> None:
    FolderLock(Place(tmp_path / "new" / "state")).release()
    assert (tmp_path / "new" / "state" / ".gitignore").read_text() == "*\n"
    (tmp_path / "mine").mkdir()
    FolderLock(Place(tmp_path / "mine")).release()
    assert not (tmp_path / "mine" / ".gitignore").exists()
