"""The research fleet as a process that may be killed: it opens a directory, spawns or resumes, and waits for the end.

It is forked from a server that has imported this module: importing takes longer than a kill should wait.
"""

from pathlib import Path

import anthropic  # noqa: F401 - imported at the first model call else
import msgspec
from msgspec.structs import replace

from fleetlog.runtime.brains import claude, model_calls  # noqa: F401 - the same
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.scenarios.research import ResearchOrder, research_spec

ABLE = {
    "tools": ("list_files", "read_file", "search_files", "write_file", "run_command"),
    "grants": ("write", "run", "unsandboxed"),
}


class Outcome(msgspec.Struct, frozen=True):
    """What the job leaves behind as `outcome.json`: the lead's report, and the timeline's count of doubts."""

    report: str
    doubts: int


def run(directory: str, workspace: str, researchers: int, settings: ClaudeSettings) -> None:
    """Start the fleet, or go on with it, to its end."""
    order = ResearchOrder("[script:research] How large?", workspace, researchers=researchers, uses_web=False)
    spec = research_spec(order)
    spec = replace(spec, agents=tuple(replace(agent, **ABLE) for agent in spec.agents))
    with Runtime.open(directory, config=RuntimeConfig(claude=settings)) as runtime:
        fleet_id = runtime.spawn_fleet(spec, idempotency_key="the job").fleet_id
        results = runtime.collect_results(fleet_id, wait_s=100)
        assert (results.status, results.lost) == ("complete", 0), runtime.fleet_status(fleet_id)
        assert runtime.verify_ledger().findings == ()
        report = next(result.output["report"] for result in results.results if result.name == "lead")
        doubts = sum(entry.what == "step.doubted" for entry in runtime.timeline(fleet_id, limit=100_000))
    (Path(directory) / "outcome.json").write_bytes(msgspec.json.encode(Outcome(report, doubts)))
