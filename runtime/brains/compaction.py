"""Compaction: a long conversation's earlier part is replaced by a summary of it, before the window is full.

Its rule: nothing is lost. The summary is a recorded step that names what it replaced; the replaced messages are still
in the log, and a compaction can be undone.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from fleetlog.domain.errors import Fault

__all__ = ["Plan", "asking", "asking_in_short", "compacted", "estimated_tokens", "plan", "recorded"]

_BYTES_A_TOKEN = 3.5
"""Of English text and code, on average; only used to choose how much of the end is kept."""
_KEPT_SHARE = 0.15
_LAST_SHARE = 0.5

INSTRUCTION = (
    "Your context is nearly full. Write a summary of everything so far that will replace it: you will go on with this "
    "summary, your task as it was given, and the last few messages alone. Keep: what was asked and what has been "
    "decided; every finding with its place (file, line, figure, source); what has been tried and failed; open "
    "questions, and what you owe to which peer (with message ids); what you were about to do next. Leave out what is "
    "done with. Reply with the summary as plain text and call no tool."
)


class Plan(msgspec.Struct, frozen=True):
    """What a compaction replaces: the messages up to `first_kept` (but for the first, which holds the task)."""

    first_kept: int
    tokens_before: int
    tokens_after: int


def estimated_tokens(part: object) -> int:
    """Roughly how many tokens this part of a request has."""
    return int(len(msgspec.json.encode(part)) / _BYTES_A_TOKEN) + 1


def plan(messages: Sequence[Mapping[str, Any]], tokens_before: int) -> Plan:
    """Keep the last messages that make up a small share of the context, beginning with one of the agent's; and in any
    case what the agent did last and what came of it, which it has not seen, unless that is most of the context."""
    first_kept, kept = len(messages), 0
    for place in range(len(messages) - 1, 0, -1):
        kept += estimated_tokens(messages[place])
        share = _KEPT_SHARE if first_kept < len(messages) else _LAST_SHARE
        if kept > tokens_before * share:
            break
        if messages[place]["role"] == "assistant":
            first_kept = place
    after = estimated_tokens(messages[0]) + sum(estimated_tokens(message) for message in messages[first_kept:])
    return Plan(first_kept, tokens_before, after)


def compacted(messages: Sequence[dict[str, Any]], task: str, recorded: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages after the compaction: the task with the summary, and what was kept."""
    summary = f"<summary of your work so far>\n{recorded['summary']}\n</summary>"
    first = {"role": "user", "content": [{"type": "text", "text": task}, {"type": "text", "text": summary}]}
    return [first, *messages[recorded["first_kept"] :]]


def asking(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The conversation with the request for its summary: the same beginning as every other call, so that the
    provider's cache is read."""
    *before, last = messages
    return [*before, {"role": "user", "content": [*last["content"], {"type": "text", "text": INSTRUCTION}]}]


def asking_in_short(messages: Sequence[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """For a conversation that does not fit the window at all: its text, cut in the middle to so many characters."""
    text = "\n\n".join(f"[{message['role']}]\n{_told(message['content'])}" for message in messages)
    if len(text) > room:
        text = f"{text[: room // 2]}\n... ({len(text) - room} characters left out) ...\n{text[-room // 2 :]}"
    return [{"role": "user", "content": [{"type": "text", "text": f"{text}\n\n{INSTRUCTION}"}]}]


def _told(content: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(str(block.get("text") or block.get("content") or block.get("input") or "") for block in content)


def recorded(plan: Plan, content: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the step records: the summary, and what it replaced. Raises `Fault` when the model gave none."""
    summary = "\n\n".join(block["text"] for block in content if block["type"] == "text").strip()
    if not summary:
        raise Fault("the model was asked for a summary of the conversation and gave none")
    replaced = {"messages": plan.first_kept, "tokens": plan.tokens_before}
    return {
        "summary": summary,
        "first_kept": plan.first_kept,
        "replaced": replaced,
        "tokens_after": plan.tokens_after + estimated_tokens(summary),
    }
