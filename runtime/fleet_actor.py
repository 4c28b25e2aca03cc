"""The actor of one fleet: spawning, admission, its deadline, its end, its broadcasts.

It tells its agents what follows from its state: who may run, who must stop. Agents tell it how they ended.
Both are repeated after a restart, and neither changes anything the second time.
"""

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import spec as specs
from fleetlog.domain.errors import NotFound, StoreFault
from fleetlog.domain.fleet import Fleet, Roster
from fleetlog.domain.values import AgentSpec
from fleetlog.runtime.agent_actor import Admit
from fleetlog.runtime.aggregate_host import AggregateHost, first_part
from fleetlog.runtime.engine import Engine, Request
from fleetlog.runtime.journal import Part, Unit
from fleetlog.runtime.mail import Broadcast, Bundle, Contribute, GetRoster, Sealed, Sent
from fleetlog.runtime.stuck import CheckStill, Still, StillAnswer, StuckWatch

__all__ = ["FleetActor", "Spawned"]

_ROSTER_EVENTS = (
    e.FleetSpawned,
    e.AgentAttached,
    e.FleetCompleted,
    e.FleetFailed,
    e.FleetCancelled,
    e.FleetTimedOut,
)


@dataclass(frozen=True, slots=True)
class Spawned:
    """The outcome of a spawn or an attachment."""

    fleet_id: str
    agent_ids: tuple[str, ...]


class FleetActor(AggregateHost[Fleet]):
    """One fleet."""

    def __init__(self, engine: Engine, stream_id: str) -> None:
        super().__init__(engine, stream_id)
        self._told: set[str] = set()
        self._bundle: Bundle | None = None
        self._broadcasts: deque[Broadcast] = deque()
        self._watch = StuckWatch(engine, stream_id)

    def make_state(self) -> Fleet:
        """See `AggregateHost`."""
        self._told = set()
        self._watch = StuckWatch(self.engine, self.stream_id)
        return Fleet(self.stream_id)

    # --- commands ----------------------------------------------------------------------------

    def outcome(self, state: Fleet, command: Any, events: Sequence[Any]) -> Any:
        """The ids that were made, for a spawn or an attachment."""
        if isinstance(command, c.SpawnFleet):
            return Spawned(self.stream_id, tuple(m.agent_id for m in state.members.values()))
        if isinstance(command, c.AttachAgent):
            attached = next(event.member for event in events if isinstance(event, e.AgentAttached))
            return Spawned(self.stream_id, (attached.agent_id,))
        return None

    def add_parts(self, parts: list[Part], state: Fleet, command: Any, origin: tuple[int, str, str]) -> None:
        """Add the first events of the agents that are made with this commit."""
        if isinstance(command, c.SpawnFleet):
            seats = specs.seats(specs.check_fleet(command.spec, command.max_agents), self.stream_id)
        elif isinstance(command, c.AttachAgent):
            checked = specs.check_agent(command.spec)
            seats = [specs.seat_for(checked, checked.name, self.stream_id)]
        else:
            return
        parts.extend(self._first_part(seat.member.agent_id, seat.spec, seat.item, origin) for seat in seats)

    def _first_part(self, agent_id: str, spec: AgentSpec, item: object, origin: tuple[int, str, str]) -> Part:
        fleet = self.state.spec
        assert fleet is not None
        spec = specs.with_policy_of(fleet, spec)
        spawned = e.AgentSpawned(self.stream_id, spec.name, spec, fleet.goal, fleet.workspace, item)
        return first_part(agent_id, spawned, origin)

    def evolved(self, state: Fleet, events: Sequence[Any]) -> None:
        """Senders see who is in the fleet, and that it has ended, as soon as it is decided."""
        if any(isinstance(event, _ROSTER_EVENTS) for event in events):
            self._publish_roster()
        self._watch.ended([event.name for event in events if isinstance(event, e.AgentEnded) and event.returned])

    def _publish_roster(self) -> Roster:
        roster = self.engine.rosters[self.stream_id] = self.state.roster()
        return roster

    # --- what follows ------------------------------------------------------------------------

    def committed(self, version: int) -> None:
        """Agents that are not stored yet must not be told anything: wait for the last commit."""
        if version == self._version:
            self.follow()

    def follow(self) -> None:
        """Tell the agents what they may or must do now, and keep the deadline."""
        fleet = self.state
        if self.stream_id not in self.engine.rosters:
            self._publish_roster()
        self._watch.changed(fleet)
        if fleet.has_ended:
            self.engine.timers.disarm(self._timer_key)
            self._stop_unfinished(fleet)
            self.engine.fleet_ended(self.stream_id)
            return
        assert fleet.spec is not None
        admit = Admit(fleet.spec.max_concurrency, fleet.may_get_stuck)
        for member in fleet.awake:
            key = f"watch {member.agent_id}" if admit.is_watched else member.agent_id
            self._tell_once(key, admit, member.agent_id)
        for member, reason in fleet.doomed:
            self._tell_once(member.agent_id, Request(c.StopAgent("cancelled", reason), by=self.stream_id))
        if fleet.deadline_uptime_s is not None:
            expire = Request(c.ExpireFleet(), by=self.stream_id)
            post = functools.partial(self.engine.residents.post, self.stream_id, expire)
            self.engine.timers.arm(self._timer_key, fleet.deadline_uptime_s, post)

    def _stop_unfinished(self, fleet: Fleet) -> None:
        if fleet.status not in ("cancelled", "timed_out"):
            return
        stop = c.StopAgent(fleet.status, f"its fleet is {fleet.status}")
        for name, member in fleet.members.items():
            if name not in fleet.ended or name not in fleet.returned:
                self._tell_once(f"stop {member.agent_id}", Request(stop, by=self.stream_id), member.agent_id)

    def _tell_once(self, key: str, message: object, agent_id: str = "") -> None:
        if key not in self._told:
            self._told.add(key)
            self.engine.residents.post(agent_id or key, message)

    @property
    def _timer_key(self) -> str:
        return f"expire {self.stream_id}"

    def may_retire(self) -> bool:
        """See `AggregateHost`."""
        return self._bundle is None and not self._watch.has_suspicion

    def retired(self) -> None:
        """See `AggregateHost`."""
        self.engine.rosters.pop(self.stream_id, None)

    # --- notes -------------------------------------------------------------------------------

    def on_note(self, message: object) -> None:
        """See `AggregateHost`."""
        match message:
            case GetRoster():
                self._answer_roster(message)
            case Broadcast():
                self._broadcasts.append(message)
                self._next_broadcast()
            case Still() | StillAnswer() | CheckStill():
                self._watch_on(message)
            case Sealed():
                if message.bundle is self._bundle:
                    self._bundle = None
                    self._next_broadcast()

    def _watch_on(self, message: Still | StillAnswer | CheckStill) -> None:
        try:
            fleet, fresh = self.load()
        except StoreFault as error:
            self.discard(error)
            return
        if fresh:
            self.follow()
        match message:
            case Still():
                self._watch.heard(fleet, message)
            case StillAnswer():
                self._watch.answered(fleet, message)
            case CheckStill() if self._bundle is not None or self._broadcasts:
                self._watch.changed(fleet)
            case CheckStill():
                self._watch.begin(fleet)

    def _answer_roster(self, message: GetRoster) -> None:
        try:
            fleet, fresh = self.load()
        except StoreFault as error:
            message.refuse(error)
            self.discard(error)
            return
        if not fleet.exists:
            message.refuse(NotFound(f"Fleet {self.stream_id} not found"))
            self.forget_nothing()
            return
        message.reply.set_result(self._publish_roster())
        if fresh:
            self.follow()

    def _next_broadcast(self) -> None:
        if self._bundle is not None or not self._broadcasts:
            return
        broadcast = self._broadcasts.popleft()
        self._bundle = Bundle(broadcast, self._seal, self.engine.journal.put, self)
        for recipient in broadcast.recipients:
            self.engine.residents.post(recipient, Contribute(self._bundle))

    def _seal(self, bundle: Bundle) -> Unit:
        """The bundle as one unit. Runs on the last contributor's thread; reads nothing of this actor."""
        request = bundle.broadcast.request
        sent = Sent(bundle.broadcast.message.id, tuple(bundle.delivered))
        parts = list(bundle.parts)
        if request.key is not None and parts:
            call = e.CallRecorded(request.key.operation, request.key.arguments_digest, request.key.seal(sent))
            origin = (self.engine.clock.now().wall_ms, request.by, request.cause)
            parts.append(first_part(request.key.stream_id, call, origin))
        return Unit(parts, request.reply, sent)
