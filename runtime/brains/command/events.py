"""The events that agent programs write as lines of JSON, understood as one: those of `claude -p --output-format
stream-json`, of `codex exec --json`, of `opencode run --format json`, and whatever of a person's own is like them.

A program of one's own writes `{"type": "system", "session_id": ID}` first, if it can be resumed, `{"type":
"progress", "text": ...}` as it goes, and `{"type": "result", "result": ANYTHING}` in the end; the result may have
`is_error`, `usage` and `total_cost_usd` too.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fleetlog.domain.budget import MAX_OF_CALL, NUSD_PER_USD
from fleetlog.domain.values import Usage

__all__ = ["Telling", "is_session"]

# It becomes a word of a command line: it may not look like an option.
_SESSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}\Z")
_MAX_CHARS = 2_000


def is_session(word: object) -> bool:
    """Can this be a session's id?"""
    return isinstance(word, str) and _SESSION.match(word) is not None


class Telling:
    """What has been told so far."""

    def __init__(self) -> None:
        self.session = self.said = self.error = ""
        self.usage: Usage | None = None
        self.output: Any = None
        self.has_output = False
        self._message_id: object = None

    def hear(self, event: Mapping[str, Any]) -> None:
        """One event; what is not understood is passed over."""
        for key in ("session_id", "thread_id", "sessionID"):
            if is_session(event.get(key)):
                self.session = event[key]
        match event.get("type"):
            case "assistant":
                self._hear_blocks(event)
            case "result":
                self._hear_result(event)
            case "progress":
                self._say(event.get("text"))
            case "item.started" | "item.completed":
                self._hear_item(_part(event, "item"), is_whole=event["type"] == "item.completed")
            case "turn.completed":
                self._use(_codex_usage(_part(event, "usage")))
            case "turn.failed" | "error":
                self.error = _error_text(event)
            case "text":
                self._hear_text(_part(event, "part"))
            case "tool_use":
                self._say(_named(_part(event, "part").get("tool")))
            case "step_finish":
                self._use(_opencode_usage(_part(event, "part")))

    # --- claude, and one's own ---------------------------------------------------------------

    def _hear_blocks(self, event: Mapping[str, Any]) -> None:
        blocks = _part(event, "message").get("content")
        for block in blocks if isinstance(blocks, list) else ():
            if isinstance(block, dict):
                self._say(block.get("text") if block.get("type") == "text" else _named(block.get("name")))

    def _hear_result(self, event: Mapping[str, Any]) -> None:
        structured = event.get("structured_output")
        self._give(event.get("result") if structured is None else structured)
        self._use(_claude_usage(event))
        if event.get("is_error"):
            errors = event.get("errors")
            told = "; ".join(map(str, errors)) if isinstance(errors, list) else ""
            said = event.get("result") if isinstance(event.get("result"), str) else ""
            self.error = _clean(told or said or str(event.get("subtype") or "it says that it failed"))
        else:
            self.error = ""

    # --- codex -------------------------------------------------------------------------------

    def _hear_item(self, item: Mapping[str, Any], *, is_whole: bool) -> None:
        match item.get("type"):
            case "agent_message" if is_whole and isinstance(item.get("text"), str):
                self._say(item["text"])
                self._give(item["text"])
            case "command_execution":
                self._say(_named(item.get("command")))
            case "mcp_tool_call":
                self._say(_named(item.get("tool")))

    # --- opencode ----------------------------------------------------------------------------

    def _hear_text(self, part: Mapping[str, Any]) -> None:
        """The texts of one message are one; the last message is the result."""
        text, message_id = part.get("text"), part.get("messageID")
        if not isinstance(text, str):
            return
        self._say(text)
        is_more = self.has_output and message_id is not None and message_id == self._message_id
        self._give(f"{self.output}\n{text}" if is_more else text)
        self._message_id = message_id

    # --- what all of them say ----------------------------------------------------------------

    def _say(self, text: object) -> None:
        if isinstance(text, str) and text.strip():
            self.said = _clean(" ".join(text[:1_000].split()))

    def _give(self, output: Any) -> None:
        self.output, self.has_output = output, output is not None

    def _use(self, usage: Usage | None) -> None:
        if usage is not None:
            total = usage if self.usage is None else self.usage.plus(usage)
            self.usage = Usage(*(min(number, MAX_OF_CALL) for number in msgspec.structs.astuple(total)))


def _part(event: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _named(name: object) -> str:
    return f"uses {name}" if isinstance(name, str) and name else ""


def _error_text(event: Mapping[str, Any]) -> str:
    """Codex says it in `message` or `error.message`, opencode in `error.data.message` or `error.name`."""
    error = _part(event, "error")
    told = (event.get("message"), error.get("message"), _part(error, "data").get("message"), error.get("name"))
    found = next((text for text in told if isinstance(text, str) and text), "it says that it failed")
    return _clean(found)


def _clean(text: str) -> str:
    """Text that can be recorded and shown, of a bounded length."""
    shown = (character if character.isprintable() or character == "\n" else "\ufffd" for character in text[:_MAX_CHARS])
    return "".join(shown)


# --- usage -----------------------------------------------------------------------------------------


def _claude_usage(event: Mapping[str, Any]) -> Usage | None:
    if "usage" not in event and "total_cost_usd" not in event:
        return None
    used = _part(event, "usage")
    written = _count(used.get("cache_creation_input_tokens"))
    for_an_hour = min(written, _count(_part(used, "cache_creation").get("ephemeral_1h_input_tokens")))
    found = Usage(
        input_tokens=_count(used.get("input_tokens")),
        output_tokens=_count(used.get("output_tokens")),
        cache_read_tokens=_count(used.get("cache_read_input_tokens")),
        cache_write_tokens=written - for_an_hour,
        cache_write_1h_tokens=for_an_hour,
        calls=_count(event.get("num_turns")),
        cost_nusd=_nusd(event.get("total_cost_usd")),
    )
    if found == Usage():
        return None  # it has asked no model
    return msgspec.structs.replace(found, calls=max(1, found.calls))


def _codex_usage(used: Mapping[str, Any]) -> Usage:
    """Its input counts what came from the cache; it says no cost."""
    read = _count(used.get("cached_input_tokens"))
    return Usage(
        input_tokens=max(0, _count(used.get("input_tokens")) - read),
        output_tokens=_count(used.get("output_tokens")),
        cache_read_tokens=read,
        calls=1,
    )


def _opencode_usage(part: Mapping[str, Any]) -> Usage:
    tokens, cache = _part(part, "tokens"), _part(_part(part, "tokens"), "cache")
    return Usage(
        input_tokens=_count(tokens.get("input")),
        output_tokens=_count(tokens.get("output")) + _count(tokens.get("reasoning")),
        cache_read_tokens=_count(cache.get("read")),
        cache_write_tokens=_count(cache.get("write")),
        calls=1,
        cost_nusd=_nusd(part.get("cost")),
    )


def _count(value: object) -> int:
    """A number of tokens, as far as it is one."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(0, value), MAX_OF_CALL)


def _nusd(dollars: object) -> int:
    if isinstance(dollars, bool) or not isinstance(dollars, int | float) or not math.isfinite(dollars):
        return 0
    return round(min(max(0.0, dollars), MAX_OF_CALL / NUSD_PER_USD) * NUSD_PER_USD)
