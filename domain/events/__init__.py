"""The facts, in the past tense. A stored name is for ever; a Python name may move.

Every event class gives its stored name as its msgspec tag; `ALL_EVENTS` lists them, and
`STORED_NAMES` maps names to classes. A new field must have a default. A change that a default
cannot express gets a new stored name and an upcaster in the runtime's codec.
"""

from fleetlog.domain.events.access import ForgeryRefused, TokenIssued, TokenRevoked
from fleetlog.domain.events.agent import (
    AgentAttemptFailed,
    AgentCancelled,
    AgentCompleted,
    AgentFailed,
    AgentParked,
    AgentResultRejected,
    AgentResumed,
    AgentReturned,
    AgentSpawned,
    AgentStarted,
    AgentSuspended,
    AgentTimedOut,
    CompactionUndone,
    ProgressReported,
    StepCompleted,
    StepDoubted,
    StepDoubtResolved,
    StepFailed,
    StepNoted,
    StepStarted,
    WaitAbandoned,
    WaitTimedOut,
)
from fleetlog.domain.events.capabilities import CapabilityRegistered, RoutingOutcomeRecorded
from fleetlog.domain.events.council import CouncilExpired, CouncilOpened, CouncilRatified, CouncilRejected, VoteCast
from fleetlog.domain.events.discussion import DiscussionEnded, DiscussionOpened, TurnReplied, TurnReserved
from fleetlog.domain.events.fact import Fact, stored_name
from fleetlog.domain.events.fleet import (
    AgentAttached,
    AgentEnded,
    AgentsAdmitted,
    FleetArchived,
    FleetCancelled,
    FleetClosed,
    FleetCompleted,
    FleetFailed,
    FleetForked,
    FleetSpawned,
    FleetStuck,
    FleetTimedOut,
    FleetTimeoutSet,
)
from fleetlog.domain.events.leases import LeaseLost, LeaseReleased, LeaseTaken
from fleetlog.domain.events.messages import (
    HelpAnswered,
    HelpCancelled,
    HelpEscalated,
    HelpExpired,
    HelpReminded,
    HelpRequested,
    MessageAcknowledged,
    MessageDelivered,
    MessageSeen,
    MessageSent,
    ReceiptGiven,
)
from fleetlog.domain.events.money import (
    AgentBudgetSet,
    AgentPaused,
    AgentUnpaused,
    CallLost,
    CallReleased,
    CallStarted,
    FleetBudgetSet,
    FleetPaused,
    FleetResumed,
    SpendReleased,
    SpendReserved,
    SpendSettled,
)
from fleetlog.domain.events.runtime import CallRecorded, GateClosed
from fleetlog.domain.events.templates import TemplateDeleted, TemplateSaved

__all__ = [
    "ALL_EVENTS",
    "STORED_NAMES",
    "AgentAttached",
    "AgentAttemptFailed",
    "AgentBudgetSet",
    "AgentCancelled",
    "AgentCompleted",
    "AgentEnded",
    "AgentEvent",
    "AgentFailed",
    "AgentParked",
    "AgentPaused",
    "AgentResultRejected",
    "AgentResumed",
    "AgentReturned",
    "AgentSpawned",
    "AgentStarted",
    "AgentSuspended",
    "AgentTimedOut",
    "AgentUnpaused",
    "AgentsAdmitted",
    "CallLost",
    "CallRecorded",
    "CallReleased",
    "CallStarted",
    "CapabilityRegistered",
    "CompactionUndone",
    "CouncilEvent",
    "CouncilExpired",
    "CouncilOpened",
    "CouncilRatified",
    "CouncilRejected",
    "DiscussionEnded",
    "DiscussionEvent",
    "DiscussionOpened",
    "Event",
    "Fact",
    "FleetArchived",
    "FleetBudgetSet",
    "FleetCancelled",
    "FleetClosed",
    "FleetCompleted",
    "FleetEvent",
    "FleetFailed",
    "FleetForked",
    "FleetPaused",
    "FleetResumed",
    "FleetSpawned",
    "FleetStuck",
    "FleetTimedOut",
    "FleetTimeoutSet",
    "ForgeryRefused",
    "GateClosed",
    "HelpAnswered",
    "HelpCancelled",
    "HelpEscalated",
    "HelpExpired",
    "HelpReminded",
    "HelpRequested",
    "LeaseLost",
    "LeaseReleased",
    "LeaseTaken",
    "MessageAcknowledged",
    "MessageDelivered",
    "MessageSeen",
    "MessageSent",
    "ProgressReported",
    "ReceiptGiven",
    "RoutingOutcomeRecorded",
    "SpendReleased",
    "SpendReserved",
    "SpendSettled",
    "StepCompleted",
    "StepDoubtResolved",
    "StepDoubted",
    "StepFailed",
    "StepNoted",
    "StepStarted",
    "TemplateDeleted",
    "TemplateEvent",
    "TemplateSaved",
    "TokenEvent",
    "TokenIssued",
    "TokenRevoked",
    "TurnReplied",
    "TurnReserved",
    "VoteCast",
    "WaitAbandoned",
    "WaitTimedOut",
    "stored_name",
]

AgentEvent = (
    AgentSpawned
    | AgentStarted
    | AgentResumed
    | AgentSuspended
    | AgentAttemptFailed
    | AgentCompleted
    | AgentReturned
    | AgentResultRejected
    | AgentFailed
    | AgentCancelled
    | AgentTimedOut
    | ProgressReported
    | StepStarted
    | StepCompleted
    | StepFailed
    | StepDoubted
    | StepDoubtResolved
    | CompactionUndone
    | WaitTimedOut
    | CallStarted
    | CallReleased
    | CallLost
    | AgentPaused
    | AgentUnpaused
    | AgentBudgetSet
    | WaitAbandoned
    | MessageDelivered
    | MessageSent
    | MessageSeen
    | MessageAcknowledged
    | HelpRequested
    | HelpAnswered
    | HelpReminded
    | HelpEscalated
    | HelpExpired
    | HelpCancelled
    | StepNoted
    | LeaseTaken
    | LeaseLost
    | LeaseReleased
    | ReceiptGiven
    | AgentParked
    | CapabilityRegistered
    | RoutingOutcomeRecorded
)
FleetEvent = (
    FleetSpawned
    | AgentAttached
    | AgentsAdmitted
    | AgentEnded
    | FleetTimeoutSet
    | FleetClosed
    | FleetStuck
    | FleetCompleted
    | FleetFailed
    | FleetCancelled
    | FleetTimedOut
    | FleetArchived
    | SpendReserved
    | SpendSettled
    | SpendReleased
    | FleetPaused
    | FleetResumed
    | FleetBudgetSet
    | FleetForked
)
TokenEvent = TokenIssued | TokenRevoked | ForgeryRefused
CouncilEvent = CouncilOpened | VoteCast | CouncilRatified | CouncilRejected | CouncilExpired
DiscussionEvent = DiscussionOpened | TurnReserved | TurnReplied | DiscussionEnded
TemplateEvent = TemplateSaved | TemplateDeleted
Event = (
    AgentEvent | FleetEvent | GateClosed | CallRecorded | TokenEvent | CouncilEvent | DiscussionEvent | TemplateEvent
)

ALL_EVENTS: tuple[type[Fact], ...] = (
    *AgentEvent.__args__,
    *FleetEvent.__args__,
    GateClosed,
    CallRecorded,
    *TokenEvent.__args__,
    *CouncilEvent.__args__,
    *DiscussionEvent.__args__,
    *TemplateEvent.__args__,
)


STORED_NAMES: dict[str, type[Fact]] = {stored_name(event_class): event_class for event_class in ALL_EVENTS}
