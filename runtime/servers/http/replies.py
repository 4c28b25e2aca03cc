"""Replies as JSON."""

from typing import Any

import msgspec

__all__ = ["encoded"]


def encoded(reply: object) -> bytes:
    """The reply as JSON. A result's dictionary may have keys that JSON has not: they become text."""
    try:
        return msgspec.json.encode(reply)
    except TypeError:
        return msgspec.json.encode(_with_text_keys(msgspec.to_builtins(reply)))


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key): _with_text_keys(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_text_keys(one) for one in value]
    return value
