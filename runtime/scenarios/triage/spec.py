"""The fleet of the triage scenario: a triager, who attaches debuggers while the fleet runs; offline or by Claude."""

from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.scenarios.research import REPORT_SCHEMA
from fleetlog.runtime.scenarios.triage.order import Order, inputs_text

__all__ = ["triage_by_claude_spec", "triage_spec"]

_BRAINS = "fleetlog.runtime.scenarios.triage.brains"
_TASK = """\
Read the log of failing tests. Sort the failures into clusters and each cluster into regression, flaky, infrastructure \
or real bug, with evidence. Attach a debugger for each that is broken, route the cluster to whoever fits it best, and \
write the report from what comes back.\
"""


def triage_spec(workspace: str, order: Order) -> FleetSpec:
    """The spec for a workspace and a log. The triager's result is `{"report": Markdown, ...}`."""
    triager = AgentSpec(
        role="triager",
        prompt=_TASK + inputs_text(order),
        brain=f"{_BRAINS}:triager",
        skills=("triage",),
        max_attempts=1,
    )
    return FleetSpec(
        name="triage",
        goal="What broke the build: which failures are regressions, which are flaky, and what is to be done first?",
        workspace=workspace,
        agents=(triager,),
        keep_open=True,
    )


_CLAUDE = """\
The log of failing tests is {log} (search it, do not read it from its top). {how} Sort the failures into \
clusters, and each cluster into regression, flaky, infrastructure or real bug, with evidence: run the smallest \
test of a cluster again ({rerun} times, alone) with `{command}`, look at `git log` and `git blame`. For each \
cluster that is a regression or a real bug attach a debugger (attach_agent; at most {debuggers}, with the skills \
the cluster asks for), find who fits it best (route_work), and hand it over (send_message, type "handoff"): the \
cluster, one command that reproduces it, suspects, what is ruled out. Go on while they work. Wait for their \
findings (type "result"), then submit the report: first the answer, a table by class; what to do first; for each \
cluster its count, first failing test, evidence and suspects (commit, author, subject, why); what could not be \
decided.\
"""


def triage_by_claude_spec(workspace: str, order: Order, model: str = "") -> FleetSpec:
    """The same fleet, driven by Claude: the log must be in the workspace, where the triager can read it. It ends with
    its last agent, since nobody else would close it."""
    how = f"The tests passed at commit {order.good}." if order.good else ""
    words = {"log": order.log, "how": how, "rerun": order.rerun, "command": order.test_command}
    spec = triage_spec(workspace, order)
    triager = replace(
        spec.agents[0],
        prompt=_CLAUDE.format(**words, debuggers=order.debuggers),
        brain="claude",
        agent="test-triager",
        model=model,
        tools=("list_files", "read_file", "search_files", "run_command", "attach_agent", "route_work"),
        result_schema=REPORT_SCHEMA,
        max_attempts=3,
    )
    return replace(spec, agents=(triager,), keep_open=False)
