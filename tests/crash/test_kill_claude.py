"""kill -9 at random moments of a research fleet of Claude agents, twenty times over: the report is the undisturbed
one's, and the server, which lives on, was asked nothing again that is in the log.
"""

import random
import signal
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from fleetlog.domain.values import FleetSpec
from fleetlog.runtime.scenarios.research.spec import ResearchOrder, research_by_claude_spec
from tests.crash import research_scripts
from tests.crash.claude_job import outcome_of, start
from tests.crash.logs import check_effects, check_log, check_no_recorded_call_was_repeated, recorded_calls
from tests.crash.plans import LEDGER
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.settings import Settings

KILLS = 20
AGENTS = 3 + research_scripts.RESEARCHERS
QUESTION = "[script:research] How large is the world?"
TOOLS = ("list_files", "read_file", "search_files", "write_file", "run_command")


def able_to_write(order: ResearchOrder) -> FleetSpec:
    """The research fleet, with effects."""
    spec = research_by_claude_spec(replace(order, researchers=research_scripts.RESEARCHERS))
    granted = [replace(agent, tools=TOOLS, grants=("write", "run", "unsandboxed")) for agent in spec.agents]
    return replace(spec, agents=tuple(granted))


class Job:
    """One fleet in one directory, with a workspace of its own."""

    def __init__(self, place: Path, api: FakeProcess) -> None:
        self.directory, self.workspace, self.api = place / "d", place / "workspace", api
        self.calls_before = len(api.calls())
        self.recorded: dict[tuple[str, int], int] = {}
        self.spec = able_to_write(ResearchOrder(QUESTION, str(self.workspace), uses_web=False))
        (self.workspace / "sources").mkdir(parents=True)
        for part in range(1, research_scripts.RESEARCHERS + 1):
            for number in range(1, research_scripts.ROUNDS + 1):
                source = self.workspace / "sources" / f"{part}-{number}.txt"
                source.write_text(f"The figure {number} of {part} is {research_scripts.value_of(part, number)}.\n")

    def kill_after(self, delay_s: float) -> bool:
        """Let it go on for so long; False when it was quicker."""
        child = start(self.directory, self.spec, self.api)
        child.join(delay_s)
        child.kill()
        child.join()
        was_killed = child.exitcode == -signal.SIGKILL
        child.close()
        if (self.directory / "log.db").exists():
            self.look()
        return was_killed

    def look(self) -> None:
        """What is recorded stays recorded."""
        now = recorded_calls(self.directory)
        assert self.recorded.items() <= now.items(), "what was recorded is gone"
        self.recorded = now

    def finish(self) -> str:
        """Let it go on to the end; gives the report."""
        outcome = outcome_of(start(self.directory, self.spec, self.api), self.directory)
        assert outcome.doubts == len(check_effects(self.directory))
        return str(outcome.results["synthesizer"]["report"])

    def check(self, kills: int) -> int:
        """The log, the effects and the server's account of the model calls agree; gives how many are recorded."""
        check_log(self.directory)
        self.look()
        calls = self.api.calls()
        check_no_recorded_call_was_repeated(self.recorded, calls, self.calls_before)
        unrecorded = len(calls) - self.calls_before - len(self.recorded)
        assert unrecorded <= (kills + 1) * AGENTS, "more calls were lost than can have been on their way"
        ledger = (self.workspace / LEDGER).read_text().split()
        assert Counter(ledger) == Counter(research_scripts.tokens())
        return len(self.recorded)


@pytest.mark.slow
def test_a_research_fleet_survives_being_killed_twenty_times(tmp_path: Path) -> None:
    settings = Settings(latency_s=0.01)
    with FakeProcess(tmp_path / "api", [Path(research_scripts.__file__)], settings) as api:
        calm = Job(tmp_path / "calm", api)
        undisturbed = calm.finish()
        assert calm.check(0) >= 200
        assert undisturbed.count("confirmed") == research_scripts.RESEARCHERS * research_scripts.ROUNDS
        chooser = random.Random()
        kills = number = 0
        while kills < KILLS:
            number += 1
            job = Job(tmp_path / f"killed-{number}", api)
            before = kills
            while kills < KILLS and job.kill_after(chooser.uniform(0.1, 1.0)):
                kills += 1
            assert job.finish() == undisturbed
            job.check(kills - before)
        assert api.violations == []
