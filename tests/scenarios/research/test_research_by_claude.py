"""The same fleet by Claude, behind the fake Messages API: they read, send, check, write, and the report arrives."""

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_by_claude_spec
from tests.claude.conftest import MakeStage, make_stage  # noqa: F401
from tests.crash.plans import heard, next_reply, said
from tests.fakes.messages_api.replies import Block, Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest

_NAME = re.compile(r"Your name is `([^`]+)`")
CLAIM = "the mill was built in 1820 (a.md:3)"


def play(request: ParsedRequest) -> Reply:
    """The next turn of any of the five."""
    found = _NAME.search(request.system)
    assert found is not None
    name = found[1]
    if answers := list(_answers(request)):
        return reply(*answers)
    if _waits(request, name):
        return reply(tool_use("wait_for_messages"))
    plans = {"lead": _lead, "fact-checker": _checker, "synthesizer": _synthesizer}
    return next_reply(request, plans.get(name, _researcher))


def _answers(request: ParsedRequest) -> Iterator[Block]:
    answered = {call.input.get("correlation_id") for call in request.calls if call.name == "send_message"}
    for message in heard(request):
        if message.type == "question" and message.id not in answered:
            given = {"to": message.sender, "type": "result", "correlation_id": message.id}
            yield tool_use("send_message", **given, text=f"confirmed: {message.payload}")


def _waits(request: ParsedRequest, name: str) -> bool:
    kinds = [message.type for message in heard(request)]
    if name == "lead":
        return request.called("send_message") >= 2 and kinds.count("result") < 2
    return not {"handoff", "question"} & set(kinds)


def _lead(request: ParsedRequest) -> Iterator[list[Block]]:
    yield [tool_use("send_message", to=f"researcher-{n}", type="handoff", text=f"part {n}") for n in (1, 2)]
    yield [tool_use("ask_peer", to="fact-checker", question=CLAIM)]
    checked = [message.payload for message in heard(request) if message.payload.startswith("confirmed")]
    yield [tool_use("send_message", to="synthesizer", type="handoff", text="\n".join(checked))]
    yield [tool_use("submit_result", result="two parts")]


def _researcher(request: ParsedRequest) -> Iterator[list[Block]]:
    yield [tool_use("read_file", path="a.md")]
    assert any("built in 1820" in text for text in said(request).values())
    yield [tool_use("send_message", to="lead", type="result", text=CLAIM)]
    yield [tool_use("submit_result", result=CLAIM)]


def _checker(_: ParsedRequest) -> Iterator[list[Block]]:
    yield [tool_use("submit_result", result="one claim, confirmed")]


def _synthesizer(request: ParsedRequest) -> Iterator[list[Block]]:
    (handed_over,) = [message.payload for message in heard(request) if message.type == "handoff"]
    yield [tool_use("write_file", path="report.md", content=f"# Research\n\n{handed_over}\n")]
    yield [tool_use("submit_result", result={"report": f"# Research\n\n{handed_over}\n\nThat is all."})]


def test_the_research_by_claude_runs_to_its_end_and_the_report_arrives_and_grows(
    make_stage: MakeStage, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    place = tmp_path / "place"
    place.mkdir()
    (place / "a.md").write_text("# Mill\n\nThe mill was built in 1820.\n")
    stage = make_stage(play=play)
    order = ResearchOrder("[script:play] When?", str(place), researchers=2, uses_web=False, report_file="report.md")
    spec = research_by_claude_spec(order)
    agents = tuple(replace(agent, prompt=f"[script:play] {agent.prompt}") for agent in spec.agents)
    fleet = stage.runtime.spawn_fleet(replace(spec, agents=agents))
    outputs = stage.outputs(fleet.fleet_id, wait_s=60)
    assert outputs["synthesizer"] == {"report": f"# Research\n\nconfirmed: {CLAIM}\n\nThat is all."}
    assert (place / "report.md").read_text() == f"# Research\n\nconfirmed: {CLAIM}\n"
