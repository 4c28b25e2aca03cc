"""What the messages must be together: whose turn it is, every tool call answered, thinking in its place."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.fakes.messages_api.blocks import check_content, check_fields
from tests.fakes.messages_api.prompt import blocks_of
from tests.fakes.messages_api.refusals import Invalid, Json
from tests.fakes.messages_api.settings import Model, Settings

__all__ = ["check_messages"]

_MESSAGE = frozenset({"role", "content"})
_MAX_MESSAGES = 100_000
_THOUGHT = ("thinking", "redacted_thinking")


class Turn(NamedTuple):
    """One or more messages of one role. `start` is the index of the first."""

    start: int
    role: str
    blocks: list[Json]


def check_messages(messages: Any, thinking: Json, settings: Settings, model: Model) -> None:
    """Raises `Invalid` at the first rule that the messages break."""
    if not isinstance(messages, list):
        raise Invalid("messages", "messages: Input should be a valid list")
    if not messages:
        raise Invalid("messages", "messages: at least one message is required")
    if len(messages) > _MAX_MESSAGES:
        raise Invalid("messages", f"messages: at most {_MAX_MESSAGES} messages are allowed, got {len(messages)}")
    roles = ("user", "assistant", "system") if settings.system_messages else ("user", "assistant")
    for index, message in enumerate(messages):
        try:
            _check_message(message, roles)
        except Invalid as error:
            raise error.at(f"messages.{index}") from error
    turns = _turns(messages, settings)
    _check_calls(turns)
    for turn in turns:
        if turn.role == "assistant":
            _check_server_calls(turn, is_last=turn is turns[-1])
    _check_thinking(turns, thinking)
    _check_end(turns[-1], model)


def _check_message(message: Any, roles: Sequence[str]) -> None:
    if not isinstance(message, dict):
        raise Invalid("messages", "Input should be a valid dictionary")
    check_fields(message, _MESSAGE)
    role = str(message.get("role"))
    if role not in roles:
        raise Invalid("role", f"role: Input should be 'user' or 'assistant', got '{role}'")
    if "content" not in message:
        raise Invalid("content", "content: Field required")
    check_content(message["content"], role)


def _turns(messages: Sequence[Json], settings: Settings) -> list[Turn]:
    """The turns in order. System messages are no turns."""
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        role, blocks = message["role"], blocks_of(message["content"])
        if not turns and role != "user":
            raise Invalid("roles", 'messages: first message must use the "user" role')
        if role == "system":
            continue
        if turns and turns[-1].role == role:
            if not (settings.merges_turns or _is_paused(turns[-1])):
                said = (
                    f'messages: roles must alternate between "user" and "assistant", but found multiple "{role}" roles'
                )
                raise Invalid("roles", f"{said} in a row (messages.{index})")
            turns[-1] = turns[-1]._replace(blocks=turns[-1].blocks + blocks)
        else:
            turns.append(Turn(index, role, blocks))
    return turns


def _is_paused(turn: Turn) -> bool:
    """Whether the assistant's turn can be one that was paused (pause_turn) and may go on."""
    types = {block["type"] for block in turn.blocks}
    return turn.role == "assistant" and "server_tool_use" in types and "tool_use" not in types


# --- tools ---------------------------------------------------------------------------------------


def _check_calls(turns: Sequence[Turn]) -> None:
    """Every tool_use has its tool_result in the next turn, first there, and no other result is there."""
    asked: list[str] = []
    before, known = turns[0].start, set[str]()
    for turn in turns:
        if turn.role == "user":
            _check_results(turn, asked, before)
            asked = []
        else:
            asked, before = _ids(turn, "tool_use"), turn.start
            known = _with_new(known, asked + _ids(turn, "server_tool_use"), turn)
    _check_missing(asked, before)


def _ids(turn: Turn, kind: str) -> list[str]:
    return [block["id"] for block in turn.blocks if block["type"] == kind]


def _with_new(known: set[str], ids: Sequence[str], turn: Turn) -> set[str]:
    for id in ids:
        if id in known:
            raise Invalid("unique_ids", f"messages.{turn.start}: `tool_use` ids must be unique, found {id} twice")
        known.add(id)
    return known


def _check_results(turn: Turn, asked: Sequence[str], before: int) -> None:
    given = [
        (position, block["tool_use_id"]) for position, block in enumerate(turn.blocks) if block["type"] == "tool_result"
    ]
    seen: set[str] = set()
    for position, id in given:
        path = f"messages.{turn.start}.content.{position}"
        if id not in asked:
            raise Invalid(
                "unexpected_result",
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each `tool_result` block must"
                " have a corresponding `tool_use` block in the previous message.",
            )
        if id in seen:
            said = "each tool_use must have a single result. Found multiple `tool_result` blocks with id"
            raise Invalid("two_results", f"{path}: {said}: {id}")
        seen.add(id)
    _check_missing([id for id in asked if id not in seen], before)
    if given and given[-1][0] != len(given) - 1:
        path = f"messages.{turn.start}.content"
        raise Invalid("results_first", f"{path}: `tool_result` blocks must come before all other blocks of the message")


def _check_missing(ids: Sequence[str], index: int) -> None:
    if ids:
        raise Invalid(
            "missing_result",
            f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after:"
            f" {', '.join(ids)}. Each `tool_use` block must have a corresponding `tool_result` block in the next"
            " message.",
        )


def _check_server_calls(turn: Turn, is_last: bool) -> None:
    """Every server_tool_use has its result after it; only in a turn that goes on it may still wait."""
    waiting: dict[str, str] = {}
    for position, block in enumerate(turn.blocks):
        kind = block["type"]
        if kind == "server_tool_use":
            waiting[block["id"]] = block["name"]
        elif kind.endswith("_tool_result") and waiting.pop(block["tool_use_id"], None) is None:
            raise Invalid(
                "unexpected_result",
                f"messages.{turn.start}.content.{position}: unexpected `tool_use_id` found in `{kind}` blocks:"
                f" {block['tool_use_id']}. Each `{kind}` block must have a corresponding `server_tool_use` block"
                " before it.",
            )
    if waiting and not is_last:
        id, name = next(iter(waiting.items()))
        said = f"`{name}` tool use with id `{id}` was found without a corresponding `{name}_tool_result` block"
        raise Invalid("missing_result", f"messages.{turn.start}: {said}")


# --- thinking and the end ------------------------------------------------------------------------


def _check_thinking(turns: Sequence[Turn], thinking: Json) -> None:
    """With thinking on, thoughts come first in their turn; where it is always on, the turn whose tools are being
    answered begins with them."""
    if thinking.get("type") in (None, "disabled"):
        return
    for turn in turns:
        if turn.role != "assistant":
            continue
        first = turn.blocks[0]["type"]
        if first not in _THOUGHT and any(block["type"] in _THOUGHT for block in turn.blocks):
            said = f"Expected `thinking` or `redacted_thinking`, but found `{first}`"
            raise Invalid("thinking_first", f"messages.{turn.start}.content.0.type: {said}. Thoughts come first.")
    _check_answered_turn(turns, thinking)


def _check_answered_turn(turns: Sequence[Turn], thinking: Json) -> None:
    if thinking["type"] != "enabled" or len(turns) < 2 or turns[-1].role != "user":
        return
    turn, first = turns[-2], turns[-2].blocks[0]["type"]
    if _ids(turn, "tool_use") and first not in _THOUGHT:
        raise Invalid(
            "thinking_first",
            f"messages.{turn.start}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`."
            " When `thinking` is enabled, a final `assistant` message must start with a thinking block (preceding the"
            " lastmost set of `tool_use` and `tool_result` blocks).",
        )


def _check_end(turn: Turn, model: Model) -> None:
    if turn.role != "assistant" or _is_paused(turn):
        return
    if not model.prefill:
        said = "This model does not support assistant message prefill. The conversation must end with a user message."
        raise Invalid("prefill", said)
    last = turn.blocks[-1]
    if last["type"] == "text" and last["text"] != last["text"].rstrip():
        raise Invalid("trailing_space", "messages: final assistant content cannot end with trailing whitespace")
