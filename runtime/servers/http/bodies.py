"""What a request says: its body, its query and its key, read within bounds. Raises `Problem` and `InvalidArgument`.

Its rule: what is not understood wholly is refused, and nothing is guessed.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import inspect as types
from starlette.requests import ClientDisconnect, Request

from fleetlog.domain.errors import InvalidArgument
from fleetlog.runtime.servers.http.operations import Operation
from fleetlog.runtime.servers.http.refusals import Problem
from fleetlog.runtime.servers.tools.checking import nearest

__all__ = [
    "MAX_JSON_BYTES",
    "MAX_RAW_BYTES",
    "body_of",
    "json_of",
    "key_of",
    "query_of",
    "refuse_other_types",
    "refuse_unknown",
]

MAX_JSON_BYTES = 1024 * 1024
MAX_RAW_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 100
"""How deep values may be nested."""
_DRAINED = 4
"""So many times the limit is read, and thrown away, so that a client that is still sending hears the answer."""
_WHOLE = re.compile(r"[+-]?[0-9]{1,30}\Z")
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?\Z")
_MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""Strings and brackets; possessive, so that no body takes longer than its length."""
_FLAGS = {"true": True, "false": False}


def refuse_other_types(request: Request, wanted: str) -> None:
    """Refuse a body that says it is something else. Only forms and plain text can be sent by pages of other sites
    without asking: they are never taken for JSON."""
    given, _, options = request.headers.get("content-type", "").partition(";")
    charset = options.strip().lower().removeprefix("charset=").strip('"')
    if given.strip().lower() != wanted or charset not in ("", "utf-8", "utf8"):
        raise Problem(415, "unsupported_media_type", f"the body must be {wanted} in UTF-8: say so in Content-Type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported_media_type", "the body must not be compressed")


async def body_of(request: Request, limit: int) -> bytes:
    """The whole body."""
    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > limit * _DRAINED:
                break
            if size <= limit:
                parts.append(part)
    except ClientDisconnect as error:
        raise Problem(400, "invalid_argument", "the body is not whole") from error
    if size > limit:
        raise Problem(413, "too_large", f"Payload too large: more than {limit} bytes (limit {limit})")
    return b"".join(parts)


def json_of(operation: str, body: bytes) -> Any:
    """The body's JSON; no body is an empty object."""
    if not body:
        return {}
    try:
        if body.count(b"[") + body.count(b"{") > MAX_DEPTH and _depth(body) > MAX_DEPTH:
            raise RecursionError
        return msgspec.json.decode(body)
    except RecursionError as error:
        raise InvalidArgument(f"{operation}: the body is nested too deeply (limit {MAX_DEPTH})") from error
    except UnicodeError as error:
        raise InvalidArgument(f"{operation}: the body is not UTF-8: {error}") from error
    except msgspec.DecodeError as error:
        raise InvalidArgument(f"{operation}: the body is not JSON: {error}") from error


def _depth(body: bytes) -> int:
    """How deep JSON is nested, strings left out."""
    depth = deepest = 0
    for mark in _MARKS.finditer(body):
        first = mark[0][:1]
        if first in (b"[", b"{"):
            depth += 1
            deepest = max(deepest, depth)
        elif first != b'"':
            depth -= 1
    return deepest


def query_of(request: Request, operation: Operation) -> dict[str, Any]:
    """The query's words as the arguments they stand for; what fits no argument is refused."""
    given: dict[str, Any] = {}
    for name, word in request.query_params.multi_items():
        if name in given:
            raise InvalidArgument(f"{operation.name}: '{name[:80]}' is given twice")
        field = operation.fields.get(name)
        given[name] = word if field is None else _value(word, field.type)
    return given


def _value(word: str, info: types.Type) -> Any:
    """A word as the number or flag it stands for where one is wanted; else as it is, to be refused by its checks."""
    kinds = info.types if isinstance(info, types.UnionType) else (info,)
    if any(isinstance(kind, types.StrType) for kind in kinds):
        return word
    if any(isinstance(kind, types.BoolType) for kind in kinds) and word in _FLAGS:
        return _FLAGS[word]
    if any(isinstance(kind, types.IntType | types.FloatType) for kind in kinds) and _WHOLE.match(word):
        return int(word)
    if any(isinstance(kind, types.FloatType) for kind in kinds) and _NUMBER.match(word):
        return float(word)
    return word


def refuse_unknown(given: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Refuse a query's words that mean nothing here."""
    for name in given:
        if name not in known:
            raise InvalidArgument(f"unknown parameter '{name[:80]}'{nearest(name, known)} (known: {', '.join(known)})")


def key_of(request: Request) -> str | None:
    """The idempotency key, in UTF-8."""
    given = [value for name, value in request.headers.raw if name == b"idempotency-key"]
    if not given:
        return None
    if len(given) > 1:
        raise InvalidArgument("the header Idempotency-Key is given twice")
    try:
        return given[0].decode()
    except UnicodeError as error:
        raise InvalidArgument("the header Idempotency-Key must be UTF-8") from error
