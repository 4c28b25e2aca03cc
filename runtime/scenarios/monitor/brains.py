"""The agents: a sentinel that watches, a commander who keeps the incidents, responders who heal, a runner of runbooks.

The sentinel never waits for a message and the others never for a clock: it stands in one step until there is news,
they wait without a thread. Each has its own copy of the runbooks, read once, in its first step.
"""

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from fleetlog.domain.errors import StepFailed
from fleetlog.domain.values import Message
from fleetlog.runtime.configuration import near_name
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.monitor.alerts import Alert, Case, Outcome, alert_in, to_json
from fleetlog.runtime.scenarios.monitor.cure import Ward
from fleetlog.runtime.scenarios.monitor.desk import Desk, Incident
from fleetlog.runtime.scenarios.monitor.loading import RESPONDER_SKILLS, load_plan
from fleetlog.runtime.scenarios.monitor.looking import Room
from fleetlog.runtime.scenarios.monitor.report import figures_of, in_words, report
from fleetlog.runtime.scenarios.monitor.runbooks import Check, Plan
from fleetlog.runtime.scenarios.monitor.watching import Eyes, News, Seen, State, Tick, folded

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context

__all__ = ["COMMANDER", "OVER", "RUNNER", "SENTINEL", "commander", "responder", "runner", "sentinel"]

SENTINEL, COMMANDER, RUNNER = "sentinel", "incident-commander", "runbook-runner"
OVER = "the watch is over"
_GONE = "that was all"
_REPLY_CHARS = 40_000


def _read_plan(ctx: "Context") -> tuple[Plan, str]:
    """The runbooks, and the folder that paths and commands are meant from."""
    path = inputs_of(ctx.prompt).get("runbooks", "")
    found = ctx.step("read the runbooks", "pure", load_plan, path)
    return msgspec.convert(found, Plan), ctx.workspace or str(Path(path).parent)


# --- the sentinel --------------------------------------------------------------------------------


def sentinel(ctx: "Context") -> dict[str, Any]:
    """Watches until its time is over, if it has one; tells the commander what is news."""
    plan, folder = _read_plan(ctx)
    inputs = inputs_of(ctx.prompt)
    state = State(ctx.step("look at the clock", "pure", time.time))
    until_s = state.began_s + float(inputs["for_s"]) if inputs.get("for_s") else None
    eyes = Eyes(plan, Room(ctx.tool_run, folder), max(plan.limits.cooldown_s, 1.0))
    is_over, told = False, 0
    while not is_over:
        if inputs.get("once") == "yes":
            found = ctx.step("look once", "pure", eyes.all_once)
        else:
            found = ctx.step("watch", "pure", eyes.until_news, state, until_s)
        seen = msgspec.convert(found, Seen)
        for alert in _alerts(plan, seen):
            ctx.send(COMMANDER, "alert", msgspec.json.encode(alert).decode())
            told += 1
        state, is_over = folded(state, seen), seen.is_over
    ctx.send(COMMANDER, "handoff", OVER)
    return {"told": told}


def _alerts(plan: Plan, seen: Seen) -> list[Alert]:
    checks = plan.checks
    return [_of_news(checks[one.watch], one) for one in seen.news] + [_of_tick(one) for one in seen.ticks]


def _of_news(watch: Check, news: News) -> Alert:
    text = f"{watch.name} is well again" if news.ok else f"{watch.name} fails: {news.said}"
    status = "resolved" if news.ok else "firing"
    return Alert(text, watch.severity, status, skills=watch.skills, watch=watch.name)


def _of_tick(tick: Tick) -> Alert:
    late = " (late: nothing ran when it was)" if tick.is_late else ""
    return Alert(f"{tick.schedule} is due{late}", "info", schedule=tick.schedule)


# --- the commander -------------------------------------------------------------------------------


def commander(ctx: "Context") -> dict[str, Any]:
    """Keeps the incidents: joins alerts, hands them to whose skills fit, tells who raised them, and writes the
    report."""
    plan, _ = _read_plan(ctx)
    responders = ctx.step("who responds", "pure", _responders, ctx)
    office = _Office(ctx, Desk(plan, {name: tuple(skills) for name, skills in responders.items()}))
    here = {*responders, RUNNER}
    while here or office.waiting:
        message = ctx.receive()
        if message.type == "handoff" and message.payload == OVER:
            for name in sorted(here):
                ctx.send(name, "handoff", OVER)
        elif message.type == "handoff" and message.payload == _GONE:
            here.discard(message.sender)
        else:
            office.take(message)
    incidents = office.desk.incidents
    return {"report": report(plan, incidents), **figures_of(incidents)}


def _responders(ctx: "Context") -> dict[str, tuple[str, ...]]:
    members = ctx.roster().members
    return {name: members[name].skills for name in sorted(members) if name in RESPONDER_SKILLS}


class _Office:
    """What the commander does with a message."""

    def __init__(self, ctx: "Context", desk: Desk) -> None:
        self._ctx, self.desk = ctx, desk
        self._raised: dict[int, list[Message]] = {}
        """By incident: the alerts of people and peers, who are told of its end."""
        self._tickets: dict[str, Incident] = {}
        """Those of incidents that no responder has."""

    @property
    def waiting(self) -> int:
        """So many incidents are nobody's but a person's."""
        return len(self._tickets)

    def take(self, message: Message) -> None:
        """An alert, what a responder says, a question, or a person's answer."""
        if message.correlation_id in self._tickets:
            self._answered(message)
        elif message.type == "alert":
            self._alerted(message, alert_in(message.payload))
        elif message.type == "question":
            self._ctx.reply(message, report_of(self.desk)[:_REPLY_CHARS])
        elif message.type == "result":
            self._heard(message)

    def _alerted(self, message: Message, alert: Alert) -> None:
        incident = self.desk.joined(alert)
        if incident is None and alert.status == "resolved":
            return
        if incident is None:
            incident = self.desk.opened(alert, self._ctx.step("look at the clock", "pure", time.time))
            self._hand_over(incident)
        if message.sender != SENTINEL:
            self._raised.setdefault(incident.case.number, []).append(message)

    def _hand_over(self, incident: Incident) -> None:
        if incident.responder:
            self._ctx.send(incident.responder, "handoff", to_json(incident.case))
            return
        case = incident.case
        why = "no agent has the skills for it" + (f" ({', '.join(case.alert.skills)})" if case.alert.skills else "")
        help_id = self._ctx.open_ticket(f"{case.alert.text}\n{why[:1].upper()}{why[1:]}.", "Nothing was done.")
        self._tickets[help_id] = incident
        self._close_or_go_on(Outcome(case.number, "asked", f"{why} ({help_id})"))

    def _answered(self, message: Message) -> None:
        incident = self._tickets.pop(message.correlation_id)
        state = "left" if message.declined else "person"
        said = "nobody answered" if message.declined else f"a person answered: {message.payload[:500]}"
        self._close_or_go_on(Outcome(incident.case.number, state, said))

    def _heard(self, message: Message) -> None:
        try:
            outcome = msgspec.json.decode(message.payload, type=Outcome)
        except msgspec.DecodeError:
            return  # somebody's answer that is about no case
        self._close_or_go_on(outcome)

    def _close_or_go_on(self, outcome: Outcome) -> None:
        incident = self.desk.heard(outcome)
        if incident is None:
            return
        said = in_words(incident)
        self._ctx.progress(said[:2_000])
        if not incident.is_open:
            for message in self._raised.pop(incident.case.number, []):
                _reply(self._ctx, message, said)


def report_of(desk: Desk) -> str:
    """How it stands now, for who asks."""
    return "\n".join(in_words(incident) for incident in desk.incidents[-50:]) or "No incident so far."


# --- the responders ------------------------------------------------------------------------------


def responder(ctx: "Context") -> dict[str, Any]:
    """Takes cases from the commander, one after the other; those that wait for a person stand aside meanwhile."""
    plan, folder = _read_plan(ctx)
    ward = Ward(ctx, plan, folder, lambda handed, outcome: _reply(ctx, handed, to_json(outcome)))
    forwarded: dict[str, Message] = {}
    is_over = False
    while not is_over or ward.waiting:
        message = ctx.receive()
        if ward.answered(message):
            continue
        if message.correlation_id in forwarded:
            ctx.reply(forwarded.pop(message.correlation_id), message.payload)
        elif message.type == "handoff" and message.sender == COMMANDER:
            is_over |= message.payload == OVER
            if message.payload != OVER:
                ward.admit(msgspec.json.decode(message.payload, type=Case), message)
        elif message.type == "alert" and not message.broadcast_size:
            forwarded[ctx.send(COMMANDER, "alert", message.payload)] = message  # told to one alone
        elif message.type == "question":
            ctx.reply(message, f"{ward.closed} cases are closed, {ward.waiting} wait for a person.")
    _say_gone(ctx)
    return {"closed": ward.closed}


# --- the runner ----------------------------------------------------------------------------------


def runner(ctx: "Context") -> dict[str, Any]:
    """Goes through a runbook for who asks it by name: a person, or a responder that a model drives. The runbook's
    checks, approvals and limits hold as they do for the others."""
    plan, folder = _read_plan(ctx)
    desk = Desk(plan, {})

    def tell(asked: Message, outcome: Outcome) -> None:
        desk.heard(outcome)
        done = "".join(f"\n- {one}" for one in outcome.actions)
        _reply(ctx, asked, f"{outcome.state}: {outcome.said}{done}")

    ward = Ward(ctx, plan, folder, tell)
    is_over = False
    while not is_over or ward.waiting:
        message = ctx.receive()
        if ward.answered(message):
            continue
        if message.type == "question":
            _go_through(ctx, plan, desk, ward, message)
        is_over |= message.type == "handoff" and message.sender == COMMANDER and OVER in message.payload
    _say_gone(ctx)
    return {"closed": ward.closed}


def _go_through(ctx: "Context", plan: Plan, desk: Desk, ward: Ward, asked: Message) -> None:
    name = asked.payload.strip().strip("'\"`")
    if name not in plan.runbooks:
        _reply(ctx, asked, f"refused: there is no runbook '{name[:80]}'{near_name(name, plan.runbooks)}")
        return
    alert = Alert(f"{name} is asked for", runbook=name)
    if desk.joined(alert) is not None:
        _reply(ctx, asked, f"refused: '{name}' is under way, and waits for a person")
        return
    ward.admit(desk.opened(alert, ctx.step("look at the clock", "pure", time.time)).case, asked)


def _say_gone(ctx: "Context") -> None:
    """The commander waits for this, if it is a program."""
    with contextlib.suppress(StepFailed):
        ctx.send(COMMANDER, "handoff", _GONE)


def _reply(ctx: "Context", message: Message, said: str) -> None:
    """Who asked may have ended meanwhile."""
    with contextlib.suppress(StepFailed):
        ctx.reply(message, said)
