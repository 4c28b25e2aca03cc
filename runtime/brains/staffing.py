"""How a brain staffs its own fleet: it attaches agents, asks who fits a piece of work, and closes a fleet that is kept
open. Part of a brain's context.

Each is a step. An attachment carries an idempotency key made of the agent's id and the step's index, so that one that a
crash has cut off is made again as the same agent, never as a second one; closing twice changes nothing.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from fleetlog.domain import checks, errors
from fleetlog.domain.values import AgentSpec, Effect, agent_name_of
from fleetlog.runtime import arguments
from fleetlog.runtime.brains.run import Run

__all__ = ["Match", "StaffsFleet"]

T = TypeVar("T")


class Match(msgspec.Struct, frozen=True):
    """A peer that fits, as `route_work` of the facade says it, by its name in the fleet."""

    name: str
    role: str
    score: float
    why: str


class StaffsFleet:
    """Staffing as recorded steps. `Context` has the steps."""

    _index: int
    _run: Run

    @property
    def agent_id(self) -> str:
        raise NotImplementedError

    @property
    def workspace(self) -> str | None:
        raise NotImplementedError

    def step(self, name: str, effect: Effect, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def attach_agent(self, spec: AgentSpec, *, step_name: str = "") -> str:
        """Add an agent to this fleet while it runs; its name there. It starts at once. What the fleet refuses (the name
        is taken, it is closed, the brain is not known here) is raised as `StepFailed`."""
        spec = arguments.typed(spec, AgentSpec, "spec")
        key = f"attach {self.agent_id} {self._index}"
        name = step_name or f"attach_agent {spec.name or spec.role}"[:200]
        attached = self.step(name, "idempotent", self._linked, lambda: self._attached(spec, key))
        return str(attached)

    def _attached(self, spec: AgentSpec, key: str) -> str:
        return agent_name_of(self._run.link.attach(spec, self.workspace or "", key))

    def route_work(self, description: str, top_n: int = 1, *, step_name: str = "") -> list[Match]:
        """The peers in this fleet that fit this work best, best first; without this agent itself. Those that have ended
        or are paused are not among them."""
        checks.text("description", description, empty=False)
        checks.integer("top_n", top_n)
        found = self.step(step_name or "route_work", "pure", self._linked, lambda: self._matches(description, top_n))
        return msgspec.convert(found, list[Match])

    def _matches(self, description: str, top_n: int) -> list[Match]:
        found = [one for one in self._run.link.route(description, top_n + 1) if one.agent_id != self.agent_id]
        return [Match(agent_name_of(one.agent_id), one.role, one.score, one.why) for one in found[:top_n]]

    def close_fleet(self, reason: str = "") -> None:
        """Let this fleet, which is kept open, end with its last agent: nobody can be attached any more."""
        checks.text("reason", reason, max_chars=2_000)
        self.step("close_fleet", "idempotent", self._linked, lambda: self._run.link.close_fleet(reason))

    def _linked(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except errors.RuntimeClosed as error:
            self._run.stop(str(error))
            self._run.check()
            raise
