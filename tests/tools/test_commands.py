"""Commands, with and without a sandbox: what they are told, what they get, and how they are ended."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleetlog.runtime.tools.environment import command_environment, is_secret_name
from fleetlog.runtime.tools.sandbox import NoSandbox, Sandbox, Unsandboxed
from fleetlog.runtime.tools.workspace import widened
from tests.tools.desk import Desk, Stopped


@pytest.fixture(params=["sandbox", "unsandboxed"])
def anywhere(request: pytest.FixtureRequest, root: Path) -> Iterator[Desk]:
    """In the sandbox of this machine (skipped where there is none), and without one."""
    desk = Desk(root, request.getfixturevalue("sandbox") if request.param == "sandbox" else Unsandboxed())
    desk.allow(unsandboxed=request.param == "unsandboxed")
    yield desk
    assert desk.run.groups == set()


def running(mark: str) -> list[str]:
    """The processes that have the mark among their arguments and are not just being collected."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


def wait_until_none_runs(mark: str) -> None:
    deadline = time.monotonic() + 10
    while running(mark):
        assert time.monotonic() < deadline, f"{mark} still runs"
        os.sched_yield()


def said(text: str) -> str:
    """Without the heading."""
    return text.partition("\n")[2]


def test_a_command_is_run_with_its_arguments_as_they_are(anywhere: Desk) -> None:
    output = anywhere.call("run_command", command=["printf", "%s|", "a b", "$HOME", "; rm *", "`id`", "*"])
    assert said(output.text) == "a b|$HOME|; rm *|`id`|*|"
    assert output.text.startswith("Exit code 0 after 0.")
    assert not output.is_error


def test_both_outputs_come_in_their_order_and_a_failure_is_an_error(anywhere: Desk) -> None:
    script = "echo one; echo two >&2; echo three; exit 3"
    output = anywhere.call("run_command", command=["sh", "-c", script])
    assert said(output.text) == "one\ntwo\nthree"
    assert "Exit code 3 after" in output.text
    assert output.is_error


def test_a_command_reads_its_input_and_works_in_its_folder(anywhere: Desk) -> None:
    (anywhere.root / "sub").mkdir()
    text = anywhere.text("run_command", command=["sh", "-c", "cat; pwd"], stdin="größe\n" * 20_000, cwd="sub")
    assert text.endswith(f"größe\n{anywhere.root}/sub")
    assert "It printed nothing." in anywhere.text("run_command", command=["cat"])


def test_input_that_nobody_reads_does_no_harm(anywhere: Desk) -> None:
    assert "Exit code 0" in anywhere.text("run_command", command=["true"], stdin="x" * 1_000_000)


def test_what_a_command_writes_is_there(anywhere: Desk) -> None:
    anywhere.call("run_command", command=["sh", "-c", "echo made > made.txt"])
    assert (anywhere.root / "made.txt").read_text() == "made\n"


def test_a_long_output_shows_its_ends_and_is_kept_whole(anywhere: Desk) -> None:
    anywhere.allow(max_output_chars=1_000)
    output = anywhere.call("run_command", command=["seq", "100000"])
    assert len(output.text) < 1_300
    assert said(output.text).startswith("1\n2\n3\n")
    assert "bytes left out ...]" in output.text
    assert output.text.endswith("99999\n100000")
    assert anywhere.whole(output) == "".join(f"{n}\n" for n in range(1, 100_001)).encode()


def test_an_output_of_a_gigabyte_ends_the_command_at_the_limit(anywhere: Desk) -> None:
    anywhere.allow(max_output_bytes=2_000_000)
    output = anywhere.call("run_command", command=["head", "-c", "1000000000", "/dev/zero"])
    assert "it printed more than the 2000000 bytes that are allowed" in output.text
    assert output.is_error
    assert len(anywhere.whole(output)) == 2_000_000
    assert len(output.text) < 40_000


def test_a_command_that_takes_too_long_may_end_in_order(anywhere: Desk) -> None:
    script = "trap 'echo tidied; exit 0' TERM; echo begun; sleep 60 & wait"
    output = anywhere.call("run_command", command=["sh", "-c", script], timeout_s=0.3)
    assert "it took longer than the 0.3 s it had" in output.text
    assert said(output.text) == "begun\ntidied"
    assert output.is_error


def test_a_command_that_ignores_sigterm_is_killed(anywhere: Desk, mark: str) -> None:
    begin = time.monotonic()
    script = f"trap '' TERM; echo begun; while true; do sleep {mark}; done"
    output = anywhere.call("run_command", command=["sh", "-c", script], timeout_s=0.3)
    assert "it took longer than the 0.3 s it had" in output.text
    assert time.monotonic() - begin < 15
    wait_until_none_runs(mark)


def test_the_policy_bounds_the_time_whatever_is_asked(anywhere: Desk) -> None:
    anywhere.allow(command_timeout_s=0.2)
    assert "longer than the 0.2 s" in anywhere.text("run_command", command=["sleep", "60"], timeout_s=500)


def test_what_a_command_leaves_running_is_ended_with_it(anywhere: Desk, mark: str) -> None:
    text = anywhere.text("run_command", command=["sh", "-c", f"sleep {mark} & echo left"])
    assert said(text) == "left"
    wait_until_none_runs(mark)


def test_a_run_that_is_stopped_ends_its_command_at_once(anywhere: Desk, mark: str) -> None:
    stopper = threading.Thread(target=anywhere.run.stop_when_started)
    stopper.start()
    begin = time.monotonic()
    with pytest.raises(Stopped):
        anywhere.call("run_command", command=["sh", "-c", f"trap '' TERM; sleep {mark}"])
    stopper.join()
    assert time.monotonic() - begin < 5
    wait_until_none_runs(mark)


def test_too_many_processes_end_the_command(anywhere: Desk, mark: str) -> None:
    """As many as a fork bomb has after a moment, but bounded, should the limit fail."""
    anywhere.allow(max_processes=20)
    script = f"i=0; while [ $i -lt 60 ]; do sleep {mark} & i=$((i+1)); done; wait"
    output = anywhere.call("run_command", command=["sh", "-c", script], timeout_s=20)
    assert output.is_error
    assert "more than 20 processes and threads" in output.text or "ork" in output.text  # root, and everybody else
    wait_until_none_runs(mark)


def test_too_much_memory_ends_the_command(anywhere: Desk) -> None:
    anywhere.allow(max_memory_bytes=150_000_000)
    grow = "import time\nx = []\nfor _ in range(40): x.append(b'x' * 10**7)\ntime.sleep(60)"
    output = anywhere.call("run_command", command=["python3", "-c", grow], timeout_s=30)
    assert "it used more than 150000000 bytes of memory" in output.text


def test_addresses_and_file_sizes_are_limited_by_the_kernel(anywhere: Desk) -> None:
    anywhere.allow(max_memory_bytes=500_000_000)
    assert "MemoryError" in anywhere.text("run_command", command=["python3", "-c", "bytearray(4 * 10**9)"])
    output = anywhere.call("run_command", command=["truncate", "-s", "2G", "large"])
    assert output.is_error
    assert (anywhere.root / "large").stat().st_size == 0


def test_a_program_is_ended_by_a_broken_pipe_as_usual(anywhere: Desk) -> None:
    script = 'yes | head -1; echo "${PIPESTATUS[0]}"'
    assert said(anywhere.text("run_command", command=["bash", "-c", script])) == f"y\n{128 + signal.SIGPIPE}"


def test_control_characters_of_an_output_are_spelled_out(anywhere: Desk) -> None:
    assert said(anywhere.text("run_command", command=["printf", r"\033[31mred\000"])) == r"\x1b[31mred\x00"


def test_the_home_is_empty_and_the_commands_own(anywhere: Desk) -> None:
    script = 'touch ~/x && ls -A ~ && echo "$HOME"'
    name, home = said(anywhere.text("run_command", command=["sh", "-c", script])).split("\n")
    assert name == "x"
    assert not Path(home).exists()


# --- what is refused -------------------------------------------------------------------------


def test_what_is_not_granted_is_not_run(anywhere: Desk) -> None:
    anywhere.allow(commands=("printf",))
    call = {"command": ["touch", "made"]}
    refusal = anywhere.refusal("run_command", **call)
    assert '"touch made" is not granted. Granted without approval, with any further arguments: printf.' in refusal
    assert not (anywhere.root / "made").exists()
    anywhere.policy = widened(anywhere.policy, "run_command", call)
    anywhere.call("run_command", **call)
    assert (anywhere.root / "made").exists()


def test_without_a_sandbox_commands_are_refused_unless_the_operator_says_so(desk: Desk) -> None:
    refusal = desk.refusal("run_command", command=["touch", "made"])
    assert "Commands are refused, because there is no sandbox: this test has none." in refusal
    assert "Only the operator can allow them" in refusal
    desk.sandbox = Unsandboxed()
    assert "would run without a sandbox" in desk.refusal("run_command", command=["touch", "made"])
    assert not (desk.root / "made").exists()
    desk.sandbox = NoSandbox("this test has none")
    desk.allow(unsandboxed=True)
    desk.call("run_command", command=["touch", "made"])
    assert (desk.root / "made").exists()


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ([], "must be a list of strings"),
        ("ls -l", "must be a list of strings"),
        (["ls", 1], "must be a list of strings"),
        ([""], "must begin with a program's name"),
        (["ls", "a\0b"], "no NUL characters"),
        (["no-such-program"], 'There is no program "no-such-program" on the PATH.'),
        (["ls | wc"], "There is no shell"),
        (["ls", "\ud800"], "could not be started"),
        (["ls", "x" * 200_000], "could not be started"),
    ],
)
def test_what_is_no_command_is_told(anywhere: Desk, command: object, sentence: str) -> None:
    assert sentence in anywhere.refusal("run_command", command=command)


@pytest.mark.parametrize(
    ("cwd", "sentence"),
    [
        ("..", "'..', which"),
        ("/etc", "outside"),
        ("none", "There is no"),
        ("file", "not a folder"),
        ("out", "leads out"),
    ],
)
def test_a_command_runs_nowhere_else(anywhere: Desk, cwd: str, sentence: str) -> None:
    (anywhere.root / "file").touch()
    (anywhere.root / "out").symlink_to("/etc")
    assert sentence in anywhere.refusal("run_command", command=["ls"], cwd=cwd)


def test_a_file_that_is_no_program_is_told(anywhere: Desk) -> None:
    (anywhere.root / "file").write_text("text")
    output = anywhere.call("run_command", command=["./file"])
    assert "./file could not be started: Permission denied" in output.text
    assert "Exit code 127" in output.text


# --- the environment -------------------------------------------------------------------------


def test_no_secret_is_in_the_environment_of_a_command(anywhere: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "MY_PASSWORD", "PLAIN"):
        monkeypatch.setenv(name, "sk-very-secret")
    anywhere.allow(environment=("ANTHROPIC_API_KEY", "GITHUB_TOKEN"))
    assert "sk-very-secret" not in anywhere.text("run_command", command=["env"])
    anywhere.allow(environment=("PLAIN",))
    assert "PLAIN=sk-very-secret" in anywhere.text("run_command", command=["env"])


@pytest.mark.parametrize(
    "name",
    [
        "ANTHROPIC_API_KEY",
        "GH_TOKEN",
        "gitlab_token",
        "AWS_PROFILE",
        "DB_PASSWORD",
        "SECRET",
        "X_SECRET_Y",
        "MYAPIKEY",
        "DATABASE_URL",
        "SSH_AUTH_SOCK",
        "SENTRY_DSN",
        "PRIVATE_KEY",
        "NPM_CONFIG__AUTH",
        "KUBECONFIG_TOKEN",
    ],
)
def test_a_name_that_looks_like_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)
    assert name not in command_environment({name: "x", "PATH": "/bin"}, [name])


@pytest.mark.parametrize(
    "name", ["PATH", "LANG", "LC_ALL", "TZ", "KEYBOARD", "PYTHONPATH", "MONKEY", "DJANGO_SETTINGS"]
)
def test_a_name_that_is_harmless_is_known(name: str) -> None:
    assert not is_secret_name(name)


def test_the_path_has_no_entry_that_means_the_current_folder() -> None:
    assert command_environment({"PATH": "/usr/bin::.:bin:/bin:"})["PATH"] == "/usr/bin:/bin"


def test_the_tool_says_what_is_granted(desk: Desk, sandbox: Sandbox) -> None:
    desk.allow(commands=("pytest", "git status"))
    assert "pytest, git status." in desk.tool("run_command").description
    desk.allow(commands=())
    assert "No program is granted without approval." in desk.tool("run_command").description
