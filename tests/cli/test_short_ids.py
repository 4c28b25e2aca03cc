"""Ids may be given short, and a shell completes them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Fleetlog

SPEC = 'name = "ask"\n[[agents]]\nrole = "asker"\nprompt = "x"\nbrain = "{brains}:asks_for_help"\n'


def asking(fleetlog: Fleetlog, brains: str) -> tuple[str, str]:
    """The fleet's id and that of its ticket."""
    Path("spec.toml").write_text(SPEC.replace("{brains}", brains))
    assert fleetlog("spawn", "spec.toml").code == 0
    fleetlog("resume")
    fleets, tickets = fleetlog("fleets", "--json").json, fleetlog("tickets", "--json").json
    return fleets["fleets"][0]["id"], tickets["requests"][0]["help_id"]  # type: ignore[index]


def test_a_ticket_is_meant_by_its_end_or_its_beginning(fleetlog: Fleetlog, brains: str) -> None:
    _, ticket = asking(fleetlog, brains)
    assert "not found" in fleetlog("answer", "zzz", "the left one").err
    ending = ticket.rpartition("-")[2]
    said = fleetlog("answer", ending, "the left one")
    assert (said.code, said.out) == (0, f"Answered {ticket}.\n")
    assert "has been answered already" in fleetlog("answer", ticket[:-1], "again").err


def test_an_agent_is_meant_by_the_beginning_of_its_id(fleetlog: Fleetlog, brains: str) -> None:
    fleet_id, _ = asking(fleetlog, brains)
    beginning = fleet_id.replace("fleet-", "agent-")
    assert fleetlog("send", beginning, "hello").code == 0
    assert "hello" in fleetlog("inbox", beginning, "--all").out


@pytest.mark.parametrize("words", ["status", "resume", "cancel"])
def test_a_shell_completes_the_ids_of_fleets(fleetlog: Fleetlog, brains: str, tmp_path: Path, words: str) -> None:
    fleet_id, _ = asking(fleetlog, brains)
    line = f"fleetlog {words} fleet-"
    environment = {**os.environ, "_FLEETLOG_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
    completed = subprocess.run(
        [sys.executable, "-m", "fleetlog.runtime.entry"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout.split() == [fleet_id]
