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
    LoseCall,
    PauseAgent,
    ResolveDoubt,
    ResumeAgent,
    SetBudget,
    StopAgent,
    UndoCompaction,
)
from fleetlog.domain.commands.command import Command
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
from fleetlog.domain.commands.run import (
    BeginRun,
    CompleteStep,
    FailRun,
    FailStep,
    FinishRun,
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

__all__ = [
    "AbandonWait",
    "AcknowledgeMessage",
    "AgeTickets",
    "AgentCommand",
    "AnswerHelp",
    "ArchiveFleet",
    "AttachAgent",
    "BeginRun",
    "CancelAgent",
    "CancelFleet",
    "CancelHelp",
    "CloseFleet",
    "Command",
    "CompleteStep",
    "DecideApproval",
    "DeclareStuck",
    "DeliverMessage",
    "ExpireBudget",
    "ExpireFleet",
    "ExpireWait",
    "FailRun",
    "FailStep",
    "FinishRun",
    "FleetCommand",
    "IssueToken",
    "LoseCall",
    "PauseAgent",
    "PauseFleet",
    "RecordAgentEnd",
    "RecordForgery",
    "RecordSend",
    "ReleaseCall",
    "ReportProgress",
    "RequestHelp",
    "ReserveSpend",
    "ResolveDoubt",
    "ResumeAgent",
    "ResumeFleet",
    "RevokeToken",
    "RunCommand",
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
    "TokenCommand",
    "UndoCompaction",
]

RunCommand = (
    BeginRun
    | StartStep
    | CompleteStep
    | FailStep
    | StartCall
    | ReleaseCall
    | LoseCall
    | PauseAgent
    | RecordSend
    | TakeMessage
    | RequestHelp
    | ReportProgress
    | SubmitResult
    | SuspendInDoubt
    | FinishRun
    | FailRun
)
AgentCommand = (
    DeliverMessage
    | AcknowledgeMessage
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
    | ResumeAgent
    | SetBudget
    | ExpireBudget
    | RunCommand
)

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
