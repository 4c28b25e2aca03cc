"""Who works an external agent's mailbox now: taken, renewed outside of the log, lost, released.

Its rule: an agent has at most one lease. The newest wins; who had the one before it is told so at its next call.
"""

from typing import TYPE_CHECKING

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import InvalidArgument, LeaseLost, NotAllowed
from fleetlog.domain.values import Now

if TYPE_CHECKING:
    from fleetlog.domain.agent_state import AgentState

__all__ = ["MAX_TTL_S", "attach", "expire", "lost_error", "release"]

MAX_TTL_S = 86_400.0


def attach(agent: "AgentState", command: c.AttachExternal, now: Now) -> list[e.AgentEvent]:
    """The client has the agent from now on; whoever had it has lost it."""
    assert agent.spec is not None
    if not agent.spec.is_external:
        raise NotAllowed(
            f"Agent {agent.id} is driven by its brain '{agent.spec.brain}': a client attaches to external agents only"
        )
    if not agent.is_reachable:
        raise NotAllowed(f"Agent {agent.id} is {agent.status}: there is nothing to attach to")
    checks.text("client", command.client, max_chars=200, empty=False)
    ttl_s = checks.seconds("ttl_s", command.ttl_s)
    if ttl_s > MAX_TTL_S:
        raise InvalidArgument(f"'ttl_s' must be at most {MAX_TTL_S:g} seconds, got {ttl_s:g}")
    held = agent.lease
    before = [e.LeaseLost(held.lease_id, held.client, f"{command.client} has attached")] if held else []
    return [*before, e.LeaseTaken(command.lease_id, command.client, ttl_s, now.wall_ms)]


def expire(agent: "AgentState", command: c.ExpireLease) -> list[e.AgentEvent]:
    """Nobody was heard of for the lease's time. It is no loss when the agent's work is done."""
    held = agent.lease
    if held is None or held.lease_id != command.lease_id:
        return []
    if agent.has_ended:
        return [e.LeaseReleased(held.lease_id, held.client)]
    return [e.LeaseLost(held.lease_id, held.client, f"it was not heard of for {held.ttl_s:g} seconds")]


def release(agent: "AgentState", command: c.ReleaseLease) -> list[e.AgentEvent]:
    """The client leaves; refused when the lease is another's by now."""
    held = agent.lease
    if held is None or held.lease_id != command.lease_id:
        raise lost_error(agent.id, command.lease_id, held.client if held else "")
    return [e.LeaseReleased(held.lease_id, held.client)]


def lost_error(agent_id: str, lease_id: str, holder: str) -> LeaseLost:
    """What a client is told that has the agent no more; `holder` is who has it now, if anybody."""
    now = f"{holder} has the agent now" if holder else "nobody has the agent now"
    return LeaseLost(f"lease_lost: lease {lease_id} of agent {agent_id} is over, {now}; attach again to go on with it")
