"""The fleet of the triage scenario: a triager, who attaches debuggers while the fleet runs; offline or by Claude."""

from fleetlog.domain.values import AgentSpec, FleetSpec
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
