"""The Fleet aggregate: who is in it, who may start, when it ends. Same two halves as the agent.

`Roster` is what it shows to senders: an immutable value that answers who a message goes to.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import assert_never

import msgspec

from fleetlog.domain import checks, stuck
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain import spec as specs
from fleetlog.domain.budget import check_budget, shortage
from fleetlog.domain.errors import InvalidArgument, NotAllowed, NotFound
from fleetlog.domain.fleet_purse import Purse
from fleetlog.domain.values import FLEET_ENDED, OPERATOR, Budget, FleetSpec, FleetStatus, Member, Now, Usage

__all__ = ["Fleet", "Roster"]


class Roster(msgspec.Struct, frozen=True):
    """A fleet's members and state at one moment. `members` maps names to members and is not changed."""

    fleet_id: str
    status: FleetStatus
    members: Mapping[str, Member]
    is_paused: bool = False

    def agent_id(self, name_or_id: str) -> str:
        """The id of a member given by its name or id; refuses others."""
        member = self.members.get(name_or_id) or self.members.get(_name_in(name_or_id, self.fleet_id))
        if member is None:
            raise NotFound(f"No such agent in fleet {self.fleet_id}: {name_or_id}")
        return member.agent_id

    def recipients(self, sender: str, to: str, skills: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Who a message reaches: one member, or for `*` every other one (with one of the skills)."""
        if self.status in FLEET_ENDED:
            raise NotAllowed(f"Fleet {self.fleet_id} is {self.status}, not running")
        if sender != OPERATOR:
            self.agent_id(sender)
        if to != "*":
            return (self.agent_id(to),)
        wanted = frozenset(skills)
        others = [m for m in self.members.values() if sender not in (m.name, m.agent_id)]
        fitting = [m for m in others if not wanted.isdisjoint(m.skills)] if wanted else others
        return tuple(member.agent_id for member in fitting or others)


@lru_cache(65_536)
def _name_in(agent_id: str, fleet_id: str) -> str:
    """The name in an agent's id; empty when it is of another fleet."""
    kind, _, rest = agent_id.partition("-")
    stamp = fleet_id[6:]
    return rest[len(stamp) + 1 :] if kind == "agent" and rest.startswith(stamp) else ""


class Fleet:
    """One fleet's state; it does not exist until `fleet.spawned` is folded."""

    __slots__ = (
        "admitted",
        "archived",
        "broken_groups",
        "closed",
        "ended",
        "group_of",
        "id",
        "incomplete_in_group",
        "members",
        "pause",
        "purse",
        "returned",
        "spawned_uptime_s",
        "spec",
        "status",
        "stuck",
        "timeout_s",
        "waiting",
    )

    def __init__(self, fleet_id: str) -> None:
        self.id = fleet_id
        self.spec: FleetSpec | None = None
        self.status: FleetStatus = "running"
        self.members: dict[str, Member] = {}
        self.waiting: dict[str, Member] = {}
        """Neither admitted nor ended."""
        self.group_of: dict[str, str] = {}
        """The spec's name for each member: its own, or the one its `each` was given to."""
        self.incomplete_in_group: dict[str, int] = {}
        self.broken_groups: dict[str, str] = {}
        """Groups in which a member ended without completing, with what happened."""
        self.admitted: set[str] = set()
        self.ended: dict[str, str] = {}
        self.returned: set[str] = set()
        self.timeout_s: float | None = None
        self.spawned_uptime_s = 0.0
        self.closed = False
        self.archived = False
        self.pause: e.FleetPaused | None = None
        self.purse = Purse()
        self.stuck: e.FleetStuck | None = None
        """How it was found stuck the last time."""

    # --- questions ---------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return self.spec is not None

    @property
    def has_ended(self) -> bool:
        return self.status in FLEET_ENDED

    @property
    def unfinished(self) -> list[Member]:
        """The members that have not ended."""
        return [member for name, member in self.members.items() if name not in self.ended]

    @property
    def awake(self) -> list[Member]:
        """The admitted members whose function has work left, or may be asked."""
        awake = self.admitted - self.returned
        return [member for name, member in self.members.items() if name in awake]

    @property
    def deadline_uptime_s(self) -> float | None:
        """When its time is over, in seconds of runtime uptime."""
        return None if self.timeout_s is None else self.spawned_uptime_s + self.timeout_s

    @property
    def wall_over_uptime_s(self) -> float | None:
        """When the wall time of its budget is over, in seconds of runtime uptime."""
        wall_s = self.purse.budget.wall_s if self.purse.budget else None
        return None if wall_s is None else self.spawned_uptime_s + wall_s

    def is_granted(self, command: c.ReserveSpend) -> bool:
        """May the agent make this call now?"""
        return self.pause is None and not self.has_ended and self.purse.covers(command)

    @property
    def doomed(self) -> list[tuple[Member, str]]:
        """Members that can never start, each with the reason: what they depend on did not complete."""
        if not self.broken_groups:
            return []
        return [
            (member, f"it depends on {needed}: {self.broken_groups[needed]}")
            for member in self.waiting.values()
            for needed in [next((n for n in member.depends_on if n in self.broken_groups), "")]
            if needed
        ]

    @property
    def may_get_stuck(self) -> bool:
        """Nobody outside keeps it going: it runs, is not paused, and is not kept open for whoever may come."""
        return self.exists and self.status == "running" and self.pause is None and (self.closed or not self._keeps_open)

    @property
    def unaccounted(self) -> int:
        """How many of its agents were admitted and have not ended for good: they work, or wait."""
        return len(self.members) - len(self.waiting) - len(self.returned)

    def roster(self) -> Roster:
        """What senders need to know, as it is now."""
        return Roster(self.id, self.status, self.members.copy(), self.pause is not None)

    # --- decide ------------------------------------------------------------------------------

    def decide(self, command: c.FleetCommand, now: Now) -> list[e.FleetEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if isinstance(command, c.SpawnFleet):
            return self._spawn(command, now)
        if self.spec is None:
            raise NotFound(f"Fleet {self.id} not found")
        match command:
            case c.RecordAgentEnd():
                return self._record_end(command)
            case c.AttachAgent():
                return self._attach(command)
            case c.SetFleetTimeout():
                self._refuse_ended()
                checked = checks.seconds("timeout_s", command.timeout_s)
                return [e.FleetTimeoutSet(checked)]
            case c.ExpireFleet():
                return self._expire(now)
            case c.DeclareStuck():
                return stuck.declare(self, command)
            case c.CloseFleet():
                return self._close(command.reason)
            case c.CancelFleet():
                self._refuse_ended()
                return [e.FleetCancelled(command.reason)]
            case c.ArchiveFleet():
                if not self.has_ended:
                    raise NotAllowed(f"Fleet {self.id} is {self.status}; only an ended fleet can be archived")
                return [] if self.archived else [e.FleetArchived(command.reason)]
            case c.ReserveSpend():
                return self._reserve(command, now)
            case c.SettleSpend():
                self._member(command.name)
                return [*self.purse.settle(command)]
            case c.PauseFleet():
                return self._pause(command.reason)
            case c.ResumeFleet():
                return self._resume(now)
            case c.SetBudget():
                return self._set_budget(command.budget, now)
            case c.ExpireBudget():
                return self._expire_budget(now)
            case _:
                assert_never(command)

    def _spawn(self, command: c.SpawnFleet, now: Now) -> list[e.FleetEvent]:
        if self.spec is not None:
            raise NotAllowed(f"Fleet {self.id} exists already")
        spec = specs.check_fleet(command.spec, command.max_agents)
        members = tuple(seat.member for seat in specs.seats(spec, self.id))
        bare = tuple(
            msgspec.structs.replace(agent, each=() if agent.each is not None else None) for agent in spec.agents
        )
        spawned = e.FleetSpawned(msgspec.structs.replace(spec, agents=bare), members, now.uptime_s)
        trial = Fleet(self.id)
        trial.evolve(spawned)
        return [spawned, *trial._admit(trial.waiting)]

    def _attach(self, command: c.AttachAgent) -> list[e.FleetEvent]:
        self._refuse_ended()
        if self.closed:
            raise NotAllowed(f"Fleet {self.id} is closed: no agent can be attached any more")
        if command.spec.each is not None:
            raise InvalidArgument("'each' makes many agents and is for spawning; attach them one by one")
        if len(self.members) >= command.max_agents:
            raise NotAllowed(f"Fleet {self.id} has {len(self.members)} agents (limit {command.max_agents})")
        spec = specs.check_agent(command.spec)
        if spec.name in self.members or spec.name in self.incomplete_in_group:
            raise InvalidArgument(f"'name': fleet {self.id} has an agent called \"{spec.name}\" already")
        for needed in spec.depends_on:
            if needed not in self.incomplete_in_group:
                raise InvalidArgument(f"'depends_on' names \"{needed}\", which is not in fleet {self.id}")
        member = specs.seat_for(spec, spec.name, self.id).member
        return [e.AgentAttached(member), *self._admit({spec.name: member})]

    def _record_end(self, command: c.RecordAgentEnd) -> list[e.FleetEvent]:
        self._member(command.name)
        if command.name in self.ended:
            return []
        recorded = e.AgentEnded(command.name, command.status, command.returned)
        if self.has_ended:
            return [recorded]
        completing = self._group_that_completes(command.name) if command.status == "complete" else ""
        starting = self._admit(self.waiting, completing) if completing else []
        return [recorded, *starting, *self._end_if_done(command.status)]

    def _group_that_completes(self, name: str) -> str:
        group = self.group_of[name]
        return group if self.incomplete_in_group[group] == 1 else ""

    def _admit(self, candidates: Mapping[str, Member], completing: str = "") -> list[e.FleetEvent]:
        """Admit the candidates for which everything they depend on has completed (or is just
        completing)."""
        names = tuple(
            name
            for name, member in candidates.items()
            if all(need == completing or not self.incomplete_in_group[need] for need in member.depends_on)
        )
        return [e.AgentsAdmitted(names)] if names else []

    def _end_if_done(self, last_status: str) -> list[e.FleetEvent]:
        """The fleet's end, if the agent that is just ending is the last one."""
        if len(self.ended) + 1 < len(self.members) or (self._keeps_open and not self.closed):
            return []
        return [self._end([*self.ended.values(), last_status])]

    def _end(self, statuses: Sequence[str]) -> e.FleetEvent:
        if "complete" in statuses:
            return e.FleetCompleted()
        counts = ", ".join(f"{count} {status}" for status, count in sorted(Counter(statuses).items()))
        return e.FleetFailed(f"no agent completed ({counts})")

    def _expire(self, now: Now) -> list[e.FleetEvent]:
        deadline = self.deadline_uptime_s
        if self.has_ended or self.timeout_s is None or deadline is None or now.uptime_s < deadline:
            return []
        return [e.FleetTimedOut(self.timeout_s)]

    def _close(self, reason: str) -> list[e.FleetEvent]:
        if self.has_ended or self.closed:
            return []
        done = len(self.ended) == len(self.members)
        return [e.FleetClosed(reason), *([self._end(list(self.ended.values()))] if done else [])]

    def _member(self, name: str) -> None:
        if name not in self.members:
            raise NotFound(f"No such agent in fleet {self.id}: {name}")

    # --- money and pauses --------------------------------------------------------------------

    def _reserve(self, command: c.ReserveSpend, now: Now) -> list[e.FleetEvent]:
        """Set aside, or pause if that can never be; nothing where it can when other calls have ended. A fleet that
        has ended gives nothing more."""
        self._member(command.name)
        if self.pause is not None or self.has_ended:
            return []
        elapsed_s = now.uptime_s - self.spawned_uptime_s
        if reserved := self.purse.reserve(command, elapsed_s):
            return [*reserved]
        reason = "" if self.purse.covers(command) else self.purse.shortage(command.bound, elapsed_s)
        return [e.FleetPaused(reason, "budget", command.bound)] if reason else []

    def _pause(self, reason: str) -> list[e.FleetEvent]:
        self._refuse_ended()
        if self.pause is not None and self.pause.kind == "operator":
            return []
        return [e.FleetPaused(reason)]

    def _resume(self, now: Now) -> list[e.FleetEvent]:
        self._refuse_ended()
        if self.pause is None:
            return []
        if self.pause.kind == "budget" and (lacking := self._lacking(self.purse.budget, now)):
            raise NotAllowed(f"Fleet {self.id} is paused by its budget ({lacking}): raise it, and the fleet goes on")
        return [e.FleetResumed()]

    def _set_budget(self, budget: Budget, now: Now) -> list[e.FleetEvent]:
        self._refuse_ended()
        events: list[e.FleetEvent] = []
        if check_budget("budget", budget) != self.purse.budget:
            events.append(e.FleetBudgetSet(budget))
        if self.pause is not None and self.pause.kind == "budget" and not self._lacking(budget, now):
            events.append(e.FleetResumed())
        return events

    def _expire_budget(self, now: Now) -> list[e.FleetEvent]:
        over = self.wall_over_uptime_s
        if self.has_ended or self.pause is not None or over is None or now.uptime_s < over:
            return []
        return [e.FleetPaused(self._lacking(self.purse.budget, now), "budget")]

    def _lacking(self, budget: Budget | None, now: Now) -> str:
        """Why this budget does not admit the call that a pause came of."""
        wanted = (self.pause.bound if self.pause else None) or Usage()
        return shortage(budget, self.purse.spent, wanted, now.uptime_s - self.spawned_uptime_s)

    @property
    def _keeps_open(self) -> bool:
        return self.spec is not None and self.spec.keep_open

    def _refuse_ended(self) -> None:
        if self.has_ended:
            raise NotAllowed(f"Fleet {self.id} is {self.status}, not running")

    # --- evolve ------------------------------------------------------------------------------

    def evolve(self, event: e.FleetEvent) -> None:
        """Fold one event; total over all fleet events."""
        match event:
            case e.AgentEnded():
                self._evolve_ended(event)
            case e.AgentsAdmitted():
                self.admitted.update(event.names)
                for name in event.names:
                    self.waiting.pop(name, None)
            case e.FleetSpawned():
                self._evolve_spawned(event)
            case e.AgentAttached():
                self._seat(event.member, event.member.name)
            case e.FleetTimeoutSet():
                self.timeout_s = event.timeout_s
            case e.FleetClosed():
                self.closed = True
            case e.FleetStuck():
                self.stuck = event
            case e.FleetCompleted():
                self.status = "complete"
            case e.FleetFailed():
                self.status = "failed"
            case e.FleetCancelled():
                self.status = "cancelled"
            case e.FleetTimedOut():
                self.status = "timed_out"
            case e.FleetArchived():
                self.archived = True
            case e.FleetForked():
                pass  # told to those who look at it
            case e.SpendReserved() | e.SpendSettled() | e.SpendReleased():
                self.purse.evolve(event)
            case e.FleetPaused():
                self.pause = event
            case e.FleetResumed():
                self.pause = None
            case e.FleetBudgetSet():
                self.purse.budget = event.budget
            case _:
                assert_never(event)

    def _evolve_spawned(self, event: e.FleetSpawned) -> None:
        self.spec = event.spec
        self.purse.budget = event.spec.budget
        self.timeout_s, self.spawned_uptime_s = event.spec.timeout_s, event.uptime_s
        groups = {agent.name: agent.each is not None for agent in event.spec.agents}
        self.incomplete_in_group = dict.fromkeys(groups, 0)
        for member in event.members:
            stem = member.name.rpartition("-")[0]
            self._seat(member, stem if groups.get(stem) and member.name not in groups else member.name)

    def _seat(self, member: Member, group: str) -> None:
        self.members[member.name] = self.waiting[member.name] = member
        self.group_of[member.name] = group
        self.incomplete_in_group[group] = self.incomplete_in_group.get(group, 0) + 1

    def _evolve_ended(self, event: e.AgentEnded) -> None:
        self.ended[event.name] = event.status
        self.waiting.pop(event.name, None)
        if event.returned:
            self.returned.add(event.name)
        group = self.group_of[event.name]
        if event.status == "complete":
            self.incomplete_in_group[group] -= 1
        else:
            self.broken_groups.setdefault(group, f"{event.name} ended as {event.status}")
