"""kill -9 while a rate limit holds: after the restart nobody asks before the time the provider has named."""

from pathlib import Path

import pytest

from fleetlog.domain import events as e
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime import codec
from fleetlog.runtime.store import open_store
from tests.crash.claude_job import outcome_of, start
from tests.fakes.messages_api.control import Controls
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.settings import Settings

AGENTS, RETRY_AFTER_S, LATENCY_S = 3, 5.0, 0.2


def limited_at(api: Controls) -> list[float]:
    """When the refused requests came, seconds of the wall clock."""
    return [call.at for call in api.calls() if call.outcome == "429"]


def wait_for_closing(directory: Path, until_ms: float) -> None:
    """Until the log says that the gate is closed for at least so long."""
    with open_store(directory / "log.db") as store, store.subscribe() as log:
        for _ in range(600):
            for stored in log.next_batch(1_000, 0.05):
                fact = codec.decode(stored.topic, stored.state).body.event
                if isinstance(fact, e.GateClosed) and fact.until_ms >= until_ms:
                    return
    raise AssertionError(f"no gate was closed until {until_ms}")


@pytest.mark.slow
def test_a_closed_gate_stays_closed_over_restarts(tmp_path: Path) -> None:
    agents = tuple(AgentSpec(role=f"a{n}", prompt="Say something.", brain="claude") for n in range(AGENTS))
    spec, directory = FleetSpec(agents=agents), tmp_path / "d"
    with FakeProcess(tmp_path / "api", settings=Settings(latency_s=LATENCY_S)) as api:
        api.refuse(429, retry_after_s=RETRY_AFTER_S, times=AGENTS)
        child = start(directory, spec, api)
        api.wait(outcomes={"429": AGENTS})
        opens_at = max(limited_at(api)) + RETRY_AFTER_S
        wait_for_closing(directory, opens_at * 1_000)
        child.kill()
        child.join()
        child = start(directory, spec, api)
        child.join(1.0)  # it is killed once more while it waits
        assert child.is_alive()
        child.kill()
        child.join()
        outcome = outcome_of(start(directory, spec, api), directory)
        assert len(outcome.results) == AGENTS
        refused, answered = api.calls()[:AGENTS], [call.at for call in api.calls()[AGENTS:]]
        assert {call.outcome for call in refused} == {"429"}
        assert len(answered) == AGENTS
        assert answered[0] >= opens_at
        assert answered[1] - answered[0] >= LATENCY_S, "one call tries alone"
        assert api.report().during_limit_late == 0
