"""What an agent's runs need of the engine; lives on the workers' threads."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from fleetlog.domain import commands as c
from fleetlog.domain.council import Tally
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import AgentSpec, Message, Usage, agent_name_of, fleet_id_of
from fleetlog.runtime.brains.run import RunEnded
from fleetlog.runtime.calls import Call, Calls
from fleetlog.runtime.engine import CallKey, Engine, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.mail import Sent, post_message, roster
from fleetlog.runtime.replies import SpawnReply
from fleetlog.runtime.reply import Reply
from fleetlog.runtime.routing.queries import RouteMatch

__all__ = ["ActorLink", "Unpark"]


@dataclass(frozen=True, slots=True)
class Unpark:
    """What the parked brain waited for may be there."""


class ActorLink:
    """See `AgentLink`; for one run of one agent."""

    def __init__(self, engine: Engine, agent_id: str, run_id: int, post: Callable[[object], None]) -> None:
        self._engine, self._agent_id, self._run_id, self._post = engine, agent_id, run_id, post
        self.artifacts, self.linger_s = engine.artifacts, engine.linger_s

    def tell(self, command: c.RunCommand, reply: Reply[Receipt]) -> None:
        """See `AgentLink`."""
        request = Request(command, reply, by=self._agent_id, run_id=self._run_id)
        self._engine.residents.post(self._agent_id, request)

    def reserve(self, number: int, bound: Usage, reply: Reply[Receipt]) -> None:
        """See `AgentLink`."""
        command = c.ReserveSpend(agent_name_of(self._agent_id), number, bound)
        self._engine.residents.post(fleet_id_of(self._agent_id), Request(command, reply, by=self._agent_id))

    def is_held(self) -> bool:
        """See `AgentLink`."""
        known = self._engine.rosters.get(fleet_id_of(self._agent_id))
        return known is not None and known.is_paused

    def send(self, message: Message, to: str) -> tuple[str, ...]:
        """See `AgentLink`."""
        future = post_message(self._engine, fleet_id_of(self._agent_id), message, to, by=self._agent_id)
        sent: Sent = future.result().outcome
        return sent.recipients

    def attach(self, spec: AgentSpec, workspace: str, key: str) -> str:
        """See `AgentLink`."""
        fleet_id = fleet_id_of(self._agent_id)
        command = self._engine.recruiting.attach_command(spec, workspace)

        def start(call_key: CallKey | None) -> Reply[Receipt]:
            return self._to_fleet(command, call_key)

        def seal(made: Any) -> SpawnReply:
            return SpawnReply(made.fleet_id, made.agent_ids)

        call = Call("attach_agent", (fleet_id, spec), SpawnReply, start, seal)
        reply, _ = Calls(self._engine.store).once(call, key)
        return reply.agent_ids[0]

    def route(self, description: str, top_n: int) -> list[RouteMatch]:
        """See `AgentLink`."""
        return self._engine.route(fleet_id_of(self._agent_id), description, top_n)

    def close_fleet(self, reason: str) -> None:
        """See `AgentLink`."""
        self._to_fleet(c.CloseFleet(reason)).result()

    def _to_fleet(self, command: c.FleetCommand, key: CallKey | None = None) -> Reply[Receipt]:
        reply: Reply[Receipt] = Reply()
        self._engine.residents.post(fleet_id_of(self._agent_id), Request(command, reply, by=self._agent_id, key=key))
        return reply

    def tell_council(self, council_id: str, command: c.CouncilCommand) -> Tally:
        """See `AgentLink`."""
        reply: Reply[Receipt] = Reply()
        self._engine.residents.post(council_id, Request(command, reply, by=self._agent_id))
        tally: Tally = reply.result().outcome
        return tally

    def roster(self) -> Roster:
        """See `AgentLink`."""
        return roster(self._engine, fleet_id_of(self._agent_id))

    def results(self, names: tuple[str, ...]) -> Mapping[str, Any]:
        """See `AgentLink`."""
        return self._engine.results(fleet_id_of(self._agent_id), names)

    def lend_place(self) -> AbstractContextManager[None]:
        """See `AgentLink`."""
        return self._engine.workers.lend()

    def unpark(self) -> None:
        """See `AgentLink`."""
        self._engine.residents.post(self._agent_id, Unpark())

    def unpark_after(self, seconds: float) -> None:
        """See `AgentLink`."""
        due = self._engine.clock.now().uptime_s + seconds
        self._engine.timers.arm(f"unpark {self._agent_id}", due, self.unpark)

    def is_thread_wanted(self) -> bool:
        """See `AgentLink`."""
        return self._engine.workers.has_waiting()

    def ended(self, event: RunEnded) -> None:
        """See `AgentLink`."""
        self._post(event)
