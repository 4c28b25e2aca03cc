"""A strict stand-in for the runtime: three brains in three threads, values through msgpack, messages in memory."""

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from fleetlog.runtime.scenarios.explore.brains import explorer, planner, risk_finder

_LIMIT_BYTES = 64 * 1024
_END = "end"


class Said(msgspec.Struct, frozen=True):
    id: str
    sender: str
    type: str
    payload: str
    correlation_id: str | None = None


class Ended(BaseException):
    """The fleet has ended: what waits is unwound."""


class Stage:
    """Runs the fleet once. `results` are what the agents submitted, `log` every message, `sizes` of the steps."""

    def __init__(self, workspace: str) -> None:
        self.workspace = workspace
        self.results: dict[str, Any] = {}
        self.log: list[tuple[str, str, str]] = []
        self.sizes: dict[str, int] = {}
        self.failures: list[BaseException] = []
        self._players = {name: Player(self, name) for name in ("explorer", "risk-finder", "planner")}

    def run(self) -> dict[str, Any]:
        brains: dict[str, Callable[[Any], None]] = {
            "explorer": explorer,
            "risk-finder": risk_finder,
            "planner": planner,
        }
        threads = [threading.Thread(target=self._play, args=(name, brains[name])) for name in brains]
        for thread in threads:
            thread.start()
        for thread in threads[1:]:
            thread.join()
        self.end()
        threads[0].join()
        if self.failures:
            raise self.failures[0]
        return self.results

    def _play(self, name: str, brain: Callable[[Any], None]) -> None:
        try:
            brain(self._players[name])
        except Ended:
            pass
        except BaseException as failure:  # noqa: BLE001 - raised again by run()
            self.failures.append(failure)
            self.end()

    def end(self) -> None:
        for player in self._players.values():
            player.inbox.put(Said(_END, "", _END, ""))

    def deliver(self, to: str, said: Said) -> None:
        assert len(said.payload.encode()) <= _LIMIT_BYTES, f"{said.type} to {to} is too large"
        self.log.append((said.sender, to, said.type))
        self._players[to].inbox.put(said)


class Player:
    """What a brain sees as its context."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.name = name
        self.workspace = stage.workspace
        self.inbox: queue.Queue[Said] = queue.Queue()
        self._stage = stage
        self._unread: list[Said] = []
        self._sent = 0

    def step(self, name: str, effect: str, call: Callable[..., Any], *args: Any) -> Any:
        assert effect in ("pure", "idempotent", "effectful")
        stored = msgspec.msgpack.encode(call(*args))
        self._stage.sizes[name] = max(len(stored), self._stage.sizes.get(name, 0))
        return msgspec.msgpack.decode(stored)

    def progress(self, text: str) -> None:
        assert 0 < len(text) <= 2_000

    def send(self, to: str, type: str, payload: str, correlation_id: str | None = None) -> str:
        self._sent += 1
        message_id = f"{self.name}-{self._sent}"
        self._stage.deliver(to, Said(message_id, self.name, type, payload, correlation_id))
        return message_id

    def ask(self, to: str, payload: str) -> Said:
        asked = self.send(to, "question", payload)
        return self._take(lambda said: said.correlation_id == asked)

    def receive(self, types: tuple[str, ...] | None = None, sender: str | None = None) -> Said:
        return self._take(lambda said: (not types or said.type in types) and sender in (None, said.sender))

    def questions(self) -> Iterator[Said]:
        while True:
            yield self.receive(("question",))

    def reply(self, message: Said, payload: str) -> None:
        self.send(message.sender, "result", payload, message.id)

    def submit_result(self, output: Any) -> None:
        assert self.name not in self._stage.results, "a result is submitted once"
        self._stage.results[self.name] = msgspec.msgpack.decode(msgspec.msgpack.encode(output))

    def _take(self, fits: Callable[[Said], bool]) -> Said:
        while True:
            for said in self._unread:
                if fits(said):
                    self._unread.remove(said)
                    return said
            said = self.inbox.get(timeout=300)
            if said.type == _END:
                raise Ended
            self._unread.append(said)
