"""What the monitor did, for people. Without times and ids: the same incidents give the same words."""

from collections import Counter
from collections.abc import Sequence

from fleetlog.runtime.scenarios.monitor.desk import Incident
from fleetlog.runtime.scenarios.monitor.runbooks import Plan

__all__ = ["figures_of", "in_words", "report"]

_STATES = {
    "open": "is being looked into",
    "asked": "waits for a person",
    "healed": "was healed",
    "well": "was well when it was looked at; nothing was done",
    "person": "is well since a person answered",
    "left": "is not known to be well",
}


def figures_of(incidents: Sequence[Incident]) -> dict[str, int]:
    """How many incidents there were, and what became of them."""
    states = Counter(incident.state for incident in incidents)
    return {
        "incidents": len(incidents),
        "alerts": sum(incident.alerts for incident in incidents),
        "healed": states["healed"],
        "well": states["well"],
        "by_people": states["person"],
        "left": states["left"],
        "actions": sum(len(incident.outcome.acted_s) for incident in incidents if incident.outcome),
        "asked_people": sum(bool(incident.asked) for incident in incidents),
    }


def in_words(incident: Incident) -> str:
    """One line."""
    outcome = incident.outcome
    said = f": {_without_ticket(outcome.said)}" if outcome else ""
    meanwhile = "; meanwhile it is well again" if incident.is_open and incident.has_recovered else ""
    return f"Incident {incident.case.number} ({incident.case.alert.text}) {_STATES[incident.state]}{said}{meanwhile}"


def _without_ticket(said: str) -> str:
    return said.partition(" (help-")[0]


def report(plan: Plan, incidents: Sequence[Incident]) -> str:
    """The whole report, in Markdown."""
    parts = ["# What the monitor did", "", _summary(plan, incidents), ""]
    left = [one for one in incidents if one.state == "left"]
    if left:
        parts += ["## Not well", "", *(f"- {in_words(one)}" for one in left), ""]
    if incidents:
        parts += ["## Incidents", ""]
        for incident in incidents:
            parts += [*_entry(incident), ""]
    parts += ["## What was watched", "", *_watched(plan, incidents), "", "## How", "", _HOW]
    return "\n".join(parts) + "\n"


_HOW = (
    "A watch counts as failing after so many failures in a row as the runbooks say. A runbook is chosen by what its "
    "alert is and by what the checks see, and only when its own `verify` fails; nothing is done to what is well. After "
    "each action `verify` is looked at: healed means that it passed, not that the action ended well."
)


def _summary(plan: Plan, incidents: Sequence[Incident]) -> str:
    if not incidents:
        return f"**Nothing went wrong**: {_counted(len(plan.watch), 'watch', 'watches')}, no incident, no action."
    found = figures_of(incidents)
    parts = [f"{found['healed']} healed"]
    parts += [f"{found['well']} well without an action"] * bool(found["well"])
    parts += [f"{found['by_people']} well since a person answered"] * bool(found["by_people"])
    parts += [f"**{found['left']} not known to be well**"] * bool(found["left"])
    asked = found["asked_people"]
    people = f"a person was asked about {_counted(asked, 'incident', 'incidents')}" if asked else "nobody was asked"
    incidents_, alerts = (_counted(found[f"{one}s"], one, f"{one}s") for one in ("incident", "alert"))
    made = _counted(found["actions"], "action", "actions")
    return f"**{incidents_}** from {alerts}: {', '.join(parts)}. {made} made; {people}."


def _entry(incident: Incident) -> list[str]:
    case, outcome = incident.case, incident.outcome
    assert outcome is not None
    lines = [f"### {case.number}. {_first_line(case.alert.text)}", ""]
    lines.append(f"- It **{_STATES[incident.state]}**: {_without_ticket(outcome.said)}.")
    who = f"{incident.responder} had it" if incident.responder else "no agent's skills fitted"
    how = "by the runbook" if outcome.actions else "its runbook would be"
    book = f", {how} `{outcome.runbook}`" if outcome.runbook else ""
    lines.append(f"- Severity {case.alert.severity}; {who}{book}; {_counted(incident.alerts, 'alert', 'alerts')}.")
    lines.append(f"- Seen: {'; '.join(outcome.evidence) or 'nothing that a check found wrong'}.")
    return [*lines, f"- Done: {'; '.join(outcome.actions) or 'nothing'}."]


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:120] if text.strip() else "an alert without words"


def _watched(plan: Plan, incidents: Sequence[Incident]) -> list[str]:
    counts = Counter(one.case.alert.watch or one.case.alert.schedule for one in incidents)
    lines = [
        f"- `{one.name}` ({one.kind}, every {one.every_s:g} s): {_counted(counts[one.name], 'incident', 'incidents')}"
        for one in plan.watch
    ]
    return lines + [
        f"- `{one.name}` (schedule `{one.cron}`, {one.zone}): due {counts[one.name]} times" for one in plan.schedule
    ]


def _counted(number: int, one: str, more: str) -> str:
    return f"{number:,} {one if number == 1 else more}"
