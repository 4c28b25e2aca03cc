"""What agents are good at, and who should do a piece of work: the part of the facade about routing."""

from collections.abc import Sequence

import msgspec

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain.capabilities import check_registration
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import fleet_id_of
from fleetlog.runtime import arguments
from fleetlog.runtime.changes import Changes
from fleetlog.runtime.routing.queries import RouteMatch
from fleetlog.runtime.routing.synonyms import Asked

__all__ = ["CapabilityReply", "OutcomeReply", "RouteReply", "Routing"]


class CapabilityReply(msgspec.Struct, frozen=True):
    """The agent is to be found for this from now on."""

    agent_id: str
    fleet_id: str
    position: int = 0


class OutcomeReply(msgspec.Struct, frozen=True):
    """The outcome was recorded."""

    agent_id: str
    capability_key: str
    success: bool
    position: int = 0


class RouteReply(msgspec.Struct, frozen=True):
    """The agents that fit, best first. `note` says why there are none, if there are none."""

    matches: tuple[RouteMatch, ...]
    note: str
    position: int


class Routing(Changes):
    """The part of `Runtime` about routing. Any thread."""

    def register_capability(
        self,
        agent_id: str,
        fleet_id: str,
        role: str,
        skills: Sequence[str],
        *,
        model: str = "",
        context_window: int | None = None,
        idempotency_key: str | None = None,
    ) -> CapabilityReply:
        """Say what an agent is to be found for; it replaces the role and the skills of its spec, or of the registration
        before. An agent that never registers is found by its spec. Refused for one that has ended."""
        if isinstance(skills, str):
            raise InvalidArgument(f"'skills' must be an ARRAY of strings, got {checks.shown(skills)}")
        arguments.fleet_id(fleet_id)
        if fleet_id_of(arguments.agent_id(agent_id)) != fleet_id:
            raise NotFound(f"No such agent in fleet {fleet_id}: {agent_id}")
        command = check_registration(c.RegisterCapability(role, tuple(skills), model, context_window))
        return self._change(
            "register_capability",
            agent_id,
            command,
            (agent_id, command),
            CapabilityReply,
            lambda _: CapabilityReply(agent_id, fleet_id),
            idempotency_key,
        )

    def record_routing_outcome(
        self, agent_id: str, capability_key: str, success: bool, *, idempotency_key: str | None = None
    ) -> OutcomeReply:
        """Say how work of this kind went that was given to an agent, also when it has ended since. It weighs in what
        `route_work` says of it, and of others in its role, for work in whose description a word of the key is found."""
        checks.text("capability_key", capability_key, max_chars=200, empty=False)
        command = c.RecordRoutingOutcome(capability_key, checks.flag("success", success))
        return self._change(
            "record_routing_outcome",
            agent_id,
            command,
            (arguments.agent_id(agent_id), command),
            OutcomeReply,
            lambda _: OutcomeReply(agent_id, capability_key, success),
            idempotency_key,
        )

    def route_work(self, description: str, top_n: int = 1, *, fleet_id: str | None = None) -> RouteReply:
        """The agents that fit this work best: of those that have not ended and are not paused, in fleets that run (or
        in the one named). Any text is a description; `top_n` is how many are wanted."""
        checks.text("description", description, empty=False)
        checks.integer("top_n", top_n)
        position = self._catch_up()
        refusal = "" if fleet_id is None else self._not_running(fleet_id)
        if refusal:
            return RouteReply((), refusal, position)
        asked = self._parts.routing.asked(description)
        matches = self._parts.routing.route(description, asked, top_n, fleet_id)
        return RouteReply(tuple(matches), "" if matches else _nothing_found(asked, fleet_id), position)

    def _not_running(self, fleet_id: str) -> str:
        fleet = self._parts.queries.fleet(arguments.fleet_id(fleet_id))
        return "" if fleet.status == "running" else f"Fleet {fleet_id} is {fleet.status}, not running"


def _nothing_found(asked: Asked, fleet_id: str | None) -> str:
    if not asked.words and not asked.synonyms:
        return "No match: the description has no word that says what is to be done"
    shown = ", ".join(asked.words[:10]) + (" ..." if len(asked.words) > 10 else "")
    where = f"fleet {fleet_id}" if fleet_id else "the fleets that run"
    return f"No match: no agent of {where} has any of these words, or a synonym, in what it is and can do: {shown}"
