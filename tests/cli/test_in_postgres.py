"""The command line on a log in PostgreSQL; and its password, which is nowhere to be seen."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetlog.runtime.servers.address import DaemonAddress
from tests.cli.test_daemon import make_code
from tests.cli.test_mesh import Shell
from tests.conftest import NewLog
from tests.servers.house import wait_for

PASSWORD = "hunter2hunter2"


@pytest.fixture
def shell(tmp_path: Path, new_log: NewLog) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    shell.use_database(new_log().replace("postgres@", f"postgres:{PASSWORD}@"))
    yield shell
    if DaemonAddress.read(shell.directory) is not None:
        shell.run("stop")


def test_no_command_and_no_file_tells_the_password(shell: Shell) -> None:
    said = [shell.run("run", "explore", "--workspace", make_code(shell.folder), "--json")]
    url = shell.environment["FLEETLOG_DIR"]
    said += [shell.run("status", "--dir", url), shell.run("verify"), shell.run("doctor")]
    said += [shell.run("resume"), shell.run("mcp", "config", "claude-code", "--dir", url)]
    said.append(shell.run("run", "explore", "--workspace", str(shell.folder / "code"), "--detach", "--json"))
    address = DaemonAddress.read(shell.directory)
    assert address is not None
    said.append(Path(f"/proc/{address.pid}/cmdline").read_bytes().decode())
    said.append(shell.run("backup", str(shell.folder / "copy")))
    wait_for(lambda: shell.json("status")["fleet"]["status"] == "complete", "the daemon does not run the fleet")
    said.append(shell.run("stop"))
    files = [path for path in shell.folder.rglob("*") if path.is_file()]
    assert [text for text in said if PASSWORD in text] == []
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
    assert any(f"postgresql://postgres@{url.rpartition('@')[2]}" in text for text in said)


def test_a_copy_of_a_directory_in_a_database_is_the_same_log(shell: Shell, tmp_path: Path) -> None:
    url = shell.environment.pop("FLEETLOG_DIR")
    fleet_id = shell.json("run", "explore", "--workspace", make_code(shell.folder))["fleet_id"]
    events = shell.json("verify")["events"]
    assert shell.json("backup", url)["position"] == events
    assert shell.json("backup", url)["new_artifacts"] == 0
    assert shell.json("status", fleet_id, "--dir", url)["fleet"]["status"] == "complete"
    assert shell.json("verify", "--dir", url) == shell.json("verify")
    shell.run("run", "explore", "--workspace", str(shell.folder / "code"), "--dir", url)
    assert "holds another log, or one that is ahead" in shell.run("backup", url, code=2)


def test_a_client_of_mcp_reaches_the_daemon_by_the_url_and_by_its_folder(shell: Shell) -> None:
    ask = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "list_fleets", "arguments": {}}},
    ]
    given = "".join(json.dumps(line) + "\n" for line in ask)
    for more in ([], ["--dir", str(shell.directory)]):
        words = [sys.executable, "-m", "fleetlog.runtime.entry", "mcp", *more]
        with subprocess.Popen(
            words, env=shell.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            client.stdin.write(given)
            client.stdin.flush()
            answers = [json.loads(client.stdout.readline()) for _ in range(2)]
            client.stdin.close()
        assert answers[1]["result"]["structuredContent"]["fleets"] == []
    assert not (shell.directory / "log.db").exists()


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


def test_mcp_says_in_a_line_what_is_wrong_with_a_place(shell: Shell) -> None:
    for wrong in ("memory:", "redis://me:secret@x/y"):
        said = shell.run("mcp", "--dir", wrong, code=2)
        assert said.startswith("fleetlog mcp: '")
        assert said.count("\n") == 1
        assert "secret" not in said
