"""kill -9 at random moments of a research fleet of Claude agents, twenty times over: the report is the undisturbed
one's, and the server, which lives on, was asked nothing again that is in the log.
"""

import multiprocessing
import random
import signal
from collections import Counter
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import msgspec
import pytest

from fleetlog.runtime.brains.provider import ClaudeSettings
from tests.crash import research_job, research_scripts
from tests.crash.logs import check_effects, check_log, check_no_recorded_call_was_repeated, recorded_calls
from tests.crash.plans import LEDGER
from tests.fakes.messages_api.process import FakeProcess
from tests.fakes.messages_api.settings import Settings

KILLS = 20
AGENTS = 2 + research_scripts.RESEARCHERS


class Job:
    """One fleet in one directory, with a workspace of its own."""

    def __init__(self, place: Path, api: FakeProcess) -> None:
        self.directory, self.workspace, self.api = place / "d", place / "workspace", api
        self.calls_before = len(api.calls())
        self.recorded: dict[tuple[str, int], int] = {}
        (self.workspace / "sources").mkdir(parents=True)
        for part in range(1, research_scripts.RESEARCHERS + 1):
            for number in range(1, research_scripts.ROUNDS + 1):
                source = self.workspace / "sources" / f"{part}-{number}.txt"
                source.write_text(f"The figure {number} of {part} is {research_scripts.value_of(part, number)}.\n")

    def start(self) -> ForkServerProcess:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([research_job.__name__])
        settings = ClaudeSettings(api_key=self.api.api_key, base_url=self.api.url)
        arguments = (str(self.directory), str(self.workspace), research_scripts.RESEARCHERS, settings)
        child = context.Process(target=research_job.run, args=arguments)
        child.start()
        return child

    def kill_after(self, delay_s: float) -> bool:
        """Let it go on for so long; False when it was quicker."""
        child = self.start()
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
        child = self.start()
        child.join(100)
        assert child.exitcode == 0
        child.close()
        outcome = msgspec.json.decode((self.directory / "outcome.json").read_bytes(), type=research_job.Outcome)
        assert outcome.doubts == len(check_effects(self.directory))
        return outcome.report

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
