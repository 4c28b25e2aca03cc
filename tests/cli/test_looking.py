"""Commands that look: with JSON or for people, whoever runs the fleets, and where nothing was ever run."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime
from tests.cli.conftest import Fleetlog

LOOKING = ["fleets", "status", "results", "timeline", "tickets", "doubts"]


def mailbox(name: str) -> AgentSpec:
    return AgentSpec(role=name, prompt="worked from outside")


def spawn(directory: Path, *names: str) -> str:
    with Runtime.open(directory) as runtime:
        fleet = runtime.spawn_fleet(FleetSpec(name="reviews", agents=tuple(map(mailbox, names))))
        runtime.send_message("operator", fleet.agent_ids[0], fleet.fleet_id, "alert", "look\x1b[31m [red]here[/red]")
    return fleet.fleet_id


@pytest.mark.parametrize("command", [*LOOKING, "verify", "resume", "inbox ann", "cancel x", "archive x"])
def test_where_nothing_was_run_a_command_says_so_in_one_line(fleetlog: Fleetlog, command: str, tmp_path: Path) -> None:
    said = fleetlog(*command.split(), "--dir", "nowhere")

    assert said.code == 3
    assert said.out == ""
    assert said.err == (
        f"fleetlog: there is no log in {tmp_path}/nowhere: nothing was run there. Say where with --dir DIR\n"
    )
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("command", LOOKING)
def test_looking_answers_in_json_and_for_people(fleetlog: Fleetlog, command: str) -> None:
    fleet_id = spawn(Path(".fleetlog"), "ann", "ben")

    answer = fleetlog(command, "--json")
    assert (answer.code, answer.err) == (0, "")
    assert answer.json["position"] == 7

    text = fleetlog(command)
    assert text.code == 0
    assert text.out
    if command in ("fleets", "status"):
        assert fleet_id in text.out
        assert "interrupted" in text.out


def test_a_fleet_may_be_called_by_the_beginning_or_the_end_of_its_id(fleetlog: Fleetlog) -> None:
    older = spawn(Path(".fleetlog"), "ann")
    newer = spawn(Path(".fleetlog"), "ben")

    for name in (older, older.removeprefix("fleet-"), older.rsplit("-", 1)[1], older[:-1]):
        assert fleetlog("status", name, "--json").json["fleet"]["id"] == older  # type: ignore[index]
    assert fleetlog("status", "--json").json["fleet"]["id"] == newer  # type: ignore[index]
    many = fleetlog("status", "fleet-2")
    assert many.code == 2
    assert older in many.err
    assert newer in many.err


def test_an_inbox_is_shown_by_the_agents_name_or_id(fleetlog: Fleetlog) -> None:
    fleet_id = spawn(Path(".fleetlog"), "ann")

    by_name, by_id = fleetlog("inbox", "ann"), fleetlog("inbox", f"{fleet_id.replace('fleet', 'agent', 1)}-ann")

    assert by_name == by_id
    assert "alert from operator" in by_name.out
    assert fleetlog("inbox", "bob").err.startswith("fleetlog: No such agent: agent-")


def test_what_agents_wrote_is_shown_as_text_and_obeyed_by_no_terminal(fleetlog: Fleetlog) -> None:
    spawn(Path(".fleetlog"), "ann")

    for command in ("inbox ann", "timeline"):
        text = fleetlog(*command.split()).out
        assert "\x1b" not in text
        assert r"look\x1b[31m [red]here[/red]" in text
    assert "\x1b" not in fleetlog("inbox", "ann", "--json").out


def test_fleets_are_filtered_paged_and_their_arguments_checked(fleetlog: Fleetlog) -> None:
    ids = [spawn(Path(".fleetlog"), "ann") for _ in range(3)]

    first = fleetlog("fleets", "--limit", "2", "--json").json
    rest = fleetlog("fleets", "--limit", "2", "--cursor", str(first["next_cursor"]), "--json").json
    pages = [fleet["id"] for page in (first, rest) for fleet in page["fleets"]]  # type: ignore[attr-defined]
    assert pages == sorted(ids, reverse=True)
    assert rest["next_cursor"] is None
    assert fleetlog("fleets", "--query", "nothing such").out == "No fleets.\n"
    assert fleetlog("fleets", "--status", "running").out == "No fleets.\n"
    wrong = fleetlog("fleets", "--status", "busy")
    assert wrong.code == 2
    assert "must be exactly one of running | complete" in wrong.err
    assert fleetlog("fleets", "--limit", "many").code == 2
    assert fleetlog("timeline", "--limit", "0").code == 2


CHILD = """
import sys
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.host import Runtime
with Runtime.open(sys.argv[1]) as runtime:
    runtime.spawn_fleet(FleetSpec(agents=(AgentSpec(role="ann", prompt="x"),)))
    print("up", flush=True)
    sys.stdin.read()
"""


def test_another_process_may_run_the_fleets_while_we_look_and_after_it_was_killed(fleetlog: Fleetlog) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, ".fleetlog"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        while fleetlog("fleets", "--json").json["position"] != 4:  # the agent's start follows its spawning
            pass
        assert fleetlog("status", "--json").json["fleet"]["status"] == "running"  # type: ignore[index]
        refused = fleetlog("cancel", "fleet-")
        assert refused.code == 4
        assert f"is owned by process {child.pid}" in refused.err
        assert fleetlog("verify").out == "4 events in 2 streams: whole\n"
    finally:
        child.kill()
        child.communicate()
    Path(".fleetlog/views.db").unlink()

    assert fleetlog("status", "--json").json["fleet"]["status"] == "interrupted"  # type: ignore[index]


def test_verify_finds_a_changed_event_and_a_cut_tail(fleetlog: Fleetlog) -> None:
    spawn(Path(".fleetlog"), "ann", "ben")
    assert fleetlog("verify", "--json").json["ok"] is True
    connection = sqlite3.connect(".fleetlog/log.db")
    with connection:
        connection.execute("DELETE FROM stored_events WHERE rowid=7")
    cut = fleetlog("verify")
    with connection:
        connection.execute("UPDATE stored_events SET state=replace(state, 'ann', 'eve') WHERE rowid=4")
    connection.close()
    changed = fleetlog("verify")

    assert (cut.code, changed.code) == (1, 1)
    assert "the views have seen position 7, but the log ends at 6: its tail was cut off" in cut.out
    assert "DAMAGED" in changed.out
    assert changed.out.count("\n") > cut.out.count("\n")


def test_a_reader_that_leaves_early_is_no_reason_for_noise(fleetlog: Fleetlog) -> None:
    with Runtime.open(".fleetlog") as runtime:
        runtime.spawn_fleet(FleetSpec(agents=tuple(mailbox(f"ann-{n}") for n in range(3_000))))
    program = [sys.executable, "-m", "fleetlog.runtime.cli.main"]

    for command in (["timeline", "--limit", "5000"], ["status", "--json"], ["status"]):
        child = subprocess.Popen([*program, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == b""
        child.stderr.close()
        child.wait(20)
