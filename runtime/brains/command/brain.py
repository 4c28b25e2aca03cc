"""The brain called `command`: an agent's program is run for its task, and again for what comes of it.

Its rule: a run of the program is one effectful step. What comes next follows from what is recorded of the runs so far:
one that was cut off is gone on with where its session is known and the program can; else it is in doubt, and a person
decides, unless the spec's `on_doubt` (for `run`, or `*`) says otherwise.
"""

import contextlib
import json
from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.domain import commands as c
from fleetlog.domain.checks import MAX_PAYLOAD_BYTES
from fleetlog.domain.errors import BrainError, GivenUp, ResultRejected, StepFailed, StepInDoubt
from fleetlog.domain.values import OPERATOR, DoubtPolicy, Message
from fleetlog.runtime.brains.command.lines import form_of
from fleetlog.runtime.brains.command.prompts import Cut, Work, prompt_for
from fleetlog.runtime.brains.command.run import Outcome, ProgramRun
from fleetlog.runtime.brains.context import Context

if TYPE_CHECKING:
    from fleetlog.runtime.brains.command.room import CommandRoom

__all__ = ["CommandBrain", "ProgramFailed"]

WORK = ("question", "request_help", "handoff")
"""The messages for which a program that has given its result is run again."""


class ProgramFailed(BrainError):
    """The program did not do its work; the text says how it ended."""


class CommandBrain:
    """Drives any number of agents; holds no state of theirs."""

    def __init__(self, room: "CommandRoom") -> None:
        self._room = room

    def __call__(self, ctx: Context) -> None:
        """Go on where the agent is. Ends only by a wait, a stop or an error."""
        _Agent(self._room, ctx).work()


class _Agent:
    """One run of the brain."""

    def __init__(self, room: "CommandRoom", ctx: Context) -> None:
        self._room, self._ctx = room, ctx
        assert ctx.spec.command is not None
        self._can_resume = form_of(ctx.spec.command).can_resume
        self._session = ""
        self._runs = self._failures = self._interruptions = 0
        self._output: Any = None

    def work(self) -> None:
        """The task; then what others want of it, for as long as the fleet is open."""
        work = Work()
        while True:
            self._output = self._fitting(self._done(work).output)
            try:
                self._ctx.submit_result(self._output)
                break
            except ResultRejected as rejected:
                work = Work(rejected=rejected.reasons)
        while True:
            self._attend(self._ctx.receive(WORK))  # type: ignore[arg-type]

    # --- messages ----------------------------------------------------------------------------

    def _attend(self, message: Message) -> None:
        if message.type != "handoff" and self._has_replied(message):
            self._ctx.tool_run.record(c.AcknowledgeMessage(message.id))
            return
        done = self._done(Work(answer=message, output=self._output))
        if message.type == "handoff" or (done.has_mesh and self._has_replied(message)):
            self._ctx.tool_run.record(c.AcknowledgeMessage(message.id))
            return
        with contextlib.suppress(StepFailed):  # who asked has ended
            self._ctx.reply(message, _payload(done.output))

    def _has_replied(self, message: Message) -> bool:
        """Has the program answered by itself, over the mesh?"""
        if message.sender == OPERATOR:
            return False
        name = f"look for its own answer to {message.id}"
        found = self._ctx.step(name, "pure", self._room.has_replied, self._ctx.agent_id, message.sender, message.id)
        return bool(found)

    # --- runs --------------------------------------------------------------------------------

    def _done(self, work: Work) -> Outcome:
        """Run the program until it has done this. Raises `ProgramFailed` when a run has just failed."""
        cut: Cut | None = None
        while True:
            is_new = self._ctx.is_at_end
            try:
                outcome = self._run(work, cut)
            except StepInDoubt as doubt:
                cut = self._after_doubt(doubt)
                continue
            self._interruptions = 0
            self._session = outcome.session or self._session
            self._account(outcome)
            if not outcome.error and not outcome.paused:
                return outcome
            cut = Cut("paused") if outcome.paused else self._after_failure(outcome, is_new=is_new)

    def _account(self, outcome: Outcome) -> None:
        """Count what the run says it has used. What the budgets do not cover pauses the agent, or its fleet, here."""
        used = outcome.usage
        if used is not None:
            self._ctx.paid_step(f"usage of run {outcome.run}", used, lambda: (None, used))

    def _run(self, work: Work, cut: Cut | None) -> Outcome:
        """The next run, or what is recorded of it."""
        self._runs += 1
        session = self._session if self._can_resume else ""
        number = self._runs

        def make() -> Any:
            program = ProgramRun(self._ctx, self._room.folder, self._room.mesh, number)
            words = self._room.words(self._ctx.spec.agent, self._ctx.workspace)

            def prompt(has_mesh: bool) -> str:
                return prompt_for(self._ctx, words, work, cut, resumes=bool(session), has_mesh=has_mesh)

            return msgspec.to_builtins(program.make(prompt, session), builtin_types=(bytes,))

        found = self._ctx.step(f"run {number}", "effectful", make)
        if isinstance(found, dict) and found.get("run") == number:
            return msgspec.convert(found, Outcome)
        return Outcome(number, output=found)  # a person has said what came of a run in doubt

    def _after_failure(self, outcome: Outcome, *, is_new: bool) -> Cut:
        """A failure ends an attempt, once. The next one goes on with the session, unless that is what failed."""
        self._failures += 1
        if outcome.resumed:
            self._session = ""
        if self._failures >= self._ctx.spec.max_attempts:
            raise GivenUp(outcome.error)
        if is_new:
            raise ProgramFailed(outcome.error)
        return Cut("failed", outcome.error)

    def _after_doubt(self, doubt: StepInDoubt) -> Cut:
        """The run was cut off: go on with its session, or as the spec says; raises when a person has to say."""
        self._interruptions += 1
        if self._interruptions > self._ctx.spec.max_interruptions:
            raise GivenUp(f"its program was cut off {self._interruptions} times in a row")
        self._session = self._ctx.note_of(doubt.index) or self._session
        policies: dict[str, DoubtPolicy] = self._ctx.spec.on_doubt or {}
        policy = policies.get("run", policies.get("*"))
        goes_on = bool(self._session) and self._can_resume and policy in (None, "tell")
        if not goes_on:
            self._session = ""
        if not goes_on and policy in (None, "ask") and self._ctx.is_at_end:
            raise doubt
        return Cut("interrupted")

    def _fitting(self, output: Any) -> Any:
        """A text as the value that a schema asks for, if it is one."""
        if self._ctx.spec.result_schema is None or not isinstance(output, str):
            return output
        with contextlib.suppress(ValueError, RecursionError):
            return json.loads(_unfenced(output))
        return output


def _unfenced(text: str) -> str:
    """JSON out of a fenced block, if there is one."""
    _, fence, rest = text.partition("```")
    return rest.partition("```")[0].removeprefix("json") if fence else text


def _payload(output: Any) -> str:
    """An answer as a message can carry it."""
    text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False, default=str)
    data = text.replace("\0", "\ufffd").encode(errors="replace")
    if len(data) > MAX_PAYLOAD_BYTES:
        data = data[: MAX_PAYLOAD_BYTES - 100] + f"\n... {len(data)} bytes in all".encode()
    return data.decode(errors="ignore") if data.strip() else "(no answer)"
