"""Run as a process of its own by `bench_memory.py`: what does an actor cost? Prints bytes per actor as JSON.

`private` is what this process alone holds (`Private_Dirty` of /proc/self/smaps_rollup, thread stacks included),
`caches` what SQLite says it holds of that (`sqlite3_memory_used`: pages it would have read or written for anybody),
`objects` what tracemalloc counts of Python's own objects.

    python memory.py spawn 10000 DIRECTORY      a fleet for the next two, in a process of its own: memory that was used
                                                and freed meanwhile would be used again unseen
    python memory.py agents 10000 DIRECTORY     agents of this runtime, in memory and passivated: private and caches
    python memory.py objects 10000 DIRECTORY    the same agents: objects
    python memory.py threads 2000               pykka.ThreadingActor: private
"""

import _sqlite3
import ctypes
import gc
import json
import re
import sys
import threading
import time
import tracemalloc
from pathlib import Path

import pykka

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.clock import ManualClock
from fleetlog.runtime.host import Runtime, RuntimeConfig
from fleetlog.runtime.testing import wait_until

WINDOW = 200
PASSIVATED_WITHIN_S = 30.0


def held_bytes() -> dict[str, int]:
    """What the process holds now, after giving free memory back to the system."""
    gc.collect()
    if tracemalloc.is_tracing():
        return {"objects": tracemalloc.get_traced_memory()[0]}
    ctypes.CDLL(None).malloc_trim(0)
    text = Path("/proc/self/smaps_rollup").read_text()
    kibibytes = re.search(r"Private_Dirty:\s+(\d+) kB", text)
    assert kibibytes is not None
    return {"private": int(kibibytes[1]) * 1024, "caches": _sqlite_bytes()}


def _sqlite_bytes() -> int:
    """What the SQLite library this process has loaded holds, all connections together."""
    used = ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used
    used.restype = ctypes.c_int64
    return int(used())


def spawn(number: int, directory: str) -> dict[str, float]:
    """The fleet, every agent of it started."""
    with Runtime.open(directory) as runtime:
        fleet_id = runtime.spawn_fleet(_fleet_of(number)).fleet_id
        wait_until(runtime, fleet_id, lambda status: status.fleet.agents.get("running") == number)
    return {}


def agents(number: int, directory: str) -> dict[str, float]:
    """An agent in memory that got one message; and its rest when it was passivated."""
    clock = ManualClock()
    with Runtime.open(directory, clock=clock, recover=False) as runtime:
        (fleet,) = runtime.list_fleets().fleets
        agent_ids = tuple(agent.id for agent in runtime.list_agents(fleet.id).agents)
        warm = runtime.spawn_fleet(_fleet_of(100))
        _send_each(runtime, warm.fleet_id, warm.agent_ids, 20)
        before = held_bytes()
        _send_each(runtime, fleet.id, agent_ids, 1)
        idle = _each(before, number, "idle")
        assert len(runtime._parts.engine.residents) >= number
        _passivate(runtime, clock)
        return idle | _each(before, number, "passivated")


def _each(before: dict[str, int], number: int, name: str) -> dict[str, float]:
    now = held_bytes()
    return {f"{name} {kind}": (now[kind] - before[kind]) / number for kind in now}


def _fleet_of(number: int) -> FleetSpec:
    return FleetSpec(agents=(AgentSpec(role="box", prompt="wait", each=tuple(range(number))),), keep_open=True)


def _send_each(runtime: Runtime, fleet_id: str, agent_ids: tuple[str, ...], times: int) -> None:
    """Durable messages, few in flight at once, so that what is measured is not the queues."""
    for at in range(0, len(agent_ids), WINDOW):
        for _ in range(times):
            window = agent_ids[at : at + WINDOW]
            replies = [runtime.send_message_nowait("operator", a, fleet_id, "result", "x" * 200) for a in window]
            for reply in replies:
                reply.result()
    runtime.fleet_status(fleet_id)


def _passivate(runtime: Runtime, clock: ManualClock) -> None:
    """Let the idle time pass, once: the runtime's own sweep does the rest."""
    residents = runtime._parts.engine.residents
    clock.advance(2 * RuntimeConfig().idle_after_s)
    deadline = time.monotonic() + PASSIVATED_WITHIN_S
    while len(residents) > 0 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(residents) == 0, f"{len(residents)} actors stayed"


class Mailbox(pykka.ThreadingActor):
    """A plain actor that keeps its messages."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def on_receive(self, message: str) -> int:
        """Runs on the actor's own thread."""
        self.messages.append(message)
        return len(self.messages)


def threads(number: int) -> dict[str, float]:
    """One thread per actor, each asked once."""
    for ref in [Mailbox.start() for _ in range(10)]:
        ref.ask("x" * 200)
        ref.stop()
    before = held_bytes()
    refs = [Mailbox.start() for _ in range(number)]
    for count, ref in enumerate(refs):
        ref.ask(f"{count} " + "x" * 200)
    assert threading.active_count() > number
    found = _each(before, number, "thread")
    for ref in refs:
        ref.stop(block=False)
    for ref in refs:
        ref.stop()
    return found


def main() -> None:
    """See the module's docstring."""
    kind, number = sys.argv[1], int(sys.argv[2])
    match kind:
        case "spawn":
            found = spawn(number, sys.argv[3])
        case "agents":
            found = agents(number, sys.argv[3])
        case "objects":
            tracemalloc.start()
            found = agents(number, sys.argv[3])
        case _:
            found = threads(number)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
