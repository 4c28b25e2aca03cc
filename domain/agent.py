"""The Agent aggregate: `decide` turns a command into events or refuses, `evolve` folds an event.

The state is the program counter: `steps` is what the brain has done, in order, and a run continues
behind the last of them. Nothing here reads a clock, makes an id or does I/O.
"""

from typing import assert_never

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import AGENT_ENDED, AgentSpec, DeliveryState, Effect, Message, Now, Stored

__all__ = ["Agent", "StepRecord", "backoff_s", "matches"]

_DEAF = AGENT_ENDED - {"complete"}
BACKOFF_BASE_S = 1.0
BACKOFF_MAX_S = 300.0


def backoff_s(attempt: int, jitter: float) -> float:
    """Seconds before the next attempt: exponential with "equal jitter" (half fixed, half spread),
    after M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015."""
    full = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 30))
    return full / 2 + full / 2 * jitter


class StepRecord(msgspec.Struct, frozen=True):
    """What is recorded of one step. `state` is started, completed, failed, doubted or rejected."""

    name: str
    effect: Effect
    state: str
    value: Stored = Stored()
    message: Message | None = None
    error_type: str = ""
    error: str = ""
    reasons: tuple[str, ...] = ()


class Agent:
    """One agent's state; a fresh one (`Agent(id)`) does not exist until `agent.spawned` is folded."""

    __slots__ = (
        "attempt",
        "deliveries",
        "fleet_id",
        "goal",
        "help_requests",
        "id",
        "interruptions",
        "item",
        "name",
        "open_questions",
        "output",
        "progress_reports",
        "reasons",
        "rejections",
        "retry_uptime_s",
        "returned",
        "spec",
        "status",
        "steps",
        "unread",
        "wait",
        "workspace",
    )

    def __init__(self, agent_id: str) -> None:
        self.id = agent_id
        self.fleet_id = ""
        self.name = ""
        self.spec: AgentSpec | None = None
        self.goal = ""
        self.workspace = ""
        self.item: object = None
        self.status = ""
        self.attempt = 0
        self.interruptions = 0
        self.rejections = 0
        self.progress_reports = 0
        self.steps: list[StepRecord] = []
        self.unread: dict[str, Message] = {}
        self.deliveries: dict[str, DeliveryState] = {}
        self.open_questions: dict[str, str] = {}
        self.help_requests: dict[str, bool] = {}
        self.wait: e.AgentSuspended | None = None
        self.retry_uptime_s: float | None = None
        self.output: Stored | None = None
        self.reasons: tuple[str, ...] = ()
        self.returned = False

    # --- questions ---------------------------------------------------------------------------

    @property
    def exists(self) -> bool:
        return self.spec is not None

    @property
    def has_ended(self) -> bool:
        return self.status in AGENT_ENDED

    @property
    def is_reachable(self) -> bool:
        """It still takes messages: it has not ended, or it completed (and can be asked)."""
        return self.status == "complete" or not self.has_ended

    @property
    def can_run(self) -> bool:
        """Its function has work left: it has not returned, failed or been stopped."""
        return self.exists and self.is_reachable and not self.returned

    def is_due(self, now: Now) -> bool:
        """The brain would get further if it were called now."""
        if not self.can_run:
            return False
        if self.retry_uptime_s is not None:
            return now.uptime_s >= self.retry_uptime_s
        wait = self.wait
        if wait is None:
            return True
        if wait.doubt:
            return False
        return any(matches(wait, message) for message in self.unread.values())

    def unanswered(self) -> list[tuple[str, str]]:
        """(message id, sender) of the questions nobody will answer any more."""
        return [] if self.can_run or self._is_mailbox else list(self.open_questions.items())

    @property
    def _is_mailbox(self) -> bool:
        return self.spec is not None and not self.spec.brain and self.is_reachable

    # --- decide ------------------------------------------------------------------------------

    def decide(self, command: c.AgentCommand, now: Now) -> list[e.AgentEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if self.spec is None:
            raise NotFound(f"No such agent: {self.id}")
        match command:
            case c.DeliverMessage():
                return self._deliver(command.message)
            case c.TakeMessage():
                return self._take(command, now)
            case c.CompleteStep():
                self._expect(command.index, open_step=command.name)
                return [e.StepCompleted(command.index, command.name, command.effect, command.value)]
            case c.StartStep():
                self._expect(command.index)
                return [e.StepStarted(command.index, command.name)]
            case c.FailStep():
                self._expect(command.index, open_step=command.name)
                return [e.StepFailed(command.index, command.name, command.effect, command.error_type, command.error)]
            case c.RecordSend():
                return self._record_send(command)
            case c.AcknowledgeMessage():
                return self._acknowledge(command.message_id)
            case c.BeginRun():
                return self._begin(self.spec, command, now)
            case c.SubmitResult():
                return self._submit(self.spec, command)
            case c.FinishRun():
                return [e.AgentReturned()] if self.status == "complete" and not self.returned else []
            case c.FailRun():
                return self._fail_run(self.spec, command, now)
            case c.SuspendInDoubt():
                return self._suspend_in_doubt(command.index)
            case c.ReportProgress():
                return self._report_progress(command)
            case c.RequestHelp():
                return self._request_help(command)
            case c.AnswerHelp():
                return self._answer_help(command)
            case c.ResolveDoubt():
                return self._resolve_doubt(command)
            case c.ExpireWait():
                return self._expire_wait(now)
            case c.CancelAgent():
                return self._cancel(command.reason)
            case c.StopAgent():
                return self._stop(command)
            case _:
                assert_never(command)

    def _deliver(self, message: Message) -> list[e.AgentEvent]:
        if message.id in self.deliveries:
            return []
        if self.status in _DEAF:
            raise NotAllowed(f"Agent {self.id} is {self.status} and takes no messages")
        if message.type == "question" and self.returned and not message.broadcast_size:
            raise NotAllowed(f"Agent {self.id} is complete and answers no more questions")
        return [e.MessageDelivered(message)]

    def _take(self, command: c.TakeMessage, now: Now) -> list[e.AgentEvent]:
        self._expect(command.index)
        wait = e.AgentSuspended(command.index, command.name, command.types, command.sender, command.correlation_id)
        for message in self.unread.values():
            if matches(wait, message):
                return [e.MessageSeen(command.index, command.name, message.id, command.acknowledge)]
        if self.wait is not None and msgspec.structs.replace(self.wait, until_uptime_s=None) == wait:
            return self._expire_wait(now)
        if command.timeout_s is not None:
            wait = msgspec.structs.replace(wait, until_uptime_s=now.uptime_s + command.timeout_s)
        return [wait]

    def _expire_wait(self, now: Now) -> list[e.AgentEvent]:
        wait = self.wait
        if wait is None or wait.until_uptime_s is None or now.uptime_s < wait.until_uptime_s:
            return []
        if not self.can_run or any(matches(wait, message) for message in self.unread.values()):
            return []
        return [e.WaitTimedOut(wait.index, wait.name)]

    def _record_send(self, command: c.RecordSend) -> list[e.AgentEvent]:
        self._expect(command.index)
        return [
            e.MessageSent(
                command.index,
                command.name,
                command.message_id,
                command.recipients,
                command.correlation_id,
                command.to_operator,
            )
        ]

    def _acknowledge(self, message_id: str) -> list[e.AgentEvent]:
        state = self.deliveries.get(message_id)
        return [] if state in (None, "acknowledged") else [e.MessageAcknowledged(message_id)]

    def _begin(self, spec: AgentSpec, command: c.BeginRun, now: Now) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: there is nothing to run")
        events: list[e.AgentEvent] = []
        if self.status == "pending":
            events.append(e.AgentStarted())
        elif self.retry_uptime_s is not None:
            if now.uptime_s < self.retry_uptime_s:
                raise NotAllowed(f"Agent {self.id} is waiting for its next attempt")
            events.append(e.AgentResumed(self.interruptions))
        elif command.interrupted and self.wait is None:
            interruptions = self.interruptions + 1
            if interruptions > spec.max_interruptions:
                reason = f"it was interrupted {interruptions} times in a row without recording a step"
                if self.status == "complete":
                    return [e.AgentReturned(reason)]
                return [e.AgentFailed((*self.reasons, reason))]
            events.append(e.AgentResumed(interruptions))
        if self.steps and self.steps[-1].state == "started":
            events.append(e.StepDoubted(len(self.steps) - 1, self.steps[-1].name))
        return events

    def _submit(self, spec: AgentSpec, command: c.SubmitResult) -> list[e.AgentEvent]:
        if self.status == "complete":
            raise NotAllowed(f"Agent {self.id} has submitted its result already")
        index = command.index if command.index >= 0 else len(self.steps)
        self._expect(index)
        if not command.violations:
            return [e.AgentCompleted(index, command.output, command.returned)]
        rejected = e.AgentResultRejected(index, command.violations)
        if self.rejections + 1 <= spec.max_rejections:
            return [rejected]
        reason = f"its result was rejected {self.rejections + 1} times: " + "; ".join(command.violations)
        return [rejected, e.AgentFailed((*self.reasons, reason))]

    def _fail_run(self, spec: AgentSpec, command: c.FailRun, now: Now) -> list[e.AgentEvent]:
        if not self.can_run:
            return []
        attempt = self.attempt + 1
        if command.retryable and attempt < spec.max_attempts:
            due = now.uptime_s + backoff_s(attempt, command.jitter)
            return [e.AgentAttemptFailed(attempt, command.error, due)]
        if self.status == "complete":
            return [e.AgentReturned(command.error)]
        return [e.AgentFailed((*self.reasons, command.error))]

    def _suspend_in_doubt(self, index: int) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: it records no more steps")
        if index < 0 or index != len(self.steps) - 1 or self.steps[index].state != "doubted":
            raise NotAllowed(f"Step {index} of agent {self.id} is not its last step, or not in doubt")
        if self.wait is not None and self.wait.doubt:
            return []
        return [e.AgentSuspended(index, self.steps[index].name, doubt=True)]

    def _resolve_doubt(self, command: c.ResolveDoubt) -> list[e.AgentEvent]:
        if self.wait is None or not self.wait.doubt or not self.can_run:
            raise NotAllowed(f"Agent {self.id} does not wait for a decision about a step in doubt")
        return [e.StepDoubtResolved(self.wait.index, command.outcome, command.value, command.by)]

    def _report_progress(self, command: c.ReportProgress) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: it reports no more progress")
        if command.ordinal < self.progress_reports:
            return []
        return [e.ProgressReported(command.text, command.fraction)]

    def _request_help(self, command: c.RequestHelp) -> list[e.AgentEvent]:
        if command.help_id in self.help_requests:
            return []
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: nobody would use the answer")
        if command.index >= 0:
            self._expect(command.index)
        return [
            e.HelpRequested(command.help_id, command.blocker, command.attempted, command.deadline_ms, command.index)
        ]

    def _answer_help(self, command: c.AnswerHelp) -> list[e.AgentEvent]:
        if command.help_id not in self.help_requests:
            raise NotFound(f"No such help request: {command.help_id}")
        if self.help_requests[command.help_id]:
            raise NotAllowed(f"Help request {command.help_id} has been answered already")
        answered = e.HelpAnswered(command.help_id, command.answer, command.by)
        if not self.is_reachable:
            return [answered]
        message = Message(
            f"{command.help_id}-answer", command.by, "result", command.answer, correlation_id=command.help_id
        )
        return [answered, e.MessageDelivered(message)]

    def _cancel(self, reason: str) -> list[e.AgentEvent]:
        if self.has_ended:
            raise NotAllowed(f"Agent {self.id} is {self.status} already")
        return [e.AgentCancelled(reason)]

    def _stop(self, command: c.StopAgent) -> list[e.AgentEvent]:
        if self.status == "complete" and not self.returned:
            return [e.AgentReturned(command.reason)]
        if self.has_ended:
            return []
        if command.status == "timed_out":
            return [e.AgentTimedOut(command.reason)]
        return [e.AgentCancelled(command.reason)]

    def _expect(self, index: int, *, open_step: str = "") -> None:
        """The step `index` is the next one; or it is the last one, started and still open."""
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: it records no more steps")
        last = self.steps[-1] if self.steps else None
        if index == len(self.steps):
            if last is not None and last.state == "started":
                raise NotAllowed(f"Agent {self.id} is inside its step {index - 1} '{last.name}': it must end first")
            return
        is_open = last is not None and last.state in ("started", "doubted") and last.name == open_step
        if open_step and is_open and index == len(self.steps) - 1:
            return
        raise NotAllowed(f"Agent {self.id} is at step {len(self.steps)}, not {index}: another run went on")

    # --- evolve ------------------------------------------------------------------------------

    def evolve(self, event: e.AgentEvent) -> None:
        """Fold one event; total over all agent events."""
        match event:
            case e.MessageDelivered():
                message = event.message
                self.unread[message.id] = message
                self.deliveries[message.id] = "queued"
                if message.type == "question" and not message.broadcast_size:
                    self.open_questions[message.id] = message.sender
            case e.StepCompleted():
                record = StepRecord(event.name, event.effect, "completed", value=event.value)
                self._record(event.index, record)
            case e.MessageSeen():
                self._see(event)
            case e.MessageSent():
                if event.correlation_id in self.deliveries:
                    self._set_acknowledged(event.correlation_id)
                self._record(event.index, StepRecord(event.name, "idempotent", "completed"))
            case e.MessageAcknowledged():
                self._set_acknowledged(event.message_id)
            case e.StepStarted():
                self._record(event.index, StepRecord(event.name, "effectful", "started"))
            case e.StepFailed():
                failed = StepRecord(event.name, event.effect, "failed")
                failed = msgspec.structs.replace(failed, error_type=event.error_type, error=event.error)
                self._record(event.index, failed)
            case e.StepDoubted():
                self._record(event.index, StepRecord(event.name, "effectful", "doubted"))
            case e.StepDoubtResolved():
                self._evolve_doubt_resolved(event)
            case e.WaitTimedOut():
                self._record(event.index, StepRecord(event.name, "pure", "completed"))
            case e.ProgressReported():
                self.progress_reports += 1
            case e.HelpRequested():
                self.help_requests[event.help_id] = False
                if event.index >= 0:
                    self._record(event.index, StepRecord(_help_name(event), "idempotent", "completed"))
            case e.HelpAnswered():
                self.help_requests[event.help_id] = True
            case _:
                self._evolve_life(event)

    def _evolve_life(
        self,
        event: e.AgentSpawned
        | e.AgentStarted
        | e.AgentResumed
        | e.AgentSuspended
        | e.AgentAttemptFailed
        | e.AgentCompleted
        | e.AgentReturned
        | e.AgentResultRejected
        | e.AgentFailed
        | e.AgentCancelled
        | e.AgentTimedOut,
    ) -> None:
        match event:
            case e.AgentSpawned():
                self.spec, self.fleet_id, self.name = event.spec, event.fleet_id, event.name
                self.goal, self.workspace, self.item = event.goal, event.workspace, event.item
                self.status = "pending"
            case e.AgentStarted():
                self.status = "running"
            case e.AgentResumed():
                self.interruptions, self.retry_uptime_s = event.interruptions, None
                self._run_on()
            case e.AgentSuspended():
                self.wait = event
                self.status = self.status if self.status == "complete" else "waiting"
            case e.AgentAttemptFailed():
                self._evolve_attempt_failed(event)
            case e.AgentCompleted():
                self._record(event.index, StepRecord("submit_result", "idempotent", "completed"))
                self.status, self.output, self.returned = "complete", event.output, event.returned
            case e.AgentReturned():
                self.returned, self.wait, self.retry_uptime_s = True, None, None
            case e.AgentResultRejected():
                self.rejections += 1
                record = StepRecord("submit_result", "idempotent", "rejected", reasons=event.reasons)
                self._record(event.index, record)
            case e.AgentFailed():
                self.reasons = event.reasons
                self._end("failed")
            case e.AgentCancelled():
                self._end("cancelled", event.reason)
            case e.AgentTimedOut():
                self._end("timed_out", event.reason)
            case _:
                assert_never(event)

    def _record(self, index: int, record: StepRecord) -> None:
        """Step `index` now reads `record`; whatever it was waiting for is over."""
        if index < len(self.steps):
            self.steps[index] = record
        else:
            self.steps.append(record)
        self.interruptions = 0
        self._run_on()

    def _run_on(self) -> None:
        self.wait = None
        if self.status == "waiting":
            self.status = "running"

    def _see(self, event: e.MessageSeen) -> None:
        message = self.unread.pop(event.message_id, None)
        self._record(event.index, StepRecord(event.name, "pure", "completed", message=message))
        if event.acknowledged:
            self._set_acknowledged(event.message_id)
        else:
            self.deliveries[event.message_id] = "seen"

    def _set_acknowledged(self, message_id: str) -> None:
        self.unread.pop(message_id, None)
        self.open_questions.pop(message_id, None)
        self.deliveries[message_id] = "acknowledged"

    def _evolve_doubt_resolved(self, event: e.StepDoubtResolved) -> None:
        if event.outcome == "retry":
            del self.steps[event.index :]
            self._run_on()
        else:
            name = self.steps[event.index].name
            self._record(event.index, StepRecord(name, "effectful", "completed", value=event.value))

    def _evolve_attempt_failed(self, event: e.AgentAttemptFailed) -> None:
        """A step that failed as the last thing before the attempt did is tried again with it."""
        self.attempt, self.retry_uptime_s = event.attempt, event.retry_uptime_s
        self.reasons = (*self.reasons, event.error)
        self.wait = None
        while self.steps and self.steps[-1].state in ("failed", "rejected"):
            self.steps.pop()
        if self.status != "complete":
            self.status = "waiting"

    def _end(self, status: str, reason: str = "") -> None:
        self.status, self.wait, self.retry_uptime_s = status, None, None
        if reason:
            self.reasons = (*self.reasons, reason)


def matches(wait: e.AgentSuspended, message: Message) -> bool:
    """Does the message fit what the wait asks for?"""
    return (
        (not wait.types or message.type in wait.types)
        and (not wait.sender or message.sender == wait.sender)
        and (not wait.correlation_id or message.correlation_id == wait.correlation_id)
    )


def _help_name(event: e.HelpRequested) -> str:
    return f"request_help {event.help_id}"
