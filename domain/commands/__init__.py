"""The intentions: one frozen struct each, travelling unchanged from the caller to the decision.

Ids enter with the command. Commands of a brain's run carry the `index` of the step they record.
"""

from fleetlog.domain.commands.access import IssueToken, RecordForgery, RevokeToken
from fleetlog.domain.commands.agent import (
    AbandonWait,
    AcknowledgeMessage,
    AgeTickets,
    AnswerHelp,
    CancelAgent,
    CancelHelp,
    DecideApproval,
    DeliverMessage,
    ExpireBudget,
    ExpireWait,
    GiveReceipt,
    LoseCall,
    ParkAgent,
    PauseAgent,
    ResolveDoubt,
    ResumeAgent,
    SetBudget,
    StopAgent,
    UndoCompaction,
)
from fleetlog.domain.commands.capabilities import RecordRoutingOutcome, RegisterCapability
from fleetlog.domain.commands.command import Command
from fleetlog.domain.commands.council import CastVote, ExpireCouncil, OpenCouncil
from fleetlog.domain.commands.discussion import ExpireDiscussion, OpenDiscussion, ReplyDiscussion, ReserveTurn
from fleetlog.domain.commands.fleet import (
    ArchiveFleet,
    AttachAgent,
    CancelFleet,
    CloseFleet,
    DeclareStuck,
    ExpireFleet,
    PauseFleet,
    RecordAgentEnd,
    ReserveSpend,
    ResumeFleet,
    SetFleetTimeout,
    SettleSpend,
    SpawnFleet,
)
from fleetlog.domain.commands.leases import AttachExternal, ExpireLease, ReleaseLease
from fleetlog.domain.commands.run import (
    BeginRun,
    CompleteStep,
    FailRun,
    FailStep,
    FinishRun,
    NoteStep,
    RecordSend,
    ReleaseCall,
    ReportProgress,
    RequestHelp,
    StartCall,
    StartStep,
    SubmitResult,
    SuspendInDoubt,
    TakeMessage,
)
from fleetlog.domain.commands.templates import DeleteTemplate, SaveTemplate

__all__ = [
    "AbandonWait",
    "AcknowledgeMessage",
    "AgeTickets",
    "AgentCommand",
    "AnswerHelp",
    "ArchiveFleet",
    "AttachAgent",
    "AttachExternal",
    "BeginRun",
    "CancelAgent",
    "CancelFleet",
    "CancelHelp",
    "CastVote",
    "CloseFleet",
    "Command",
    "CompleteStep",
    "CouncilCommand",
    "DecideApproval",
    "DeclareStuck",
    "DeleteTemplate",
    "DeliverMessage",
    "DiscussionCommand",
    "ExpireBudget",
    "ExpireCouncil",
    "ExpireDiscussion",
    "ExpireFleet",
    "ExpireLease",
    "ExpireWait",
    "FailRun",
    "FailStep",
    "FinishRun",
    "FleetCommand",
    "GiveReceipt",
    "IssueToken",
    "LoseCall",
    "NoteStep",
    "OpenCouncil",
    "OpenDiscussion",
    "ParkAgent",
    "PauseAgent",
    "PauseFleet",
    "RecordAgentEnd",
    "RecordForgery",
    "RecordRoutingOutcome",
    "RecordSend",
    "RegisterCapability",
    "ReleaseCall",
    "ReleaseLease",
    "ReplyDiscussion",
    "ReportProgress",
    "RequestHelp",
    "ReserveSpend",
    "ReserveTurn",
    "ResolveDoubt",
    "ResumeAgent",
    "ResumeFleet",
    "RevokeToken",
    "RunCommand",
    "SaveTemplate",
    "SetBudget",
    "SetFleetTimeout",
    "SettleSpend",
    "SpawnFleet",
    "StartCall",
    "StartStep",
    "StopAgent",
    "SubmitResult",
    "SuspendInDoubt",
    "TakeMessage",
    "TemplateCommand",
    "TokenCommand",
    "UndoCompaction",
]

RunCommand = (
    BeginRun
    | StartStep
    | NoteStep
    | CompleteStep
    | FailStep
    | StartCall
    | ReleaseCall
    | LoseCall
    | PauseAgent
    | RecordSend
    | TakeMessage
    | AcknowledgeMessage
    | GiveReceipt
    | RequestHelp
    | ReportProgress
    | SubmitResult
    | SuspendInDoubt
    | FinishRun
    | FailRun
)
AgentCommand = (
    DeliverMessage
    | AnswerHelp
    | DecideApproval
    | CancelHelp
    | AgeTickets
    | AbandonWait
    | ResolveDoubt
    | UndoCompaction
    | CancelAgent
    | StopAgent
    | ExpireWait
    | ParkAgent
    | ResumeAgent
    | SetBudget
    | ExpireBudget
    | AttachExternal
    | ExpireLease
    | ReleaseLease
    | RegisterCapability
    | RecordRoutingOutcome
    | RunCommand
)

CouncilCommand = OpenCouncil | CastVote | ExpireCouncil
DiscussionCommand = OpenDiscussion | ReserveTurn | ReplyDiscussion | ExpireDiscussion
TokenCommand = IssueToken | RevokeToken | RecordForgery
FleetCommand = (
    SpawnFleet
    | AttachAgent
    | RecordAgentEnd
    | SetFleetTimeout
    | ExpireFleet
    | DeclareStuck
    | CloseFleet
    | CancelFleet
    | ArchiveFleet
    | PauseFleet
    | ResumeFleet
    | SetBudget
    | ExpireBudget
    | ReserveSpend
    | SettleSpend
)
TemplateCommand = SaveTemplate | DeleteTemplate
