"""Input schemas of foreign tools, made safe for the model's API and for whoever checks arguments. Pure."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

__all__ = ["UnsafeSchema", "safe_schema"]

_LIMIT_BYTES = 65_536
_DEEPEST = 50
_ALTERNATIVES = ("oneOf", "anyOf", "allOf")
_DATA = ("const", "enum", "default", "examples")
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_ALTERNATIVES_CHARS = 2_000


class UnsafeSchema(Exception):
    """Why the schema is not used."""


def safe_schema(schema: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A copy that can be used, and what had to be taken out of it, as words for the model (or none).

    The model's API takes no alternatives at the root; patterns that Python cannot read, and references to other
    documents, would stop whoever checks arguments. Raises `UnsafeSchema`.
    """
    try:
        size = len(msgspec.json.encode(schema))
    except (TypeError, ValueError, RecursionError) as error:
        raise UnsafeSchema(f"it is no JSON: {error}") from error
    if size > _LIMIT_BYTES:
        raise UnsafeSchema(f"it has {size} bytes (limit {_LIMIT_BYTES})")
    safe = _cleaned(schema, 0)
    safe.pop("$schema", None)
    safe.pop("$id", None)
    taken = {word: safe.pop(word) for word in _ALTERNATIVES if word in safe}
    if safe.setdefault("type", "object") != "object":
        raise UnsafeSchema(f"its type is {safe['type']!r}, not 'object'")
    _check_references(safe)
    _check_valid(safe)
    if not taken:
        return safe, ""
    shown = msgspec.json.encode(taken).decode()
    return safe, f"The arguments must also fit {shown[:_ALTERNATIVES_CHARS]}"


def _cleaned(schema: Any, depth: int) -> Any:
    """A copy without patterns that Python cannot read. Data that looks like a schema stays as it is."""
    if depth > _DEEPEST:
        raise UnsafeSchema(f"it is nested more than {_DEEPEST} deep")
    if isinstance(schema, list):
        return [_cleaned(item, depth + 1) for item in schema]
    if not isinstance(schema, dict):
        return schema
    copy: dict[str, Any] = {}
    for word, value in schema.items():
        if word in _DATA:
            copy[word] = value
        elif word in _NAMED and isinstance(value, dict):
            copy[word] = {
                name: _cleaned(inner, depth + 1)
                for name, inner in value.items()
                if word != "patternProperties" or _is_pattern(name)
            }
        elif word != "pattern" or _is_pattern(value):
            copy[word] = _cleaned(value, depth + 1)
    return copy


def _is_pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (re.error, TypeError, OverflowError, RecursionError):
        return False
    return True


def _check_references(root: dict[str, Any]) -> None:
    for word, value in _words(root):
        if word in ("$id", "$anchor", "$dynamicRef", "$recursiveRef"):
            raise UnsafeSchema(f"it uses {word}")
        if word == "$ref" and not (isinstance(value, str) and _leads_somewhere(root, value)):
            raise UnsafeSchema(f"its $ref {str(value)[:80]!r} leads nowhere inside it")


def _words(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every keyword and its value; names of properties are no keywords."""
    if isinstance(schema, list):
        for item in schema:
            yield from _words(item)
    if not isinstance(schema, dict):
        return
    for word, value in schema.items():
        if word in _DATA:
            continue
        yield word, value
        inner = value.values() if word in _NAMED and isinstance(value, dict) else [value]
        for item in inner:
            yield from _words(item)


def _leads_somewhere(root: Any, reference: str) -> bool:
    if reference == "#":
        return True
    if not reference.startswith("#/") or "%" in reference:
        return False
    place = root
    for step in reference[2:].split("/"):
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict) and key in place:
            place = place[key]
        else:
            return False
    return isinstance(place, dict | bool)


def _check_valid(schema: dict[str, Any]) -> None:
    import jsonschema  # here: it takes long to load, and few agents have such servers

    try:
        jsonschema.Draft202012Validator.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise UnsafeSchema(f"it is no JSON Schema: {error.message[:200]}") from error
