"""To an agent, about what it is good at."""

from fleetlog.domain.commands.command import Command

__all__ = ["RecordRoutingOutcome", "RegisterCapability"]


class RegisterCapability(Command, frozen=True):
    role: str
    skills: tuple[str, ...]
    model: str = ""
    context_window: int | None = None


class RecordRoutingOutcome(Command, frozen=True):
    capability_key: str
    success: bool
