"""Tool calls of stdio clients, answered at once.

A session's machinery (typed messages, validation at every layer, spans) costs several times what a call itself does.
A plain call, of a tool that does not wait, in a session whose era is known, needs none of it; anything else goes the
long way, so that what is unusual is judged by the protocol's own library.
"""

from typing import Any

import msgspec
from mcp_types import (
    CLIENT_CAPABILITIES_META_KEY,
    CLIENT_INFO_META_KEY,
    PROTOCOL_VERSION_META_KEY,
    SERVER_INFO_META_KEY,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from fleetlog.runtime.servers.surface import Answer

__all__ = ["QuickCall", "quick_answer", "quick_call"]


class _Params(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] = {}
    meta: dict[str, Any] = msgspec.field(default={}, name="_meta")


class QuickCall(msgspec.Struct, forbid_unknown_fields=True):
    """A request to call a tool, as it is on the wire."""

    jsonrpc: str
    id: int | str
    method: str
    params: _Params


_decoder = msgspec.json.Decoder(QuickCall)
_encoder = msgspec.json.Encoder()
_ENVELOPE = {PROTOCOL_VERSION_META_KEY, CLIENT_INFO_META_KEY, CLIENT_CAPABILITIES_META_KEY}


def quick_call(line: bytes, *, is_initialized: bool) -> QuickCall | None:
    """The call, if the line is a plain one; None: the long way."""
    if b'"tools/call"' not in line:
        return None
    try:
        call = _decoder.decode(line)
    except msgspec.MsgspecError:
        return None
    meta = call.params.meta
    is_plain = call.method == "tools/call" and call.jsonrpc == "2.0"
    if not is_plain or call.params.arguments.get("wait_ms"):  # who waits may want to hear of its progress
        return None
    return call if _has_envelope(meta) or (is_initialized and not _ENVELOPE & meta.keys()) else None


def _has_envelope(meta: dict[str, Any]) -> bool:
    return meta.keys() >= _ENVELOPE and meta[PROTOCOL_VERSION_META_KEY] in MODERN_PROTOCOL_VERSIONS


def quick_answer(call: QuickCall, answer: Answer, server_info: dict[str, Any]) -> bytes:
    """The response's line, of the call's era."""
    result: dict[str, Any] = {
        "content": [{"type": "text", "text": answer.text}],
        "structuredContent": msgspec.Raw(answer.json),
        "isError": answer.is_error,
    }
    if _ENVELOPE & call.params.meta.keys():
        result |= {"resultType": "complete", "_meta": {SERVER_INFO_META_KEY: server_info}}
    return _encoder.encode({"jsonrpc": "2.0", "id": call.id, "result": result})
