"""Alerts as the commander reads them, from whoever they come; and what agents tell each other about an incident.

An alert is data from outside: it can only lead to what the runbooks list, and never says what is run.
"""

import fnmatch
import re

import msgspec
from msgspec import Struct

from fleetlog.runtime.scenarios.monitor.runbooks import Plan, Runbook, When

__all__ = ["Alert", "Case", "Outcome", "alert_in", "candidates", "to_json"]

_TEXT_CHARS = 2_000


class Alert(Struct, frozen=True, omit_defaults=True):
    """What is wrong, or (`resolved`) was. The sentinel's name the `watch` or the `schedule`; those of other monitors
    have labels and a fingerprint; that of who asks for a runbook names it."""

    text: str
    severity: str = "warning"
    status: str = "firing"
    labels: dict[str, str] = {}
    fingerprint: str = ""
    skills: tuple[str, ...] = ()
    watch: str = ""
    schedule: str = ""
    runbook: str = ""

    @property
    def key(self) -> str:
        """The same for alerts about the same thing."""
        if self.watch:
            return f"watch {self.watch}"
        if self.schedule:
            return f"schedule {self.schedule}"
        if self.runbook:
            return f"runbook {self.runbook}"
        if self.fingerprint:
            return f"alert {self.fingerprint}"
        return "text " + " ".join(re.sub(r"\d+", "#", self.text.lower()).split())


def alert_in(payload: str) -> Alert:
    """The alert in a message; text that is no alert's JSON is its text."""
    try:
        alert = msgspec.json.decode(payload, type=Alert)
    except msgspec.DecodeError:
        alert = Alert(payload)
    return msgspec.structs.replace(alert, text=alert.text[:_TEXT_CHARS])


def candidates(plan: Plan, alert: Alert) -> tuple[str, ...]:
    """The runbooks that may be for this alert, in the file's order; which one fits, their checks decide.

    Those whose `when` matches; for an alert from outside that no `when` names, all that share a skill with it.
    """
    if alert.runbook:
        return (alert.runbook,)
    if alert.schedule:
        return _of_schedule(plan, alert.schedule)
    found = tuple(runbook.name for runbook in plan.runbook if _is_for(runbook.when, alert))
    if found or alert.watch:
        return found
    return tuple(runbook.name for runbook in plan.runbook if _shares_skill(runbook, alert))


def _of_schedule(plan: Plan, name: str) -> tuple[str, ...]:
    """The runbook it names, or those of the watches it looks at."""
    found = next((one for one in plan.schedule if one.name == name), None)
    if found is None:
        return ()
    looked_at = set(found.checks)
    return (
        (found.runbook,)
        if found.runbook
        else tuple(runbook.name for runbook in plan.runbook if looked_at & {*runbook.when.watches, *runbook.verify})
    )


def _is_for(when: When, alert: Alert) -> bool:
    if alert.watch:
        return alert.watch in when.watches
    if when.text and re.search(when.text, alert.text, re.IGNORECASE):
        return True
    wanted = when.labels.items()
    return bool(wanted) and all(fnmatch.fnmatchcase(alert.labels.get(name, ""), pattern) for name, pattern in wanted)


def _shares_skill(runbook: Runbook, alert: Alert) -> bool:
    words = {word.lower() for word in re.findall(r"\w+", f"{alert.text} {' '.join(alert.labels.values())}")}
    return bool({*alert.skills, *words} & set(runbook.skills))


class Case(Struct, frozen=True, omit_defaults=True):
    """What the commander hands to a responder. `candidates` are names: what they do stands in the responder's own
    copy of the runbooks. `checks` are to be looked at as well. At most `allowance` actions may be made; none, because
    of `why_not`."""

    number: int
    alert: Alert
    candidates: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    allowance: int = 0
    why_not: str = ""


class Outcome(Struct, frozen=True, omit_defaults=True):
    """What a responder says of a case. `state`: asked (a person is; it goes on), healed, well (nothing was wrong when
    it was looked at), person (well since a person answered), or left (not well, and nobody will go on)."""

    number: int
    state: str
    said: str
    runbook: str = ""
    evidence: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    acted_s: tuple[float, ...] = ()
    at_s: float = 0.0


def to_json(value: Case | Outcome) -> str:
    """As it is sent, with a `text` for those who read along."""
    said = f"case {value.number}: {value.alert.text}" if isinstance(value, Case) else f"{value.state}: {value.said}"
    return msgspec.json.encode({"text": said, **msgspec.to_builtins(value)}).decode()
