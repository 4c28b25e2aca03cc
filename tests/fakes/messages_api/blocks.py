"""What a content block may be, each by itself: its type for its role, its fields, nothing empty."""

import re
from collections.abc import Sequence
from typing import Any

from tests.fakes.messages_api.refusals import Invalid, Json
from tests.fakes.messages_api.signatures import is_signed

__all__ = ["NAME_PATTERN", "check_content", "check_fields", "check_marker", "check_texts"]

NAME_PATTERN = re.compile(r"[a-zA-Z0-9_-]{1,128}")
ID_PATTERN = re.compile(r"[a-zA-Z0-9_-]+")

_FIELDS: dict[str, frozenset[str]] = {
    "text": frozenset({"type", "text", "citations", "cache_control"}),
    "image": frozenset({"type", "source", "cache_control"}),
    "document": frozenset({"type", "source", "title", "context", "citations", "cache_control"}),
    "search_result": frozenset({"type", "source", "title", "content", "citations", "cache_control"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "caller", "toolset_name", "cache_control"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "toolset_name", "cache_control"}),
    "server_tool_use": frozenset({"type", "id", "name", "input", "caller", "cache_control"}),
    "container_upload": frozenset({"type", "file_id", "cache_control"}),
}
_MARKER = frozenset({"type", "ttl"})
_SERVER_RESULT = frozenset({"type", "tool_use_id", "content", "caller", "cache_control"})
_SERVER_RESULTS = frozenset(
    f"{name}_tool_result"
    for name in (
        "web_search",
        "web_fetch",
        "code_execution",
        "bash_code_execution",
        "text_editor_code_execution",
        "tool_search",
    )
)
_TYPES = {
    "user": frozenset({"text", "image", "document", "search_result", "tool_result", "container_upload"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"}) | _SERVER_RESULTS,
    "system": frozenset({"text"}),
    "tool_result": frozenset({"text", "image", "document", "search_result"}),
}


def check_content(content: Any, role: str) -> None:
    """A message's content: a text, or blocks that its role may have."""
    if isinstance(content, str):
        if not content.strip():
            raise Invalid("empty_text", "text content must be non-empty and more than whitespace")
        return
    if not isinstance(content, list):
        raise Invalid("content", "content: Input should be a valid string or a list of content blocks")
    if not content:
        raise Invalid("empty_content", "all messages must have non-empty content")
    _check_blocks(content, role, "content.")


def check_texts(value: Any) -> None:
    """A system prompt: a text, or text blocks."""
    if isinstance(value, str):
        return
    if not isinstance(value, list):
        raise Invalid("system", "Input should be a valid string or a list of text blocks")
    _check_blocks(value, "system", "")


def _check_blocks(blocks: Sequence[Any], role: str, path: str) -> None:
    """Errors get their path on the way out: one made for every good block would cost more than all the rest."""
    for index, block in enumerate(blocks):
        try:
            _check_block(block, role)
        except Invalid as error:
            raise error.at(f"{path}{index}") from error


def _check_block(block: Any, role: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _TYPES[role]:
        allowed = ", ".join(f"'{name}'" for name in sorted(_TYPES[role]))
        raise Invalid("block_type", f"Input tag '{kind}' found using 'type' does not match any of: {allowed}")
    try:
        check_fields(block, _FIELDS.get(kind, _SERVER_RESULT))
        if block.get("cache_control") is not None:
            check_marker(block["cache_control"])
        _CHECKS.get(kind, _check_server_result)(block)
    except Invalid as error:
        raise error.at(kind) from error


def check_fields(value: Json, allowed: frozenset[str], within: str = "") -> None:
    """No field that the API does not know. `within` begins the path."""
    if not allowed.issuperset(value):
        unknown = next(name for name in value if name not in allowed)
        raise Invalid("unknown_field", f"{within}{unknown}: Extra inputs are not permitted")


def check_marker(marker: Any) -> None:
    """A cache marker's form."""
    if not isinstance(marker, dict) or marker.get("type") != "ephemeral":
        raise Invalid("cache_control", "cache_control: Input tag found using 'type' does not match any of: 'ephemeral'")
    if marker.get("ttl", "5m") not in ("5m", "1h"):
        raise Invalid("cache_control", "cache_control.ttl: Input should be '5m' or '1h'")
    check_fields(marker, _MARKER)


# --- one type each -------------------------------------------------------------------------------


def _check_text(block: Json) -> None:
    text = _string(block, "text")
    if not text and block.get("cache_control") is not None:
        raise Invalid("cache_control", "cache_control cannot be set for empty text blocks")
    if not text:
        raise Invalid("empty_text", "text content blocks must be non-empty")
    if not text.strip():
        raise Invalid("empty_text", "text content blocks must contain non-whitespace text")


def _check_thinking(block: Json) -> None:
    if not is_signed(_string(block, "thinking"), _string(block, "signature")):
        raise Invalid("signature", "Invalid `signature` in `thinking` block")


def _check_redacted(block: Json) -> None:
    if not is_signed("", _string(block, "data")):
        raise Invalid("signature", "Invalid `data` in `redacted_thinking` block")


def _check_tool_use(block: Json) -> None:
    _check_id(block, "id")
    if not NAME_PATTERN.fullmatch(_string(block, "name")):
        raise Invalid("tool_name", f"name: String should match pattern '^{NAME_PATTERN.pattern}$'")
    if not isinstance(block.get("input"), dict):
        raise Invalid("tool_input", "input: Input should be a valid dictionary")


def _check_tool_result(block: Json) -> None:
    _check_id(block, "tool_use_id")
    content = block.get("content", "")
    if not isinstance(block.get("is_error", False), bool):
        raise Invalid("is_error", "is_error: Input should be a valid boolean")
    if block.get("is_error") and not content:
        raise Invalid("empty_text", "content cannot be empty if `is_error` is true")
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        raise Invalid("content", "content: Input should be a valid string or a list of content blocks")
    _check_result_blocks(content, bool(block.get("is_error")))


def _check_result_blocks(content: Sequence[Any], is_error: bool) -> None:
    _check_blocks(content, "tool_result", "content.")
    if is_error and any(inner["type"] != "text" for inner in content):
        raise Invalid("block_type", "all content must be type `text` if `is_error` is true")


def _check_server_result(block: Json) -> None:
    _check_id(block, "tool_use_id")
    if "content" not in block:
        raise Invalid("content", "content: Field required")


def _check_source(block: Json) -> None:
    source = block.get("source")
    if not isinstance(source, dict) or source.get("type") not in ("base64", "url", "file", "text", "content"):
        raise Invalid("source", "source: Field required")
    if source["type"] == "base64" and not (source.get("data") and source.get("media_type")):
        raise Invalid("source", "source.base64: data and media_type are required")


def _check_search_result(block: Json) -> None:
    for key in ("source", "title"):
        _string(block, key)
    _check_result_blocks(block.get("content") or (), True)


def _check_upload(block: Json) -> None:
    _string(block, "file_id")


def _check_id(block: Json, key: str) -> None:
    if not ID_PATTERN.fullmatch(_string(block, key)):
        raise Invalid("tool_use_id", f"{key}: String should match pattern '^{ID_PATTERN.pattern}$'")


def _string(block: Json, key: str) -> str:
    value = block.get(key)
    if not isinstance(value, str):
        problem = "Field required" if key not in block else "Input should be a valid string"
        raise Invalid("field", f"{key}: {problem}")
    return value


_CHECKS = {
    "text": _check_text,
    "image": _check_source,
    "document": _check_source,
    "search_result": _check_search_result,
    "thinking": _check_thinking,
    "redacted_thinking": _check_redacted,
    "tool_use": _check_tool_use,
    "server_tool_use": _check_tool_use,
    "tool_result": _check_tool_result,
    "container_upload": _check_upload,
}
