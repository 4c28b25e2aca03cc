"""The tools every agent has: its peers, its messages, people, its findings, its result.

Only their definitions are here: the loop makes them as steps of the agent's context (see brains/claude.py), so that a
message is sent once, and a wait holds no thread.
"""

from collections.abc import Collection
from typing import Any

from fleetlog.domain.values import MESSAGE_TYPES

__all__ = ["MESH_TOOLS", "STAFFING_TOOLS", "mesh_definitions"]

_TEXT = {"type": "string", "minLength": 1}
_PEER = {**_TEXT, "description": "The peer's name, as list_peers gives it."}
_ABOUT = {"type": "string", "description": "The id of the message this one answers, if it answers one."}
_TYPE = {
    "type": "string",
    "enum": list(MESSAGE_TYPES),
    "description": (
        "handoff: work passed on; question: you want an answer (ask_peer also waits for it); result: an answer or a "
        "finding; alert: something they must know now; request_help: you need a peer's help."
    ),
}
_SECONDS = {"type": "number", "minimum": 1, "maximum": 604_800}


def _tool(
    name: str, description: str, required: dict[str, Any], optional: dict[str, Any] | None = None
) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }
    return {"name": name, "description": description, "input_schema": schema}


MESH_TOOLS: tuple[dict[str, Any], ...] = (
    _tool(
        "list_peers",
        "The other agents of your fleet: their names, roles and skills.",
        {},
    ),
    _tool(
        "send_message",
        "Send a message to one peer. It is delivered once, for certain, and read before the peer's next step. To "
        "answer a question, send type 'result' with the question's id as correlation_id.",
        {"to": _PEER, "type": _TYPE, "text": _TEXT},
        {"correlation_id": _ABOUT},
    ),
    _tool(
        "ask_peer",
        "Ask one peer a question and wait for the answer. Several in one reply are asked at once. Ask only what you "
        "cannot find out yourself in a step or two.",
        {"to": _PEER, "question": _TEXT},
        {"timeout_s": {**_SECONDS, "description": "Give up waiting after so many seconds."}},
    ),
    _tool(
        "broadcast",
        "Send a message to every other agent of the fleet. Rarely needed: most messages concern one peer.",
        {"type": _TYPE, "text": _TEXT},
    ),
    _tool(
        "check_inbox",
        "See whether messages have come. (They are also shown to you by themselves before each of your turns.)",
        {},
    ),
    _tool(
        "wait_for_messages",
        "Do nothing until a message comes. Costs nothing while you wait.",
        {},
        {"from": {**_TEXT, "description": "Only from this peer."}, "timeout_s": _SECONDS},
    ),
    _tool(
        "request_help",
        "Ask a person, and wait for their answer, which may take days. Only when neither you nor a peer can decide or "
        "do what is needed: say what blocks you and what you have tried.",
        {"blocker": _TEXT},
        {"attempted": {"type": "string"}},
    ),
    _tool(
        "raise_alert",
        "Tell every agent of the fleet (or one) of something that cannot wait.",
        {"severity": {"type": "string", "enum": ["info", "warning", "high", "critical"]}, "text": _TEXT},
        {"to": _PEER},
    ),
    _tool(
        "note",
        "Keep a finding outside your context: it is recorded for good, and survives when your context is shortened. "
        "One finding a note, with its place (file and line, figure, source).",
        {"text": _TEXT},
    ),
    _tool(
        "read_notes",
        "Your notes so far.",
        {},
    ),
)


STAFFING_TOOLS: tuple[dict[str, Any], ...] = (
    _tool(
        "attach_agent",
        "Add an agent to your fleet. It starts at once, with your model and no more permissions than you have, and "
        "reads its prompt; then send it what it is to do. Gives its name.",
        {"role": _TEXT, "prompt": _TEXT},
        {
            "name": {**_TEXT, "description": "Its name in the fleet, if its role is taken: debugger-2."},
            "agent": {**_TEXT, "description": "The agent definition it follows: debugger."},
            "skills": {"type": "array", "items": _TEXT, "description": "What it is to be found for by route_work."},
        },
    ),
    _tool(
        "route_work",
        "Which of your peers fit a piece of work best, and why.",
        {"description": _TEXT},
        {"top_n": {"type": "integer", "minimum": 1, "maximum": 20}},
    ),
)
"""Tools about the fleet itself, for those who have them by name."""


def mesh_definitions(
    result_schema: dict[str, Any] | bool | None, offered: Collection[str] = ()
) -> list[dict[str, Any]]:
    """The mesh's tools, with a `submit_result` that asks for what the agent's result schema says, and those about the
    fleet that are `offered`."""
    result: dict[str, Any] = {"description": "The whole result: all that those who wait for it need."}
    if isinstance(result_schema, dict):
        result = {**result_schema, "description": result_schema.get("description", result["description"])}
    elif result_schema is None:
        result["type"] = "string"
    submit = _tool(
        "submit_result",
        "Give your result, once, when your task is done: the agents that depend on you then start with it. You may be "
        "asked questions about it afterwards.",
        {"result": result},
    )
    return [*MESH_TOOLS, submit, *(tool for tool in STAFFING_TOOLS if tool["name"] in offered)]
