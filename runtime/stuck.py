"""A fleet's actor watches whether everyone waits: who is still, and a check of it that a message in flight cannot pass.

An agent tells its fleet when it has become still (see `AgentState.stillness`) and when it is not any more; that is one
note for each, whatever the fleet's size. When all are still, and stay so for `stuck_after_s`, each is asked three
times, through its mailbox, whether it is still at the same version of its stream. Whatever was in flight between
two agents has by then moved one of them: a brain is not still before all its messages are delivered, and what an
actor says to another without a brain (that a question is declined) is in that one's mailbox before it answers here.
In memory only: after a restart the agents tell again.
"""

from dataclasses import dataclass

from fleetlog.domain import commands as c
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.stuck import found
from fleetlog.domain.values import Waiting
from fleetlog.runtime.engine import Engine, Request
from fleetlog.runtime.journal import Receipt
from fleetlog.runtime.reply import Reply

__all__ = ["AreYouStill", "CheckStill", "Still", "StillAnswer", "StuckWatch"]

ROUNDS = 3
ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Still:
    """An agent says what it is now: `waiting`, `idle`, or at work (empty)."""

    name: str
    stillness: str


@dataclass(frozen=True, slots=True)
class CheckStill:
    """It may be time to ask them all."""


@dataclass(frozen=True, slots=True)
class AreYouStill:
    """The fleet asks an agent, in its check number `check`."""

    check: int


@dataclass(frozen=True, slots=True)
class StillAnswer:
    """The agent as it is: at this version of its stream, waiting for that (if it waits)."""

    check: int
    name: str
    stillness: str
    version: int
    waiting: Waiting | None = None


class StuckWatch:
    """Who of one fleet is still. Belongs to the fleet's actor, and is used on its turns only."""

    def __init__(self, engine: Engine, fleet_id: str) -> None:
        self._engine, self._fleet_id = engine, fleet_id
        self._still: dict[str, set[str]] = {"waiting": set(), "idle": set()}
        self.has_suspicion = False
        """All are still: what is known here must not leave the memory before it was looked at."""
        self._check = 0
        """The number of the check that is under way, or was the last."""
        self._round = 0
        self._asked: set[str] = set()
        self._answers: dict[str, StillAnswer] = {}
        self._before: dict[str, StillAnswer] = {}

    def heard(self, fleet: Fleet, note: Still) -> None:
        """An agent is still, or not any more."""
        self._set(note.name, "" if note.name in fleet.returned else note.stillness)
        self.changed(fleet)

    def ended(self, names: list[str]) -> None:
        """These have ended for good."""
        for name in names:
            self._set(name, "")

    def _set(self, name: str, stillness: str) -> None:
        for names in self._still.values():
            names.discard(name)
        if stillness:
            self._still[stillness].add(name)

    def changed(self, fleet: Fleet) -> None:
        """Something is another than it was: a check that is under way is off; if all are still, one is due soon."""
        self._round = 0
        after_s = self._engine.stuck_after_s
        self.has_suspicion = after_s is not None and self._is_suspect(fleet)
        if after_s is not None and self.has_suspicion:
            self._arm(after_s)
        else:
            self._engine.timers.disarm(self._key)

    def _is_suspect(self, fleet: Fleet) -> bool:
        waiting, idle = self._still["waiting"], self._still["idle"]
        return bool(waiting) and len(waiting) + len(idle) >= fleet.unaccounted and fleet.may_get_stuck

    @property
    def _key(self) -> str:
        return f"stuck {self._fleet_id}"

    def _arm(self, after_s: float) -> None:
        due = self._engine.clock.now().uptime_s + after_s
        post, fleet_id = self._engine.residents.post, self._fleet_id
        self._engine.timers.arm(self._key, due, lambda: post(fleet_id, CheckStill()))

    # --- the check ---------------------------------------------------------------------------

    def begin(self, fleet: Fleet) -> None:
        """Ask all that are still, if they all are."""
        self._round = 0
        if self._is_suspect(fleet) and not fleet.doomed:
            self._before = {}
            self._ask(fleet)
            self._arm(ANSWER_S)  # should an answer never come, begin anew

    def _ask(self, fleet: Fleet) -> None:
        """The next round: those that are still, and those they wait for, who may have ended."""
        awaited = {answer.waiting.on for answer in self._before.values() if answer.waiting is not None}
        self._round += 1
        self._check += 1
        self._answers = {}
        self._asked = self._still["waiting"] | self._still["idle"] | (awaited & fleet.members.keys())
        for name in self._asked:
            self._engine.residents.post(fleet.members[name].agent_id, AreYouStill(self._check))

    def answered(self, fleet: Fleet, answer: StillAnswer) -> None:
        """One has answered. The last answer of the last round makes it certain."""
        if not self._round or answer.check != self._check:
            return
        is_counted = answer.name in self._still["waiting"] or answer.name in self._still["idle"]
        before = self._before.get(answer.name)
        if is_counted and not answer.stillness:
            self._set(answer.name, "")
            self.changed(fleet)
        elif before is not None and before.version != answer.version:
            self.changed(fleet)
        else:
            self._answers[answer.name] = answer
            if len(self._answers) == len(self._asked):
                self._next_round(fleet)

    def _next_round(self, fleet: Fleet) -> None:
        self._before = {**self._before, **self._answers}
        if self._round < ROUNDS:
            self._ask(fleet)
            return
        self._round = 0
        self._engine.timers.disarm(self._key)
        still = [answer for name in fleet.members if (answer := self._answers.get(name)) is not None]
        waiting = tuple(answer.waiting for answer in still if answer.waiting is not None)
        idle = tuple(answer.name for answer in still if answer.stillness == "idle")
        self._declare(fleet, waiting, idle)

    def _declare(self, fleet: Fleet, waiting: tuple[Waiting, ...], idle: tuple[str, ...]) -> None:
        """Have the fleet record it; when that is committed (or was before), those who wait are told."""
        reply: Reply[Receipt] = Reply()
        reason = found(waiting).reason if waiting else ""
        agent_ids = [(fleet.members[one.name].agent_id, one.index) for one in waiting]
        post, fleet_id = self._engine.residents.post, self._fleet_id

        def tell(done: Reply[Receipt]) -> None:
            if done.exception() is None:
                for agent_id, index in agent_ids:
                    post(agent_id, Request(c.AbandonWait(index, reason), by=fleet_id))

        reply.add_done_callback(tell)
        post(fleet_id, Request(c.DeclareStuck(waiting, idle), reply, by=fleet_id))
