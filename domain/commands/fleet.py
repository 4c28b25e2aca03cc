"""To a fleet."""

from collections.abc import Mapping

from fleetlog.domain.commands.command import Command
from fleetlog.domain.values import AgentSpec, AgentStatus, FleetSpec, Usage, Waiting

__all__ = [
    "ArchiveFleet",
    "AttachAgent",
    "CancelFleet",
    "CloseFleet",
    "DeclareStuck",
    "ExpireFleet",
    "PauseFleet",
    "RecordAgentEnd",
    "ReserveSpend",
    "ResumeFleet",
    "SetFleetTimeout",
    "SettleSpend",
    "SpawnFleet",
]


class SpawnFleet(Command, frozen=True):
    """`spec` has been checked; agents with `each` are expanded by the decision. `descriptions` are those of the agent
    definitions it names, as they are now."""

    spec: FleetSpec
    max_agents: int = 10_000
    descriptions: Mapping[str, str] = {}


class AttachAgent(Command, frozen=True):
    """`description` is that of the agent definition it names, as it is now."""

    spec: AgentSpec
    max_agents: int = 10_000
    description: str = ""


class RecordAgentEnd(Command, frozen=True):
    name: str
    status: AgentStatus
    returned: bool = True


class SetFleetTimeout(Command, frozen=True):
    timeout_s: float


class ExpireFleet(Command, frozen=True):
    """The fleet's deadline may have passed."""


class DeclareStuck(Command, frozen=True):
    """These agents have all confirmed that they wait for ever; the `idle` ones, that they have completed and do
    nothing until they are asked."""

    waiting: tuple[Waiting, ...]
    idle: tuple[str, ...] = ()


class CloseFleet(Command, frozen=True):
    reason: str = ""


class CancelFleet(Command, frozen=True):
    reason: str = ""


class ArchiveFleet(Command, frozen=True):
    reason: str = ""


class PauseFleet(Command, frozen=True):
    reason: str


class ResumeFleet(Command, frozen=True):
    pass


class ReserveSpend(Command, frozen=True):
    """The agent is about to make its `number`-th paid call, which can use at most `bound`."""

    name: str
    number: int
    bound: Usage


class SettleSpend(Command, frozen=True):
    """What the agent's first `number` paid calls have used altogether. `idle`: no run of it lives that could still
    start the next one."""

    name: str
    number: int
    spent: Usage
    idle: bool = False
