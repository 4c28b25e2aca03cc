"""The same fleet by Claude, behind the fake Messages API: they hand over, act as the runbook says, and report."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.scenarios.monitor.brains import COMMANDER, OVER, RUNNER, SENTINEL
from fleetlog.runtime.scenarios.monitor.loading import RESPONDER_SKILLS, plan_of
from fleetlog.runtime.scenarios.monitor.spec import Watching, monitor_by_claude_spec, monitor_spec
from tests.claude.conftest import MakeStage, make_stage  # noqa: F401
from tests.crash.plans import heard, next_reply, result_of, said
from tests.fakes.messages_api.replies import Block, Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest

HEALER = "database-responder"
RUNBOOKS = """
[[watch]]
name = "logs"
kind = "disk"
path = "logs"
max_size_mb = 1
every_s = 0.1
skills = ["disk"]
[[runbook]]
name = "tidy the logs"
when = { watches = ["logs"] }
skills = ["disk"]
[[runbook.action]]
command = ["rm", "logs/day.log"]
"""


def play(name: str, request: ParsedRequest) -> Reply:
    """The next turn of the commander or a responder."""
    done = [message.payload for message in heard(request)]
    if name == COMMANDER:
        waits_for = OVER if any("tidied" in one for one in done) else "tidied" if _has_handed(request) else "logs fails"
    else:
        is_over = OVER in done
        waits_for = OVER if name != HEALER or any("runbook" in one for one in done) else "runbook"
        if is_over or (name == HEALER and any("runbook" in one for one in done) and not _has_told(request)):
            waits_for = ""
    if waits_for and not any(waits_for in one for one in done):
        return reply(tool_use("wait_for_messages"))
    return next_reply(request, _command if name == COMMANDER else partial(_respond, name))


def _has_handed(request: ParsedRequest) -> bool:
    return any(call.name == "send_message" and call.input["to"] == HEALER for call in request.calls)


def _has_told(request: ParsedRequest) -> bool:
    return any(call.name == "send_message" and call.input["to"] == COMMANDER for call in request.calls)


def _command(request: ParsedRequest) -> Iterator[list[Block]]:
    yield [tool_use("read_file", path="runbooks.toml")]
    assert any("tidy the logs" in text for text in said(request).values())
    yield [tool_use("send_message", to=HEALER, type="handoff", text="logs fails: runbook 'tidy the logs'")]
    done = [message.payload for message in heard(request)]
    if OVER in done:
        yield [tool_use("broadcast", type="handoff", text=OVER)]
        yield [tool_use("submit_result", result={"report": "# Logs\n\nthey were tidied"})]


def _respond(name: str, request: ParsedRequest) -> Iterator[list[Block]]:
    if name == HEALER:
        asked = tool_use("ask_peer", to=RUNNER, question="tidy the logs")
        yield [asked]
        assert "healed: by 'rm logs/day.log'" in result_of(request, asked)
        yield [tool_use("send_message", to=COMMANDER, type="result", text="tidied: logs is well")]
    if OVER in [message.payload for message in heard(request)]:
        yield [tool_use("submit_result", result=f"{name} is done")]


def scripted(spec: FleetSpec) -> FleetSpec:
    def with_script(agent: AgentSpec) -> AgentSpec:
        return replace(agent, prompt=f"[script:{agent.agent}] {agent.prompt}") if agent.agent else agent

    return replace(spec, agents=tuple(map(with_script, spec.agents)))


def test_the_monitor_by_claude_heals_and_its_report_arrives(make_stage: MakeStage, tmp_path: Path) -> None:  # noqa: F811
    place = tmp_path / "place"
    (place / "logs").mkdir(parents=True)
    (place / "logs" / "day.log").write_bytes(b"x" * 1_500_000)
    (place / "runbooks.toml").write_text(RUNBOOKS)
    names = (COMMANDER, *RESPONDER_SKILLS)
    stage = make_stage(**{name.replace("-", "_"): partial(play, name) for name in names})
    order = Watching(str(place / "runbooks.toml"), str(place), for_s="4")
    fleet = stage.runtime.spawn_fleet(scripted(monitor_by_claude_spec(order, "", plan_of(RUNBOOKS))))
    outputs = stage.outputs(fleet.fleet_id, wait_s=60)
    assert outputs[COMMANDER] == {"report": "# Logs\n\nthey were tidied"}
    assert outputs[SENTINEL]["told"] >= 1
    assert outputs[RUNNER] == {"closed": 1}
    assert {outputs[name] for name in RESPONDER_SKILLS} == {f"{name} is done" for name in RESPONDER_SKILLS}
    assert not (place / "logs" / "day.log").exists()


def test_both_specs_have_the_same_roles_goal_and_sentinel() -> None:
    order = Watching("/w/runbooks.toml", "/w")
    offline, by_claude = monitor_spec(order), monitor_by_claude_spec(order)
    assert [agent.role for agent in offline.agents] == [agent.role for agent in by_claude.agents]
    assert (offline.goal, offline.workspace) == (by_claude.goal, by_claude.workspace)
    assert (offline.agents[0], offline.agents[-1]) == (by_claude.agents[0], by_claude.agents[-1])


def test_no_model_is_granted_anything_and_the_runner_is_a_program() -> None:
    spec = monitor_by_claude_spec(Watching("/w/runbooks.toml", "/w"), plan=plan_of(RUNBOOKS))
    assert {agent.grants for agent in spec.agents} == {()}
    assert [agent.role for agent in spec.agents if agent.brain != "claude"] == ["sentinel", "runbook runner"]
