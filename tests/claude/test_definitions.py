"""What an agent's definition gives: its words, its model, its tools; missed by nobody who has them."""

from pathlib import Path

import pytest

from fleetlog.domain.errors import NotFound
from tests.claude.conftest import MakeStage, Play, agent
from tests.fakes.messages_api.replies import text, tool_use

JUGGLER = """---
name: juggler
description: Juggles.
model: anthropic/claude-haiku-4-5
tools: Read, Write
---
You juggle with files.
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without definitions, for a user who has none."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def define(workspace: Path, content: str = JUGGLER) -> Path:
    path = workspace / ".claude/agents/juggler.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_an_agent_works_by_the_prompt_the_model_and_the_tools_of_its_definition(
    make_stage: MakeStage, workspace: Path
) -> None:
    define(workspace)
    play = Play(text("done"))

    make_stage(a=play).run(agent("a", agent="juggler"), workspace=str(workspace))

    body = play.bodies[0]
    tools = {tool["name"] for tool in body["tools"]}
    assert str(body["system"]).count("You juggle with files.") == 1
    assert body["model"] == "claude-haiku-4-5"
    assert {"read_file", "write_file"} <= tools
    assert tools.isdisjoint({"run_command", "search_files", "list_files"})


def test_what_the_spec_says_goes_before_what_the_definition_says(make_stage: MakeStage, workspace: Path) -> None:
    define(workspace)
    play = Play(text("done"))

    spec = agent("a", agent="juggler", model="sonnet", tools=("list_files",))
    make_stage(a=play).run(spec, workspace=str(workspace))

    tools = {tool["name"] for tool in play.bodies[0]["tools"]}
    assert "sonnet" in play.bodies[0]["model"]
    assert "list_files" in tools
    assert "write_file" not in tools


def test_a_definition_that_was_just_written_is_found(make_stage: MakeStage, workspace: Path) -> None:
    stage = make_stage(a=Play(text("done")))
    with pytest.raises(NotFound, match="juggler"):
        stage.spawn(agent("a", agent="juggler"), workspace=str(workspace))
    define(workspace)
    assert stage.run(agent("a", agent="juggler"), workspace=str(workspace)) == {"a": "done"}


def test_a_broken_definition_is_refused_with_the_place_of_what_is_wrong(make_stage: MakeStage, workspace: Path) -> None:
    path = define(workspace, "---\nname: juggler\ndescription: [x\n---\nJuggle.\n")
    with pytest.raises(NotFound, match=f"{path}:3: the head is not YAML"):
        make_stage().spawn(agent("a", agent="juggler"), workspace=str(workspace))


def test_an_agent_that_is_attached_is_checked_against_its_fleets_workspace(
    make_stage: MakeStage, workspace: Path
) -> None:
    define(workspace)
    stage = make_stage(a=Play(text("done")), b=Play(text("too")))
    fleet_id = stage.spawn(agent("a"), workspace=str(workspace), keep_open=True)

    with pytest.raises(NotFound, match="for example: juggler"):
        stage.runtime.attach_agent(fleet_id, agent("b", agent="jugler"))
    stage.runtime.attach_agent(fleet_id, agent("b", agent="juggler"))
    stage.runtime.close_fleet(fleet_id)

    assert stage.outputs(fleet_id) == {"a": "done", "b": "too"}


def test_an_agent_goes_on_by_its_first_words_when_its_definition_has_gone(
    make_stage: MakeStage, workspace: Path
) -> None:
    path = define(workspace)
    play = Play(tool_use("wait_for_messages"), text("done"))
    stage = make_stage(a=play)
    fleet_id = stage.spawn(agent("a", agent="juggler"), workspace=str(workspace), keep_open=True)
    [a] = [row.id for row in stage.runtime.list_agents(fleet_id).agents]
    stage.until(fleet_id, lambda entries: any(entry.what == "agent.suspended" for entry in entries))
    path.unlink()

    stage.restart().send_message("operator", a, fleet_id, "alert", "Go on.")

    assert stage.outputs(fleet_id) == {"a": "done"}
    assert play.bodies[1]["system"] == play.bodies[0]["system"]
    assert "You juggle with files." in str(play.bodies[1]["system"])
