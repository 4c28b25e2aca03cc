"""What the facade's calls return. Times are UTC epoch milliseconds; `position` is a log position: what a
change committed, or up to where a query's answer has seen the log.
"""

import msgspec

from fleetlog.domain.council import CouncilStatus, Tally
from fleetlog.domain.values import Budget, Usage
from fleetlog.runtime.access.principal import Scope
from fleetlog.runtime.council_queries import CouncilRow, ReceiptRow
from fleetlog.runtime.definitions.definition import AgentDefinition, Problem
from fleetlog.runtime.rows import AgentRow, CallRow, FleetRow, HelpRow, InboxMessage, ResultRow, TokenRow

__all__ = [
    "AckReply",
    "AgentList",
    "BatchReply",
    "CouncilReply",
    "DiscussionReply",
    "FleetList",
    "FleetReply",
    "FleetStatus",
    "ForkReply",
    "HelpList",
    "HelpReply",
    "InboxReply",
    "LeaseReply",
    "ReceiptList",
    "ReceiptReply",
    "Results",
    "SendReply",
    "SpawnReply",
    "Spend",
    "SweepReply",
    "TokenChange",
    "TokenList",
    "TokenReply",
]


class SpawnReply(msgspec.Struct, frozen=True):
    """A fleet was spawned, or an agent attached."""

    fleet_id: str
    agent_ids: tuple[str, ...]
    position: int = 0


class SendReply(msgspec.Struct, frozen=True):
    """A message was delivered. `deliveries` says for each recipient whether it is queued, seen or
    acknowledged; repeat the call with its idempotency key to ask again."""

    message_id: str
    recipients: tuple[str, ...]
    deliveries: dict[str, str]
    position: int = 0


class BatchReply(msgspec.Struct, frozen=True):
    """The messages of a batch were delivered; `results` are in their order."""

    results: tuple[SendReply, ...]
    position: int = 0


class AckReply(msgspec.Struct, frozen=True):
    """`ok` is False, and nothing was recorded, when the message was never addressed to the agent."""

    ok: bool
    position: int = 0


class FleetReply(msgspec.Struct, frozen=True):
    """A fleet was changed."""

    fleet_id: str
    position: int = 0


class LeaseReply(msgspec.Struct, frozen=True):
    """A client has attached to an external agent. It is heard of with `renew_lease(agent_id, lease_id)`."""

    agent_id: str
    lease_id: str
    client: str
    ttl_s: float
    position: int = 0


class HelpReply(msgspec.Struct, frozen=True):
    """A person was asked, or has answered."""

    help_id: str
    position: int = 0


class FleetStatus(msgspec.Struct, frozen=True):
    """A fleet and its agents, as of a log position."""

    fleet: FleetRow
    agents: tuple[AgentRow, ...]
    position: int


class FleetList(msgspec.Struct, frozen=True):
    """A page of fleets; give `next_cursor` as `cursor` for the next one."""

    fleets: tuple[FleetRow, ...]
    next_cursor: str | None
    position: int


class AgentList(msgspec.Struct, frozen=True):
    """The agents of a fleet."""

    agents: tuple[AgentRow, ...]
    position: int


class Definitions(msgspec.Struct, frozen=True):
    """Agent definitions one can spawn, and what is wrong with files that should hold one."""

    count: int
    agents: tuple[AgentDefinition, ...]
    problems: tuple[Problem, ...]


class InboxReply(msgspec.Struct, frozen=True):
    """An agent's messages, oldest first."""

    messages: tuple[InboxMessage, ...]
    position: int


class Results(msgspec.Struct, frozen=True):
    """How a fleet's agents have ended. `delivered` have completed, `lost` ended otherwise. `is_final`: every agent
    has ended, and so has the fleet (or it is kept open)."""

    fleet_id: str
    status: str
    total: int
    delivered: int
    lost: int
    still_running: int
    results: tuple[ResultRow, ...]
    is_final: bool
    position: int


class HelpList(msgspec.Struct, frozen=True):
    """Requests for help, oldest first."""

    requests: tuple[HelpRow, ...]
    position: int


class TokenReply(msgspec.Struct, frozen=True):
    """A token was issued. `token` is the secret: shown here, once, and kept nowhere; empty in a repeated reply."""

    token_id: str
    token: str
    scope: Scope
    agent_id: str
    label: str
    expires_at: int | None
    position: int = 0


class TokenChange(msgspec.Struct, frozen=True):
    """A token was changed."""

    token_id: str
    position: int = 0


class TokenList(msgspec.Struct, frozen=True):
    """Tokens, the oldest first."""

    tokens: tuple[TokenRow, ...]
    position: int


class CouncilReply(msgspec.Struct, frozen=True):
    """A ratification was opened, or a vote cast; how it stands now."""

    message_id: str
    status: CouncilStatus
    tally: Tally
    position: int = 0


class DiscussionReply(msgspec.Struct, frozen=True):
    """A discussion goes on: `message_id` is what was just said, or the head; `attempt_id` the turn this is about."""

    discussion_id: str
    message_id: str
    status: str
    attempt_id: str
    position: int = 0


class ForkReply(msgspec.Struct, frozen=True):
    """A fleet was forked, with what it had recorded up to the epoch millisecond `at_ms`."""

    fleet_id: str
    agent_ids: tuple[str, ...]
    forked_from: str
    at_ms: int
    position: int = 0


class SweepReply(msgspec.Struct, frozen=True):
    """Ratifications that were open and are open no more."""

    resolved: tuple[CouncilRow, ...]
    position: int


class ReceiptReply(msgspec.Struct, frozen=True):
    """A receipt was given, now or before."""

    message_id: str
    agent_id: str
    action: str
    position: int = 0


class ReceiptList(msgspec.Struct, frozen=True):
    """A message's receipts, oldest first; `fleet_id` is where it was delivered."""

    message_id: str
    fleet_id: str
    receipts: tuple[ReceiptRow, ...]
    position: int


class Spend(msgspec.Struct, frozen=True):
    """What a fleet has spent: altogether, by agent's name, and call by call, oldest first. `reserved` is set aside for
    calls that are on their way."""

    fleet_id: str
    spent: Usage
    reserved: Usage
    budget: Budget | None
    agents: dict[str, Usage]
    calls: tuple[CallRow, ...]
    position: int
