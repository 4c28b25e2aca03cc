"""The arguments of a tool, checked as strictly as its struct says: a string is no boolean and no number.

Its rule: a refusal names the tool, the argument, what is allowed and what it got, in one sentence; nothing is guessed.
"""

import difflib
import math
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from fleetlog.domain.errors import InvalidArgument

__all__ = ["checked", "nearest"]

Arguments = TypeVar("Arguments", bound=msgspec.Struct)
Say = Callable[[str], InvalidArgument]

MAX_SHOWN = 80
_JSON_NAMES = {str: "string", bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}


def checked(tool: str, given: object, wanted: type[Arguments]) -> Arguments:
    """The arguments as `wanted`; raises `InvalidArgument`."""
    info = _info(wanted)
    if not isinstance(given, dict):
        raise InvalidArgument(f"{tool}: the arguments must be an object, got {_shown(given)}")
    _check_object(tool, "", given, info)
    try:
        return msgspec.convert(given, wanted, strict=True)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidArgument(f"{tool}: {error}") from error


@cache
def _info(wanted: type[msgspec.Struct]) -> inspect.StructType:
    info = inspect.type_info(wanted)
    assert isinstance(info, inspect.StructType)
    return info


def nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` if a known name is near, else nothing."""
    found = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean '{found[0]}'?" if found else ""


def _check_object(tool: str, path: str, given: Mapping[str, Any], info: inspect.StructType) -> None:
    fields = {field.encode_name: field for field in info.fields}
    for name in given:
        if name not in fields:
            known = ", ".join(fields) or "none"
            where = f" in '{path}'" if path else ""
            hint = nearest(name, fields)
            raise InvalidArgument(f"{tool}: unknown argument '{name[:MAX_SHOWN]}'{where}{hint} (known: {known})")
    for name, field in fields.items():
        at = f"{path}.{name}" if path else name
        if name in given:
            _check(tool, at, given[name], field.type, "is required and " if field.required else "")
        elif field.required:
            raise InvalidArgument(f"{tool}: '{at}' is required and must be {_kind(field.type)}, got undefined")


def _check(tool: str, path: str, value: Any, info: inspect.Type, need: str = "") -> None:
    """Refuse a value that is not of this type. `need` is said of a text that must be there."""

    def wrong(must_be: str, need: str = "") -> InvalidArgument:
        return InvalidArgument(f"{tool}: '{path}' {need}must be {must_be}, got {_shown(value)}")

    match info:
        case inspect.Metadata():
            _check(tool, path, value, info.type, need)
        case inspect.UnionType():
            _check_union(tool, path, value, info, wrong)
        case inspect.StrType():
            _check_text(value, info, lambda must_be: wrong(must_be, need))
        case inspect.IntType() | inspect.FloatType():
            _check_number(value, info, wrong)
        case inspect.BoolType():
            if type(value) is not bool:
                raise wrong(_kind(info))
        case inspect.LiteralType():
            if value not in info.values or isinstance(value, bool):
                raise wrong(_kind(info))
        case inspect.VarTupleType() | inspect.ListType():
            _check_array(tool, path, value, info, wrong)
        case inspect.DictType():
            if not isinstance(value, dict):
                raise wrong(_kind(info))
            for key, item in value.items():
                _check(tool, f"{path}.{key[:MAX_SHOWN]}", item, info.value_type)
        case inspect.StructType():
            if not isinstance(value, dict):
                raise wrong(_kind(info))
            _check_object(tool, path, value, info)


def _check_union(tool: str, path: str, value: Any, info: inspect.UnionType, wrong: Say) -> None:
    """The value must fit one of the types; if one alone has its JSON type, that one says what is wrong."""
    if value is None and any(isinstance(one, inspect.NoneType) for one in info.types):
        return
    fitting = [one for one in info.types if _has_json_type(value, one)]
    if not fitting:
        raise wrong(_kind(info))
    _check(tool, path, value, fitting[0])


def _has_json_type(value: Any, info: inspect.Type) -> bool:
    match info:
        case inspect.Metadata():
            return _has_json_type(value, info.type)
        case inspect.StrType() | inspect.LiteralType():
            return isinstance(value, str)
        case inspect.BoolType():
            return type(value) is bool
        case inspect.IntType() | inspect.FloatType():
            return type(value) in (int, float)
        case inspect.VarTupleType() | inspect.ListType():
            return isinstance(value, list)
        case inspect.DictType() | inspect.StructType():
            return isinstance(value, dict)
        case _:
            return isinstance(info, inspect.AnyType)


def _check_text(value: Any, info: inspect.StrType, wrong: Say) -> None:
    if not isinstance(value, str) or (info.min_length and not value.strip()):
        raise wrong(_kind(info))
    if info.max_length is not None and len(value) > info.max_length:
        raise wrong(f"at most {info.max_length} characters")


def _check_number(value: Any, info: inspect.IntType | inspect.FloatType, wrong: Say) -> None:
    is_whole = isinstance(info, inspect.IntType)
    if type(value) is not int and (is_whole or type(value) is not float or not math.isfinite(value)):
        raise wrong(_kind(info))
    if info.ge is not None and value < info.ge:
        raise wrong(f">= {info.ge}")
    if info.gt is not None and value <= info.gt:
        raise wrong(f"> {info.gt}")
    if info.le is not None and value > info.le:
        raise wrong(f"<= {info.le}")


def _check_array(tool: str, path: str, value: Any, info: inspect.VarTupleType | inspect.ListType, wrong: Say) -> None:
    if not isinstance(value, list) or (info.min_length and len(value) < info.min_length):
        raise wrong(_kind(info))
    for number, item in enumerate(value):
        if isinstance(info.item_type, inspect.StrType) and not isinstance(item, str):
            raise wrong(_kind(info))
        _check(tool, f"{path}[{number}]", item, info.item_type)


def _kind(info: inspect.Type) -> str:
    """What a value of this type is called in a refusal."""
    match info:
        case inspect.Metadata():
            return _kind(info.type)
        case inspect.StrType():
            return "a non-empty string" if info.min_length else "a string"
        case inspect.BoolType():
            return "a boolean"
        case inspect.IntType():
            return "an integer"
        case inspect.FloatType():
            return "a finite number"
        case inspect.LiteralType():
            return f"exactly one of {' | '.join(map(str, info.values))}"
        case inspect.VarTupleType() | inspect.ListType():
            items = "strings" if isinstance(info.item_type, inspect.StrType) else "objects"
            items = "values" if isinstance(info.item_type, inspect.AnyType) else items
            return f"{'a non-empty' if info.min_length else 'an'} ARRAY of {items}"
        case inspect.DictType() | inspect.StructType():
            return "an object"
        case inspect.UnionType():
            return " or ".join(_kind(one) for one in info.types if not isinstance(one, inspect.NoneType))
        case _:
            return "a JSON value"


def _shown(value: object) -> str:
    """The value as JSON, cut, with its JSON type where that is not plain."""
    if value is None:
        return "null"
    try:
        text = msgspec.json.encode(value).decode()
    except (TypeError, ValueError, RecursionError, UnicodeError):
        text = "a value that is no JSON"
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    if type(value) in (int, float):
        return text if math.isfinite(value) else str(value)  # type: ignore[arg-type]
    return f"{text} ({_JSON_NAMES.get(type(value), type(value).__name__)})"
