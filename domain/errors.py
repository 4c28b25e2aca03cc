"""The one error hierarchy; whose fault it is decides the branch.

FleetlogError
├── Refused               the domain said no: expected, nothing was recorded
│   ├── InvalidArgument   an argument has the wrong type, size or form
│   ├── NotFound          no such fleet, agent, message or help request
│   ├── NotAllowed        it exists, but its state does not allow this now
│   │   └── LeaseLost     the client has the external agent no more
│   ├── Unauthenticated   the token is unknown, revoked or expired
│   └── Forbidden         the token does not allow this
├── Fault                 it could not be done; the state on disk is still right
│   ├── StoreFault        the event store failed (disk full, locked, closed)
│   │   ├── StoreUnavailable  for everybody: disk full, locked, closed, gone
│   │   ├── VersionConflict   somebody else has written to that stream
│   │   └── LogCorrupt        a stored event cannot be decoded or does not fit its stream
│   ├── DaemonUnreachable the daemon that has the directory does not answer
│   ├── DirectoryOwned    another process owns the runtime directory
│   ├── McpServerFault    an outside MCP server could not be started, reached or understood
│   ├── Overloaded        a bounded queue stayed full; try again later
│   └── RuntimeClosed     the runtime was closed before this was done
└── BrainError            what a brain (an agent's function) can see from its context
    ├── StepFailed        a recorded step raised; the recorded error, also when replayed
    ├── StepInDoubt       the process died inside an effectful step; it is not known if it was done
    ├── StepMismatch      the function asks for another step than the one recorded there
    ├── GivenUp           the brain cannot go on, and another attempt would not help
    ├── NoAnswer          what it waits for will not come: the peer has ended, or everyone waits
    └── ResultRejected    the result does not fit the agent's result schema
"""

__all__ = [
    "BrainError",
    "DaemonUnreachable",
    "DirectoryOwned",
    "Fault",
    "FleetlogError",
    "Forbidden",
    "GivenUp",
    "InvalidArgument",
    "LeaseLost",
    "LogCorrupt",
    "McpServerFault",
    "NoAnswer",
    "NotAllowed",
    "NotFound",
    "Overloaded",
    "Refused",
    "ResultRejected",
    "RuntimeClosed",
    "StepFailed",
    "StepInDoubt",
    "StepMismatch",
    "StoreFault",
    "StoreUnavailable",
    "Unauthenticated",
    "VersionConflict",
]


class FleetlogError(Exception):
    """Every error of ours; its text is one sentence for a person."""


class Refused(FleetlogError):
    """The domain refuses the command; nothing was recorded."""


class InvalidArgument(Refused):
    """An argument has the wrong type, size or form; the text says which, what it got, what is allowed."""


class NotFound(Refused):
    """There is no such fleet, agent, message or help request."""


class NotAllowed(Refused):
    """It exists, but its state does not allow this command."""


class LeaseLost(NotAllowed):
    """The client's lease of an external agent is over: another has attached, or it was silent for too long."""


class Fault(FleetlogError):
    """It could not be done, through no fault of the caller's; nothing is half there."""


class StoreFault(Fault):
    """The event store could not read or append."""


class StoreUnavailable(StoreFault):
    """The store can do nothing for anybody now: the disk is full, the file is locked, closed or gone."""


class VersionConflict(StoreFault):
    """Another writer has appended to the stream; the actor is rebuilt from the log."""


class LogCorrupt(StoreFault):
    """A stored event cannot be decoded, or its version or digest does not follow the one before it."""


class DaemonUnreachable(Fault):
    """The daemon could not be reached, or did not answer; repeat the call with its idempotency key to learn more."""


class DirectoryOwned(Fault):
    """Another live process owns the runtime directory, or the log in the database."""


class McpServerFault(Fault):
    """An outside MCP server could not be started, reached or understood; the text names it and says why."""


class Overloaded(Fault):
    """A bounded queue stayed full for longer than the caller was ready to wait."""


class RuntimeClosed(Fault):
    """The runtime was closed; what was recorded goes on at the next start."""


class BrainError(FleetlogError):
    """Raised into a brain by its context."""


class StepFailed(BrainError):
    """A step's call raised. `error_type` is the exception's class name, as recorded."""

    def __init__(self, step: str, error_type: str, error: str) -> None:
        super().__init__(f"step '{step}' failed: {error_type}: {error}")
        self.step, self.error_type, self.error = step, error_type, error


class StepInDoubt(BrainError):
    """An effectful step was started and its end was never recorded: verify before you go on."""

    def __init__(self, step: str, index: int) -> None:
        super().__init__(
            f"step {index} '{step}' was started, but the process ended before its end was recorded: "
            "it may or may not have been done, and it is not done again by itself"
        )
        self.step, self.index = step, index


class StepMismatch(BrainError):
    """The function's steps no longer fit the recorded ones; the text names both."""


class GivenUp(BrainError):
    """Raised by a brain that cannot go on: the agent ends as failed, without another attempt."""


class NoAnswer(BrainError):
    """What the brain waits for will not come: the peer has ended, is late, or everyone in the fleet waits."""


class ResultRejected(BrainError):
    """The submitted result does not fit the schema; `reasons` says where."""

    def __init__(self, reasons: tuple[str, ...]) -> None:
        super().__init__("the result does not fit its schema: " + "; ".join(reasons))
        self.reasons = reasons


class Unauthenticated(Refused):
    """The token is not known, is revoked or has expired."""


class Forbidden(Refused):
    """The caller's token does not allow this; the text says whose it is."""
