"""What a fleet should be like, said again in fewer words: who needs whom, who has ended, when all is over.

Independent of the code it judges: it knows groups (an agent of the spec, or all that its `each` makes) by name.
"""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["FleetModel", "Plan"]


class Plan(NamedTuple):
    """An agent of the spec; `items` is the length of its `each`, or None."""

    name: str
    needs: tuple[str, ...] = ()
    items: int | None = None

    @property
    def members(self) -> list[str]:
        return [self.name] if self.items is None else [f"{self.name}-{n + 1}" for n in range(self.items)]


class FleetModel:
    """The machine tells it what was accepted."""

    def __init__(self, plans: Iterable[Plan], keep_open: bool, deadline_s: float | None) -> None:
        self.groups: dict[str, list[str]] = {}
        self.needs: dict[str, tuple[str, ...]] = {}
        self.ended: dict[str, str] = {}
        self.started: list[str] = []
        self.returned: set[str] = set()
        self.outcome = ""
        self.is_open = keep_open
        self.is_closed = False
        self.is_archived = False
        self.deadline_s = deadline_s
        for plan in plans:
            self.join(plan)
        self.start_who_may()

    # --- what holds ----------------------------------------------------------------------------

    @property
    def members(self) -> list[str]:
        return list(self.needs)

    @property
    def status(self) -> str:
        return self.outcome or "running"

    def is_complete(self, group: str) -> bool:
        return all(self.ended.get(name) == "complete" for name in self.groups[group])

    def is_broken(self, group: str) -> bool:
        return any(self.ended.get(name, "complete") != "complete" for name in self.groups[group])

    @property
    def doomed(self) -> list[str]:
        """Who can never start."""
        idle = (name for name in self.needs if name not in self.started and name not in self.ended)
        return [name for name in idle if any(map(self.is_broken, self.needs[name]))]

    @property
    def may_move(self) -> list[str]:
        """Who has started, or has ended without (worked from outside), and has not ended for good."""
        return [name for name in {**dict.fromkeys(self.started), **self.ended} if name not in self.returned]

    def is_stuck(self, waiting: set[str], idle: set[str]) -> bool:
        """If these wait and those do nothing more, nobody is left, and nobody may come from outside."""
        is_closed = not self.outcome and not self.doomed and (self.is_closed or not self.is_open)
        are_running = waiting and waiting.isdisjoint(self.ended) and waiting <= set(self.started)
        return bool(is_closed and are_running and set(self.may_move) <= waiting | idle)

    # --- what happens --------------------------------------------------------------------------

    def join(self, plan: Plan) -> None:
        self.groups[plan.name] = plan.members
        self.needs |= dict.fromkeys(plan.members, plan.needs)

    def start_who_may(self) -> list[str]:
        """The ones that start now; nobody does once the fleet is over."""
        idle = [name for name in self.needs if name not in self.started and name not in self.ended]
        now = [name for name in idle if not self.outcome and all(map(self.is_complete, self.needs[name]))]
        self.started += now
        return now

    def end_if_over(self) -> bool:
        """It ends when the last agent has, unless somebody may still bring one."""
        is_over = not self.outcome and set(self.ended) == set(self.needs) and (not self.is_open or self.is_closed)
        if is_over:
            self.outcome = "complete" if "complete" in self.ended.values() else "failed"
        return is_over
