"""The fleet of the monitor scenario, with offline brains or driven by Claude. The sentinel is the same in both."""

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec, HelpPolicy
from fleetlog.runtime.scenarios.monitor.loading import RESPONDER_SKILLS
from fleetlog.runtime.scenarios.monitor.runbooks import Plan
from fleetlog.runtime.scenarios.research import REPORT_SCHEMA

__all__ = ["Watching", "monitor_by_claude_spec", "monitor_spec"]

_BRAINS = "fleetlog.runtime.scenarios.monitor.brains"
_RESTARTS = 1_000_000
"""A fleet that stays for years is restarted often without an event between."""
_ALL_SKILLS = tuple(sorted({skill for skills in RESPONDER_SKILLS.values() for skill in skills}))


class Watching(Struct, frozen=True):
    """What is to be watched: the path of the runbooks, the folder their paths and commands are meant from, and for
    how long: `for_s` seconds (empty: without end), or `once`."""

    runbooks: str
    workspace: str = ""
    for_s: str = ""
    once: str = ""


def monitor_spec(order: Watching, plan: Plan | None = None) -> FleetSpec:
    """The spec with offline brains; the commander's result is `{"report": Markdown, ...}`. `plan`, if it is known,
    says how people are reminded."""
    inputs = f"\n\nInputs:\nrunbooks: {order.runbooks}\n"
    time_limits = f"for_s: {order.for_s}\nonce: {order.once}\n"

    def agent(role: str, prompt: str, brain: str, skills: tuple[str, ...]) -> AgentSpec:
        return AgentSpec(
            role=role, prompt=prompt + inputs, brain=f"{_BRAINS}:{brain}", skills=skills, max_interruptions=_RESTARTS
        )

    sentinel = agent("sentinel", "Watch the service; tell the incident commander what is news.", "sentinel", ())
    commander = "Keep the incidents: join alerts, hand each to whose skills fit, tell who raised it what became of it."
    return FleetSpec(
        name="monitor",
        goal="Keep the service well: watch it, heal it by the runbooks, call a person for what they do not cover.",
        workspace=order.workspace,
        agents=(
            replace(sentinel, prompt=sentinel.prompt + time_limits),
            agent("incident commander", commander, "commander", ("incident", *_ALL_SKILLS)),
            *(
                agent(name.replace("-", " "), f"Respond to alerts about {', '.join(skills)}.", "responder", skills)
                for name, skills in RESPONDER_SKILLS.items()
            ),
            agent("runbook runner", "Go through the runbook that somebody asks for by its name.", "runner", ()),
        ),
        help_policy=_policy(plan),
    )


def _policy(plan: Plan | None) -> HelpPolicy:
    if plan is None:
        return HelpPolicy(remind_after_s=3600.0)
    people = plan.people
    return HelpPolicy(
        remind_after_s=people.remind_after_s,
        escalate_after_s=people.escalate_after_s,
        escalate_to=people.escalate_to,
        expire_after_s=people.expire_after_s,
    )


_COMMANDER = """\
You command the response to incidents of the service that sentinel watches. sentinel (a program) sends you an alert \
as JSON for each watch that fails, fails still ("firing") or is well again ("resolved"); people and other monitors \
send alerts, too. The runbooks are in the file named below: read them first. Then wait_for_messages, for ever: alerts \
about the same thing are one incident; hand each incident to the responder whose skills fit (database-responder, \
network-responder, auth-responder; send_message type "handoff" with the alert, the runbook's name and what you need \
back). A thing that was healed {cooldown} seconds ago or less is not healed again: request_help. When a person or a \
peer raised the alert, tell them what became of it. When sentinel says that the watch is over, wait for what is open, \
broadcast "the watch is over" (type "handoff"), and submit the report: what went wrong, what was done, what is not \
well, incident by incident.\
"""
_RESPONDER = """\
You respond to incidents that incident-commander hands to you. The runbooks are in the file named below: read them \
first, then wait_for_messages. For each incident: look before you act (read the logs; make checks with commands that \
only read), and choose the runbook. You change nothing yourself: ask runbook-runner (a program; ask_peer with the \
runbook's exact name and nothing else). It looks first, acts only if the runbook's `verify` fails, gets approval where \
that is needed, looks again, and answers "healed", "well" (nothing was done), "asked" (a person is; it will tell you \
more) or "left". Tell incident-commander (type "result", the handoff's id as correlation_id) what you saw, what was \
done and what you saw then. When no runbook fits, or it did not help: request_help, with what was tried. When \
incident-commander says that it is over, submit the list of what was done.\
"""


def monitor_by_claude_spec(order: Watching, model: str = "", plan: Plan | None = None) -> FleetSpec:
    """The same agents; commander and responders are driven by Claude. They look and choose; only the runner, a program,
    does what the runbooks list. What else they would run, a person is asked about."""
    offline = monitor_spec(order, plan)
    cooldown = f"{plan.limits.cooldown_s:g}" if plan else "600"

    def by_claude(agent: AgentSpec) -> AgentSpec:
        definition = agent.role.replace(" ", "-")
        is_lead = definition == "incident-commander"
        if not is_lead and definition not in RESPONDER_SKILLS:
            return agent
        prompt = _COMMANDER.format(cooldown=cooldown) if is_lead else _RESPONDER
        return AgentSpec(
            role=agent.role,
            prompt=f"{prompt}\n\nInputs:\nrunbooks: {order.runbooks}\n",
            brain="claude",
            agent=definition,
            model=model,
            skills=agent.skills,
            result_schema=REPORT_SCHEMA if is_lead else None,
            max_interruptions=_RESTARTS,
        )

    return replace(offline, agents=tuple(by_claude(agent) for agent in offline.agents))
