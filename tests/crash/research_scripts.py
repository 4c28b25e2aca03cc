"""What the model says in the research fleet that is killed: a lead, three researchers, a fact checker, a
synthesizer.

The order in which messages arrive changes how often the model is called, and nothing that is reported.
"""

import re
from collections.abc import Iterator
from functools import partial

from tests.crash.plans import append_to_ledger, heard, next_reply, result_of
from tests.fakes.messages_api.replies import Block, Reply, reply, tool_use
from tests.fakes.messages_api.request import ParsedRequest

RESEARCHERS, ROUNDS = 3, 10

_NAME = re.compile(r"Your name is `([^`]+)`")
Group = list[Block]


def research(request: ParsedRequest) -> Reply:
    """The next turn of any of the six."""
    found = _NAME.search(request.system)
    assert found is not None, "the system prompt does not say who the agent is"
    name = found[1]
    if answers := _answers(request, name):
        return reply(*answers)
    if _waits(request, name):
        return reply(tool_use("wait_for_messages"))
    plans = {"lead": _lead, "fact-checker": _checker, "synthesizer": _synthesizer}
    return next_reply(request, plans.get(name) or partial(_researcher, name))


SCRIPTS = {"research": research}


def tokens() -> set[str]:
    """What stands in the ledger at the end, once each."""
    return {f"{part}.{number}" for part in range(1, RESEARCHERS + 1) for number in range(2, ROUNDS + 1, 2)} | {"lead"}


def value_of(part: int, number: int) -> int:
    """The figure in the source of a finding."""
    return (part * 37 + number * 101) % 89


# --- the plans -----------------------------------------------------------------------------------


def _waits(request: ParsedRequest, name: str) -> bool:
    """What the agent's next deed follows from has not come."""
    if name == "lead":
        return request.called("send_message") >= RESEARCHERS and len(_findings(request)) < RESEARCHERS
    return not any(message.type in ("handoff", "question") for message in heard(request))


def _findings(request: ParsedRequest) -> list[str]:
    return [message.payload for message in heard(request) if message.payload.startswith("findings")]


def _lead(request: ParsedRequest) -> Iterator[Group]:
    researchers = [f"researcher-{part}" for part in range(1, RESEARCHERS + 1)]
    yield [tool_use("note", text="three parts"), tool_use("list_peers")]
    yield [tool_use("send_message", to=peer, type="handoff", text=f"part of {peer}") for peer in researchers]
    claims = sorted(claim for findings in _findings(request) for claim in findings.split("\n")[1:])
    for number in range(0, len(claims), 2):
        yield [tool_use("ask_peer", to="fact-checker", question=claim) for claim in claims[number : number + 2]]
        yield [tool_use("note", text=f"checked up to {number}")]
    yield [tool_use("ask_peer", to=peer, question=f"how sure is {peer}") for peer in researchers]
    yield [append_to_ledger("lead")]
    answers = sorted(message.payload for message in heard(request) if message.payload.startswith(("confirmed", "sure")))
    yield [tool_use("write_file", path="report.md", content="\n".join(answers))]
    yield [tool_use("send_message", to="synthesizer", type="handoff", text="\n".join(answers))]
    yield [tool_use("submit_result", result="three parts")]


def _synthesizer(request: ParsedRequest) -> Iterator[Group]:
    (handed_over,) = [message.payload for message in heard(request) if message.type == "handoff"]
    yield [tool_use("submit_result", result={"report": handed_over})]


def _researcher(name: str, request: ParsedRequest) -> Iterator[Group]:
    part = int(name.removeprefix("researcher-"))
    claims = []
    for number in range(1, ROUNDS + 1):
        source = tool_use("read_file", path=f"sources/{part}-{number}.txt")
        yield [source, tool_use("search_files", pattern=f"figure {number} of {part}")]
        figure = re.search(r"is (\d+)", result_of(request, source))
        assert figure is not None, "the source was read and has no figure"
        claims.append(f"{part}.{number} = {figure[1]}")
        yield [tool_use("note", text=claims[-1])]
        if number % 2 == 0:
            yield [append_to_ledger(f"{part}.{number}")]
        else:
            yield [tool_use("write_file", path=f"out/{part}-{number}.txt", content=f"{claims[-1]}\n")]
            yield [tool_use("ask_peer", to="fact-checker", question=claims[-1])]
    yield [tool_use("send_message", to="lead", type="result", text="\n".join(["findings", *claims]))]
    yield [tool_use("submit_result", result="; ".join(claims))]


def _checker(request: ParsedRequest) -> Iterator[Group]:
    yield [tool_use("submit_result", result="I check what I am asked.")]


def _answers(request: ParsedRequest, name: str) -> list[Block]:
    """Answers to the questions that have none, each noted."""
    answered = {call.input.get("correlation_id") for call in request.calls if call.name == "send_message"}
    word = "confirmed" if name == "fact-checker" else "sure"
    answers: list[Block] = []
    for message in heard(request):
        if message.type == "question" and message.id not in answered:
            given = {"to": message.sender, "type": "result", "correlation_id": message.id}
            answers.append(tool_use("note", text=f"asked by {message.sender}: {message.payload}"))
            answers.append(tool_use("send_message", **given, text=f"{word}: {message.payload}"))
    return answers
