"""The mesh as its clients meet it: one call over stdio, and many clients over HTTP at once.

The targets are what an older server of the same tools showed over stdio on two cores.
"""

import asyncio
import os
import signal
import time
from pathlib import Path

from benchmarks.conftest import Scale
from benchmarks.measuring import Benchmark, Line, percentile, report, timed
from benchmarks.mesh_clients import Stdio, daemon, http_load
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.client import Client
from fleetlog.runtime.servers.address import DaemonAddress

SECTION = "The mesh, from outside"
INBOX = 1_200
AT_ONCE = 100
CLIENTS, AGENTS = 50, 200


def _ms(label: str, seconds: list[float], target: float | None = None, share: float = 0.5) -> Line:
    value = percentile(seconds, share) * 1e3
    return Line(
        section=SECTION, label=f"{label}, p{round(share * 100)}", unit="ms", values=(value,), less=True, target=target
    )


def test_one_client_over_stdio(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """From the line that is written to the line that is read."""
    cold = Stdio(tmp_path / "d")  # starts the daemon
    spawned = cold.call(
        "spawn_fleet", agents=[{"role": "a", "prompt": "x"}, {"role": "b", "prompt": "x"}], keep_open=True
    )
    warm = Stdio(tmp_path / "d")
    sender, recipient = spawned["agent_ids"]
    letter = {"from_agent_id": sender, "to_agent_id": recipient, "fleet_id": spawned["fleet_id"], "type": "result"}
    sends = timed(benchmark, lambda: warm.call("send_message", **letter, payload="hello"), scale.calls)

    def often(times: int, tool: str, **arguments: object) -> list[float]:
        taken = []
        for _ in range(times):
            begun = time.perf_counter()
            warm.call(tool, **arguments)
            taken.append(time.perf_counter() - begun)
        return taken

    rest = INBOX - scale.calls
    begun = time.perf_counter()
    for _ in range(rest // AT_ONCE):
        warm.pipeline("send_message", [{**letter, "payload": "hello"}] * AT_ONCE)
    pipelined = (time.perf_counter() - begun) / (rest // AT_ONCE * AT_ONCE)
    inbox = often(20, "get_inbox", agent_id=recipient)
    ids = [message["id"] for message in warm.call("get_inbox", agent_id=recipient)["messages"]]
    acks = []
    for message_id in ids[: min(100, len(ids))]:
        begun = time.perf_counter()
        warm.call("ack_message", agent_id=recipient, message_id=message_id)
        acks.append(time.perf_counter() - begun)
    lines = [
        Line(
            section=SECTION,
            label=f"first reply, {how}",
            unit="s",
            values=(client.first_reply_s,),
            less=True,
            target=0.3,
        )
        for how, client in (("no daemon yet", cold), ("the daemon runs", warm))
    ]
    report(
        benchmark,
        *lines,
        _ms("send_message, durable", sends, 0.85),
        Line(
            section=SECTION,
            label=f"send_message, durable, {AT_ONCE} pipelined: each",
            unit="ms",
            values=(pipelined * 1e3,),
            less=True,
            target=0.85,
        ),
        _ms(f"get_inbox of {len(ids):,}", inbox, 16.0),
        _ms("ack_message, durable", acks, 11.0),
        _ms("fleet_status", often(50, "fleet_status", fleet_id=spawned["fleet_id"]), 11.0),
        _ms("ping", often(200, "ping")),
        _peak_memory(_address(tmp_path / "d").pid, target=152.0),
    )
    warm.close()
    cold.close()
    _stop(tmp_path / "d")


def _address(directory: Path) -> DaemonAddress:
    address = DaemonAddress.read(directory)
    assert address is not None
    return address


def _peak_memory(pid: int, target: float | None = None) -> Line:
    resident_kb = int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0])
    label = "the daemon's memory at its peak" + ("" if target else ", all of them unread")
    return Line(section=SECTION, label=label, unit="MB", values=(resident_kb / 1_000,), less=True, target=target)


def _stop(directory: Path) -> None:
    os.kill(_address(directory).pid, signal.SIGTERM)
    while DaemonAddress.read(directory) is not None:
        time.sleep(0.05)


def test_fifty_clients_over_http(benchmark: Benchmark, scale: Scale, tmp_path: Path) -> None:
    """Every message is sent in a call of its own, and found in its inbox afterwards."""
    with daemon(tmp_path / "d") as address, Client.of(tmp_path / "d") as client:
        roles = tuple(AgentSpec(role=f"r{number}", prompt="x") for number in range(AGENTS))
        fleet = client.spawn_fleet(FleetSpec(agents=roles, keep_open=True))
        agents = fleet.agent_ids
        letters = [
            {
                "from_agent_id": agents[number % AGENTS],
                "to_agent_id": agents[(number * 7 + 1) % AGENTS],
                "fleet_id": fleet.fleet_id,
                "type": "result",
                "payload": f"message {number}",
            }
            for number in range(scale.mesh_messages)
        ]
        taken: list[float] = []
        seconds = timed(benchmark, lambda: taken.extend(asyncio.run(http_load(address.url, CLIENTS, letters))), 1)[0]
        found = sum(len(client.inbox(agent).messages) for agent in agents)
        assert found == len(letters), f"{len(letters) - found} messages are lost"
        memory = _peak_memory(address.pid)
    label = f"{CLIENTS} clients, {AGENTS} agents, {len(letters):,} messages"
    report(
        benchmark,
        Line(section=SECTION, label=label, unit="requests/s", values=(len(letters) / seconds,)),
        _ms("one of them", taken),
        _ms("one of them", taken, share=0.99),
        memory,
    )
