"""Running, resuming, answering: what a person sees, what is kept, and how to go on."""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime
from tests.cli.conftest import Fleetlog

PROGRAM = [sys.executable, "-m", "fleetlog.runtime.cli.main"]


def begin(brain: str, directory: str = ".fleetlog") -> str:
    """A fleet of one agent, spawned but not run: as if its process had died at once."""
    with Runtime.open(directory, recover=False) as runtime:
        agent = AgentSpec(role="ann", prompt="x", brain=brain, max_attempts=1)
        runtime._parts.engine.workers.close()
        return runtime.spawn_fleet(FleetSpec(agents=(agent,))).fleet_id


def test_explore_prints_its_report_and_keeps_it(fleetlog: Fleetlog, workspace: Path) -> None:
    said = fleetlog("run", "explore", "--workspace", str(workspace), "--out", "plan.md")

    assert said.code == 0
    report = Path("plan.md").read_text()
    assert report.startswith("# Before the refactoring: code\n")
    assert said.out == report + "\n"
    kept = re.search(r"The report is kept in (\S+)", said.err)
    assert kept
    assert Path(kept[1]).read_text() == report
    assert "explorer → risk-finder" in said.err
    assert "is complete, " in said.err
    assert report.strip() in fleetlog("results").out
    assert Path(".fleetlog/.gitignore").read_text() == "*\n"


def test_explore_in_json_says_one_document_and_nothing_else(fleetlog: Fleetlog, workspace: Path) -> None:
    said = fleetlog("run", "explore", "--workspace", str(workspace), "--json")

    assert (said.code, said.err) == (0, "")
    assert said.json["status"] == "complete"
    assert Path(str(said.json["report"])).is_file()
    assert said.json["results"]["delivered"] == 3  # type: ignore[index]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--workspace", "nowhere"], "'--workspace' must be a folder: {cwd}/nowhere is not there"),
        (["--workspace", "code/app/core.py"], "'--workspace' must be a folder: {cwd}/code/app/core.py is a file"),
        (["--out", "no/such/folder.md"], "'--out' must be a file in a folder that is there, got no/such/folder.md"),
        (["--dir", "code/app/core.py"], "'directory' must be a directory: {cwd}/code/app/core.py is a file"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_recorded(
    fleetlog: Fleetlog, workspace: Path, tmp_path: Path, arguments: list[str], error: str
) -> None:
    said = fleetlog("run", "explore", *arguments)

    assert (said.code, said.out) == (2, "")
    assert said.err == f"fleetlog: {error.format(cwd=tmp_path)}\n"
    assert not Path(".fleetlog").exists()


def test_an_agent_asks_a_person_who_answers_and_it_goes_on(fleetlog: Fleetlog, brains: str) -> None:
    fleet_id = begin(f"{brains}:asks_for_help")

    waiting = fleetlog("resume")
    assert waiting.code == 1
    assert r"A person is asked: which [red]door[/red]?\x1b[2J" in waiting.err
    asked = re.search(r"fleetlog answer (\S+) TEXT", waiting.err)
    assert asked
    assert f"To go on: fleetlog resume {fleet_id}" in waiting.err
    assert asked[1] in fleetlog("tickets").out

    assert fleetlog("answer", asked[1], "the right one", "--by", "eva").out == f"Answered {asked[1]}.\n"
    again = fleetlog("answer", asked[1], "no, the left one")
    assert again.code == 3
    assert "eva" in fleetlog("tickets", "--all").out
    assert fleetlog("tickets").out == "Nobody asks for help.\n"
    done = fleetlog("resume")
    assert done.code == 0
    assert "the right one" in done.out


@pytest.mark.parametrize("deny", [False, True])
def test_an_agent_asks_for_approval_and_a_person_decides(fleetlog: Fleetlog, brains: str, deny: bool) -> None:
    begin(f"{brains}:wants_to_delete")
    waiting = fleetlog("resume")
    asked = re.search(r"fleetlog approve (\S+)", waiting.err)
    assert asked
    listed = fleetlog("approvals").out
    assert asked[1] in listed
    assert asked[1] in fleetlog("tickets").out
    assert 'exactly:   {"path":"a.txt"}' in listed
    assert "open for" in listed

    wrong = fleetlog("answer", asked[1], "yes")
    assert (wrong.code, "fleetlog approve" in wrong.err) == (3, True)
    said = fleetlog("approve", asked[1], *(["--deny"] if deny else []), "--note", "mind the cat")
    assert said.out == f"{'Denied' if deny else 'Approved'} {asked[1]}.\n"
    assert "answered already" in fleetlog("approve", asked[1]).err
    assert fleetlog("approvals").out == "Nobody asks for an approval.\n"
    assert f"{'denied' if deny else 'granted'} mind the cat" in fleetlog("approvals", "--all").out
    assert f"{not deny}: mind the cat" in fleetlog("resume").out


def test_people_are_told_by_a_command_of_theirs(
    fleetlog: Fleetlog, brains: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(f"{brains}:wants_to_delete")
    program = "import sys; open('told.json', 'w').write(sys.stdin.read())"
    monkeypatch.setenv("FLEETLOG_NOTIFY", shlex.join([sys.executable, "-c", program]))
    fleetlog("resume")
    assert '"what":"opened"' in (tmp_path / "told.json").read_text()
    monkeypatch.setenv("FLEETLOG_NOTIFY", "mail 'me")
    assert fleetlog("resume").code == 2


def test_a_ticket_is_closed_without_an_answer(fleetlog: Fleetlog, brains: str) -> None:
    begin(f"{brains}:wants_to_delete")
    asked = re.search(r"fleetlog approve (\S+)", fleetlog("resume").err)
    assert asked
    assert fleetlog("cancel-help", asked[1], "--reason", "solved").out == f"Cancelled {asked[1]}.\n"
    assert "cancelled" in fleetlog("tickets", "--all").out
    assert "False: the request was cancelled: solved" in fleetlog("resume").out


def test_a_step_in_doubt_waits_for_a_decision(fleetlog: Fleetlog, brains: str) -> None:
    begin(f"{brains}:doubtful")
    died = subprocess.run([*PROGRAM, "resume"], capture_output=True, check=False)
    assert died.returncode == 9

    waiting = fleetlog("resume")
    assert waiting.code == 1
    decide = re.search(r"fleetlog resolve (\S+) done", waiting.err)
    assert decide
    assert "step 0 'write'" in fleetlog("doubts").out
    assert fleetlog("resolve", decide[1], "perhaps").code == 2
    assert fleetlog("resolve", decide[1], "done", "--value", "{").err == (
        "fleetlog: '--value' must be JSON: Input data was truncated\n"
    )
    assert fleetlog("resolve", decide[1], "done", "--value", '"a file"').code == 0
    assert fleetlog("doubts").out == "No step is in doubt.\n"
    assert "It gave a file" in fleetlog("resume").out


def test_a_failed_fleet_says_why_and_exits_with_1(fleetlog: Fleetlog, brains: str) -> None:
    begin(f"{brains}:fails")

    said = fleetlog("resume")

    assert said.code == 1
    assert r"ValueError: the disk said:\x1b]0;owned\x07 no" in said.err
    assert "\x1b" not in said.err + fleetlog("results").out


def test_a_brain_that_is_not_known_here_is_named_and_nothing_is_lost(fleetlog: Fleetlog, brains: str) -> None:
    lost = begin(f"{brains}:waits")
    module = Path("modules") / f"{brains}.py"
    text = module.read_text()
    module.write_text(text.replace("def waits", "def other"))
    sys.modules.pop(brains, None)

    said = fleetlog("resume")

    assert said.code == 2
    assert f"'brain': \"{brains}:waits\" cannot be imported" in said.err
    assert fleetlog("status", "--json").json["fleet"]["status"] == "interrupted"  # type: ignore[index]
    assert fleetlog("cancel", lost).code == 0


def test_a_fleet_is_cancelled_and_archived(fleetlog: Fleetlog, brains: str) -> None:
    fleet_id = begin(f"{brains}:waits")

    assert fleetlog("archive", fleet_id).code == 3
    assert fleetlog("cancel", fleet_id, "--reason", "not needed").out == f"Cancelled {fleet_id}.\n"
    status = fleetlog("status", "--json").json
    assert status["fleet"]["reason"] == "not needed"  # type: ignore[index]
    assert [agent["status"] for agent in status["agents"]] == ["cancelled"]  # type: ignore[attr-defined]
    assert fleetlog("resume").out == "Nothing is interrupted.\n"
    assert fleetlog("resume", fleet_id).code == 3
    assert fleetlog("archive", fleet_id).code == 0
    assert fleetlog("fleets").out == "No fleets.\n"
    assert fleet_id in fleetlog("fleets", "--archived").out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_within_seconds_and_says_how_to_go_on(fleetlog: Fleetlog, brains: str, number: int) -> None:
    fleet_id = begin(f"{brains}:waits", "kept here")
    child = subprocess.Popen(
        [*PROGRAM, "resume", "--dir", "kept here"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    assert child.stderr.readline() == f"{fleet_id} goes on\n"
    child.send_signal(number)
    out, err = child.communicate(timeout=20)

    assert child.returncode == 128 + number
    assert out == ""
    assert err.endswith(f"Nothing is lost. To go on: fleetlog resume {fleet_id} --dir 'kept here'\n")
    assert "Traceback" not in err


def test_a_terminal_shows_agents_states_and_messages_live(fleetlog: Fleetlog, workspace: Path) -> None:
    shown = on_a_terminal(*PROGRAM, "run", "explore", "--workspace", str(workspace))

    for expected in (
        "explorer",
        "running",
        "complete",
        "→",
        "What does the map of the code base show?",
        "Before the refactoring",
    ):
        assert expected in shown, expected


def on_a_terminal(*command: str) -> str:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
    child = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and select.select([ours], [], [], 60)[0]:
        try:
            shown += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert child.wait(10) == 0
    return shown.decode()


def test_a_defect_is_told_in_a_line_and_not_as_a_traceback(fleetlog: Fleetlog, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: str) -> None:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr("fleetlog.runtime.cli.main.audited", broken)

    said = fleetlog("verify")

    assert said.code == 70
    assert said.err.startswith("fleetlog: this is a defect of fleetlog: ZeroDivisionError: by nothing")
    assert said.err.count("\n") == 1


def test_the_version_is_told(fleetlog: Fleetlog) -> None:
    assert re.fullmatch(r"fleetlog \d+\.\d+\.\d+\n", fleetlog("--version").out)
