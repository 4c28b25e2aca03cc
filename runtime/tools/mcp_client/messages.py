"""What comes from a server, made fit for the mcp package, so that one odd part does not cost the rest. Pure.

The package refuses a whole list for one tool it cannot read, and a whole result for one unknown kind of content; and it
judges results by a schema of the server's, in the thread that all servers share. So odd tools are left out, unknown
content becomes text, and output schemas are not passed on.
"""

import json
import re
from typing import Any

from fleetlog.runtime.tools.mcp_client.lines import TooLong

__all__ = ["error_for_too_long", "mend_result"]

_CONTENT = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource": ("resource",),
    "resource_link": ("uri", "name"),
}
_TOO_LARGE_CODE = -32603
_ID = rb'"id"\s*:\s*(\d{1,18}|"[^"\\]{1,100}")'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"'
_ID_AT_HEAD = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb"\s*,\s*)?" + _ID + rb"\s*,")
_ID_AT_TAIL = re.compile(_ID + rb"\s*(?:,\s*" + _VERSION + rb"\s*)?\}\s*\Z")


def mend_result(result: dict[str, Any]) -> list[str]:
    """Mend a result in place; the names of tools that were left out."""
    if isinstance(result.get("tools"), list):
        return _mend_tools(result)
    if isinstance(result.get("content"), list):
        result["content"] = [block if _is_known(block) else _as_text(block) for block in result["content"]]
    return []


def _mend_tools(result: dict[str, Any]) -> list[str]:
    kept, odd = [], []
    for tool in result["tools"]:
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
            odd.append("(without a name)")
        elif not isinstance(tool.get("inputSchema"), dict) or tool["inputSchema"].get("type", "object") != "object":
            odd.append(tool["name"])
        else:
            kept.append(_plain_tool(tool))
    result["tools"] = kept
    return odd


def _plain_tool(tool: dict[str, Any]) -> dict[str, Any]:
    description, hints = tool.get("description"), tool.get("annotations")
    plain: dict[str, Any] = {"name": tool["name"], "inputSchema": {**tool["inputSchema"], "type": "object"}}
    if isinstance(description, str):
        plain["description"] = description
    if isinstance(hints, dict) and isinstance(hints.get("readOnlyHint"), bool):
        plain["annotations"] = {"readOnlyHint": hints["readOnlyHint"]}
    return plain


def _is_known(block: Any) -> bool:
    if not isinstance(block, dict) or block.get("type") not in _CONTENT:
        return False
    if block["type"] == "resource":
        resource = block.get("resource")
        return (
            isinstance(resource, dict)
            and isinstance(resource.get("uri"), str)
            and ("text" in resource or "blob" in resource)
        )
    return all(isinstance(block.get(field), str) for field in _CONTENT[block["type"]])


def _as_text(block: Any) -> dict[str, Any]:
    return {"type": "text", "text": json.dumps(block, ensure_ascii=False)}


def error_for_too_long(line: TooLong) -> dict[str, Any] | None:
    """The JSON-RPC error that stands for an answer too large to be read; None when it says not early or late enough
    which request it answers."""
    found = _ID_AT_HEAD.match(line.head) or _ID_AT_TAIL.search(line.tail)
    if found is None:
        return None
    message = f"the call was made, but its answer of {line.size_bytes} bytes is too large to be read"
    return {"jsonrpc": "2.0", "id": json.loads(found[1]), "error": {"code": _TOO_LARGE_CODE, "message": message}}
