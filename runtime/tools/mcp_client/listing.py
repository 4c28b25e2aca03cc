"""A server's tools as an agent sees them: names, descriptions, schemas and effects. Pure.

A server is not trusted: what it says of its tools is shown to the model, and decides nothing.
"""

import hashlib
import logging
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from fleetlog.domain.values import Effect, McpServerSpec
from fleetlog.runtime.tools.mcp_client.schemas import UnsafeSchema, safe_schema

__all__ = ["Listed", "effect_of", "listed_tools"]

logger = logging.getLogger("fleetlog.tools")

_MAX_NAME = 128
_DESCRIPTION_CHARS = 4_000
_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


class Listed(Struct, frozen=True):
    """A tool: `name` for the model, `own_name` for the server."""

    name: str
    own_name: str
    description: str
    input_schema: dict[str, Any]
    effect: Effect


def effect_of(spec: McpServerSpec, own_name: str) -> Effect:
    """As the spec declares; what it does not name is effectful."""
    return spec.effects.get(own_name, spec.effects.get("*", "effectful"))


def listed_tools(spec: McpServerSpec, tools: Iterable[dict[str, Any]]) -> tuple[Listed, ...]:
    """The tools the spec asks for, in the server's order; what cannot be used is left out, and a warning says so."""
    wanted: dict[str, dict[str, Any]] = {}
    for tool in tools:
        own_name = tool["name"]
        if own_name in wanted:
            _warn(spec, own_name, "the server lists it twice")
        elif not spec.tools or own_name in spec.tools:
            wanted[own_name] = tool
    for missing in set(spec.tools) - wanted.keys():
        _warn(spec, missing, "the server has no such tool")
    names = _names(spec.name, list(wanted))
    found = (_listed(spec, names[own_name], tool) for own_name, tool in wanted.items())
    return tuple(tool for tool in found if tool is not None)


def _listed(spec: McpServerSpec, name: str, tool: dict[str, Any]) -> Listed | None:
    own_name = tool["name"]
    try:
        schema, words = safe_schema(tool["inputSchema"])
    except UnsafeSchema as error:
        _warn(spec, own_name, f"its input schema cannot be used: {error}")
        return None
    return Listed(name, own_name, _description(spec, tool, words), schema, effect_of(spec, own_name))


def _description(spec: McpServerSpec, tool: dict[str, Any], schema_words: str) -> str:
    own = _CONTROL.sub(" ", tool.get("description") or f"The tool {tool['name']}.").strip()
    if len(own) > _DESCRIPTION_CHARS:
        own = own[:_DESCRIPTION_CHARS] + " ... (cut)"
    claims_to_read = (tool.get("annotations") or {}).get("readOnlyHint") is True
    notes = [
        f"From the outside MCP server {spec.name}" + (", which says that it only reads." if claims_to_read else ".")
    ]
    if schema_words:
        notes.append(schema_words)
    return own + "\n\n" + "\n".join(notes)


def _names(server: str, own_names: list[str]) -> dict[str, str]:
    """A valid and unique name for each; one that had to be changed and is not unique then ends with a digest, so that
    no name depends on the order of the list."""
    plain = {own: _UNFIT.sub("_", f"{server}__{own}")[:_MAX_NAME] for own in own_names}
    uses = Counter(plain.values())
    return {
        own: name if name == f"{server}__{own}" or uses[name] == 1 else _with_digest(name, own)
        for own, name in plain.items()
    }


def _with_digest(name: str, own_name: str) -> str:
    digest = hashlib.sha256(own_name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{name[: _MAX_NAME - 9]}_{digest}"


def _warn(spec: McpServerSpec, tool: str, reason: str) -> None:
    logger.warning("action=mcp_tool_left_out server=%s tool=%s reason=%s", spec.name, ascii(tool[:200]), reason)
