"""`fleetlog agents`: what definitions there are, one whole, and what is wrong with files."""

from pathlib import Path

import msgspec
import pytest

from fleetlog.runtime.replies import Definitions
from tests.cli.conftest import Fleetlog


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The definitions of the working directory, of a user who has none: a whole one, a strange one, a broken one."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder = tmp_path / ".claude/agents"
    folder.mkdir(parents=True)
    head = "name: juggler\ndescription: Keeps [red]balls[/red] in the air.\nmodel: opus\ntools: Read, Juggle"
    (folder / "juggler.md").write_text(f"---\n{head}\n---\nThrow.\n")
    (folder / "broken.md").write_text("---\nname: broken\nname: twice\ndescription: x\n---\nDo.\n")
    return folder


def test_definitions_are_listed_with_all_there_is_to_know_and_problems_with_their_line(
    fleetlog: Fleetlog, folder: Path
) -> None:
    said = fleetlog("agents")

    assert said.code == 0
    [row] = [line for line in said.out.splitlines() if line.startswith("juggler")]
    assert row.split(maxsplit=2)[1] == "project"
    assert "Keeps [red]balls[/red] in the air. (opus; read_file, Juggle)" in row
    assert any(line.startswith("code-reviewer") and "bundled" in line for line in said.out.splitlines())
    assert said.err.splitlines() == [
        f"{folder}/broken.md:3: error: 'name' is there twice (first in line 2)",
        f"{folder}/juggler.md:5: warning: 'tools' names Juggle, which is not known here",
    ]


def test_words_narrow_the_list_and_json_has_it_whole(fleetlog: Fleetlog) -> None:
    answer = fleetlog("agents", "air", "--json")

    assert answer.err == ""
    assert answer.json["count"] == 1
    found = msgspec.convert(answer.json, Definitions)
    assert [(agent.name, agent.prompt, agent.tools) for agent in found.agents] == [
        ("juggler", "Throw.", ("read_file", "Juggle"))
    ]
    assert [problem.line for problem in found.problems] == [3, 5]
    assert fleetlog("agents", "xyzzy").out == "No agent definition fits.\n"


def test_one_is_shown_whole_with_what_is_strange_about_it(fleetlog: Fleetlog, folder: Path) -> None:
    said = fleetlog("agents", "--show", "juggler")

    assert said.out.splitlines() == [
        f"juggler  (project: {folder}/juggler.md)",
        "Keeps [red]balls[/red] in the air.",
        "model: opus",
        "tools: read_file, Juggle",
        "Throw.",
    ]
    assert said.err == f"{folder}/juggler.md:5: warning: 'tools' names Juggle, which is not known here\n"


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["--show", "jugler"], 3, 'No agent definition is called "jugler"; there are for example: juggler'),
        (["--show", "broken"], 3, "broken.md:3: 'name' is there twice"),
        (["--workspace", "nowhere"], 2, "'--workspace' must be a folder"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(fleetlog: Fleetlog, arguments: list[str], code: int, error: str) -> None:
    said = fleetlog("agents", *arguments)

    assert (said.code, said.out, said.err.count("\n")) == (code, "", 1)
    assert error in said.err
