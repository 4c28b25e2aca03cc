"""The fleet of the explore scenario: three agents with offline brains, and what each is to do."""

from fleetlog.domain.values import AgentSpec, FleetSpec

__all__ = ["explore_spec"]

_BRAINS = "fleetlog.runtime.scenarios.explore.brains"


def explore_spec(workspace: str) -> FleetSpec:
    """The spec for `workspace`, the path of a folder. The planner's result is `{"report": Markdown, ...}`."""
    return FleetSpec(
        name="explore",
        goal="Look at this code base before a refactor: its structure, its riskiest parts, a plan.",
        workspace=workspace,
        agents=(
            AgentSpec(
                role="explorer",
                prompt="Map the structure: files, languages, modules, imports, entry points. Answer questions.",
                brain=f"{_BRAINS}:explorer",
                skills=("structure",),
            ),
            AgentSpec(
                role="risk finder",
                prompt="Find the riskiest parts: complexity, churn, missing tests, hot spots. Tell the planner.",
                brain=f"{_BRAINS}:risk_finder",
                skills=("risk",),
            ),
            AgentSpec(
                role="planner",
                prompt="Weigh the concerns, ask the explorer what they depend on, write the plan.",
                brain=f"{_BRAINS}:planner",
                skills=("planning",),
            ),
        ),
    )
