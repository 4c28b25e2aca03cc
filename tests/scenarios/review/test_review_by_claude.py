"""The same fleet by Claude, behind the fake Messages API: they read, ask, vote, and the report arrives."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.scenarios.review.findings import MODERATOR, REVIEWERS
from fleetlog.runtime.scenarios.review.spec import MAX_CHANGE_CHARS, review_by_claude_spec, review_spec
from tests.claude.conftest import MakeStage, make_stage  # noqa: F401
from tests.crash.plans import heard, next_reply, said
from tests.fakes.messages_api.replies import Block, Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest

VOTE, OVER, LEFT = "The verdict is: not ready. Approve or decline?", "the council is over", "left after the debate:"


def play(name: str, request: ParsedRequest) -> Reply:
    """The next turn of one of the four."""
    if answers := list(_answers(request, name)):
        return reply(*answers)
    if _waits(request, name):
        return reply(tool_use("wait_for_messages"))
    return next_reply(request, _moderator if name == MODERATOR else partial(_reviewer, name))


def _answers(request: ParsedRequest, name: str) -> Iterator[Block]:
    answered = {call.input.get("correlation_id") for call in request.calls if call.name == "send_message"}
    for message in heard(request):
        if message.type == "question" and message.id not in answered:
            text = "approve: it is as strict as mine" if message.payload == VOTE else "confirmed"
            yield tool_use("send_message", to=message.sender, type="result", text=text, correlation_id=message.id)


def _waits(request: ParsedRequest, name: str) -> bool:
    done = [message.payload for message in heard(request)]
    if name == MODERATOR:
        return sum(payload.startswith(LEFT) for payload in done) < len(REVIEWERS)
    has_reported = any(str(call.input.get("text")).startswith(LEFT) for call in request.calls)
    return has_reported and OVER not in done


def _reviewer(name: str, request: ParsedRequest) -> Iterator[list[Block]]:
    others = [other for other in REVIEWERS if other != name]
    yield [tool_use("read_file", path="spec.md")]
    assert any("The limit is 30" in text for text in said(request).values())
    yield [tool_use("send_message", to=other, type="handoff", text=f"found by {name}") for other in others]
    yield [tool_use("ask_peer", to=others[0], question=f"{name} asks: is it one limit?")]
    yield [tool_use("send_message", to=MODERATOR, type="result", text=f"{LEFT} spec.md:1 by {name}")]
    yield [tool_use("submit_result", result=f"one finding by {name}")]


def _moderator(request: ParsedRequest) -> Iterator[list[Block]]:
    yield [tool_use("ask_peer", to=reviewer, question=VOTE) for reviewer in REVIEWERS]
    yield [tool_use("broadcast", type="handoff", text=OVER)]
    votes = sum(message.payload.startswith("approve") for message in heard(request))
    yield [tool_use("submit_result", result={"report": f"# Review\n\nnot ready, {votes} to 0"})]


def scripted(spec: FleetSpec) -> FleetSpec:
    names = (*REVIEWERS, MODERATOR)
    agents = zip(spec.agents, names, strict=True)
    return replace(
        spec, agents=tuple(replace(agent, prompt=f"[script:{name}] {agent.prompt}") for agent, name in agents)
    )


def test_the_review_by_claude_runs_to_its_end_and_the_report_arrives(
    make_stage: MakeStage, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    place = tmp_path / "place"
    place.mkdir()
    (place / "spec.md").write_text("The limit is 30 s, and the limit is 60 s.\n")
    stage = make_stage(**{name.replace("-", "_"): partial(play, name) for name in (*REVIEWERS, MODERATOR)})
    fleet = stage.runtime.spawn_fleet(scripted(review_by_claude_spec(str(place), "spec.md")))
    outputs = stage.outputs(fleet.fleet_id, wait_s=60)
    assert outputs[MODERATOR] == {"report": "# Review\n\nnot ready, 3 to 0"}
    assert {name: outputs[name] for name in REVIEWERS} == {name: f"one finding by {name}" for name in REVIEWERS}


def test_both_specs_have_the_same_roles_goal_and_inputs() -> None:
    offline, by_claude = review_spec("/w", "a.md"), review_by_claude_spec("/w", "a.md")
    assert [agent.role for agent in offline.agents] == [agent.role for agent in by_claude.agents]
    assert (offline.goal, offline.workspace) == (by_claude.goal, by_claude.workspace)
    inputs = {agent.prompt.partition("Inputs:")[2] for agent in (*offline.agents, *by_claude.agents)}
    assert inputs == {"\nfile: a.md\ndiff: \n"}


def test_a_change_goes_into_the_prompts_unless_it_is_too_large() -> None:
    spec = review_by_claude_spec("/w", diff="a..b", change="+x = 1")
    assert all("~~~~diff\n+x = 1\n~~~~\n\nInputs:\nfile: \ndiff: a..b\n" in agent.prompt for agent in spec.agents)
    with pytest.raises(InvalidArgument, match="the change has 200,001 characters"):
        review_by_claude_spec("/w", diff="a..b", change="x" * (MAX_CHANGE_CHARS + 1))
