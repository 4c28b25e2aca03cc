"""The walls of the sandbox: what a command that means harm can reach."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleetlog.runtime.tools.sandbox import NoSandbox, find_sandbox
from tests.tools.desk import Desk
from tests.tools.test_commands import running, said, wait_until_none_runs
from tests.tools.test_listing import git

ROOT = Path(__file__).resolve().parents[2]


def sh(desk: Desk, script: str) -> str:
    """What a shell in the sandbox prints."""
    return said(desk.text("run_command", command=["bash", "-c", script]))


def test_only_the_workspace_can_be_written(boxed: Desk, tmp_path: Path) -> None:
    (tmp_path / "beside").mkdir()
    script = f"for f in /x /etc/x /usr/x /dev/x /proc/sys/x {tmp_path}/beside/x; do touch $f; done; touch in"
    text = sh(boxed, script)
    assert text.count("Read-only file system") + text.count("No such file") + text.count("denied") == 6
    assert list((tmp_path / "beside").iterdir()) == []
    assert [path.name for path in boxed.root.iterdir()] == ["in"]


def test_without_the_grant_to_write_the_workspace_is_read_only_too(boxed: Desk) -> None:
    (boxed.root / "a").write_text("old")
    boxed.allow(write=False)
    assert sh(boxed, "cat a; echo; echo new > a; touch b; rm a").count("Read-only file system") == 3
    assert (boxed.root / "a").read_text() == "old"
    assert os.listdir(boxed.root) == ["a"]


def test_scratch_folders_are_empty_and_gone_afterwards(boxed: Desk) -> None:
    mark = f"/tmp/fleetlog-test-{os.getpid()}"
    assert sh(boxed, f"touch {mark} && ls {mark}; ls /run") == mark
    assert not os.path.exists(mark)


def test_a_link_that_a_command_makes_leads_the_tools_nowhere(boxed: Desk) -> None:
    sh(boxed, "ln -s /etc/passwd link; ln -s /etc folder")
    assert "leads out" in boxed.refusal("read_file", path="link")
    assert "leads out" in boxed.refusal("write_file", path="folder/x", content="x")


def test_the_runtimes_folder_cannot_be_read_or_written(boxed: Desk, tmp_path: Path) -> None:
    (boxed.root / ".fleetlog").mkdir()
    (boxed.root / ".fleetlog" / "log.db").write_text("the secret log")
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / "log.db").write_text("the secret log")
    boxed.allow(hidden=(".fleetlog", str(tmp_path / "runtime")))
    for folder in (".fleetlog", str(tmp_path / "runtime")):
        text = sh(boxed, f"cat {folder}/log.db; ls -A {folder}; touch {folder}/x; mv {folder} moved; rm -r {folder}")
        assert "secret" not in text
        assert "Read-only file system" in text
    assert (tmp_path / "runtime" / "log.db").read_text() == "the secret log"
    assert (boxed.root / ".fleetlog" / "log.db").read_text() == "the secret log"
    assert os.listdir(boxed.root / ".fleetlog") == ["log.db"]


def test_the_secrets_of_a_home_are_hidden(boxed: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    for path in (".ssh/id_rsa", ".aws/credentials", ".config/gh/hosts.yml", ".netrc", ".cargo/credentials.toml"):
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text("the secret")
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "tool").write_text("a tool")
    monkeypatch.setenv("HOME", str(home))
    # What lies below /tmp is not there at all: bind it, as it would be elsewhere.
    boxed.root = home
    text = sh(boxed, f"cd {home}; cat .ssh/id_rsa .aws/* .config/gh/* .netrc .cargo/*; cat .local/bin/tool")
    assert "the secret" not in text
    assert text.endswith("a tool")


def test_there_is_no_network_unless_granted(boxed: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 5); print('through')"
        assert "refused" in boxed.text("run_command", command=["python3", "-c", code])
        boxed.allow(network=True)
        assert said(boxed.text("run_command", command=["python3", "-c", code])) == "through"


def test_a_command_sees_no_other_process_and_cannot_signal_any(boxed: Desk) -> None:
    assert sh(boxed, f"kill -0 {os.getpid()} 2>&1 | grep -c 'No such process'") == "1"
    assert len(sh(boxed, "ls -d /proc/[0-9]*").split("\n")) < 6


def test_a_command_has_no_power_and_cannot_get_any(boxed: Desk) -> None:
    text = sh(boxed, "grep CapEff /proc/self/status; unshare -U true; mount -t tmpfs x .; mknod zero c 1 5; id -u")
    assert "CapEff:\t0000000000000000" in text
    assert "mount:" in text
    assert "mknod:" in text
    assert os.listdir(boxed.root) == []


def test_there_are_no_devices_but_harmless_ones(boxed: Desk) -> None:
    devices = set(sh(boxed, "find /dev -type b -o -type c").split())
    assert not [
        name for name in devices if name.startswith(("/dev/sd", "/dev/vd", "/dev/mem", "/dev/kmsg", "/dev/nvme"))
    ]
    assert sh(boxed, "find /dev -type b") == ""


def test_a_fork_bomb_is_ended_with_all_of_its_processes(boxed: Desk, mark: str) -> None:
    """A real one, but each process ends by itself after a while, and there are at most 2 ** 10, should all fail."""
    boxed.allow(max_processes=60)
    bomb = "import os, time\nfor _ in range(10):\n  try: os.fork()\n  except OSError: pass\ntime.sleep(20)  # "
    begin = time.monotonic()
    output = boxed.call("run_command", command=["python3", "-c", bomb + mark], timeout_s=3)
    assert output.is_error
    assert "more than 60 processes and threads" in output.text or os.geteuid() != 0
    assert running(mark) == []
    assert time.monotonic() - begin < 15


def test_a_bomb_of_threads_is_ended(boxed: Desk) -> None:
    boxed.allow(max_processes=60)
    bomb = "import threading, time\nfor _ in range(200): threading.Thread(target=time.sleep, args=(20,)).start()"
    output = boxed.call("run_command", command=["python3", "-c", bomb], timeout_s=5)
    assert output.is_error


def test_a_process_that_leaves_its_session_is_ended_too(boxed: Desk, mark: str) -> None:
    sh(boxed, f"setsid sh -c 'sleep {mark}' & disown; echo gone")
    assert running(mark) == []


def test_scratch_space_is_bounded(boxed: Desk) -> None:
    boxed.allow(max_memory_bytes=2**32)
    assert "No space left on device" in sh(boxed, "head -c 100000000 /dev/zero > /dev/shm/x; rm /dev/shm/x")


def test_git_works_but_what_it_would_run_outside_is_read_only(boxed: Desk) -> None:
    git(boxed.root, "init", "-q")
    git(boxed.root, "config", "user.name", "A")
    git(boxed.root, "config", "user.email", "a@example.org")
    text = sh(boxed, "echo x > a; git add a; git commit -qm first; git log --oneline | wc -l")
    assert text.endswith("1")
    text = sh(boxed, "echo evil > .git/hooks/pre-commit; git config core.fsmonitor evil; mv .git .aside; ls -d .aside")
    assert "Read-only file system" in text
    assert "could not" in text
    assert "Device or resource busy" in text
    assert "evil" not in (boxed.root / ".git" / "config").read_text()


KEYED = """
import sys
from pathlib import Path
from tests.tools.desk import Desk
script = "cat /proc/*/environ /proc/*/cmdline /proc/*/task/*/environ | tr '\\\\0' '\\\\n'; env"
print(Desk(Path(sys.argv[1]), None).text("run_command", command=["sh", "-c", script]))
"""


def test_the_api_key_cannot_be_read_from_any_process(boxed: Desk) -> None:
    keyed = {**os.environ, "ANTHROPIC_API_KEY": "sk-very-secret"}
    runtime = [sys.executable, "-c", KEYED, str(boxed.root)]
    done = subprocess.run(runtime, cwd=ROOT, env=keyed, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.count("HOME=/tmp/home") > 1
    assert "sk-very-secret" not in done.stdout


KILLED = """
import sys
from pathlib import Path
from tests.tools.desk import Desk
Desk(Path(sys.argv[1]), None).call("run_command", command=["sh", "-c", "touch begun; sleep " + sys.argv[2]])
"""


def test_a_command_dies_with_the_runtime(boxed: Desk, mark: str) -> None:
    runtime = subprocess.Popen([sys.executable, "-c", KILLED, str(boxed.root), mark], cwd=ROOT)
    try:
        deadline = time.monotonic() + 20
        while not (boxed.root / "begun").exists():
            assert time.monotonic() < deadline
            os.sched_yield()
        assert running(mark)
    finally:
        runtime.send_signal(signal.SIGKILL)
        runtime.wait()
    wait_until_none_runs(mark)


# --- finding one -----------------------------------------------------------------------------


def test_a_machine_without_bubblewrap_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_sandbox() == NoSandbox("bubblewrap (the program bwrap) is not installed")


def test_a_bubblewrap_that_is_forbidden_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace'\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert find_sandbox() == NoSandbox("bubblewrap does not work here: bwrap: No permissions to create new namespace")
