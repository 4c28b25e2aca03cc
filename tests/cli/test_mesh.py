"""The commands that work with fleets from outside: with a daemon, and without one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleetlog.runtime.places import place_of
from fleetlog.runtime.servers.address import DaemonAddress
from tests.servers.house import wait_for

SPEC = 'name = "duo"\nkeep_open = true\n[[agents]]\nrole = "ann"\nprompt = "x"\nskills = ["sql"]\n'
SPEC += '[[agents]]\nrole = "bob"\nprompt = "y"\n'


class Shell:
    """`fleetlog` as a process, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.directory = folder, folder / ".fleetlog"
        self.environment = {name: text for name, text in os.environ.items() if not name.startswith("FLEETLOG")}

    def use_database(self, url: str) -> None:
        """From now on the log is there; its local files are in a cache of this shell's own."""
        self.environment |= {"FLEETLOG_DIR": url, "XDG_CACHE_HOME": str(self.folder / "cache")}
        place = place_of(url)
        assert place is not None
        self.directory = self.folder / "cache" / "fleetlog" / place.folder.name

    def run(self, *words: str, code: int = 0, given: str = "") -> str:
        program = [sys.executable, "-m", "fleetlog.runtime.entry", *words]
        done = subprocess.run(
            program, cwd=self.folder, env=self.environment, capture_output=True, text=True, input=given, timeout=60
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done.stdout if code in (0, 1) else done.stderr

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json"))

    def serve(self) -> "subprocess.Popen[bytes]":
        serve = [sys.executable, "-m", "fleetlog.runtime.entry", "serve", "--port", "0"]
        daemon = subprocess.Popen(serve, cwd=self.folder, env=self.environment, stderr=subprocess.DEVNULL)
        wait_for(lambda: DaemonAddress.read(self.directory) is not None, "the daemon does not listen")
        return daemon


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "spec.toml").write_text(SPEC)
    return Shell(tmp_path)


@pytest.fixture(params=["directory", "database"])
def any_shell(request: pytest.FixtureRequest, shell: Shell) -> Shell:
    """Its log is in a directory, or in PostgreSQL."""
    if request.param == "database":
        shell.use_database(request.getfixturevalue("new_log")())
    return shell


@pytest.fixture
def served(any_shell: Shell) -> Iterator[Shell]:
    daemon = any_shell.serve()
    yield any_shell
    daemon.send_signal(signal.SIGTERM)
    assert daemon.wait(20) == 0
    assert DaemonAddress.read(any_shell.directory) is None


def work_with_a_fleet(shell: Shell) -> str:
    spawned = shell.json("spawn", "spec.toml", "--key", "once")
    assert shell.json("spawn", "spec.toml", "--key", "once")["fleet_id"] == spawned["fleet_id"]
    fleet_id = str(spawned["fleet_id"])
    assert shell.run("send", "ann", "hello").endswith(" to ann\n")
    assert shell.run("send", "*", "all", "--type", "alert").endswith(" to ann, bob\n")
    assert shell.run("send", "bob", "psst", "--from", "ann").endswith(" to bob\n")
    assert shell.run("alert", fleet_id, "fire", "--skill", "sql") == "Alerted ann.\n"
    assert shell.run("attach", fleet_id, "cid", "join").startswith("agent-")
    inbox = shell.json("inbox", "bob")["messages"]
    assert [message["payload"] for message in inbox] == ["all", "psst"]
    tail = [json.loads(line) for line in shell.run("tail", "-n", "100", "--json").splitlines()]
    assert [entry["what"] for entry in tail].count("message.delivered") == 5
    token = shell.json("token", "issue", "agent", "--agent", "ann")
    assert shell.run("token", "list").split()[:3] == [token["token_id"], "agent", "counts"]
    assert shell.run("token", "revoke", token["token_id"]) == f"Revoked {token['token_id']}.\n"
    assert shell.run("templates", "save", "duo", "spec.toml") == "Saved duo, version 1.\n"
    assert shell.run("templates", "list").startswith("duo ")
    assert '"role": "ann"' in shell.run("templates", "show", "duo")
    assert shell.run("templates", "spawn", "duo").startswith("fleet-")
    assert shell.run("templates", "delete", "duo") == "Deleted duo.\n"
    return fleet_id


@pytest.mark.slow
def test_commands_go_through_the_daemon(served: Shell) -> None:
    fleet_id = work_with_a_fleet(served)
    assert "ann" in served.run("route", "a question of sql")
    assert served.run("pause", fleet_id) == f"Paused {fleet_id}.\n"
    assert served.run("resume", fleet_id) == f"Resumed {fleet_id}.\n"
    assert served.run("resume") == "Nothing is paused; the daemon runs all the rest.\n"
    assert "has not answered within 0.5 s" in served.run("ask", "bob", "there?", "--wait", "0.5", code=3)
    assert "a daemon serves it at http://127.0.0.1:" in served.run("doctor")


@pytest.mark.slow
def test_commands_work_without_a_daemon(any_shell: Shell) -> None:
    fleet_id = work_with_a_fleet(any_shell)
    assert any_shell.json("status", fleet_id)["fleet"]["status"] == "interrupted"


def test_what_cannot_be_spawned_is_said(shell: Shell) -> None:
    assert "'FILE' none.toml cannot be read" in shell.run("spawn", "none.toml", code=2)
    assert "is no fleet's spec: Object missing required field `agents`" in shell.run("spawn", "-", code=2, given="{}")
    assert "'SCOPE' must be exactly one of" in shell.run("token", "issue", "god", code=2)
    for hours in ("inf", "nan", "0", "-1", "1e300"):
        said = shell.run("token", "issue", "read", "--hours", hours, code=2)
        assert "'--hours' must be above 0 and at most 1000000" in said
    assert "'--set' must be NAME=VALUE" in shell.run("templates", "spawn", "x", "--set", "y", code=2)


def test_a_folder_is_set_up_once_and_its_settings_count(shell: Shell) -> None:
    (shell.folder / ".git").mkdir()
    assert "Added .fleetlog/ to" in shell.run("init")
    assert (shell.folder / ".gitignore").read_text() == ".fleetlog/\n"
    assert "is there already: it is not written over" in shell.run("init", code=2)
    config = shell.folder / "fleetlog.toml"
    config.write_text(config.read_text().replace('# directory = ".fleetlog"', 'directory = "elsewhere"'))
    shell.run("spawn", "spec.toml")
    assert (shell.folder / "elsewhere" / "log.db").exists()
    shell.run("spawn", "spec.toml", "--dir", "flag")
    assert (shell.folder / "flag" / "log.db").exists()
    shell.environment["FLEETLOG_DIR"] = "variable"
    shell.run("spawn", "spec.toml")
    assert (shell.folder / "variable" / "log.db").exists()
    config.write_text("brian = 1\n")
    assert "fleetlog.toml:1: unknown setting 'brian'; did you mean 'brain'?" in shell.run("fleets", code=2)


def test_the_doctor_finds_what_is_wrong(shell: Shell) -> None:
    shell.environment["ANTHROPIC_API_KEY"] = " sk "
    findings = {one["check"]: one for one in json.loads(shell.run("doctor", "--json", code=1))["findings"]}
    assert findings["key"]["outcome"] == "problem"
    assert findings["python"]["outcome"] == "ok"
    shell.environment["ANTHROPIC_API_KEY"] = "sk-0123456789"
    assert "PATH" in shell.environment
    shell.environment["PATH"] = "/nowhere"
    found = {one["check"]: one for one in shell.json("doctor")["findings"]}
    assert (found["git"]["outcome"], found["sandbox"]["outcome"]) == ("warning", "warning")
    assert "sk-0123456789" not in json.dumps(found)
    said = shell.run("doctor", "--workspace", "/no/such/folder", code=1)
    assert "problem  workspace" in said
    shell.run("spawn", "spec.toml")
    log = shell.directory / "log.db"
    log.write_bytes(log.read_bytes()[:2_000] + b"x" * 500)
    damaged = {one["check"]: one for one in json.loads(shell.run("doctor", "--json", code=1))["findings"]}
    assert damaged["log"]["outcome"] == "problem"


def test_a_fleet_is_forked(shell: Shell) -> None:
    fleet_id = shell.json("spawn", "spec.toml")["fleet_id"]
    forked = shell.json("fork", fleet_id, "--name", "other", "--key", "once")
    assert shell.json("fork", fleet_id, "--name", "other", "--key", "once")["fleet_id"] == forked["fleet_id"]
    assert forked["forked_from"] == fleet_id
    assert [fleet["name"] for fleet in shell.json("fleets")["fleets"]] == ["other", "duo"]
    assert shell.run("fork", fleet_id).startswith("fleet-")
    assert "not found" in shell.run("fork", fleet_id, "--at", "2020-01-01T00:00:00Z", code=3)
    assert "'--at' must be epoch milliseconds" in shell.run("fork", fleet_id, "--at", "yesterday", code=2)
