"""Fleets run through the directory's daemon: in front of it, left to it, and the daemon stopped by a command."""

import signal
import subprocess
import sys
from pathlib import Path

from fleetlog.runtime.ownership import owner_of
from fleetlog.runtime.servers.address import DaemonAddress
from tests.cli.test_mesh import Shell, any_shell, served, shell
from tests.servers.house import wait_for

__all__ = ["any_shell", "served", "shell"]


def make_code(folder: Path) -> str:
    (folder / "code").mkdir()
    (folder / "code" / "app.py").write_text("def run(x):\n    return x + 1\n")
    return str(folder / "code")


def test_a_fleet_that_is_run_while_a_daemon_serves_the_directory_is_run_by_it(served: Shell) -> None:
    outcome = served.json("run", "explore", "--workspace", make_code(served.folder))
    assert outcome["status"] == "complete"
    assert (served.folder / outcome["report"]).read_text().startswith("#")
    assert served.json("status", outcome["fleet_id"])["fleet"]["status"] == "complete"


def test_a_detached_fleet_has_a_daemon_started_and_goes_on_without_the_command(any_shell: Shell) -> None:
    reply = any_shell.json("run", "explore", "--workspace", make_code(any_shell.folder), "--detach")
    try:
        wait_for(lambda: any_shell.json("status")["fleet"]["status"] == "complete", "the daemon does not run the fleet")
        assert any_shell.json("status")["fleet"]["id"] == reply["fleet_id"]
        address = DaemonAddress.read(any_shell.directory)
        assert address is not None
    finally:
        said = any_shell.run("stop")
    assert str(address.pid) in said
    assert owner_of(any_shell.directory) is None
    assert "no daemon serves" in any_shell.run("stop", code=3)


def test_an_interrupted_view_leaves_the_fleet_to_the_daemon(served: Shell) -> None:
    words = [sys.executable, "-m", "fleetlog.runtime.entry", "run", "explore", "--workspace", make_code(served.folder)]
    with subprocess.Popen(
        words, cwd=served.folder, env=served.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as view:
        assert view.stderr is not None
        assert "in the daemon" in view.stderr.readline()
        view.send_signal(signal.SIGINT)
        view.stderr.read()
    assert view.returncode in (0, 128 + signal.SIGINT)  # the fleet may have been faster
    wait_for(lambda: served.json("fleets")["fleets"][0]["status"] == "complete", "the fleet does not go on")
