"""Run as a process of its own by `bench_claude.py`: one fleet of Claude agents against a fake server. Prints JSON.

CPU times are of the threads, by their names, as the kernel counts them: `provider` is the thread on which the
`anthropic` package, its HTTP and the reading of replies run, `brains` those the agents run on, `rest` all others.

    python claude_fleet.py DIRECTORY URL KEY AGENTS TURNS
"""

import json
import resource
import sys
import threading
import time
from collections import Counter

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.brains.provider import ClaudeSettings
from fleetlog.runtime.host import Runtime, RuntimeConfig

PARTS = {"fleetlog-claude": "provider", "fleetlog-brains": "brains"}
WITHIN_S = 600.0


def measure(directory: str, settings: ClaudeSettings, agents: int, turns: int) -> dict[str, float]:
    """What a fleet costs whose agents make so many calls each."""
    with Runtime.open(directory, config=RuntimeConfig(claude=settings)) as runtime:
        _run(runtime, 1, 1)  # the packages are imported
        before, begun, first = _cpu_s(), time.perf_counter(), runtime.list_fleets().position
        _run(runtime, agents, turns)
        seconds, cpu = time.perf_counter() - begun, _cpu_s()
        cpu.subtract(before)
        events = runtime.list_fleets().position - first
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "events": events, "peak bytes": peak, **cpu}


def _run(runtime: Runtime, agents: int, turns: int) -> None:
    prompt = f"[script:notes {turns - 1}]"
    spec = AgentSpec(role="worker", prompt=prompt, brain="claude", each=tuple(range(agents)))
    fleet_id = runtime.spawn_fleet(FleetSpec(agents=(spec,))).fleet_id
    results = runtime.collect_results(fleet_id, wait_s=WITHIN_S)
    assert results.delivered == agents, results


def _cpu_s() -> Counter[str]:
    """Seconds of CPU time, by what the threads are for."""
    spent: Counter[str] = Counter(rest=time.process_time())  # type: ignore[call-overload]
    for thread in threading.enumerate():
        part = next((part for name, part in PARTS.items() if thread.name.startswith(name)), None)
        if part is not None and thread.ident is not None:
            seconds = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            spent[part] += seconds  # type: ignore[assignment]
            spent["rest"] -= seconds  # type: ignore[assignment]
    return spent


def main() -> None:
    """See the module's docstring."""
    directory, url, key, agents, turns = sys.argv[1:]
    found = measure(directory, ClaudeSettings(api_key=key, base_url=url), int(agents), int(turns))
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
