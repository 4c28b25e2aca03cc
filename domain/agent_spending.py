"""What an agent may spend, and its pauses: the part of its decisions about paid calls.

Its rule: a call's start is recorded before it is made, and every started call ends exactly once: with what it has
used, with nothing, or, when nobody knows, with the most it can have used.
"""

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent_state import AgentState
from fleetlog.domain.budget import check_budget, shortage
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import Budget, Now, Usage

__all__ = ["AgentSpending"]


class AgentSpending(AgentState):
    """The state, with what is decided about money."""

    __slots__ = ()

    @property
    def wall_over_uptime_s(self) -> float | None:
        """When the wall time of its budget is over, in seconds of runtime uptime."""
        if self.budget is None or self.budget.wall_s is None or self.started_uptime_s is None:
            return None
        return self.started_uptime_s + self.budget.wall_s

    @property
    def _said_state(self) -> str:
        """Why it records no step now, for people."""
        return f"inside its paid call '{self.open_call.name}'" if self.can_run and self.open_call else self.status

    def _start_call(self, command: c.StartCall, now: Now) -> list[e.AgentEvent]:
        """A paused agent starts none; one whose budget does not admit it pauses."""
        if command.number != self.calls + 1:
            raise NotAllowed(f"Agent {self.id} is at paid call {self.calls + 1}, not {command.number}")
        if self.pause is not None:
            return []
        reason = shortage(self.budget, self.spent, command.bound, self._elapsed_s(now))
        if reason:
            return [e.AgentPaused(reason, "budget", command.bound)]
        return [e.CallStarted(command.index, command.name, command.number, command.bound)]

    def _end_call(self, command: c.ReleaseCall | c.LoseCall) -> list[e.AgentEvent]:
        call = self.open_call
        if call is None or command.number != call.number:
            raise NotAllowed(f"Agent {self.id} is not inside its paid call {command.number}")
        if isinstance(command, c.ReleaseCall):
            return [e.CallReleased(call.index, call.number)]
        return [*self._lost_call(command.counted)]

    def _lost_call(self, counted: Usage | None = None) -> list[e.CallLost]:
        """The open call, if there is one, as lost: with what it has cost, or its bound."""
        call = self.open_call
        return [] if call is None else [e.CallLost(call.index, call.number, call.bound if counted is None else counted)]

    def _pause(self, command: c.PauseAgent) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: there is nothing to pause")
        if self.pause is not None and self.pause.kind in ("operator", command.kind):
            return []
        return [e.AgentPaused(command.reason, command.kind)]

    def _resume(self, now: Now) -> list[e.AgentEvent]:
        if self.pause is None:
            return []
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: there is nothing to resume")
        if self.pause.kind == "budget" and (lacking := self._lacking(self.budget, now)):
            raise NotAllowed(f"Agent {self.id} is paused by its budget ({lacking}): raise it, and the agent goes on")
        return [e.AgentUnpaused()]

    def _set_budget(self, budget: Budget, now: Now) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: it spends nothing more")
        events: list[e.AgentEvent] = []
        if check_budget("budget", budget) != self.budget:
            events.append(e.AgentBudgetSet(budget))
        if self.pause is not None and self.pause.kind == "budget" and not self._lacking(budget, now):
            events.append(e.AgentUnpaused())
        return events

    def _expire_budget(self, now: Now) -> list[e.AgentEvent]:
        over = self.wall_over_uptime_s
        if not self.can_run or self.pause is not None or over is None or now.uptime_s < over:
            return []
        return [e.AgentPaused(self._lacking(self.budget, now), "budget")]

    def _lacking(self, budget: Budget | None, now: Now) -> str:
        """Why this budget does not admit the call that a pause came of."""
        wanted = (self.pause.bound if self.pause else None) or Usage()
        return shortage(budget, self.spent, wanted, self._elapsed_s(now))

    def _elapsed_s(self, now: Now) -> float | None:
        return None if self.started_uptime_s is None else now.uptime_s - self.started_uptime_s
