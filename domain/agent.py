"""The Agent aggregate: `decide` turns a command into events or refuses; its other half, `evolve`, is in
agent_state.py. Nothing here reads a clock, makes an id or does I/O.
"""

from typing import assert_never

import msgspec

from fleetlog.domain import capabilities, leases, people
from fleetlog.domain import commands as c
from fleetlog.domain import events as e
from fleetlog.domain.agent_spending import AgentSpending
from fleetlog.domain.agent_state import StepRecord, matches
from fleetlog.domain.errors import NotAllowed, NotFound
from fleetlog.domain.values import AGENT_ENDED, OPERATOR, AgentSpec, Message, Now, stamp_of

__all__ = ["COMPACTION", "Agent", "StepRecord", "backoff_s", "matches"]

_DEAF = AGENT_ENDED - {"complete"}
BACKOFF_BASE_S = 1.0
COMPACTION = "compact"
"""The name of the step in which a conversation's beginning is replaced by its summary."""
BACKOFF_MAX_S = 300.0
MAX_ABANDONED_WAITS = 3


def backoff_s(attempt: int, jitter: float) -> float:
    """Seconds before the next attempt: exponential with "equal jitter" (half fixed, half spread),
    after M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015."""
    full = min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 30))
    return full / 2 + full / 2 * jitter


class Agent(AgentSpending):
    """One agent: what it is, and what may happen to it."""

    __slots__ = ()

    def decide(self, command: c.AgentCommand, now: Now) -> list[e.AgentEvent]:
        """The events the command leads to, none when it changes nothing; or raises `Refused`."""
        if self.spec is None:
            raise NotFound(f"No such agent: {self.id}")
        events = self._decide(self.spec, command, now)
        return people.closing_tickets(self, events) if self.tickets else events

    def _decide(self, spec: AgentSpec, command: c.AgentCommand, now: Now) -> list[e.AgentEvent]:
        match command:
            case c.DeliverMessage():
                return self._deliver(command.message)
            case c.TakeMessage():
                return self._take(command, now)
            case c.CompleteStep():
                self._expect_completion(command)
                return [e.StepCompleted(command.index, command.name, command.effect, command.value, command.usage)]
            case c.StartStep():
                self._expect(command.index)
                return [e.StepStarted(command.index, command.name)]
            case c.NoteStep():
                return self._note(command)
            case c.FailStep():
                self._expect(command.index, open_step=command.name)
                return [e.StepFailed(command.index, command.name, command.effect, command.error_type, command.error)]
            case c.RecordSend():
                return self._record_send(command)
            case c.AcknowledgeMessage():
                return self._acknowledge(command.message_id)
            case c.GiveReceipt():
                return self._give_receipt(command)
            case c.BeginRun():
                return self._begin(spec, command, now)
            case c.SubmitResult():
                return self._submit(spec, command)
            case c.FinishRun():
                return [e.AgentReturned()] if self.status == "complete" and not self.returned else []
            case c.ParkAgent():
                return [e.AgentParked()] if self.interruptions and self.can_run else []
            case c.FailRun():
                return self._fail_run(spec, command, now)
            case c.SuspendInDoubt():
                return self._suspend_in_doubt(command.index)
            case c.ReportProgress():
                return self._report_progress(command)
            case c.RequestHelp():
                return self._request_help(spec, command, now)
            case c.AnswerHelp() | c.DecideApproval():
                return people.answer(self, command)
            case c.CancelHelp():
                return people.cancel(self, command)
            case c.AgeTickets():
                return people.age(self, now)
            case c.AbandonWait():
                return self._abandon_wait(command)
            case c.ResolveDoubt():
                return self._resolve_doubt(command)
            case c.UndoCompaction():
                return self._undo_compaction(command)
            case c.ExpireWait():
                return self._expire_wait(now)
            case c.CancelAgent():
                return self._cancel(command.reason)
            case c.StopAgent():
                return self._stop(command)
            case c.StartCall():
                self._expect(command.index)
                return self._start_call(command, now)
            case c.ReleaseCall() | c.LoseCall():
                return self._end_call(command)
            case c.PauseAgent():
                return self._pause(command)
            case c.ResumeAgent():
                return self._resume(now)
            case c.SetBudget():
                return self._set_budget(command.budget, now)
            case c.ExpireBudget():
                return self._expire_budget(now)
            case c.AttachExternal():
                return leases.attach(self, command, now)
            case c.ExpireLease():
                return leases.expire(self, command)
            case c.ReleaseLease():
                return leases.release(self, command)
            case c.RegisterCapability():
                return capabilities.register(self, command)
            case c.RecordRoutingOutcome():
                return capabilities.record_outcome(command)
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
        if not command.waits:
            return []
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

    def _note(self, command: c.NoteStep) -> list[e.AgentEvent]:
        last = self.steps[-1] if self.steps else None
        if last is None or last.state != "started" or command.index != len(self.steps) - 1 or not self.can_run:
            raise NotAllowed(f"Agent {self.id} is not inside an effectful step {command.index}")
        return [] if last.note == command.note else [e.StepNoted(command.index, command.note)]

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

    def _give_receipt(self, command: c.GiveReceipt) -> list[e.AgentEvent]:
        if command.message_id not in self.deliveries:
            raise NotFound(f"No such message: {command.message_id}")
        if (command.message_id, command.action) in self.receipts:
            return []
        return [e.ReceiptGiven(command.message_id, command.action, command.note)]

    def _begin(self, spec: AgentSpec, command: c.BeginRun, now: Now) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: there is nothing to run")
        events: list[e.AgentEvent] = [*self._lost_call()]
        if self.status == "pending":
            events.append(e.AgentStarted(now.uptime_s))
        elif self.retry_uptime_s is not None:
            if now.uptime_s < self.retry_uptime_s:
                raise NotAllowed(f"Agent {self.id} is waiting for its next attempt")
            events.append(e.AgentResumed(self.interruptions))
        elif command.interrupted and self.wait is None:
            interruptions = self.interruptions + 1
            if interruptions > spec.max_interruptions:
                reason = f"it was interrupted {interruptions} times in a row without recording a step"
                if self.status == "complete":
                    return [*events, e.AgentReturned(reason)]
                return [*events, e.AgentFailed((*self.reasons, reason))]
            events.append(e.AgentResumed(interruptions))
        if self.steps and self.steps[-1].state == "started":
            events.append(e.StepDoubted(len(self.steps) - 1, self.steps[-1].name))
        return events

    def _submit(self, spec: AgentSpec, command: c.SubmitResult) -> list[e.AgentEvent]:
        if self.status == "complete":
            raise NotAllowed(f"Agent {self.id} has submitted its result already")
        if command.index < 0 and not spec.is_external:
            raise NotAllowed(f"Agent {self.id} is driven by its brain '{spec.brain}', which gives its result")
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
            return [*self._lost_call(), e.AgentAttemptFailed(attempt, command.error, due)]
        if self.status == "complete":
            return [e.AgentReturned(command.error)]
        return [e.AgentFailed((*self.reasons, command.error))]

    def _suspend_in_doubt(self, index: int) -> list[e.AgentEvent]:
        if not self.can_run or self.open_call is not None:
            raise NotAllowed(f"Agent {self.id} is {self._said_state}: it records no more steps")
        if index < 0 or index != len(self.steps) - 1 or self.steps[index].state != "doubted":
            raise NotAllowed(f"Step {index} of agent {self.id} is not its last step, or not in doubt")
        if self.wait is not None and self.wait.doubt:
            return []
        return [e.AgentSuspended(index, self.steps[index].name, doubt=True)]

    def _resolve_doubt(self, command: c.ResolveDoubt) -> list[e.AgentEvent]:
        if self.wait is None or not self.wait.doubt or not self.can_run:
            raise NotAllowed(f"Agent {self.id} does not wait for a decision about a step in doubt")
        return [e.StepDoubtResolved(self.wait.index, command.outcome, command.value, command.by)]

    def _undo_compaction(self, command: c.UndoCompaction) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: its conversation does not go on")
        step = self.steps[command.index] if 0 <= command.index < len(self.steps) else None
        if step is None or step.name != COMPACTION:
            raise NotFound(f"Step {command.index} of agent {self.id} is no compaction")
        if step.state != "completed":
            raise NotAllowed(f"The compaction at step {command.index} of agent {self.id} is undone already")
        return [e.CompactionUndone(command.index, command.by)]

    def _report_progress(self, command: c.ReportProgress) -> list[e.AgentEvent]:
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: it reports no more progress")
        if command.ordinal < self.progress_reports:
            return []
        return [e.ProgressReported(command.text, command.fraction)]

    def _request_help(self, spec: AgentSpec, command: c.RequestHelp, now: Now) -> list[e.AgentEvent]:
        if command.help_id in self.tickets:
            return []
        if not self.can_run:
            raise NotAllowed(f"Agent {self.id} is {self.status}: nobody would use the answer")
        if command.index >= 0:
            self._expect(command.index)
        return [people.requested(spec.help_policy, command, now)]

    def _abandon_wait(self, command: c.AbandonWait) -> list[e.AgentEvent]:
        """Its wait is over without a message, if it still is what was found stuck; too often, and so is the agent."""
        waiting = self.waiting
        if waiting is None or waiting.index != command.index:
            return []
        if self.abandoned_waits >= MAX_ABANDONED_WAITS:
            reason = f"it waited {self.abandoned_waits + 1} times for what can never come: {command.reason}"
            return [e.AgentFailed((*self.reasons, reason))]
        alert_id = f"stuck-{stamp_of(self.id)}-{self.name}-{waiting.index}-{self.abandoned_waits + 1}"
        said = msgspec.json.encode({"severity": "high", "text": command.reason}).decode()
        return [
            e.MessageDelivered(Message(alert_id, OPERATOR, "alert", said)),
            e.WaitAbandoned(waiting.index, waiting.what, command.reason),
        ]

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

    def _expect_completion(self, command: c.CompleteStep) -> None:
        """A step that was paid for ends the open call; any other is expected as all steps are."""
        call = self.open_call
        if command.usage is None:
            self._expect(command.index, open_step=command.name)
        elif call is None or not self.can_run or (call.index, call.name) != (command.index, command.name):
            raise NotAllowed(f"Agent {self.id} is not inside a paid call '{command.name}' of step {command.index}")

    def _expect(self, index: int, *, open_step: str = "") -> None:
        """The step `index` is the next one; or it is the last one, started and still open."""
        if not self.can_run or self.open_call is not None:
            raise NotAllowed(f"Agent {self.id} is {self._said_state}: it records no more steps")
        last = self.steps[-1] if self.steps else None
        if index == len(self.steps):
            if last is not None and last.state == "started":
                raise NotAllowed(f"Agent {self.id} is inside its step {index - 1} '{last.name}': it must end first")
            return
        is_open = last is not None and last.state in ("started", "doubted") and last.name == open_step
        if open_step and is_open and index == len(self.steps) - 1:
            return
        raise NotAllowed(f"Agent {self.id} is at step {len(self.steps)}, not {index}: another run went on")
