"""The same fleet driven by Claude: the triager attaches a debugger while the fleet runs, hands over, and reports."""

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from fleetlog.runtime.scenarios.triage.order import Order
from fleetlog.runtime.scenarios.triage.spec import triage_by_claude_spec
from tests.claude.conftest import MakeStage, make_stage
from tests.fakes.messages_api.replies import Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest

__all__ = ["make_stage"]

REPORT = "# One regression\n\nThe commit of Bea broke test_a."


def said(request: ParsedRequest) -> str:
    return str(request.messages[-1])


def triager(request: ParsedRequest) -> Reply:
    match request.turn:
        case 0:
            return reply(tool_use("search_files", pattern="^FAILED"))
        case 1:
            assert "test_a.py::test_a" in said(request)
            prompt = "[script:debugger] Find out since when test_a fails."
            given = {"role": "debugger", "name": "debugger-1", "agent": "debugger", "skills": ["calc"]}
            return reply(
                tool_use("attach_agent", prompt=prompt, **given),
                tool_use("attach_agent", prompt=prompt, **given),
                tool_use("route_work", description="a wrong sum in calc"),
            )
        case 2:
            assert "debugger-1" in said(request)
            assert "has an agent called" in said(request)
            assert "in its skills" in said(request)
            return reply(tool_use("send_message", to="debugger-1", type="handoff", text="test_a fails in calc.py"))
        case 3:
            return reply(tool_use("wait_for_messages"))
        case 4:
            assert "abc123" in said(request)
            return reply(tool_use("submit_result", result={"report": REPORT}))
    return reply(tool_use("list_peers"))


def debugger(request: ParsedRequest) -> Reply:
    assert "attach_agent" not in request.tools
    match request.turn:
        case 0:
            return reply(tool_use("wait_for_messages"))
        case 1:
            assert "test_a fails in calc.py" in said(request)
            return reply(tool_use("send_message", to="triager", type="result", text="commit abc123 of Bea"))
    return reply(tool_use("submit_result", result="commit abc123"))


def test_claude_attaches_a_debugger_routes_to_it_and_the_report_arrives(make_stage: MakeStage, tmp_path: Path) -> None:
    workspace = tmp_path / "shop"
    workspace.mkdir()
    (workspace / "red.log").write_text("FAILED test_a.py::test_a - assert 1 == 2\n")
    spec = triage_by_claude_spec(str(workspace), Order("red.log"))
    (agent,) = spec.agents
    spec = replace(spec, agents=(replace(agent, prompt=f"[script:triager] {agent.prompt}"),))
    stage = make_stage(triager=triager, debugger=debugger)
    outputs: dict[str, Any] = stage.outputs(stage.runtime.spawn_fleet(spec).fleet_id)
    assert outputs == {"triager": {"report": REPORT}, "debugger-1": "commit abc123"}
