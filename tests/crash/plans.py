"""Plans for scripted models: an agent's deeds in their order, of which the next reply makes the first that is not done.

What is done is read from the conversation alone, so a plan goes on after any crash, and whatever comes in between. A
call in doubt is looked into, and made again only if it was not done, as a careful model would.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.fakes.messages_api.prompt import blocks_of
from tests.fakes.messages_api.replies import Block, Reply, reply, text, tool_use
from tests.fakes.messages_api.request import ParsedRequest

__all__ = ["IN_DOUBT", "LEDGER", "Heard", "Plan", "append_to_ledger", "heard", "next_reply", "result_of", "said"]

LEDGER = "ledger.txt"
IN_DOUBT = "It is not known whether this call was done"

Plan = Callable[[ParsedRequest], Iterator[list[Block]]]
"""Gives the deeds, those of one reply together. It ends where the agent has nothing left to do."""

_MESSAGE = re.compile(
    r'<message id="([^"]+)" from="([^"]+)" type="(\w+)"(?: correlation_id="[^"]*")?>\n(.*?)\n</message>', re.DOTALL
)


class Heard(NamedTuple):
    """A message from a peer."""

    id: str
    sender: str
    type: str
    payload: str


def next_reply(request: ParsedRequest, plan: Plan) -> Reply:
    """What the model says now."""
    for group in plan(request):
        if due := [block for wanted in group if (block := _due(request, wanted)) is not None]:
            return reply(*due)
    return reply(text("There is nothing left to do."))


def append_to_ledger(token: str) -> Block:
    """A command whose every run leaves a line."""
    return tool_use("run_command", command=["sh", "-c", f"echo {token} >> {LEDGER}"])


def heard(request: ParsedRequest) -> list[Heard]:
    """Every message so far, shown by itself or as what a call gave."""
    shown = [
        _text(block.get("content") or "") if block["type"] == "tool_result" else block.get("text", "")
        for message in request.messages
        if message["role"] == "user"
        for block in blocks_of(message["content"])
    ]
    return [Heard(*found) for words in shown for found in _MESSAGE.findall(words)]


def said(request: ParsedRequest) -> dict[str, str]:
    """Every tool result so far, by the id of its call."""
    return {block["tool_use_id"]: _text(block.get("content") or "") for block in request.blocks("tool_result")}


def result_of(request: ParsedRequest, wanted: Block) -> str:
    """What the last such call gave."""
    return said(request)[request.calls[_made(request, wanted)[-1]].id]


def _made(request: ParsedRequest, wanted: Block) -> list[int]:
    return [n for n, call in enumerate(request.calls) if (call.name, call.input) == (wanted["name"], wanted["input"])]


def _due(request: ParsedRequest, wanted: Block) -> Block | None:
    """What is to be called for a deed; None when it is done."""
    made = _made(request, wanted)
    if not made:
        return wanted
    if IN_DOUBT not in said(request)[request.calls[made[-1]].id]:
        return None
    path, trace = _trace(wanted)
    look = tool_use("read_file", path=path)
    looks = [n for n in _made(request, look) if n > made[-1]]
    if not looks:
        return look
    found = said(request)[request.calls[looks[-1]].id]
    return None if re.search(rf"\b{re.escape(trace)}\b", found) else wanted


def _trace(wanted: Block) -> tuple[str, str]:
    """The file in which an effectful call leaves a trace, and the trace."""
    if wanted["name"] == "write_file":
        return wanted["input"]["path"], wanted["input"]["content"].split("\n")[0]
    return LEDGER, wanted["input"]["command"][2].split()[1]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(block.get("text", "") for block in blocks_of(content))
