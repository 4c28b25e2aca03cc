"""Given / when / then on events: what the domain's tests share. No database, no actors, no clock.

Every command that a `Story` tells is checked for more than its events: deciding changed nothing, a refusal
changed nothing, every event survives being stored, and the live state equals a fold from scratch of what was
stored.
"""

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent import Agent
from fleetlog.domain.errors import Refused
from fleetlog.domain.fleet import Fleet
from fleetlog.domain.values import AgentSpec, Effect, FleetSpec, Member, Message, MessageType, Now, Stored
from fleetlog.domain.values import agent_id_for as agent_id_in
from fleetlog.runtime import codec
from fleetlog.runtime.testing import state_of

__all__ = [
    "FLEET",
    "NAME",
    "Story",
    "agent_story",
    "agent_that_is",
    "at",
    "done",
    "fleet_story",
    "id_of",
    "member",
    "message",
    "role",
    "snapshot",
    "spawned",
    "stored_and_read",
    "value",
]

FLEET = "fleet-261123-014647-k3f2q7"
NAME = "planner"


def at(uptime_s: float) -> Now:
    """That moment of uptime; the wall clock shows something else on purpose."""
    return Now(1_700_000_000_000 + int(uptime_s), uptime_s)


def id_of(name: str) -> str:
    """The id of an agent of the tests' fleet."""
    return agent_id_in(FLEET, name)


def snapshot(aggregate: Any) -> dict[str, Any]:
    """A copy of the aggregate's whole state."""
    return copy.deepcopy(state_of(aggregate))


def stored_and_read(event: Any) -> Any:
    """The event as it comes back from the log."""
    topic, state, _ = codec.encode(event, FLEET, 1, codec.GENESIS, (1_700_000_000_000, "operator", "test"))
    return codec.decode(topic, state).body.event


class Story:
    """An aggregate and its log: `when` tells a command, `refuses` one that is turned down."""

    def __init__(self, fresh: Callable[[], Any], given: Sequence[Any]) -> None:
        self._fresh = fresh
        self.events: list[Any] = []
        self.state = fresh()
        self._add(given)

    def when(self, command: Any, uptime_s: float = 0.0) -> list[Any]:
        """The events the command leads to, folded into the state."""
        before = snapshot(self.state)
        try:
            made: list[Any] = self.state.decide(command, at(uptime_s))
        finally:
            assert snapshot(self.state) == before, f"deciding {command} changed the state"
        self._add(made)
        return made

    def refuses(self, command: Any, error: type[Refused], words: str, uptime_s: float = 0.0) -> None:
        """The command is refused with exactly this kind of error, saying so."""
        with pytest.raises(error, match=re.escape(words)) as caught:
            self.when(command, uptime_s)
        assert type(caught.value) is error

    def _add(self, events: Sequence[Any]) -> None:
        for event in events:
            assert stored_and_read(event) == event
            self.state.evolve(event)
            self.events.append(event)
        again = self._fresh()
        for event in self.events:
            again.evolve(stored_and_read(event))
        assert snapshot(again) == snapshot(self.state), "the log folds to another state"


# --- agents --------------------------------------------------------------------------------------


def spawned(**spec: Any) -> e.AgentSpawned:
    """The birth of the tests' agent; it has a brain unless told otherwise."""
    return e.AgentSpawned(FLEET, NAME, AgentSpec(**{"role": NAME, "prompt": "plan", "brain": "plan", **spec}))


def agent_story(*given: Any, **spec: Any) -> Story:
    """An agent that has been spawned and has begun its first run, and then what is given."""
    return Story(lambda: Agent(id_of(NAME)), [spawned(**spec), e.AgentStarted(), *given])


def value(inline: bytes = b"\x01") -> Stored:
    """What a step returned."""
    return Stored(inline)


def done(index: int, name: str = "look", effect: Effect = "pure") -> e.StepCompleted:
    """A step that was made."""
    return e.StepCompleted(index, name, effect, value())


def message(
    message_id: str = "message-1",
    type: MessageType = "handoff",
    sender: str = "agent-261123-014647-k3f2q7-risk",
    correlation_id: str = "",
    **more: Any,
) -> Message:
    """A message from a peer."""
    return Message(message_id, sender, type, "take this", correlation_id, **more)


_DOUBTED = (e.StepStarted(0, "write"), e.StepDoubted(0, "write"))
_STATES: dict[str, tuple[Any, ...]] = {
    "pending": (),
    "running": (e.AgentStarted(),),
    "inside a step": (e.AgentStarted(), e.StepStarted(0, "write")),
    "doubting": (e.AgentStarted(), *_DOUBTED),
    "waiting": (e.AgentStarted(), e.AgentSuspended(0, "receive", until_uptime_s=50.0)),
    "waiting in doubt": (e.AgentStarted(), *_DOUBTED, e.AgentSuspended(0, "write", doubt=True)),
    "backing off": (e.AgentStarted(), e.AgentAttemptFailed(1, "it broke", 50.0)),
    "complete": (e.AgentStarted(), e.AgentCompleted(0, value())),
    "returned": (e.AgentStarted(), e.AgentCompleted(0, value(), returned=True)),
    "failed": (e.AgentStarted(), e.AgentFailed(("it broke",))),
    "cancelled": (e.AgentStarted(), e.AgentCancelled("not needed")),
    "timed out": (e.AgentStarted(), e.AgentTimedOut("too late")),
}


def agent_that_is(state: str, **spec: Any) -> Story:
    """An agent with no messages yet, in one of the states an agent can be in."""
    return Story(lambda: Agent(id_of(NAME)), [spawned(**spec), *_STATES[state]])


# --- fleets --------------------------------------------------------------------------------------


def role(name: str, *depends_on: str, **more: Any) -> AgentSpec:
    """An agent of a fleet to be."""
    return AgentSpec(role=name, prompt="do it", name=name, depends_on=depends_on, **more)


def member(name: str, *depends_on: str, role: str = "", skills: tuple[str, ...] = ()) -> Member:
    """An agent as its fleet knows it."""
    return Member(name, id_of(name), role or name, depends_on, skills)


def fleet_story(*agents: AgentSpec, uptime_s: float = 0.0, **spec: Any) -> Story:
    """A fleet that has just been spawned with these agents; none given: it does not exist yet."""
    story = Story(lambda: Fleet(FLEET), [])
    if agents:
        story.when(c.SpawnFleet(FleetSpec(agents=agents, **spec)), uptime_s)
    return story
