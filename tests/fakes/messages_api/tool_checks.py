"""What the tools of a request must be."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from tests.fakes.messages_api.blocks import NAME_PATTERN, check_fields, check_marker
from tests.fakes.messages_api.refusals import Invalid, Json
from tests.fakes.messages_api.tokens import json_bytes

__all__ = ["check_choice", "check_schema", "check_tools"]

_CUSTOM = frozenset(
    {
        "type",
        "name",
        "description",
        "input_schema",
        "cache_control",
        "strict",
        "allowed_callers",
        "defer_loading",
        "eager_input_streaming",
        "input_examples",
    }
)
_SERVER_TOOL = re.compile(
    r"(web_search|web_fetch|code_execution|tool_search_tool_(bm25|regex)|bash|memory|text_editor)_20\d{6}"
)
_CHOICES = {
    "auto": frozenset({"type", "disable_parallel_tool_use"}),
    "any": frozenset({"type", "disable_parallel_tool_use"}),
    "tool": frozenset({"type", "name", "disable_parallel_tool_use"}),
    "none": frozenset({"type"}),
}
_UNIONS = ("oneOf", "allOf", "anyOf")


def check_tools(tools: Any) -> None:
    """Raises `Invalid` for tools that the API would refuse."""
    problem = _problem(json_bytes(tools))
    if problem:
        raise Invalid(*problem)


@lru_cache(maxsize=1_024)
def _problem(encoded: bytes) -> tuple[str, str] | None:
    """The rule that the tools break and the words for it. The same tools come with every call, so it is remembered."""
    try:
        _check_tools(msgspec.json.decode(encoded))
    except Invalid as error:
        return error.rule, error.message
    return None


def _check_tools(tools: Any) -> None:
    if not isinstance(tools, list):
        raise Invalid("tools", "tools: Input should be a valid list")
    names: set[str] = set()
    for index, tool in enumerate(tools):
        try:
            _check_tool(tool)
        except Invalid as error:
            raise error.at(f"tools.{index}") from error
        if tool["name"] in names:
            raise Invalid("unique_tools", f"tools: Tool names must be unique, found {tool['name']} twice.")
        names.add(tool["name"])


def _check_tool(tool: Any) -> None:
    if not isinstance(tool, dict):
        raise Invalid("tools", "Input should be a valid dictionary")
    kind = tool.get("type") or "custom"
    if kind != "custom" and not (isinstance(kind, str) and _SERVER_TOOL.fullmatch(kind)):
        raise Invalid("tool_type", f"type: Input tag '{kind}' does not match any of the expected tags")
    try:
        if not isinstance(tool.get("name"), str) or not NAME_PATTERN.fullmatch(tool["name"]):
            raise Invalid("tool_name", f"name: String should match pattern '^{NAME_PATTERN.pattern}$'")
        if tool.get("cache_control") is not None:
            check_marker(tool["cache_control"])
        if kind == "custom":
            _check_custom(tool)
    except Invalid as error:
        raise error.at(kind) from error


def _check_custom(tool: Json) -> None:
    check_fields(tool, _CUSTOM)
    if not isinstance(tool.get("description", ""), str):
        raise Invalid("tools", "description: Input should be a valid string")
    schema = tool.get("input_schema")
    if not isinstance(schema, dict):
        raise Invalid("input_schema", "input_schema: Field required")
    if schema.get("type") != "object":
        raise Invalid("input_schema", "input_schema.type: Input should be 'object'")
    if any(key in schema for key in _UNIONS):
        said = "input_schema does not support oneOf, allOf, or anyOf at the top level"
        raise Invalid("input_schema", f"input_schema: {said}")
    check_schema(schema, "input_schema")


def check_schema(schema: Any, path: str) -> None:
    """A JSON Schema of the draft that the API knows."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        said = "JSON schema is invalid. It must match JSON Schema draft 2020-12"
        raise Invalid("input_schema", f"{path}: {said}: {error.message}") from error


def check_choice(choice: Any, tools: Sequence[Json], thinking: Json) -> None:
    """How a tool is to be chosen: the form, a tool that is there, and nothing forced while the model thinks."""
    kind = choice.get("type") if isinstance(choice, dict) else None
    if kind not in _CHOICES:
        raise Invalid("tool_choice", "tool_choice: Input tag does not match any of: 'auto', 'any', 'none', 'tool'")
    check_fields(choice, _CHOICES[kind], "tool_choice.")
    if kind in ("any", "tool") and not tools:
        raise Invalid("tool_choice", "tool_choice: may only be specified while providing tools")
    if kind == "tool" and choice.get("name") not in {tool["name"] for tool in tools}:
        raise Invalid("tool_choice", f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
    if kind in ("any", "tool") and thinking.get("type") in ("enabled", "adaptive"):
        raise Invalid("tool_choice", "Thinking may not be enabled when tool_choice forces tool use.")
