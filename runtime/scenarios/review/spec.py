"""The fleet of the review scenario: three reviewers and a moderator, with offline brains or driven by Claude."""

from msgspec.structs import replace

from fleetlog.domain.errors import InvalidArgument
from fleetlog.domain.values import AgentSpec, FleetSpec
from fleetlog.runtime.scenarios.research import REPORT_SCHEMA
from fleetlog.runtime.scenarios.review.findings import CODE_REVIEWER, FRONTEND, MODERATOR, SECURITY

__all__ = ["MAX_CHANGE_CHARS", "review_by_claude_spec", "review_spec"]

_BRAINS = "fleetlog.runtime.scenarios.review.brains"
_GOAL = "Review a spec or a change from three sides, debate it, and agree on one review."
_WHAT = "\n\nInputs:\nfile: {file}\ndiff: {diff}\n"
_CHANGE = "\n\nThe change:\n\n~~~~diff\n{change}\n~~~~"
_READING = ("list_files", "read_file", "search_files")
MAX_CHANGE_CHARS = 200_000
"""Of a change that goes into the prompts: about 50,000 tokens for each of the four."""


def review_spec(workspace: str, file: str = "", diff: str = "") -> FleetSpec:
    """The spec for a file of the folder `workspace` (by its path there): a Markdown spec, or a `.diff` or `.patch`; or,
    with `diff`, for the change between two git revisions of it. The moderator's result is `{"report": Markdown, ...}`.
    """

    def agent(role: str, prompt: str, brain: str, *skills: str) -> AgentSpec:
        inputs = _WHAT.format(file=file, diff=diff)
        return AgentSpec(role=role, prompt=prompt + inputs, brain=f"{_BRAINS}:{brain}", skills=skills)

    return FleetSpec(
        name="review",
        goal=_GOAL,
        workspace=workspace,
        agents=(
            agent("frontend developer", "Review it for who uses it: links, words, states, accessibility. Debate, vote.",
                  "frontend_developer", "frontend"),
            agent("security auditor", "Review it for who attacks it: secrets, people, unsafe code. Debate, vote.",
                  "security_auditor", "security"),
            agent("code reviewer", "Review it for who builds it: contradictions, gaps, terms, tests. Debate, vote.",
                  "code_reviewer", "review"),
            agent("moderator", "Hand it out, gather the points, put what is disputed to the vote, write the review.",
                  "moderator", "moderation"),
        ),
    )  # fmt: skip


_REVIEWER = """\
Review the file or the change named below, for {side}. A file is a path in your workspace: a Markdown spec, or a \
unified diff. A change is a range of git revisions; its diff stands below.

1. Read it whole, and what it refers to. Write your findings down (note): place (file and line), severity (must fix, \
should fix, consider), what is wrong, what to do.
2. Send your findings to {others} (send_message, type "handoff").
3. Where a finding falls into another's field, ask that reviewer (ask_peer) before you insist; answer what they ask \
you, from your own field. Withdraw what they refute with a fact; hold what they only doubt, and say why.
4. Send what is left to {moderator} (type "result"): each point with who confirmed or doubts it.
5. {moderator} puts disputed points and the verdict to the vote, as questions: answer each with approve or decline and \
one reason. When {moderator} says that the council is over, submit your findings as your result.\
"""
_MODERATOR = """\
You moderate the review of the file or the change named below by {reviewers}. They read, debate among themselves, and \
send you what is left. Wait for the results of all three.

1. Merge what is the same. A point that another reviewer doubts is disputed: ask all three to vote (ask_peer: approve \
or decline, with one reason). Two of three decide; keep the dissent.
2. Propose a verdict (ready to build, ready with changes, not ready; for a change: approve, approve with changes, do \
not merge) and have them vote on it in the same way. Then tell them that the council is over.
3. Submit the report: the verdict and its vote first; the agreed points by severity, each with file and line, reason \
and remedy; the disputed points with who holds what and why, and how the vote went; the open questions for the author; \
what was withdrawn, and why; what nobody checked.\
"""
_SIDES = {
    FRONTEND: "who uses it: links that lead nowhere, states that are missing, words, accessibility",
    SECURITY: "who attacks it: secrets, personal data, unsafe code, who may do what",
    CODE_REVIEWER: "who builds it: contradictions, gaps, undefined terms, requirements without a measure, tests",
}


def review_by_claude_spec(
    workspace: str, file: str = "", diff: str = "", model: str = "", change: str = ""
) -> FleetSpec:
    """The same four agents, driven by Claude; the moderator's result is `{"report": Markdown}`. `change` is the text of
    `diff`, which they are given in their prompts: they run nothing. Raises `InvalidArgument` when it is too large."""
    if len(change) > MAX_CHANGE_CHARS:
        raise InvalidArgument(
            f"the change has {len(change):,} characters (limit {MAX_CHANGE_CHARS:,} by Claude): review a part of it"
        )
    inputs = (_CHANGE.format(change=change) if change else "") + _WHAT.format(file=file, diff=diff)
    names = tuple(_SIDES)

    def reviewer(name: str) -> AgentSpec:
        others = " and ".join(other for other in names if other != name)
        prompt = _REVIEWER.format(side=_SIDES[name], others=others, moderator=MODERATOR) + inputs
        return AgentSpec(
            role=name.replace("-", " "), prompt=prompt, brain="claude", agent=name, model=model, tools=_READING
        )

    moderation = AgentSpec(
        role=MODERATOR,
        prompt=_MODERATOR.format(reviewers=", ".join(names)) + inputs,
        brain="claude",
        agent="synthesizer",
        model=model,
        tools=_READING,
        result_schema=REPORT_SCHEMA,
    )
    return replace(review_spec(workspace, file, diff), agents=(*map(reviewer, names), moderation))
