"""What is recorded of an agent's abilities. Pure, and nothing of it is part of the agent's state: views rank by it.

Its rule: what is said of an agent may be said again; the last registration counts, and every outcome does.
"""

from fleetlog.domain import checks
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent_state import AgentState
from fleetlog.domain.errors import InvalidArgument, NotAllowed
from fleetlog.domain.values import AGENT_ENDED

__all__ = ["MAX_SKILLS", "check_registration", "record_outcome", "register"]

MAX_SKILLS = 100


def register(agent: AgentState, command: c.RegisterCapability) -> list[e.AgentEvent]:
    """The agent is to be found for this; one that has ended is not found any more."""
    if agent.status in AGENT_ENDED:
        raise NotAllowed(f"Agent {agent.id} is {agent.status} and gets no more work")
    check_registration(command)
    return [e.CapabilityRegistered(command.role, command.skills, command.model, command.context_window)]


def check_registration(command: c.RegisterCapability) -> c.RegisterCapability:
    """The command, if every field is what it should be."""
    checks.text("role", command.role, max_chars=200, empty=False)
    for skill in command.skills:
        checks.text("skills", skill, max_chars=200, empty=False)
    if len(command.skills) > MAX_SKILLS:
        raise InvalidArgument(f"'skills' holds {len(command.skills)} skills (limit {MAX_SKILLS})")
    checks.text("model", command.model, max_chars=200)
    if command.context_window is not None:
        checks.integer("context_window", command.context_window)
    return command


def record_outcome(command: c.RecordRoutingOutcome) -> list[e.AgentEvent]:
    """How work went. It is mostly known after the agent has ended, so every agent has outcomes."""
    key = checks.text("capability_key", command.capability_key, max_chars=200, empty=False)
    return [e.RoutingOutcomeRecorded(key, checks.flag("success", command.success))]
