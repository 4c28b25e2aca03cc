"""What a brain has: recorded steps, messages, waits, progress, a result.

A brain is called from its top after every wait and every restart. Each method that is a step takes the next
index: below the end of the history it gives what is recorded there (and refuses if another step is
recorded there), at the end it does the thing, records it durably, and only then returns. So a recorded
step is never made again; and between steps a brain must be deterministic.

Values go through msgpack: what a step returns comes back as dict, list, str, int, float, bool, bytes or
None, fresh at each call, the same whether it was just made or replayed. All methods belong to the thread that
runs the brain.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, get_args, overload

import msgspec

from fleetlog.domain import checks, errors
from fleetlog.domain import commands as c
from fleetlog.domain.agent import StepRecord
from fleetlog.domain.fleet import Roster
from fleetlog.domain.values import (
    EFFECTS,
    MESSAGE_TYPES,
    OPERATOR,
    AgentSpec,
    Artifact,
    Effect,
    Message,
    MessageType,
    PauseKind,
    Usage,
    stamp_of,
)
from fleetlog.runtime.brains.paid_step import PaidCalls
from fleetlog.runtime.brains.people import AsksPeople
from fleetlog.runtime.brains.processes import CommandResult, run_process
from fleetlog.runtime.brains.result_schema import schema_violations
from fleetlog.runtime.brains.run import Run, RunParked, RunStart, RunStopped, RunSuspended
from fleetlog.runtime.brains.staffing import StaffsFleet
from fleetlog.runtime.brains.votes import VotesInCouncils

__all__ = ["CommandResult", "Context"]

_ERROR_CHARS = 4_000


class Context(AsksPeople, StaffsFleet, VotesInCouncils):
    """One run's view of its agent."""

    def __init__(self, run: Run, start: RunStart) -> None:
        self._run, self._start = run, start
        self._history: list[StepRecord] = list(start.history)
        self._index = self._given = 0
        self._progress_reports = 0
        self._submitted = False
        self._in_step = ""
        self._thread = threading.get_ident()
        self._paid_calls = PaidCalls(run, start.calls)

    # --- who am I ----------------------------------------------------------------------------

    @property
    def agent_id(self) -> str:
        return self._start.agent_id

    @property
    def fleet_id(self) -> str:
        return self._start.fleet_id

    @property
    def name(self) -> str:
        """The agent's name in its fleet."""
        return self._start.name

    @property
    def role(self) -> str:
        return self._start.spec.role

    @property
    def prompt(self) -> str:
        return self._start.spec.prompt

    @property
    def goal(self) -> str:
        """The fleet's goal."""
        return self._start.goal

    @property
    def workspace(self) -> str | None:
        """The fleet's workspace folder, if it has one."""
        return self._start.workspace or None

    @property
    def item(self) -> Any:
        """The item of `each` this agent was made for."""
        return self._start.item

    @property
    def results(self) -> Mapping[str, Any]:
        """The outputs of the agents named in `depends_on`; a list for a name with `each`."""
        names = self._start.spec.depends_on
        return self._run.link.results(names) if names else {}

    # --- steps -------------------------------------------------------------------------------

    def step(self, name: str, effect: Effect, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call `call(*args, **kwargs)` once, ever, and give what it returned.

        `effect` says what a crash between start and end means: `pure` and `idempotent` calls are made
        again, an `effectful` one is not: then `StepInDoubt` is raised here. A call that raises is
        recorded too, as `StepFailed`; it is made again only with the agent's next attempt.
        """
        checks.text("name", name, max_chars=200, empty=False)
        checks.choice("effect", effect, EFFECTS)
        index, record = self._next(name, effect)
        if record is None:
            record = self._make(index, name, effect, lambda: call(*args, **kwargs))
        return self._value(record, index)

    def _make(self, index: int, name: str, effect: Effect, call: Callable[[], Any]) -> StepRecord:
        if effect == "effectful":
            self._run.record(c.StartStep(index, name))
        return self._make_started(index, name, effect, call)

    def _make_started(self, index: int, name: str, effect: Effect, call: Callable[[], Any]) -> StepRecord:
        self._in_step = name
        try:
            stored = self._run.artifacts.store_value(call())
        except Exception as error:  # noqa: BLE001 - recorded, and raised into the brain as StepFailed
            text = str(error)[:_ERROR_CHARS]
            return self._recorded(c.FailStep(index, name, effect, type(error).__name__, text))
        finally:
            self._in_step = ""
        return self._recorded(c.CompleteStep(index, name, effect, stored))

    def paid_step(self, name: str, bound: Usage, call: Callable[[], tuple[Any, Usage]]) -> Any:
        """Call once, ever, something that costs money, and give what it returned; what it used is recorded with that.
        `bound` is the most it can use, and is set aside before: while the budgets do not admit it, the brain is
        unwound. A call that was cut off counts with its bound and is made again; so is one that raises: nothing is
        recorded of the step then. An exception that has a `usage_bound` counts with that; `Uncharged`, with nothing."""
        checks.text("name", name, max_chars=200, empty=False)
        index, record = self._next(name, "pure")
        if record is None:
            self._in_step = name
            try:
                completed = self._paid_calls.make(index, name, bound, call)
            except BaseException:
                self._index = index
                raise
            finally:
                self._in_step = ""
            record = self._recorded(completed)
        return self._value(record, index)

    def pause(self, reason: str, kind: PauseKind = "operator") -> NoReturn:
        """Pause this agent until a person has it go on; then the brain is called again from its top."""
        checks.text("reason", reason, empty=False)
        checks.choice("kind", kind, get_args(PauseKind))
        self._run.record(c.PauseAgent(reason[:_ERROR_CHARS], kind))
        raise RunSuspended

    def run_command(
        self,
        name: str,
        command: Sequence[str],
        *,
        effect: Effect = "effectful",
        timeout_s: float | None = None,
        cwd: str | None = None,
        stdin: str = "",
    ) -> CommandResult:
        """Run a program as a step, in a process group of its own that dies with this run."""
        folder = cwd or self.workspace
        found = self.step(name, effect, run_process, self._run, list(command), folder, timeout_s, stdin)
        return msgspec.convert(found, CommandResult)

    def artifact(self, content: str | bytes) -> Artifact:
        """Store something large by its SHA-256; send the digest instead of the thing."""
        data = content.encode() if isinstance(content, str) else content
        stored = self.step("store artifact", "idempotent", self._run.artifacts.put, data)
        return msgspec.convert(stored, Artifact)

    # --- messages ----------------------------------------------------------------------------

    def peers(self) -> list[str]:
        """The names of the fleet's other agents, as they were when this step was made."""
        return list(self.step("peers", "pure", self._peers))

    def send(
        self, to: str, type: MessageType, payload: str, correlation_id: str | None = None, *, step_name: str = ""
    ) -> str:
        """Send to a peer by its name or id, or to all with `*`; returns the message's id once every
        recipient has it durably. A refusal (unknown, ended) is raised as `StepFailed`."""
        checks.choice("type", type, MESSAGE_TYPES)
        checks.payload(payload)
        name = step_name or f"send {type} to {to}"
        index, record = self._next(name, "idempotent")
        message_id = self.message_id(index)
        if record is None:
            message = Message(message_id, self.agent_id, type, payload, correlation_id or "")
            record = self._deliver(index, name, message, to)
        self._value(record, index)
        return message_id

    def message_id(self, index: int) -> str:
        """The id of the message that the step at this index sends."""
        return f"message-{stamp_of(self.agent_id)}-{self.name}-{index}"

    def _deliver(self, index: int, name: str, message: Message, to: str) -> StepRecord:
        to_operator = to == OPERATOR
        try:
            recipients = () if to_operator else self._run.link.send(message, to)
        except errors.RuntimeClosed as error:
            self._run.stop(str(error))
            self._run.check()
            raise
        except errors.FleetlogError as error:
            return self._recorded(c.FailStep(index, name, "idempotent", type(error).__name__, str(error)))
        said = message.payload if to_operator else ""
        return self._recorded(c.RecordSend(index, name, message.id, len(recipients), message.correlation_id, said))

    def ask(self, to: str, payload: str, timeout_s: float | None = None) -> Message:
        """Ask a peer and wait durably for its answer. Raises `NoAnswer` when the peer has ended without
        one, not answered within `timeout_s` seconds of runtime uptime, or never can: everyone waits."""
        question = self.send(to, "question", payload)
        answer = self._take(f"answer from {to}", ("result",), "", question, timeout_s, acknowledge=True)
        if answer is None:
            raise errors.NoAnswer(f"{to} has not answered within {timeout_s:g} seconds")
        if answer.declined:
            raise errors.NoAnswer(f"{to} did not answer: {answer.payload}")
        return answer

    @overload
    def receive(
        self, types: Sequence[MessageType] | None = None, sender: str | None = None, *, correlation_id: str = ""
    ) -> Message: ...

    @overload
    def receive(
        self,
        types: Sequence[MessageType] | None = None,
        sender: str | None = None,
        timeout_s: float | None = None,
        correlation_id: str = "",
    ) -> Message | None: ...

    def receive(
        self,
        types: Sequence[MessageType] | None = None,
        sender: str | None = None,
        timeout_s: float | None = None,
        correlation_id: str = "",
    ) -> Message | None:
        """The oldest unread message (that fits), marked as seen; waits for one without holding a thread.
        None when `timeout_s` seconds of runtime uptime have passed. Raises `NoAnswer` when the wait can never
        end: every agent of the fleet waits and nothing is in flight."""
        wanted = tuple(checks.choice("types", word, MESSAGE_TYPES) for word in types or ())
        sender_id = "" if sender is None else self._id_of(sender)
        name = " ".join(["receive", *wanted, *(["from", sender] if sender else [])])
        return self._take(name, wanted, sender_id, correlation_id, timeout_s)

    def questions(self) -> Iterator[Message]:
        """Questions to this agent, one after another, for as long as the fleet is open. Ends never by
        itself: when the fleet ends, the brain is simply not called again."""
        while True:
            yield self.receive(("question",))

    def reply(self, message: Message, payload: str) -> str:
        """Answer a message: a `result` to its sender that names it; acknowledges the message."""
        return self.send(message.sender, "result", payload, message.id)

    def alert(self, severity: str, text: str, to: str = "*") -> str:
        """Raise an alert: to all peers, or to one."""
        checks.choice("severity", severity, ("info", "warning", "high", "critical"))
        return self.send(to, "alert", msgspec.json.encode({"severity": severity, "text": text}).decode())

    def _take(
        self,
        name: str,
        types: tuple[str, ...],
        sender_id: str,
        correlation_id: str,
        timeout_s: float | None,
        *,
        acknowledge: bool = False,
    ) -> Message | None:
        if timeout_s is not None:
            checks.seconds("timeout_s", timeout_s, zero=True)
        index, record = self._next(name, "pure")
        if record is None:
            command = c.TakeMessage(index, name, types, sender_id, correlation_id, timeout_s, acknowledge=acknowledge)
            record = self._take_or_suspend(command)
        self._value(record, index)
        message = record.message
        return None if message is None else msgspec.structs.replace(message, sender=self._name_of(message))

    def _take_or_suspend(self, command: c.TakeMessage) -> StepRecord:
        """The message, if it is there or comes soon; else unwind. The wait is durable before it begins."""
        while True:
            self._run.forget_wake()
            taken = self._run.record(command).outcome
            if isinstance(taken, StepRecord):
                self._history.append(taken)
                return taken
            if not self._run.linger():
                raise RunSuspended

    # --- progress and result -----------------------------------------------------------------

    def progress(self, text: str, fraction: float | None = None) -> None:
        """Say how far the work is. Recorded once; not a step."""
        self._check_caller("progress")
        checks.text("text", text, max_chars=2_000)
        ordinal = self._progress_reports
        self._progress_reports += 1
        self._run.record(c.ReportProgress(text, fraction, ordinal))

    def submit_result(self, output: Any) -> None:
        """Give the agent's result: who depends on it may start. The brain may go on (to answer questions).
        Raises `ResultRejected` when the output does not fit the result schema."""
        index, record = self._next("submit_result", "idempotent")
        if record is None:
            record = self._submit(index, output, returned=False)
        self._submitted = True
        if record.state == "rejected":
            self._submitted = False
            raise errors.ResultRejected(record.reasons)

    def finish(self, output: Any) -> None:
        """The brain has returned; called by the runtime, not by brains."""
        if not self._submitted:
            index, record = self._next("submit_result", "idempotent")
            if record is None:
                record = self._submit(index, output, returned=True)
            if record.state == "rejected":
                raise errors.ResultRejected(record.reasons)
            return
        if output is not None:
            raise errors.StepMismatch(
                "the function returned a value after it had submitted its result; return None then"
            )
        self._refuse_leftover()
        self._run.record(c.FinishRun())

    @property
    def step_count(self) -> int:
        """How many steps are recorded."""
        return len(self._history)

    @property
    def is_at_end(self) -> bool:
        """Nothing is recorded behind what this brain has done so far: the next step will be made."""
        return self._index >= len(self._history)

    def note_of(self, index: int) -> str:
        """What was noted inside the effectful step (`NoteStep`); empty for nothing."""
        return self._history[index].note

    @property
    def tool_run(self) -> Run:
        """The run, as the tools of agents see it (`ToolRun`)."""
        return self._run

    @property
    def spec(self) -> AgentSpec:
        """The agent's whole spec."""
        return self._start.spec

    def park(self, after_s: float | None = None) -> NoReturn:
        """Give the thread back and be called again from the top when somebody calls `unpark`, or after that time."""
        if after_s is not None:
            self._run.link.unpark_after(after_s)
        raise RunParked

    def unpark(self) -> None:
        """Let this brain run again after it has parked (or is about to). Any thread."""
        self._run.link.unpark()

    def roster(self) -> Roster:
        """The fleet as it is now: not recorded, so only for what a step of its own records."""
        return self._run.link.roster()

    def record(self, command: c.RunCommand) -> None:
        """Record how the run ended; called by the runtime, not by brains."""
        self._run.record(command)

    def _submit(self, index: int, output: Any, *, returned: bool) -> StepRecord:
        try:
            stored = self._run.artifacts.store_value(output)
        except (TypeError, ValueError, OverflowError) as error:
            raise errors.InvalidArgument(f"'output' cannot be stored: {error}") from error
        plain = self._run.artifacts.load_value(stored)
        violations = schema_violations(self._start.spec.result_schema, plain)
        return self._recorded(c.SubmitResult(index, stored, violations, returned))

    # --- for brains that fold their own history ----------------------------------------------

    def recorded(self) -> Iterator[tuple[int, StepRecord, Any]]:
        """(index, record, value) of the steps that are recorded and were not given yet, in order; the value is None
        for a step that has none. The next step is then made behind them, whatever they are."""
        while self._given < len(self._history):
            index = self._given
            self._given = index + 1
            self._index = max(self._index, self._given)
            record = self._history[index]
            plain = record.state == "completed" and (record.value.inline or record.value.artifact)
            yield index, record, self._run.artifacts.load_value(record.value) if plain else None

    def take(
        self,
        name: str,
        *,
        types: Sequence[MessageType] = (),
        sender: str = "",
        correlation_id: str = "",
        timeout_s: float | None = None,
        waits: bool = True,
    ) -> bool:
        """Take the oldest unread message that fits, in a step of this name, which `recorded` then gives. With
        `waits=False`: True if there was one, and nothing is recorded when there was none."""
        index, _ = self._next(name, "pure")
        sender_id = self._id_of(sender) if sender else ""
        command = c.TakeMessage(index, name, tuple(types), sender_id, correlation_id, timeout_s, waits=waits)
        if waits:
            self._take_or_suspend(command)
            return True
        taken = self._run.record(command).outcome
        if not isinstance(taken, StepRecord):
            self._index = index
            return False
        self._history.append(taken)
        return True

    def redo(self, index: int, name: str, effect: Effect, call: Callable[[], Any]) -> None:
        """Make the last step again, which is in doubt: for calls of which the operator has said that they may be."""
        self._history.pop()
        self._index = self._given = index
        self._next(name, effect)
        self._make_started(index, name, effect, call)

    # --- the history -------------------------------------------------------------------------

    def _next(self, name: str, effect: str) -> tuple[int, StepRecord | None]:
        """The next index, and what is recorded there; refuses if that is another step."""
        self._check_caller(name)
        self._run.check()
        index = self._index
        self._index += 1
        if index >= len(self._history):
            self._run.check_may_step()
            return index, None
        record = self._history[index]
        if record.name != name or record.effect != effect:
            raise errors.StepMismatch(
                f"step {index} of agent {self.name} is recorded as '{record.name}' ({record.effect}), but "
                f"the function now asks for '{name}' ({effect}): it was changed, and its record does not fit"
            )
        return index, record

    def _check_caller(self, name: str) -> None:
        if threading.get_ident() != self._thread:
            raise errors.NotAllowed(f"'{name}': a context belongs to the thread that runs the brain")
        if self._in_step:
            raise errors.NotAllowed(f"'{name}' is asked for inside the step '{self._in_step}': steps do not nest")

    def _refuse_leftover(self) -> None:
        if self._index < len(self._history):
            record = self._history[self._index]
            raise errors.StepMismatch(
                f"the function of agent {self.name} returned after {self._index} steps, but step "
                f"{self._index} is recorded as '{record.name}' ({record.effect}): it was changed, and its "
                "record does not fit"
            )

    def _recorded(self, command: c.RunCommand) -> StepRecord:
        record = self._run.record(command).outcome
        if not isinstance(record, StepRecord):
            self._run.stop("the agent went on in another run")
            raise RunStopped("the agent went on in another run")
        self._history.append(record)
        return record

    def _value(self, record: StepRecord, index: int) -> Any:
        match record.state:
            case "failed":
                raise errors.StepFailed(record.name, record.error_type, record.error)
            case "doubted" | "started":
                raise errors.StepInDoubt(record.name, index)
            case "abandoned":
                raise errors.NoAnswer(record.error)
            case _:
                return self._run.artifacts.load_value(record.value)

    # --- peers -------------------------------------------------------------------------------

    def _peers(self) -> list[str]:
        return [name for name in self._run.link.roster().members if name != self.name]

    def _id_of(self, peer: str) -> str:
        return peer if peer == OPERATOR else self._run.link.roster().agent_id(peer)

    def _name_of(self, message: Message) -> str:
        prefix = f"agent-{stamp_of(self.agent_id)}-"
        return message.sender.removeprefix(prefix)
