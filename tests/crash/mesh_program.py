"""A program as an agent: it talks back over MCP, in the way its prompt's last line says."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


class Mesh:
    """The tools that its configuration file names, by hand: lines out, lines in."""

    def __init__(self, config: str) -> None:
        server = json.loads(Path(config).read_text())["mcpServers"]["fleetlog"]
        words = [server["command"], *server["args"]]
        environment = {**os.environ, **server["env"]}
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self._number = 0
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "p", "version": "1"}}
        self._ask("initialize", hello)
        self._say({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._say({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline())
        result: dict[str, Any] = answer["result"]
        return result

    def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        result = self._ask("tools/call", {"name": tool, "arguments": arguments})
        content: dict[str, Any] = result["structuredContent"]
        return content


def main() -> None:
    config, prompt = sys.argv[1], sys.stdin.read()
    deed = prompt.split("DEED:")[1].split()[0]
    me, fleet = os.environ["FLEETLOG_AGENT_ID"], os.environ["FLEETLOG_FLEET_ID"]
    if deed == "crash":
        os.abort()
    if deed == "garbage":
        sys.stdout.buffer.write(b"\xff\xfe\x00garbage\n" * 1_000)
    elif deed == "flood":
        for _ in range(100):
            sys.stdout.buffer.write(b"x" * 1_000_000 + b"\n")
    elif deed == "hang":
        time.sleep(3_600)
    else:
        talk(Mesh(config), deed, me, fleet)


def talk(mesh: Mesh, deed: str, me: str, fleet: str) -> None:
    peers = [agent["id"] for agent in mesh.call("list_agents", fleet_id=fleet)["agents"]]
    if deed == "ask":
        peer = next(peer for peer in peers if peer.endswith("-answerer"))
        letter = {"from_agent_id": me, "fleet_id": fleet, "type": "question", "payload": "what is six times seven?"}
        mesh.call("send_message", **letter, to_agent_id=peer)
        answers = mesh.call("get_inbox", agent_id=me, wait_ms=60_000)["messages"]
        forged = mesh.call("send_message", **{**letter, "from_agent_id": peer}, to_agent_id=me)
        sys.stdout.write(f"answer: {answers[0]['payload']}; forged: {'error' in forged}")
    elif deed == "answer":
        question = mesh.call("get_inbox", agent_id=me, wait_ms=60_000)["messages"][0]
        reply = {"from_agent_id": me, "to_agent_id": question["from_agent_id"], "fleet_id": fleet, "type": "result"}
        mesh.call("send_message", **reply, payload="42", correlation_id=question["id"])
        sys.stdout.write("answered")
    elif deed == "result":
        refused = mesh.call("submit_result", agent_id=me, output={"given": "over MCP"})
        sys.stdout.write(f"what it writes is its result: {refused['error']}")


if __name__ == "__main__":
    main()
