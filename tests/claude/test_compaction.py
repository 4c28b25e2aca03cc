"""Long conversations: compacted before the window is full, nothing lost, the same after a restart."""

import re
from typing import Any

import pytest

from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.runtime.testing import folded
from tests.claude.conftest import MakeStage, Stage, agent
from tests.fakes.messages_api.replies import Reply, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.settings import SMALL_MODEL

TURNS = 12


class Worker:
    """Notes a long finding a turn, writes a summary when it is asked for one, ends with its notes. What it has done it
    reads from the conversation alone."""

    def __init__(self, turns: int = TURNS) -> None:
        self.turns = turns
        self.bodies: list[dict[str, Any]] = []

    def __call__(self, request: ParsedRequest) -> Reply:
        self.bodies.append(request.body)
        whole = str(request.messages)
        done = max((int(number) for number in re.findall(r"finding (\d+)", whole)), default=0)
        if "Write a summary of everything so far" in request.last_text:
            return reply(text(f"SUMMARY: I am at finding {done}."))
        if done < self.turns:
            return reply(text("word " * 200), tool_use("note", text=f"finding {done + 1}: a fact"))
        return reply(tool_use("read_notes")) if "- finding 1:" not in whole else reply(text("done"))


def compactions(stage: Stage, fleet_id: str) -> int:
    return stage.steps(f"agent-{fleet_id[6:]}-a").count("compact")


def test_a_conversation_is_compacted_before_its_limit_and_goes_on(make_stage: MakeStage) -> None:
    worker = Worker()
    stage = make_stage(a=worker)
    fleet_id = stage.spawn(agent("a", compact_at_tokens=4_500))
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert compactions(stage, fleet_id) >= 1
    shortened = [body for body in worker.bodies if "<summary of your work so far>" in str(body["messages"][0])]
    assert shortened
    assert all("Do your part." in str(body["messages"][0]) for body in shortened)
    assert len(shortened[0]["messages"]) < TURNS


def test_notes_outlive_a_compaction(make_stage: MakeStage) -> None:
    worker = Worker()
    make_stage(a=worker).run(agent("a", compact_at_tokens=4_500))
    listed = worker.bodies[-1]["messages"][-1]["content"][0]["content"]
    assert [f"finding {number}:" in listed for number in range(1, TURNS + 1)] == [True] * TURNS


def test_the_summary_is_asked_for_behind_the_same_beginning(make_stage: MakeStage) -> None:
    worker = Worker()
    make_stage(a=worker).run(agent("a", compact_at_tokens=4_500))
    place = next(n for n, body in enumerate(worker.bodies) if "Write a summary" in str(body["messages"][-1]))
    before, asking = worker.bodies[place - 1], worker.bodies[place]
    assert len(asking["messages"]) == len(before["messages"]) + 2
    assert (asking["system"], asking["tools"]) == (before["system"], before["tools"])


def test_a_compaction_names_what_it_replaced(make_stage: MakeStage) -> None:
    stage = make_stage(a=Worker())
    fleet_id = stage.spawn(agent("a", compact_at_tokens=4_500))
    stage.outputs(fleet_id)
    engine = stage.runtime._parts.engine
    state = folded(engine.store)[f"agent-{fleet_id[6:]}-a"]
    assert isinstance(state, Agent)
    found: Any = [engine.artifacts.load_value(step.value) for step in state.steps if step.name == "compact"]
    assert found
    assert all(value["replaced"]["messages"] > 0 and value["summary"].startswith("SUMMARY") for value in found)


def test_a_context_that_is_too_long_for_the_model_is_compacted_and_goes_on(make_stage: MakeStage) -> None:
    worker = Worker(turns=30)
    stage = make_stage(a=worker)
    fleet_id = stage.spawn(agent("a", model=SMALL_MODEL, max_tokens=500))
    assert stage.outputs(fleet_id) == {"a": "done"}
    assert compactions(stage, fleet_id) >= 1


def test_a_restart_after_a_compaction_goes_on_with_the_same_context(make_stage: MakeStage) -> None:
    worker = Worker()
    stage = make_stage(a=worker)
    fleet_id = stage.spawn(agent("a", compact_at_tokens=4_500))
    stage.until(fleet_id, lambda entries: any(entry.summary == "compact" for entry in entries))
    stage.restart()
    assert stage.outputs(fleet_id) == {"a": "done"}
    kept = {str(body["messages"][0]) for body in worker.bodies if "SUMMARY" in str(body["messages"][0])}
    assert len(kept) <= compactions(stage, fleet_id) * 3  # the summary, and where the cache markers stand


def test_a_compaction_that_is_undone_gives_the_whole_conversation_back(make_stage: MakeStage) -> None:
    worker = Worker()
    stage = make_stage(a=worker)
    fleet_id = stage.spawn(agent("a", compact_at_tokens=4_500), keep_open=True)
    agent_id = f"agent-{fleet_id[6:]}-a"
    stage.until(fleet_id, lambda entries: any(entry.what == "agent.completed" for entry in entries))
    state = folded(stage.runtime._parts.engine.store)[agent_id]
    assert isinstance(state, Agent)
    (place,) = [index for index, step in enumerate(state.steps) if step.name == "compact"]
    with pytest.raises(NotFound, match="is no compaction"):
        stage.runtime.undo_compaction(agent_id, place + 1)
    stage.runtime.undo_compaction(agent_id, place)
    with pytest.raises(NotAllowed, match="undone already"):
        stage.runtime.undo_compaction(agent_id, place)
    stage.restart()
    before = len(worker.bodies)
    question = stage.runtime.send_message("operator", "a", fleet_id, "question", "what was the first?")
    answered = f"reply {question.message_id}"
    stage.until(fleet_id, lambda entries: any(entry.summary.startswith(answered) for entry in entries))
    stage.runtime.close_fleet(fleet_id)
    stage.outputs(fleet_id)
    whole = worker.bodies[before]["messages"]
    assert "SUMMARY" not in str(whole[0])
    assert all(f"finding {number}:" in str(whole) for number in range(1, TURNS + 1))
