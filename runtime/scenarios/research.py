"""The research fleet: a lead splits a question, researchers look into its parts, a fact checker doubts, the lead writes
the report. Driven by Claude; it may run for hours, and is resumed where it stopped.
"""

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec

__all__ = ["REPORT_SCHEMA", "ResearchOrder", "research_spec"]

REPORT_SCHEMA = {
    "type": "object",
    "properties": {"report": {"type": "string", "minLength": 1, "description": "The whole report, in Markdown."}},
    "required": ["report"],
    "additionalProperties": False,
}

_LEAD = """\
The question: {question}

1. Split it into {researchers} parts that can be worked on at the same time, and hand one to each researcher \
(researcher-1 to researcher-{researchers}; send_message, type "handoff"). Say what you need back and how deep to go.
2. Wait for their results. Ask back where something is thin, or where two of them disagree.
3. Give the claims that the answer rests on to fact-checker, with their sources (ask_peer).
4. Write the report: the answer first; then what supports it, with the source of each claim; what is disputed or not \
known; what would change the answer. Leave out what the checker could not confirm, or say so.\
"""
_RESEARCHER = """\
The fleet researches: {question}

Wait for your part from lead (wait_for_messages). Look into it{means}. Note each finding with its source as you go. \
Send your findings to lead (type "result", the handoff's id as correlation_id): claim by claim, each with its source \
and how sure you are, and what you looked for and did not find. Then submit the same as your result. Afterwards answer \
questions about it.\
"""
_CHECKER = """\
The fleet researches: {question}

Wait for claims from lead. Check each against its source and, where you can, against a second one{means}. Answer claim \
by claim: confirmed, wrong (what is right, and where it says so), or not to be confirmed. You have done your part when \
lead has submitted the report or says so; submit a list of what you checked as your result after your first \
answer, and stay reachable.\
"""


class ResearchOrder(Struct, frozen=True):
    """What is to be found out, and with what. Without the web, the workspace is the source."""

    question: str
    workspace: str = ""
    model: str = ""
    researchers: int = 3
    uses_web: bool = True


def research_spec(order: ResearchOrder) -> FleetSpec:
    """The fleet for a research order."""
    tools = (*(("list_files", "read_file", "search_files") if order.workspace else ()), *_web(order))
    places = ["on the web"] * order.uses_web + ["in the workspace"] * bool(order.workspace)
    means = f" {' and '.join(places)}" if places else ""
    words = {"question": order.question, "researchers": order.researchers, "means": means}

    def agent(role: str, prompt: str, definition: str) -> AgentSpec:
        return AgentSpec(
            role=role, prompt=prompt.format(**words), brain="claude", agent=definition, model=order.model, tools=tools
        )

    lead = agent("lead", _LEAD, "research-lead")
    researcher = agent("researcher", _RESEARCHER, "deep-researcher")
    checker = agent("fact checker", _CHECKER, "fact-checker")
    return FleetSpec(
        name="research",
        goal=order.question[:1_000],
        workspace=order.workspace,
        agents=(
            replace(lead, result_schema=REPORT_SCHEMA),
            replace(researcher, each=tuple(range(1, order.researchers + 1))),
            checker,
        ),
    )


def _web(order: ResearchOrder) -> tuple[str, ...]:
    return ("web_search", "web_fetch") if order.uses_web else ()
