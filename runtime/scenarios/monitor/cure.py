"""A responder's way with a case: look, choose the runbook, act, look again; or have a person do it.

Its rules: nothing is done that the responder's own copy of the runbooks does not list; nothing is done to what is
well; after an action of which it is not known whether it was made, it is looked first. While a person is asked, other
cases go on.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from fleetlog.domain.errors import StepFailed, StepInDoubt
from fleetlog.domain.tickets import Approval
from fleetlog.domain.values import Message
from fleetlog.runtime.scenarios.monitor.alerts import Case, Outcome
from fleetlog.runtime.scenarios.monitor.looking import Found, Room, look_at, look_until_well
from fleetlog.runtime.scenarios.monitor.runbooks import Action, Plan, Runbook

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

__all__ = ["Ward"]

_OUTPUT_CHARS = 500


class _Course(Struct):
    """How far a case has come. `waits_for`: what a person was asked, `approval` or `help`."""

    case: Case
    handed: Message
    found: Found
    runbook: Runbook | None = None
    next_action: int = 0
    approved: int = -1
    """The action of this number may be made."""
    waits_for: str = ""
    was_cut_off: bool = False
    seen: tuple[str, ...] = ()
    """What failed when the case came."""
    actions: list[str] = msgspec.field(default_factory=list)
    acted_s: list[float] = msgspec.field(default_factory=list)


class Ward:
    """The cases of one responder. Every change of a case is a step of its brain; `tell` tells who handed it over."""

    def __init__(self, ctx: "Context", plan: Plan, folder: str, tell: Callable[[Message, Outcome], None]) -> None:
        self._ctx, self._plan, self._tell_outcome = ctx, plan, tell
        self._room = Room(ctx.tool_run, folder)
        self._asked: dict[str, _Course] = {}
        """By the ticket."""
        self.closed = 0

    @property
    def waiting(self) -> int:
        """So many cases wait for a person."""
        return len(self._asked)

    # --- messages ------------------------------------------------------------------------------

    def admit(self, case: Case, handed: Message) -> None:
        """Take a case on."""
        course = _Course(case, handed, Found(0.0))
        course.found = self._look(course, self._of_interest(case), f"examine case {case.number}")
        course.runbook = self._fitting(case, course.found)
        wrong = course.found.failing
        course.seen = tuple(f"{name}: {why}" for name, why in wrong.items())[:20]
        if course.runbook is None and not wrong and course.found.passing:
            self._close(course, "well", "nothing is wrong that the checks can see")
        elif course.runbook is None:
            self._ask_for_help(course, case.why_not or "no runbook fits what the checks see")
        elif case.why_not:
            self._ask_for_help(course, case.why_not)
        else:
            self._go_on(course)

    def answered(self, message: Message) -> bool:
        """Go on with the case whose ticket this answers; False when it answers none."""
        course = self._asked.pop(message.correlation_id, None)
        if course is None:
            return False
        if course.waits_for == "approval":
            self._decided(course, message)
        else:
            self._helped(course, message)
        return True

    # --- looking --------------------------------------------------------------------------------

    def _of_interest(self, case: Case) -> tuple[str, ...]:
        names = list(case.checks)
        for runbook in map(self._plan.runbooks.get, case.candidates):
            if runbook is not None:
                names += [*runbook.verify, *runbook.if_fails, *runbook.if_passes]
        return tuple(dict.fromkeys(name for name in names if name in self._plan.checks))

    def _look(self, course: _Course, names: tuple[str, ...], step: str) -> Found:
        checks = [self._plan.checks[name] for name in names]
        return msgspec.convert(self._ctx.step(step, "pure", look_at, checks, self._room), Found)

    def _fitting(self, case: Case, found: Found) -> Runbook | None:
        runbooks = (self._plan.runbooks[name] for name in case.candidates if name in self._plan.runbooks)
        return next((runbook for runbook in runbooks if _fits(runbook, found)), None)

    # --- acting ---------------------------------------------------------------------------------

    def _go_on(self, course: _Course) -> None:
        """The actions from where the case is, until it is well, a person must be asked, or there is none left."""
        runbook = course.runbook
        assert runbook is not None
        while course.next_action < len(runbook.action):
            action = runbook.action[course.next_action]
            if action.needs_approval and course.approved != course.next_action:
                self._ask_for_approval(course, action)
                return
            if self._try(course, runbook, action):
                return
            course.next_action += 1
        self._ask_for_help(course, f"the runbook '{runbook.name}' is at its end, and it is not well")

    def _try(self, course: _Course, runbook: Runbook, action: Action) -> bool:
        """Make the action as often as it may be. True when the case needs no further action, or may have none."""
        for attempt in range(1 + action.retries):
            if len(course.acted_s) >= course.case.allowance:
                self._ask_for_help(course, f"no more actions are allowed ({course.case.allowance} were)")
                return True
            is_cut_off = self._act(course, action, attempt)
            found = self._verified(course, runbook, action)
            course.acted_s.append(found.at_s)
            if not found.failing:
                self._close(course, "healed", f"by '{' '.join(action.command)}'")
                return True
            if is_cut_off and attempt == action.retries:
                said = "it was interrupted, and may have been done in part; it is not well, and is not repeated"
                self._ask_for_help(course, f"'{' '.join(action.command)}': {said}")
                return True
        return False

    def _act(self, course: _Course, action: Action, attempt: int) -> bool:
        """Run the program. True when it is not known whether it ran to its end: it was cut off."""
        words = " ".join(action.command)
        step = f"act in case {course.case.number}: {words}"[:190]
        try:
            result = self._ctx.run_command(step, action.command, timeout_s=action.timeout_s, cwd=self._room.folder)
        except StepInDoubt:
            course.actions.append(f"`{words}`: interrupted; looked before anything else")
            return True
        except StepFailed as failure:
            course.actions.append(f"`{words}`: could not be run: {failure}")
            return False
        how = f"not done within {action.timeout_s:g} s" if result.timed_out else f"exit code {result.exit_code}"
        output = " ".join(result.output.split())[-_OUTPUT_CHARS:] if result.exit_code else ""
        course.actions.append(
            f"`{words}`: {how}" + f" (attempt {attempt + 1})" * bool(attempt) + f": {output}" * bool(output)
        )
        return False

    def _verified(self, course: _Course, runbook: Runbook, action: Action) -> Found:
        checks = [self._plan.checks[name] for name in runbook.verify]
        step = f"verify case {course.case.number}"
        found = self._ctx.step(step, "pure", look_until_well, checks, action.settle_s, self._room)
        return msgspec.convert(found, Found)

    # --- people ---------------------------------------------------------------------------------

    def _ask_for_approval(self, course: _Course, action: Action) -> None:
        runbook = course.runbook
        assert runbook is not None
        words = " ".join(action.command)
        subject = {"command": list(action.command), "runbook": runbook.name, "alert": course.case.alert.text}
        help_id = self._ctx.open_approval(f"run {words}"[:200], subject, _worded(course.found)[:_OUTPUT_CHARS])
        self._wait_for(course, help_id, "approval", f"may '{words}' be run? ({help_id})")

    def _decided(self, course: _Course, message: Message) -> None:
        runbook = course.runbook
        assert runbook is not None
        approval = Approval(granted=False, note=message.payload, expired=True)
        if not message.declined:
            approval = msgspec.json.decode(message.payload, type=Approval)
        course.found = self._look(course, self._of_interest(course.case), f"examine case {course.case.number} again")
        if not course.found.fails(runbook.verify):
            self._close(course, "well", "it is well again, without the action that was asked for")
        elif approval.granted:
            course.approved = course.next_action
            self._go_on(course)
        else:
            how = (
                "nobody decided"
                if approval.expired
                else f"a person said no{': ' + approval.note if approval.note else ''}"
            )
            self._close(course, "left", f"'{' '.join(runbook.action[course.next_action].command)}' was not run: {how}")

    def _ask_for_help(self, course: _Course, why: str) -> None:
        alert = course.case.alert
        blocker = f"{alert.text}\n{why[:1].upper()}{why[1:]}.\n{_worded(course.found)}"
        attempted = "\n".join(course.actions) or "Nothing was done."
        help_id = self._ctx.open_ticket(blocker[:4_000], attempted[:4_000])
        self._wait_for(course, help_id, "help", f"{why} ({help_id})")

    def _helped(self, course: _Course, message: Message) -> None:
        names = course.runbook.verify if course.runbook else tuple(course.found.failing)
        said = "nobody answered" if message.declined else f"a person answered: {message.payload[:_OUTPUT_CHARS]}"
        found = self._look(course, names, f"examine case {course.case.number} after the answer")
        course.found = found if names else course.found
        is_well = not message.declined if not names else not found.failing
        self._close(course, "person" if is_well and not message.declined else "well" if is_well else "left", said)

    def _wait_for(self, course: _Course, help_id: str, what: str, said: str) -> None:
        course.waits_for = what
        self._asked[help_id] = course
        self._tell(course, "asked", said)

    # --- telling --------------------------------------------------------------------------------

    def _close(self, course: _Course, state: str, said: str) -> None:
        self.closed += 1
        self._tell(course, state, said)

    def _tell(self, course: _Course, state: str, said: str) -> None:
        outcome = Outcome(
            number=course.case.number,
            state=state,
            said=said[:2_000],
            runbook=course.runbook.name if course.runbook else "",
            evidence=course.seen,
            actions=tuple(course.actions),
            acted_s=tuple(course.acted_s),
            at_s=course.acted_s[-1] if course.acted_s else course.found.at_s,
        )
        self._tell_outcome(course.handed, outcome)


def _fits(runbook: Runbook, found: Found) -> bool:
    return (
        found.fails(runbook.verify)
        and all(name in found.failing for name in runbook.if_fails)
        and not found.fails(runbook.if_passes)
    )


def _worded(found: Found) -> str:
    failing = [f"{name} fails: {why}" for name, why in found.failing.items()]
    passing = [f"{name} is well: {why}" for name, why in found.passing.items()]
    return "\n".join([*failing, *passing]) or "No check is for it."
