"""When a fleet is stuck: everyone waits for somebody else, for ever, and nothing is in flight."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed
from fleetlog.domain.values import Waiting

if TYPE_CHECKING:
    from fleetlog.domain.fleet import Fleet

__all__ = ["declare", "found", "reason_for"]

MAX_LISTED = 1_000
MAX_SAID = 10


def declare(fleet: "Fleet", command: c.DeclareStuck) -> list[e.FleetEvent]:
    """That it is stuck, if those who were heard are all who could move it; refused when they are not. Once for the
    same waits."""
    names = {waiting.name for waiting in command.waiting}
    still = names | set(command.idle) | fleet.returned | fleet.waiting.keys()
    is_sure = names and names <= fleet.admitted - fleet.ended.keys() and fleet.members.keys() <= still
    if not is_sure or not fleet.may_get_stuck or fleet.doomed:
        raise NotAllowed(f"Fleet {fleet.id} is not stuck: something in it may still move")
    event = found(command.waiting)
    return [] if fleet.stuck == event else [event]


def found(waiting: Sequence[Waiting]) -> e.FleetStuck:
    """The event for these waits."""
    return e.FleetStuck(tuple(waiting[:MAX_LISTED]), len(waiting), reason_for(waiting))


def reason_for(waiting: Sequence[Waiting]) -> str:
    """Who waits for whom, a circle of them first; in one sentence of a bounded length."""
    circle = _circle({one.name: one.on for one in waiting})
    by_name = {one.name: one for one in waiting}
    first = [by_name[name] for name in circle]
    said = (first + [one for one in waiting if one.name not in circle])[:MAX_SAID]
    rest = len(waiting) - len(said)
    more = f", and {rest} more" if rest else ""
    return f"everyone waits and nothing is in flight: {', '.join(map(_said, said))}{more}"


def _said(one: Waiting) -> str:
    whom = one.on or "anybody"
    if one.what.startswith("answer from "):
        return f"{one.name} waits for an answer from {whom}"
    if not one.what.startswith("receive"):
        return f"{one.name} waits in its step '{one.what}' for {whom}"
    kinds = one.what.partition(" from ")[0].removeprefix("receive").split()
    return f"{one.name} waits for {' or '.join(kinds) or 'a message'} from {whom}"


def _circle(on: dict[str, str]) -> list[str]:
    """Names that wait for each other all around, the shortest way there from the first name; or none."""
    judged: set[str] = set()
    for start in on:
        path: list[str] = []
        name = start
        while name in on and name not in judged:
            judged.add(name)
            path.append(name)
            name = on[name]
        if name in path:
            return path[path.index(name) :]
    return []
