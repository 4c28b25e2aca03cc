"""The fleet of the explore scenario: three agents and what each is to do, with offline brains or driven by Claude."""

from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.scenarios.research import REPORT_SCHEMA

__all__ = ["explore_by_claude_spec", "explore_spec"]

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


_EXPLORER = """\
Map this code base for a refactor: what it is for, its parts and their sizes, who imports whom (cycles!), \
entry points, what is generated or vendored, how it is tested. Send the map to planner as type "result" when it \
stands, then answer questions of planner and risk-finder exactly, with files and lines. Submit the map as your result.\
"""
_RISK_FINDER = """\
Find the riskiest parts of this code base for a refactor: complicated code, hot spots, code without tests, hidden \
coupling, surprising side effects, unsafe concurrency, swallowed errors. Read the code itself; a claim names file and \
line. Flag each serious concern to planner as type "alert" when you find it. Submit the list, worst first.\
"""
_PLANNER = """\
Write the plan for a refactor of this code base. Wait for the explorer's map and the risk finder's concerns; \
ask explorer at least two questions that arise from them (ask_peer). Look up yourself what decides the plan. Then \
submit the report: what the code base is (half a page), the findings that matter with files and lines, the plan step \
by step (what, why, in which order, how each step is verified, what could go wrong), and what is better left alone.\
"""


def explore_by_claude_spec(workspace: str, model: str = "") -> FleetSpec:
    """The same three agents, driven by Claude; the planner's result is `{"report": Markdown}`."""

    def agent(role: str, prompt: str, definition: str) -> AgentSpec:
        return AgentSpec(role=role, prompt=prompt, brain="claude", agent=definition, model=model)

    planner = agent("planner", _PLANNER, "refactor-planner")
    agents = (
        agent("explorer", _EXPLORER, "codebase-explorer"),
        agent("risk finder", _RISK_FINDER, "risk-finder"),
        replace(planner, result_schema=REPORT_SCHEMA),
    )
    return replace(explore_spec(workspace), agents=agents)
