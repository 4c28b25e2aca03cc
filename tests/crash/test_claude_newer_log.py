"""A log in which newer code has made steps that this code would not make: they are folded, and the agent goes on."""

from pathlib import Path
from typing import Any

import msgspec

from fleetlog.domain import events as e
from fleetlog.domain.values import AgentSpec, FleetSpec, Stored, Usage
from fleetlog.runtime import codec
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.store import NewEvent, open_store
from fleetlog.runtime.testing import wait_until
from tests.crash.logs import check_log
from tests.crash.plans import IN_DOUBT, said
from tests.fakes.messages_api.replies import Reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest
from tests.fakes.messages_api.server import FakeMessagesApi

CALLS = ("toolu_01newer1", "telepathy"), ("toolu_01newer2", "telekinesis"), ("toolu_01newer3", "read_file")


class Model:
    """Waits, and says at the end what it was shown of the steps in between."""

    def __init__(self) -> None:
        self.requests: list[ParsedRequest] = []

    def __call__(self, request: ParsedRequest) -> Reply:
        self.requests.append(request)
        if request.turn == 0:
            return Reply((tool_use("wait_for_messages"),))
        return Reply((tool_use("submit_result", result="went on"),))


def stored(value: Any) -> Stored:
    return Stored(codec.pack(value))


def reply_of_newer_code() -> dict[str, Any]:
    """A reply as newer code records it: with calls of tools unknown here, and with a field unknown here."""
    blocks = [{"type": "tool_use", "id": call_id, "name": name, "input": {}} for call_id, name in CALLS]
    return {
        "content": [{"type": "text", "text": "I shall think."}, *blocks],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 10, "output_tokens": 10, "dreams": 3},
        "request_id": "req_newer",
        "model": "claude-sonnet-5-5",
        "id": "msg_newer",
        "mood": "calm",
    }


def steps_of_newer_code(at: int, wait: str) -> list[e.Event]:
    """From the wait the agent was left in to the middle of a call of a tool unknown here."""
    (first, telepathy), (second, telekinesis), (third, reading) = CALLS
    return [
        e.StepCompleted(at, "reflect", "pure", stored({"depth": 3})),
        e.StepCompleted(at + 1, "nudge", "pure", stored({"kind": "rated", "text": "You are rated.", "stars": 4})),
        e.WaitTimedOut(at + 2, wait),
        e.StepCompleted(at + 3, "model call", "pure", stored(reply_of_newer_code()), Usage(10, 10, calls=1)),
        e.StepFailed(at + 4, "dream", "pure", "DreamError", "it woke up"),
        e.WaitAbandoned(at + 5, "wait for the moon", "it never comes"),
        e.StepCompleted(at + 6, f"{telepathy} {first}", "idempotent", stored(["a thought", 1])),
        e.StepCompleted(at + 7, f"{reading} {third}", "pure", stored({"text": "read", "is_error": False, "lines": 7})),
        e.StepCompleted(at + 8, f"look back at {third}x", "idempotent", stored(None)),
        e.StepStarted(at + 9, f"{telekinesis} {second}"),
    ]


def append(directory: Path, agent_id: str) -> None:
    """Let newer code have worked on the agent, and have died within an effectful step."""
    with open_store(directory / "log.db") as store:
        *_, last = store.read(agent_id)
        envelope = codec.decode(last.topic, last.state)
        suspended = envelope.body.event
        assert isinstance(suspended, e.AgentSuspended)
        version, chain, new = last.originator_version, envelope.chain, []
        for fact in steps_of_newer_code(suspended.index, suspended.name):
            version += 1
            topic, state, chain = codec.encode(fact, agent_id, version, chain, (1_800_000_000_000, agent_id, ""))
            new.append(NewEvent(agent_id, version, topic, state))
        store.append(new)


def test_steps_of_newer_code_are_folded_and_the_agent_goes_on(tmp_path: Path) -> None:
    model, workspace = Model(), tmp_path / "workspace"
    workspace.mkdir()
    # `retry` would make a call in doubt again, but nobody here knows this tool
    agent = AgentSpec(role="a", prompt="[script:model] Wait.", brain="claude", on_doubt={"*": "retry"})
    with FakeMessagesApi({"model": model}) as api:
        config = RuntimeConfig(claude=ClaudeSettings(api_key=api.api_key, base_url=api.url), linger_s=0)
        with Runtime.open(tmp_path / "d", config=config) as runtime:
            fleet = runtime.spawn_fleet(FleetSpec(agents=(agent,), workspace=str(workspace), keep_open=True))
            wait_until(runtime, fleet.fleet_id, lambda status: status.agents[0].status == "waiting")
        append(tmp_path / "d", fleet.agent_ids[0])
        with Runtime.open(tmp_path / "d", config=config) as runtime:
            results = runtime.collect_results(fleet.fleet_id, wait_s=20)
            assert [result.output for result in results.results] == ["went on"]
        assert api.violations == []
    check_log(tmp_path / "d")
    assert len(model.requests) == 2
    check_what_was_shown(model.requests[-1])


def check_what_was_shown(request: ParsedRequest) -> None:
    results = said(request)
    assert results["toolu_01newer1"] == msgspec.json.encode(["a thought", 1]).decode()
    assert IN_DOUBT in results["toolu_01newer2"]
    assert results["toolu_01newer3"] == "read"
    texts = [block["text"] for block in request.blocks("text")]
    assert "You are rated." in texts
    assert request.turn == 2
