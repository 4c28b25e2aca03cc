"""The commander's desk: which incidents are open, who has them, what may be done about a new alert. Pure; the time
comes in.

Its rules: one incident for one thing, however many alerts there are; what was healed is not healed again within the
cool-down; no more than so many actions an hour, counting those that responders may still make.
"""

from collections.abc import Mapping

from msgspec import Struct

from fleetlog.runtime.scenarios.monitor.alerts import Alert, Case, Outcome, candidates
from fleetlog.runtime.scenarios.monitor.runbooks import Plan

__all__ = ["Desk", "Incident"]

HOUR_S = 3600.0


class Incident(Struct):
    """One thing that went wrong, from the first alert on."""

    case: Case
    responder: str
    alerts: int = 1
    has_recovered: bool = False
    """Whoever raised it says that it is over."""
    asked: int = 0
    outcome: Outcome | None = None
    """The last that was heard."""

    @property
    def is_open(self) -> bool:
        """Does somebody still work on it, or wait for a person?"""
        return self.outcome is None or self.outcome.state == "asked"

    @property
    def state(self) -> str:
        """See `Outcome`; `open` before the first."""
        return self.outcome.state if self.outcome else "open"


class Desk:
    """`responders`: their skills by name."""

    def __init__(self, plan: Plan, responders: Mapping[str, tuple[str, ...]]) -> None:
        self._plan, self._responders = plan, responders
        self.incidents: list[Incident] = []
        self._open: dict[int, Incident] = {}
        self._fixed_s: dict[str, float] = {}
        """When it was healed last, by the alert's key and by the runbook."""
        self._acted_s: list[float] = []

    def joined(self, alert: Alert) -> Incident | None:
        """The open incident that this alert belongs to, which takes note of it."""
        names = set(candidates(self._plan, alert))
        for incident in self._open.values():
            if incident.case.alert.key == alert.key or names & set(incident.case.candidates):
                incident.has_recovered = alert.status == "resolved"
                incident.alerts += alert.status != "resolved"
                return incident
        return None

    def opened(self, alert: Alert, now_s: float) -> Incident:
        """A new incident, with what its responder may do. Nobody has it when nobody's skills fit."""
        names = candidates(self._plan, alert)
        wanted = self._wanted_skills(alert, names)
        responder = self._responder_for(wanted)
        most = max((self._plan.runbooks[name].most_actions for name in names), default=0)
        left = self._left(now_s)
        why_not = self._why_not(alert, names, now_s, left)
        case = Case(
            len(self.incidents) + 1,
            alert,
            names,
            self._checks(alert, wanted),
            0 if why_not else min(most, left),
            why_not,
        )
        incident = Incident(case, responder)
        self.incidents.append(incident)
        self._open[case.number] = incident
        return incident

    def heard(self, outcome: Outcome) -> Incident | None:
        """What a responder says of an incident; None when it has none of that number."""
        incident = self._open.get(outcome.number)
        if incident is None:
            return None
        incident.outcome = outcome
        incident.asked += outcome.state == "asked"
        if not incident.is_open:
            del self._open[outcome.number]
            self._acted_s += outcome.acted_s
        if outcome.state == "healed":
            self._fixed_s[incident.case.alert.key] = self._fixed_s[f"runbook {outcome.runbook}"] = outcome.at_s
        return incident

    @property
    def open_incidents(self) -> list[Incident]:
        """In the order they came."""
        return list(self._open.values())

    # --- what may be done ----------------------------------------------------------------------

    def _why_not(self, alert: Alert, names: tuple[str, ...], now_s: float, left: int) -> str:
        if not names:
            return "no runbook is for it"
        keys = [alert.key, *(f"runbook {name}" for name in names)]
        healed_s = max((self._fixed_s.get(key, 0.0) for key in keys), default=0.0)
        is_ordered = any(one.runbook for one in self._plan.schedule if one.name == alert.schedule)
        if not is_ordered and now_s - healed_s < self._plan.limits.cooldown_s:
            return "it was healed a short while ago, and is not well: the fix does not hold"
        if left <= 0:
            return f"the limit of {self._plan.limits.actions_per_hour} actions an hour is reached"
        return ""

    def _left(self, now_s: float) -> int:
        """How many actions the hour still admits, if all that may be made are."""
        self._acted_s = [one for one in self._acted_s if now_s - one < HOUR_S]
        allowed = sum(incident.case.allowance for incident in self._open.values())
        return max(0, self._plan.limits.actions_per_hour - len(self._acted_s) - allowed)

    # --- who ------------------------------------------------------------------------------------

    def _wanted_skills(self, alert: Alert, names: tuple[str, ...]) -> tuple[str, ...]:
        skills = [skill for name in names for skill in self._plan.runbooks[name].skills]
        checks = self._plan.checks
        if alert.watch in checks:
            skills += checks[alert.watch].skills
        skills += [skill for one in self._plan.schedule if one.name == alert.schedule for skill in one.skills]
        known = {skill for skills in self._responders.values() for skill in skills}
        words = {*alert.labels.values(), *alert.text.lower().replace("-", " ").split()}
        return tuple(dict.fromkeys([*alert.skills, *skills])) or tuple(sorted(known & words))

    def _responder_for(self, wanted: tuple[str, ...]) -> str:
        """Who has most of the skills; of several, who has least to do."""
        load = {name: sum(one.responder == name for one in self._open.values()) for name in self._responders}
        ranked = sorted(
            (-len(set(wanted) & set(skills)), load[name], name) for name, skills in self._responders.items()
        )
        return ranked[0][2] if ranked and ranked[0][0] < 0 else ""

    def _checks(self, alert: Alert, wanted: tuple[str, ...]) -> tuple[str, ...]:
        """What is looked at beside what the runbooks name: the watch itself, or the schedule's checks; for an alert
        from outside, the watches of its skills."""
        if alert.watch:
            return (alert.watch,)
        if alert.schedule:
            return next((one.checks for one in self._plan.schedule if one.name == alert.schedule), ())
        return tuple(watch.name for watch in self._plan.watch if set(watch.skills) & set(wanted))
