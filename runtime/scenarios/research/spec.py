"""The fleet of the research scenario: a lead, researchers, a fact checker and a synthesizer, with offline brains or
driven by Claude; it may run for hours, and is resumed where it stopped.
"""

from msgspec import Struct
from msgspec.structs import replace

from fleetlog.domain.values import AgentSpec, FleetSpec

__all__ = [
    "MAX_QUESTION_CHARS",
    "REPORT_FILE",
    "REPORT_SCHEMA",
    "ResearchOrder",
    "research_by_claude_spec",
    "research_spec",
]

REPORT_SCHEMA = {
    "type": "object",
    "properties": {"report": {"type": "string", "minLength": 1, "description": "The whole report, in Markdown."}},
    "required": ["report"],
    "additionalProperties": False,
}
REPORT_FILE = "fleetlog-report.md"
MAX_QUESTION_CHARS = 1_000
"""Of the question that the offline brains split; those of Claude read a longer one in their prompts."""
_BRAINS = "fleetlog.runtime.scenarios.research.brains"
_INPUTS = "\n\nInputs:\nresearchers: {researchers}\nreport: {report_file}\n"


class ResearchOrder(Struct, frozen=True):
    """What is to be found out, and with what. Without the web, the workspace is the source. `report_file` is where in
    the workspace the report grows; empty for nowhere. `timeout_s` bounds the fleet, in seconds of uptime."""

    question: str
    workspace: str = ""
    model: str = ""
    researchers: int = 3
    uses_web: bool = True
    report_file: str = ""
    timeout_s: float | None = None


def research_spec(order: ResearchOrder) -> FleetSpec:
    """The fleet that answers from the workspace alone: Markdown, text and PDF. The synthesizer's result is
    `{"report": Markdown, ...}`."""

    def agent(role: str, prompt: str, brain: str, *skills: str) -> AgentSpec:
        inputs = _INPUTS.format(researchers=order.researchers, report_file=order.report_file)
        return AgentSpec(role=role, prompt=prompt + inputs, brain=f"{_BRAINS}:{brain}", skills=skills)

    researcher = agent(
        "researcher", "Look for your parts of the question; quote what answers them.", "researcher", "research"
    )
    return _fleet(
        order,
        agent("lead", "Read the corpus, split the question, hand out its parts.", "lead", "planning"),
        replace(researcher, each=tuple(range(1, order.researchers + 1))),
        agent("fact checker", "Look up each claim in its source; look for a second source, and for contradictions.",
              "fact_checker", "fact checking"),
        agent("synthesizer", "Write the report; let it grow with everything that comes in.", "synthesizer", "writing"),
    )  # fmt: skip


def _fleet(order: ResearchOrder, *agents: AgentSpec) -> FleetSpec:
    return FleetSpec(
        name="research",
        goal=order.question[:MAX_QUESTION_CHARS],
        workspace=order.workspace,
        timeout_s=order.timeout_s,
        agents=agents,
    )


# --- by Claude -----------------------------------------------------------------------------------

_LEAD = """\
The question: {question}

1. Split it into {researchers} parts that can be worked on at the same time, and hand one to each researcher \
(researcher-1 to researcher-{researchers}; send_message, type "handoff"). Say what you need back and how deep to go.
2. Wait for their results. Ask back where something is thin, or where two of them disagree.
3. Give the claims that the answer rests on to fact-checker, with their sources (ask_peer).
4. Hand everything over to synthesizer (send_message, type "handoff"; several, if it is long, the last says so): the \
claims with their sources and what the checker said of each, what is disputed or not known, how the parts answer the \
question. What has been found so far may go there before the rest. Then submit the split as your result, and answer \
questions about it.\
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
lead has handed over to the synthesizer or says so; submit a list of what you checked as your result after your first \
answer, and stay reachable.\
"""
_SYNTHESIZER = """\
The fleet researches: {question}

Wait for what lead hands over (wait_for_messages). Write the report: the answer first; then what supports it, with the \
source of each claim and whether one or several sources say so; what is disputed, what is not known; what would \
change the answer. Leave out what the checker could not confirm, or say so. Ask lead where something is missing. \
{growing}When lead has handed over the last of it, submit the report.\
"""
_GROWING = (
    "Let the report grow: write what stands to {report_file} (write_file, no other file) when something has come in. "
)


def research_by_claude_spec(order: ResearchOrder) -> FleetSpec:
    """The same fleet, driven by Claude; the synthesizer's result is `{"report": Markdown}`."""
    tools = (*(("list_files", "read_file", "search_files") if order.workspace else ()), *_web(order))
    places = ["on the web"] * order.uses_web + ["in the workspace"] * bool(order.workspace)
    grows = bool(order.workspace and order.report_file)
    words = {
        "question": order.question,
        "researchers": order.researchers,
        "means": f" {' and '.join(places)}" if places else "",
        "growing": _GROWING.format(report_file=order.report_file) if grows else "",
    }

    def agent(role: str, prompt: str, definition: str) -> AgentSpec:
        return AgentSpec(
            role=role, prompt=prompt.format(**words), brain="claude", agent=definition, model=order.model, tools=tools
        )

    researcher = agent("researcher", _RESEARCHER, "deep-researcher")
    writer = replace(agent("synthesizer", _SYNTHESIZER, "synthesizer"), result_schema=REPORT_SCHEMA)
    return _fleet(
        order,
        agent("lead", _LEAD, "research-lead"),
        replace(researcher, each=tuple(range(1, order.researchers + 1))),
        agent("fact checker", _CHECKER, "fact-checker"),
        replace(writer, tools=(*tools, "write_file"), grants=("write",)) if grows else writer,
    )


def _web(order: ResearchOrder) -> tuple[str, ...]:
    return ("web_search", "web_fetch") if order.uses_web else ()
