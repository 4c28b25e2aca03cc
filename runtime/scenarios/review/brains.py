"""The four agents. What is costly or may change is a step; what stands between steps is deterministic and cheap.

The moderator says what is reviewed; each reviewer reads and checks it, shows the others what it has found, asks where a
finding falls into another's field, and answers. Whoever waits for answers goes on answering, so that two who ask each
other never wait for each other. Then the moderator puts what is disputed to the vote, and the verdict.
"""

from typing import TYPE_CHECKING

import msgspec

from fleetlog.domain.errors import InvalidArgument, StepFailed
from fleetlog.domain.values import OPERATOR, Message
from fleetlog.runtime.scenarios.explore.answers import counted
from fleetlog.runtime.scenarios.inputs import inputs_of
from fleetlog.runtime.scenarios.review import links, talk
from fleetlog.runtime.scenarios.review.checks import MAX_FINDINGS, check
from fleetlog.runtime.scenarios.review.debate import (
    MAX_QUESTIONS,
    Fate,
    opinion,
    questions_about,
    settled,
    votes_for,
)
from fleetlog.runtime.scenarios.review.findings import (
    CODE_REVIEWER,
    FRONTEND,
    MODERATOR,
    REVIEWERS,
    SECURITY,
    Answer,
    Exchange,
    Finding,
    key_of,
    place_of,
)
from fleetlog.runtime.scenarios.review.reading import fate_of, read_subject, target_path
from fleetlog.runtime.scenarios.review.report import Review, report
from fleetlog.runtime.scenarios.review.subject import Subject
from fleetlog.runtime.scenarios.review.verdict import (
    MAX_VOTES,
    QUORUM,
    VERDICTS,
    Ruling,
    held,
    kept,
    level_of,
    ordered,
    points,
)

if TYPE_CHECKING:
    from fleetlog.runtime.brains.context import Context


def frontend_developer(ctx: "Context") -> None:
    """Links, pages, words for users, accessibility."""
    _review(ctx, FRONTEND)


def security_auditor(ctx: "Context") -> None:
    """Secrets, personal data, unsafe code, who may do what."""
    _review(ctx, SECURITY)


def code_reviewer(ctx: "Context") -> None:
    """Contradictions, terms, what is missing or undecided, tests."""
    _review(ctx, CODE_REVIEWER)


def _review(ctx: "Context", reviewer: str) -> None:
    subject = _briefed(ctx)
    found = msgspec.convert(ctx.step("check", "pure", check, subject, reviewer), list[Finding])
    mine = found[:MAX_FINDINGS]
    ctx.progress(f"found {counted(len(mine), 'point')}")
    exchanges = _debate(ctx, reviewer, subject, mine)
    own_level = level_of(one.finding for one in exchanges if one.outcome != "withdrawn")
    _report_to_moderator(ctx, exchanges, len(found) - len(mine))
    _vote(ctx, reviewer, subject, own_level)
    withdrawn = sum(one.outcome == "withdrawn" for one in exchanges)
    ctx.submit_result({"found": len(mine), "withdrawn": withdrawn, "held": len(held(exchanges))})


def _briefed(ctx: "Context") -> Subject:
    """What is reviewed, as the moderator has read it. Raises `InvalidArgument` when it has changed since."""
    brief = talk.from_json(ctx.receive(("handoff",), sender=MODERATOR).payload, talk.Brief)
    subject = _read(ctx)
    if subject.digest != brief.digest:
        raise InvalidArgument(f"'{subject.name}' has changed while it is reviewed: begin a new review")
    return subject


def _read(ctx: "Context") -> Subject:
    given = inputs_of(ctx.prompt)
    workspace, file, revisions = ctx.workspace or "", given.get("file", ""), given.get("diff", "")
    return msgspec.convert(ctx.step("read", "pure", read_subject, workspace, file, revisions), Subject)


# --- the debate ----------------------------------------------------------------------------------


def _debate(ctx: "Context", reviewer: str, subject: Subject, mine: list[Finding]) -> list[Exchange]:
    """Shows, asks and answers until nobody has a question any more."""
    others = [name for name in REVIEWERS if name != reviewer]
    for other in others:
        _show(ctx, other, mine)
    seen, closed, answers = set[str](), set[str](), dict[str, Answer]()
    asked: dict[str, tuple[Finding, str, str]] | None = None
    while asked is None or len(answers) < len(asked) or len(closed) < len(others):
        if asked is None and len(seen) == len(others):
            asked = _ask(ctx, mine)
            for other in others:
                ctx.send(other, "handoff", talk.to_json(talk.Closed("I have no more questions")))
            continue
        message = ctx.receive(("question", "result", "handoff"))
        if message.type == "question":
            _answer(ctx, reviewer, subject, message)
        elif message.type == "result":
            answers[message.correlation_id] = talk.from_json(message.payload, Answer)
        else:
            said = talk.from_json(message.payload)
            if isinstance(said, talk.Closed):
                closed.add(message.sender)
            elif isinstance(said, talk.Found) and said.is_last:
                seen.add(message.sender)
    return _settled(mine, asked, answers)


def _show(ctx: "Context", other: str, mine: list[Finding]) -> None:
    pages = talk.pages(mine)
    for number, page in enumerate(pages, start=1):
        text = f"{counted(len(mine), 'point')}, page {number} of {len(pages)}"
        ctx.send(other, "handoff", talk.to_json(talk.Found(text, page, is_last=number == len(pages))))


def _ask(ctx: "Context", mine: list[Finding]) -> dict[str, tuple[Finding, str, str]]:
    """Question's message id -> (the finding, who is asked, the question)."""
    asked: dict[str, tuple[Finding, str, str]] = {}
    for finding in mine:
        for to, text in questions_about(finding):
            if len(asked) < MAX_QUESTIONS and to != finding.by:
                sent = ctx.send(to, "question", talk.to_json(talk.AskedAbout(text, finding)))
                asked[sent] = (finding, to, text)
    return asked


def _answer(ctx: "Context", reviewer: str, subject: Subject, message: Message) -> None:
    said = talk.from_json(message.payload)
    if not isinstance(said, talk.AskedAbout):
        ctx.reply(message, talk.to_json(Answer("abstains", "ask me about a finding")))
        return
    fate: Fate | None = None
    if reviewer == CODE_REVIEWER and said.finding.kind in (links.LINK, links.IMAGE):
        path = target_path(said.finding.path, said.finding.subject)
        fate = Fate(*ctx.step(f"look up {path}"[:200], "pure", fate_of, ctx.workspace or "", path))
    ctx.reply(message, talk.to_json(opinion(reviewer, said.finding, subject, fate)))


def _settled(
    mine: list[Finding], asked: dict[str, tuple[Finding, str, str]], answers: dict[str, Answer]
) -> list[Exchange]:
    about: dict[str, list[tuple[str, str, Answer]]] = {}
    for question, (finding, to, text) in asked.items():
        about.setdefault(key_of(finding), []).append((to, text, answers[question]))
    return ordered(settled(finding, about.get(key_of(finding), ())) for finding in mine)


def _report_to_moderator(ctx: "Context", exchanges: list[Exchange], cut: int) -> None:
    pages = talk.pages(exchanges)
    for number, page in enumerate(pages, start=1):
        text = f"{counted(len(exchanges), 'point')} after the debate, page {number} of {len(pages)}"
        ctx.send(MODERATOR, "result", talk.to_json(talk.Outcomes(text, page, number == len(pages), cut)))


# --- the council ---------------------------------------------------------------------------------


def _vote(ctx: "Context", reviewer: str, subject: Subject, own_level: int) -> None:
    """Votes on each proposal and says why, until the moderator has no more."""
    while True:
        message = ctx.receive(("question", "handoff"), sender=MODERATOR)
        if message.type == "handoff":
            return
        proposal = talk.from_json(msgspec.json.decode(message.payload)["payload"], talk.Proposal)
        if proposal.finding is not None:
            vote = votes_for(reviewer, proposal.finding, subject)
        else:
            vote = _on_verdict(own_level, proposal.level)
        try:
            ctx.cast_vote(message.id, vote.says not in ("doubts", "refutes"), vote.why)
        except StepFailed as failed:
            if failed.error_type != "NotAllowed":  # what is allowed no more: the council had decided before
                raise
        ctx.reply(message, talk.to_json(vote))


def _on_verdict(own: int, proposed: int) -> Answer:
    if proposed >= own:
        return Answer("confirms", "it is as strict as what I have found")
    return Answer("doubts", "it is milder than what I have found")


def moderator(ctx: "Context") -> None:
    """Says what is reviewed, gathers the points, has the council vote, writes the report."""
    subject = _read(ctx)
    about = f"the {subject.kind} {subject.name}"
    ctx.send("*", "handoff", talk.to_json(talk.Brief(f"Review {about}", subject.digest)))
    exchanges, cut = _gathered(ctx)
    disputed = held(exchanges)
    opened = [(one, _propose_point(ctx, one.finding)) for one in disputed[:MAX_VOTES]]
    rulings = {key_of(one.finding): Ruling("not voted") for one in disputed}
    rulings |= {key_of(one.finding): _ruling(ctx, council_id) for one, council_id in opened}
    level, verdict = _verdict(ctx, subject.kind, level_of(kept(exchanges, rulings)))
    ctx.send("*", "handoff", talk.to_json(talk.Closed("The council is over")))
    review = Review(VERDICTS[subject.kind][level], verdict, tuple(exchanges), rulings, cut)
    text = ctx.step("write the report", "pure", report, subject, review)
    agreed = sum(one.outcome == "stands" for one in exchanges)
    ctx.submit_result(
        {"report": text, "verdict": review.verdict, "agreed": agreed, "disputed": len(disputed),
         "withdrawn": len(exchanges) - agreed - len(disputed), "points": points(exchanges, rulings)}
    )  # fmt: skip


def _gathered(ctx: "Context") -> tuple[list[Exchange], int]:
    """All points after the debate, and how many more were found and left out."""
    exchanges: list[Exchange] = []
    done: dict[str, int] = {}
    while len(done) < len(REVIEWERS):
        message = ctx.receive(("result",))
        said = talk.from_json(message.payload, talk.Outcomes)
        exchanges += said.exchanges
        if said.is_last:
            done[message.sender] = said.cut
    return ordered(exchanges), sum(done.values())


def _propose_point(ctx: "Context", finding: Finding) -> str:
    subject = f"{finding.severity}: {place_of(finding)} - {finding.title}"
    proposal = talk.to_json(talk.Proposal("point", finding))
    return ctx.open_ratification(subject, QUORUM, payload=proposal, voters=REVIEWERS)


def _ruling(ctx: "Context", council_id: str) -> Ruling:
    """How the council ended, and what each reviewer said: also one whose vote decided nothing any more."""
    said = []
    for reviewer in REVIEWERS:
        reply = ctx.receive(("result",), sender=reviewer, correlation_id=council_id)
        said.append((reviewer, talk.from_json(reply.payload, Answer)))
    outcome = ctx.receive(("result",), sender=OPERATOR, correlation_id=council_id)
    return Ruling(msgspec.json.decode(outcome.payload)["status"], tuple(said))


def _verdict(ctx: "Context", kind: str, level: int) -> tuple[int, Ruling]:
    """The mildest verdict, from this one on, that the council ratifies; the strictest is never too mild."""
    while True:
        proposal = talk.to_json(talk.Proposal("verdict", level=level))
        subject = f"The verdict: {VERDICTS[kind][level]}"
        ruling = _ruling(ctx, ctx.open_ratification(subject, QUORUM, payload=proposal, voters=REVIEWERS))
        if ruling.status == "ratified" or level + 1 == len(VERDICTS[kind]):
            return level, ruling
        level += 1
