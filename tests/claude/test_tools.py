"""What a Claude agent may use: the workspace with permission, outside servers, the provider's own."""

import sys
from pathlib import Path
from typing import Any

import pytest

from fleetlog.domain.values import HelpPolicy, McpServerSpec
from tests.claude.conftest import MakeStage, Play, Stage, agent
from tests.fakes.messages_api.replies import reply, text, tool_use

BY_HAND = str(Path(__file__).parents[1] / "fakes" / "mcp_server" / "by_hand.py")
WRITE = tool_use("write_file", path="a.txt", content="hello\n")


def answer_to(play: Play) -> dict[str, Any]:
    """The tool result in the second request."""
    block: dict[str, Any] = play.bodies[1]["messages"][-1]["content"][0]
    return block


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


def asked(stage: Stage, workspace: Path, **fields: Any) -> tuple[str, str]:
    """A fleet whose agent asks whether it may write: its id and the ticket's."""
    fleet_id = stage.spawn(agent("a", tools=("write_file",), **fields), workspace=str(workspace))
    stage.until(fleet_id, lambda entries: any(entry.what == "help.requested" for entry in entries))
    (ticket,) = stage.runtime.list_help(fleet_id, kind="approval").requests
    assert '"path":"a.txt"' in ticket.subject
    assert not (workspace / "a.txt").exists()
    return fleet_id, ticket.help_id


def test_what_is_granted_is_done_without_asking(make_stage: MakeStage, workspace: Path) -> None:
    play = Play(WRITE, text("done"))
    spec = agent("a", tools=("write_file",), grants=("write",))
    assert make_stage(a=play).run(spec, workspace=str(workspace)) == {"a": "done"}
    assert (workspace / "a.txt").read_text() == "hello\n"


def test_what_is_not_granted_is_asked_of_a_person_and_done_once_when_approved(
    make_stage: MakeStage, workspace: Path
) -> None:
    stage = make_stage(a=Play(WRITE, text("done")))
    fleet_id, ticket = asked(stage, workspace)
    stage.restart()
    stage.runtime.decide_approval(ticket, approve=True)
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert (workspace / "a.txt").read_text() == "hello\n"


def test_what_is_denied_is_told_and_not_done(make_stage: MakeStage, workspace: Path) -> None:
    play = Play(WRITE, text("done"))
    stage = make_stage(a=play)
    fleet_id, ticket = asked(stage, workspace)
    stage.runtime.decide_approval(ticket, approve=False, note="not in here")
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert "A person has denied this call: not in here" in answer_to(play)["content"]
    assert not (workspace / "a.txt").exists()


def test_what_nobody_decides_in_time_is_neither_denied_nor_done(make_stage: MakeStage, workspace: Path) -> None:
    play = Play(WRITE, text("done"))
    stage = make_stage(a=play)
    fleet_id, _ = asked(stage, workspace, help_policy=HelpPolicy(expire_after_s=1.0))
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert "Nobody has decided" in answer_to(play)["content"]
    assert not (workspace / "a.txt").exists()


def test_reading_is_offered_by_default_and_writing_is_not(make_stage: MakeStage, workspace: Path) -> None:
    play = Play(text("done"))
    make_stage(a=play).run(agent("a"), workspace=str(workspace))
    offered = {tool["name"] for tool in play.bodies[0]["tools"]}
    assert {"list_files", "read_file", "search_files"} <= offered
    assert offered.isdisjoint({"write_file", "edit_file", "run_command"})


def test_the_runtimes_own_directory_is_hidden_from_the_workspace(make_stage: MakeStage, tmp_path: Path) -> None:
    play = Play(reply(tool_use("list_files"), tool_use("read_file", path="d/log.db")), text("done"))
    make_stage(a=play).run(agent("a"), workspace=str(tmp_path))
    listed, read = [block["content"] for block in play.bodies[1]["messages"][-1]["content"]]
    assert "log.db" not in listed
    assert "d/log.db" in read


def test_a_tool_of_an_outside_server_is_called_and_answered(make_stage: MakeStage) -> None:
    play = Play(tool_use("hand__echo", text="hi"), text("done"))
    server = McpServerSpec(name="hand", command=(sys.executable, BY_HAND, "good"), effects={"echo": "pure"})
    assert make_stage(a=play).run(agent("a", mcp_servers=(server,))) == {"a": "done"}
    assert "hi" in answer_to(play)["content"]


def test_a_server_that_cannot_be_started_fails_the_agent_with_its_name(make_stage: MakeStage) -> None:
    server = McpServerSpec(name="gone", command=("no-such-program",))
    outputs = make_stage(a=Play(text("done"))).run(agent("a", mcp_servers=(server,), max_attempts=1))
    assert outputs["a"].startswith("failed: ")
    assert "gone" in outputs["a"]
