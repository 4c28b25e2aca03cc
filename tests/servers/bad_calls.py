"""Calls with one thing wrong each, made from a tool's arguments: what is missing, of another type, out of bounds."""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

Bad = tuple[dict[str, Any], str]
"""The arguments, and what the refusal says of them."""

WRONG: dict[type[inspect.Type], tuple[Any, ...]] = {
    inspect.StrType: (7, True, ["x"], {"x": 1}),
    inspect.BoolType: ("true", 1, [True]),
    inspect.IntType: ("1", 1.5, True, [1]),
    inspect.FloatType: ("1", True, [1.5]),
    inspect.LiteralType: ("no such choice", 1, True),
    inspect.VarTupleType: ("x", {"0": "x"}, 7),
    inspect.DictType: ("x", [], 7),
    inspect.StructType: ("x", [], 7),
}


def bad_calls(arguments: type[msgspec.Struct]) -> Iterator[Bad]:
    """Every way of being wrong in one place."""
    info = inspect.type_info(arguments)
    assert isinstance(info, inspect.StructType)
    good = good_object(info)
    yield {**good, "no_such_argument": 1}, "unknown argument 'no_such_argument'"
    yield from _bad_objects(good, info)


def _bad_objects(good: dict[str, Any], info: inspect.StructType) -> Iterator[Bad]:
    for field in info.fields:
        name, kind = field.encode_name, bare(field.type)
        if field.required:
            yield {key: value for key, value in good.items() if key != name}, f"'{name}' is required and must be "
        for value in wrong_values(kind):
            yield {**good, name: value}, f"'{name}' "
        if isinstance(kind, inspect.VarTupleType) and isinstance(item := bare(kind.item_type), inspect.StructType):
            for value, _ in _bad_objects(good_object(item), item):
                yield {**good, name: [value]}, f"'{name}[0]"


def wrong_values(kind: inspect.Type) -> Iterator[Any]:
    """Values that are not of the type."""
    if isinstance(kind, inspect.AnyType | inspect.UnionType):
        return
    yield from WRONG[type(kind)]
    if isinstance(kind, inspect.StrType) and kind.min_length:
        yield from ("", "  ")
    if isinstance(kind, inspect.IntType | inspect.FloatType) and kind.ge is not None:
        yield kind.ge - 1
    if isinstance(kind, inspect.IntType) and kind.le is not None:
        yield kind.le + 1
    if isinstance(kind, inspect.VarTupleType) and isinstance(bare(kind.item_type), inspect.StrType):
        yield from ([1], ["x", None])
    if isinstance(kind, inspect.VarTupleType) and kind.min_length:
        yield []


def good_object(info: inspect.StructType) -> dict[str, Any]:
    """The required fields, each with a value of its type."""
    return {field.encode_name: _good(bare(field.type)) for field in info.fields if field.required}


def _good(kind: inspect.Type) -> Any:
    match kind:
        case inspect.StrType():
            return "x"
        case inspect.BoolType():
            return True
        case inspect.IntType() | inspect.FloatType():
            return kind.ge if kind.ge is not None else 1
        case inspect.LiteralType():
            return kind.values[0]
        case inspect.VarTupleType():
            return [_good(bare(kind.item_type))]
        case inspect.StructType():
            return good_object(kind)
        case inspect.DictType():
            return {}
        case _:
            return "x"


def bare(kind: inspect.Type) -> inspect.Type:
    """Without descriptions, and without None."""
    if isinstance(kind, inspect.Metadata):
        return bare(kind.type)
    if isinstance(kind, inspect.UnionType):
        others = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
        return bare(others[0]) if len(others) == 1 else kind
    return kind
