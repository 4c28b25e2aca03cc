"""A fleet's money: what is spent, and what is set aside for calls that are on their way. A part of the fleet's state.

Its rule: what is spent and set aside never exceeds the budget. Settlements are totals, so that one that is
repeated or has overtaken another changes nothing.
"""

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.budget import shortage
from fleetlog.domain.values import Budget, Usage

__all__ = ["Purse", "SpendEvent"]

SpendEvent = e.SpendReserved | e.SpendSettled | e.SpendReleased


class Purse(msgspec.Struct):
    """`reserved` is by agent name and number of its call; `settled` by agent name: the last settled call, and what
    that and those before it have used."""

    budget: Budget | None = None
    spent: Usage = Usage()
    held: Usage = Usage()
    """The sum of all reservations."""
    reserved: dict[str, dict[int, Usage]] = {}
    settled: dict[str, tuple[int, Usage]] = {}

    def covers(self, command: c.ReserveSpend) -> bool:
        """Is exactly this set aside for the call?"""
        return self.reserved.get(command.name, {}).get(command.number) == command.bound

    def shortage(self, wanted: Usage, elapsed_s: float) -> str:
        """Why no call of this bound can ever be admitted, whatever becomes of the reservations; empty if it can."""
        return shortage(self.budget, self.spent, wanted, elapsed_s)

    def has_room(self, wanted: Usage, elapsed_s: float) -> bool:
        """Would this fit beside what is spent and set aside?"""
        return not shortage(self.budget, self.spent.plus(self.held), wanted, elapsed_s)

    def reserve(self, command: c.ReserveSpend, elapsed_s: float) -> list[e.SpendReserved]:
        """Nothing when it does not fit now, or is set aside already."""
        settled, _ = self.settled.get(command.name, (0, Usage()))
        if self.covers(command) or command.number <= settled:
            return []
        mine = self.reserved.get(command.name, {}).get(command.number)
        wanted = command.bound if mine is None else command.bound.minus(mine)
        if not self.has_room(wanted, elapsed_s):
            return []
        return [e.SpendReserved(command.name, command.number, command.bound)]

    def settle(self, command: c.SettleSpend) -> list[e.SpendSettled | e.SpendReleased]:
        """What is new in an agent's totals."""
        number, known = self.settled.get(command.name, (0, Usage()))
        if command.number < number:
            return []
        events: list[e.SpendSettled | e.SpendReleased] = []
        if command.number > number:
            events.append(e.SpendSettled(command.name, command.number, command.spent.minus(known)))
        if command.idle and any(call > command.number for call in self.reserved.get(command.name, ())):
            events.append(e.SpendReleased(command.name, command.number))
        return events

    def evolve(self, event: SpendEvent) -> None:
        """Fold one event."""
        match event:
            case e.SpendReserved():
                self._drop(event.name, event.number, event.number)
                self.reserved.setdefault(event.name, {})[event.number] = event.bound
                self.held = self.held.plus(event.bound)
            case e.SpendSettled():
                self._drop(event.name, 0, event.number)
                _, known = self.settled.get(event.name, (0, Usage()))
                self.settled[event.name] = (event.number, known.plus(event.usage))
                self.spent = self.spent.plus(event.usage)
            case e.SpendReleased():
                self._drop(event.name, event.number + 1, None)

    def _drop(self, name: str, first: int, last: int | None) -> None:
        """End the agent's reservations from the `first` call to the `last`."""
        mine = self.reserved.get(name, {})
        for number in [n for n in mine if n >= first and (last is None or n <= last)]:
            self.held = self.held.minus(mine.pop(number))
        if not mine:
            self.reserved.pop(name, None)
