"""Claude agents against a fake Messages API that answers at once, in a process of its own: what is left is ours."""

import gc
import itertools
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anthropic
import pytest

from benchmarks.conftest import Scale
from benchmarks.measuring import Benchmark, Line, percentile, report, timed
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.agent_actor import AgentActor
from fleetlog.runtime.brains.conversation import COMPACT
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.replies import SpawnReply
from fleetlog.runtime.tools.mesh import mesh_definitions
from tests.fakes.messages_api.faults import Hang
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.settings import MODEL
from tests.fakes.messages_api.stats import ABANDONED

SECTION = "Claude agents"
HERE = Path(__file__).resolve().parent
COMPACT_AT_TOKENS = 10_000
WITHIN_S = 600.0


@pytest.fixture
def api(tmp_path: Path) -> Iterator[FakeProcess]:
    """The server, with the scripts of `claude_scripts.py`."""
    with FakeProcess(tmp_path / "api", [HERE / "claude_scripts.py"]) as server:
        yield server
        assert server.violations == []


def test_overhead_of_a_turn(benchmark: Benchmark, scale: Scale, api: FakeProcess, tmp_path: Path) -> None:
    """From the server's last byte of a reply to its having the next request, for one agent that makes a note each
    turn; and for a plain client that makes the same calls and does nothing else, by turns with it."""
    with Runtime.open(tmp_path / "d", config=RuntimeConfig(claude=_settings(api))) as runtime:
        _finish(runtime, _spawn(runtime, "notes 1"))
        ours: list[list[float]] = []
        bare: list[list[float]] = []

        def both() -> None:
            api.reset_stats()
            _finish(runtime, _spawn(runtime, f"notes {scale.turns}"))
            ours.append(_gaps_ms(api))
            api.reset_stats()
            _call_plainly(api, scale.turns)
            bare.append(_gaps_ms(api))

        timed(benchmark, both, scale.rounds + 1)
    assert all(len(gaps) == scale.turns for gaps in (*ours, *bare))
    more = [percentile(one, 0.5) - percentile(other, 0.5) for one, other in zip(ours, bare, strict=True)]
    report(
        benchmark,
        _gap("one agent, from a reply to the next request", ours, 0.5, target=5.0),
        _gap("one agent, from a reply to the next request", ours, 0.99),
        _gap("a bare `anthropic` client, the same calls", bare, 0.5),
        _gap("a bare `anthropic` client, the same calls", bare, 0.99),
        _line("what the runtime adds to the bare client's p50", "ms", *more, less=True),
    )


def test_a_large_fleet(benchmark: Benchmark, scale: Scale, api: FakeProcess, tmp_path: Path) -> None:
    """Many agents with 20 calls each, in a process of its own."""
    agents, turns = scale.claude_agents, 20
    command = [sys.executable, str(HERE / "claude_fleet.py"), str(tmp_path / "d"), api.url, api.api_key]
    printed: list[str] = []

    def measure() -> None:
        done = subprocess.run([*command, str(agents), str(turns)], check=True, capture_output=True, text=True)
        printed.append(done.stdout)

    timed(benchmark, measure, 1)
    found = json.loads(printed[-1])
    calls = agents * turns
    of = f"{agents:,} agents x {turns} turns"
    ours = found["brains"] + found["rest"]
    report(
        benchmark,
        _line(f"{of}: model calls", "calls/s", calls / found["seconds"]),
        _line(f"{of}: events", "events/s", found["events"] / found["seconds"]),
        _line(f"{of}: CPU time a call, ours", "ms", ours / calls * 1e3, less=True),
        _line(f"{of}: CPU time a call, `anthropic` and HTTP", "ms", found["provider"] / calls * 1e3, less=True),
        _line(f"{of}: share of the CPU time that is ours", "%", 100 * ours / (ours + found["provider"]), less=True),
        _line(f"{of}: peak memory of the process", "MB", found["peak bytes"] / 1e6, less=True),
    )


def test_a_long_life(benchmark: Benchmark, scale: Scale, api: FakeProcess, tmp_path: Path) -> None:
    """An agent of many steps with compactions, stopped within a call: after a restart it sends the same request."""
    directory, config = tmp_path / "d", RuntimeConfig(claude=_settings(api))
    api.rule(Hang(), skip=scale.steps // 2 + 1)
    with Runtime.open(directory, config=config) as runtime:
        (agent_id,) = _spawn(runtime, "endless", COMPACT_AT_TOKENS).agent_ids
        api.wait(hanging=1, timeout_s=WITHIN_S)
    (cut_off,) = (call for call in api.calls() if call.outcome in ("", ABANDONED))
    rehydrated = [_rehydrated_s(directory, agent_id, scale.steps) for _ in range(scale.rounds + 1)]
    sent: list[float] = []

    def restart() -> None:
        begun_at = time.time()
        with Runtime.open(directory, config=config):
            api.wait(requests=1)
            (again,) = api.calls()
        assert again.digest == cut_off.digest
        sent.append(again.at - begun_at)

    timed(benchmark, restart, scale.rounds + 1, api.reset_stats)
    of = f"an agent of {scale.steps:,} steps, compacted"
    report(
        benchmark,
        _line(f"{of}: rehydrated", "ms", *(s * 1e3 for s in rehydrated), less=True, target=200.0),
        _line(f"{of}: from opening to the same request", "ms", *(s * 1e3 for s in sent), less=True),
    )


# --- what they share -----------------------------------------------------------------------------


def _settings(api: FakeProcess) -> ClaudeSettings:
    return ClaudeSettings(api_key=api.api_key, base_url=api.url)


def _spawn(runtime: Runtime, script: str, compact_at_tokens: int | None = None) -> SpawnReply:
    prompt = f"[script:{script}]"
    spec = AgentSpec(role="worker", prompt=prompt, brain="claude", compact_at_tokens=compact_at_tokens)
    return runtime.spawn_fleet(FleetSpec(agents=(spec,)))


def _finish(runtime: Runtime, spawned: SpawnReply) -> None:
    results = runtime.collect_results(spawned.fleet_id, wait_s=WITHIN_S)
    assert results.delivered == 1, results


def _rehydrated_s(directory: Path, agent_id: str, steps: int) -> float:
    """Reading, decoding and folding the agent's stream, which must be as long as it should."""
    with Runtime.open(directory, recover=False) as runtime:
        actor = AgentActor(runtime._parts.engine, agent_id)
        gc.collect()
        begun = time.perf_counter()
        state, fresh = actor.load()
        seconds = time.perf_counter() - begun
    assert fresh
    assert len(state.steps) >= steps
    assert sum(step.name == COMPACT for step in state.steps) >= 1
    return seconds


def _call_plainly(api: FakeProcess, turns: int) -> None:
    """The same calls with the package alone: a stream that is read, and a note that is answered, each turn."""
    messages: list[Any] = [{"role": "user", "content": f"[script:notes {turns}]"}]
    tools: Any = mesh_definitions(None)
    with anthropic.Anthropic(base_url=api.url, api_key=api.api_key, max_retries=0) as client:
        for _ in range(turns + 1):
            call: Any = None
            text = ""
            for event in client.messages.create(
                model=MODEL, max_tokens=16_000, messages=messages, tools=tools, stream=True
            ):
                if event.type == "content_block_start":
                    call = event.content_block
                elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                    text += event.delta.partial_json
            if call.type != "tool_use":
                return
            said = {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(text)}
            answer = {"type": "tool_result", "tool_use_id": call.id, "content": "Noted."}
            messages += [{"role": "assistant", "content": [said]}, {"role": "user", "content": [answer]}]


def _gaps_ms(api: FakeProcess) -> list[float]:
    """Between two calls, as the server's clock has it."""
    return [(after.at - before.done_at) * 1e3 for before, after in itertools.pairwise(api.calls())]


def _gap(label: str, rounds_ms: Sequence[Sequence[float]], share: float, target: float | None = None) -> Line:
    values = [percentile(gaps_ms, share) for gaps_ms in rounds_ms]
    return _line(f"{label}, p{round(share * 100)}", "ms", *values, less=True, target=target)


def _line(label: str, unit: str, *values: float, less: bool = False, target: float | None = None) -> Line:
    return Line(section=SECTION, label=label, unit=unit, values=values, less=less, target=target)
