"""What the model says in the research fleet that is killed: a lead, three researchers, a fact checker.

Every reply follows from the conversation alone: the first deed of the agent's plan that is not done yet. So the order
in which messages arrive changes how often the model is called, and nothing that is reported. A call in doubt is looked
into, and made again only if it was not done, as a careful model would.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tests.fakes.messages_api.prompt import blocks_of
from tests.fakes.messages_api.replies import Block, Reply, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest

RESEARCHERS, ROUNDS = 3, 10
LEDGER = "ledger.txt"

_NAME = re.compile(r"Your name is `([^`]+)`")
_MESSAGE = re.compile(
    r'<message id="([^"]+)" from="([^"]+)" type="(\w+)"(?: correlation_id="[^"]*")?>\n(.*?)\n</message>', re.DOTALL
)
Group = list[Block]


class Heard(NamedTuple):
    """A message from a peer."""

    id: str
    sender: str
    type: str
    payload: str


def research(request: ParsedRequest) -> Reply:
    """The next turn of any of the five."""
    found = _NAME.search(request.system)
    assert found is not None, "the system prompt does not say who the agent is"
    name = found[1]
    if answers := _answers(request, name):
        return reply(*answers)
    plan = {"lead": _lead, "fact-checker": _checker}.get(name, _researcher)
    for group in plan(request, name):
        if due := [block for wanted in group if (block := _due(request, wanted)) is not None]:
            return reply(*due)
    return reply(text("There is nothing left to do."))


SCRIPTS = {"research": research}


def tokens() -> set[str]:
    """What stands in the ledger at the end, once each."""
    return {f"{part}.{number}" for part in range(1, RESEARCHERS + 1) for number in range(2, ROUNDS + 1, 2)} | {"lead"}


def value_of(part: int, number: int) -> int:
    """The figure in the source of a finding."""
    return (part * 37 + number * 101) % 89


# --- the plans -----------------------------------------------------------------------------------


def _lead(request: ParsedRequest, name: str) -> Iterator[Group]:
    researchers = [f"researcher-{part}" for part in range(1, RESEARCHERS + 1)]
    yield [tool_use("note", text="three parts"), tool_use("list_peers")]
    yield [tool_use("send_message", to=peer, type="handoff", text=f"part of {peer}") for peer in researchers]
    findings = [message.payload for message in _heard(request) if message.payload.startswith("findings")]
    if len(findings) < RESEARCHERS:
        yield [_again("wait_for_messages")]
        return
    claims = sorted(claim for said in findings for claim in said.split("\n")[1:])
    for number in range(0, len(claims), 2):
        yield [tool_use("ask_peer", to="fact-checker", question=claim) for claim in claims[number : number + 2]]
        yield [tool_use("note", text=f"checked up to {number}")]
    yield [tool_use("ask_peer", to=peer, question=f"how sure is {peer}") for peer in researchers]
    yield [_append("lead")]
    said = sorted(message.payload for message in _heard(request) if message.payload.startswith(("confirmed", "sure")))
    yield [tool_use("write_file", path="report.md", content="\n".join(said))]
    yield [tool_use("submit_result", result={"report": "\n".join(said)})]


def _researcher(request: ParsedRequest, name: str) -> Iterator[Group]:
    part = int(name.removeprefix("researcher-"))
    if not any(message.type == "handoff" for message in _heard(request)):
        yield [_again("wait_for_messages")]
        return
    claims = []
    for number in range(1, ROUNDS + 1):
        source = tool_use("read_file", path=f"sources/{part}-{number}.txt")
        yield [source, tool_use("search_files", pattern=f"figure {number} of {part}")]
        figure = re.search(r"is (\d+)", _result(request, source))
        assert figure is not None, "the source was read and has no figure"
        claims.append(f"{part}.{number} = {figure[1]}")
        yield [tool_use("note", text=claims[-1])]
        is_even = number % 2 == 0
        yield [_append(f"{part}.{number}") if is_even else _written(part, number, claims[-1])]
        if not is_even:
            yield [tool_use("ask_peer", to="fact-checker", question=claims[-1])]
    yield [tool_use("send_message", to="lead", type="result", text="\n".join(["findings", *claims]))]
    yield [tool_use("submit_result", result="; ".join(claims))]


def _checker(request: ParsedRequest, name: str) -> Iterator[Group]:
    if not _heard(request):
        yield [_again("wait_for_messages")]
        return
    yield [tool_use("submit_result", result="I check what I am asked.")]


def _answers(request: ParsedRequest, name: str) -> list[Block]:
    """Answers to the questions that have none, each noted."""
    answered = {call.input.get("correlation_id") for call in request.calls if call.name == "send_message"}
    answers: list[Block] = []
    for message in _heard(request):
        if message.type == "question" and message.id not in answered:
            said = f"confirmed: {message.payload}" if name == "fact-checker" else f"sure: {message.payload}"
            answers.append(tool_use("note", text=f"asked by {message.sender}: {message.payload}"))
            answers.append(
                tool_use("send_message", to=message.sender, type="result", text=said, correlation_id=message.id)
            )
    return answers


def _append(token: str) -> Block:
    return tool_use("run_command", command=["sh", "-c", f"echo {token} >> {LEDGER}"])


def _written(part: int, number: int, claim: str) -> Block:
    return tool_use("write_file", path=f"out/{part}-{number}.txt", content=f"{claim}\n")


def _again(name: str) -> Block:
    return {**tool_use(name), "again": True}


# --- what is done --------------------------------------------------------------------------------


def _due(request: ParsedRequest, wanted: Block) -> Block | None:
    """What is to be called for a deed; None when it is done."""
    if wanted.get("again"):
        return tool_use(wanted["name"])
    said = _said(request)
    made = [n for n, call in enumerate(request.calls) if (call.name, call.input) == (wanted["name"], wanted["input"])]
    if not made:
        return wanted
    if "It is not known whether this call was done" not in said[request.calls[made[-1]].id]:
        return None
    is_file = wanted["name"] == "write_file"
    path = wanted["input"]["path"] if is_file else LEDGER
    looks = [call for call in request.calls[made[-1] :] if (call.name, call.input) == ("read_file", {"path": path})]
    if not looks:
        return tool_use("read_file", path=path)
    trace = wanted["input"]["content"].split("\n")[0] if is_file else wanted["input"]["command"][2].split()[1]
    return None if re.search(rf"\b{re.escape(trace)}\b", said[looks[-1].id]) else wanted


def _result(request: ParsedRequest, wanted: Block) -> str:
    calls = [call for call in request.calls if (call.name, call.input) == (wanted["name"], wanted["input"])]
    return _said(request)[calls[-1].id]


def _said(request: ParsedRequest) -> dict[str, str]:
    """Every tool result so far, by the id of its call."""
    return {block["tool_use_id"]: _text(block.get("content") or "") for block in request.blocks("tool_result")}


def _heard(request: ParsedRequest) -> list[Heard]:
    """Every message so far, shown by itself or as what a call gave."""
    shown = [
        _text(block.get("content") or "") if block["type"] == "tool_result" else block.get("text", "")
        for message in request.messages
        if message["role"] == "user"
        for block in blocks_of(message["content"])
    ]
    return [Heard(*found) for words in shown for found in _MESSAGE.findall(words)]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in blocks_of(content))
