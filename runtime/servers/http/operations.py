"""What can be called over HTTP: one operation for each method of the facade, made from its signature.

Its rule: nothing is said twice. Names, arguments, types, defaults, replies and words are the facade's own; a new
method of it is an operation without a line here.
"""

import inspect
from collections.abc import Callable, Mapping
from functools import cached_property
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as types

from fleetlog.runtime.access.door import Door
from fleetlog.runtime.calls import Begun

__all__ = ["KEY", "Operation", "operations"]

KEY = "idempotency_key"
"""The argument that comes as the header `Idempotency-Key`."""
CHANGES_WITHOUT_KEY = frozenset({"recover", "renew_lease", "store_artifact", "sweep_ratifications"})
_BEGINS = "begin_"
"""How the names of methods for event loops begin: each is another way of one that waits."""


class Operation(msgspec.Struct, frozen=True, dict=True):
    """A method of the facade. `arguments` holds all but the idempotency key; `raw` names the argument that is the
    request's body as it is, if there is one. `call` takes the caller's door and the arguments by name; so does `begin`,
    where the call can be begun on an event loop."""

    name: str
    about: str
    arguments: type[msgspec.Struct]
    reply: Any
    call: Callable[..., Any]
    takes_key: bool
    raw: str = ""
    begin: Callable[..., Begun[Any] | None] | None = None

    @cached_property
    def is_reading(self) -> bool:
        """Does it change nothing?"""
        return not self.takes_key and self.name not in CHANGES_WITHOUT_KEY

    @cached_property
    def fields(self) -> Mapping[str, types.Field]:
        """The arguments by name."""
        info = types.type_info(self.arguments)
        assert isinstance(info, types.StructType)
        return {field.name: field for field in info.fields}

    @cached_property
    def is_plain(self) -> bool:
        """Can it be called with GET: it reads, and each argument is one word?"""
        return self.is_reading and all(_is_scalar(field.type) for field in self.fields.values())

    @cached_property
    def summary(self) -> str:
        """The first sentence about it."""
        return " ".join(self.about.partition(". ")[0].split()).rstrip(".")


def operations() -> dict[str, Operation]:
    """All operations, by name: what the door has."""
    methods = dict(inspect.getmembers(Door, inspect.isfunction))
    called = (name for name in methods if not name.startswith(("_", _BEGINS)))
    return {name: _operation(name, methods[name], methods.get(_BEGINS + name)) for name in called}


def _operation(name: str, method: Callable[..., Any], begin: Callable[..., Any] | None) -> Operation:
    hints = get_type_hints(method)
    parameters = list(inspect.signature(method).parameters.values())[1:]
    raw = next((one.name for one in parameters if _is_raw(hints[one.name])), "")
    fields = [_field(one, hints[one.name]) for one in parameters if one.name not in (KEY, raw)]
    title = "".join(word.capitalize() for word in (*name.split("_"), "arguments"))
    arguments = msgspec.defstruct(title, fields, kw_only=True, frozen=True, forbid_unknown_fields=True)
    about = " ".join((inspect.getdoc(method) or name).split())
    takes_key = any(one.name == KEY for one in parameters)
    return Operation(name, about, arguments, hints["return"], method, takes_key, raw, begin)


def _field(parameter: inspect.Parameter, hint: Any) -> Any:
    if parameter.default is parameter.empty:
        return parameter.name, hint
    return parameter.name, hint, parameter.default


def _is_raw(hint: Any) -> bool:
    """Bytes are no JSON: they are the body."""
    return hint is bytes or (get_origin(hint) in (UnionType, Union) and bytes in get_args(hint))


def _is_scalar(info: types.Type) -> bool:
    match info:
        case types.UnionType():
            return all(_is_scalar(one) for one in info.types)
        case types.StrType() | types.IntType() | types.FloatType() | types.BoolType() | types.NoneType():
            return True
        case _:
            return isinstance(info, types.LiteralType)
