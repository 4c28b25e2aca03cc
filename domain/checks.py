"""Checks of single arguments. A refusal is one sentence: which argument, what it got, what is allowed."""

import math
import re
from collections.abc import Sequence

from fleetlog.domain.errors import InvalidArgument

__all__ = [
    "MAX_NAME",
    "MAX_PAYLOAD_BYTES",
    "choice",
    "flag",
    "identifier",
    "integer",
    "name",
    "payload",
    "seconds",
    "shown",
    "text",
]

MAX_PAYLOAD_BYTES = 65_536
MAX_NAME = 64
MAX_ID = 200
MAX_INTEGER = 2**63 - 1
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,62}[a-z0-9])?\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def shown(value: object) -> str:
    """A value as an error message shows it: short, quoted, with its type when it is not a string."""
    if isinstance(value, str):
        cut = value if len(value) <= 60 else value[:57] + "..."
        return ascii(cut) if _CONTROL.search(cut) or _UNSTORABLE.search(cut) else f'"{cut}"'
    if value is None or isinstance(value, bool):
        return repr(value)
    shown_value = _written(value)
    return f"{shown_value if len(shown_value) <= 60 else shown_value[:57] + '...'} ({type(value).__name__})"


def text(field: str, value: object, *, max_chars: int = 1_000_000, empty: bool = True) -> str:
    """Storable text of at most `max_chars` characters."""
    if not isinstance(value, str) or (not empty and not value.strip()):
        kind = "a string" if empty else "a non-empty string"
        raise InvalidArgument(f"'{field}' must be {kind}, got {shown(value)}")
    if len(value) > max_chars:
        raise InvalidArgument(f"'{field}' has {len(value)} characters (limit {max_chars})")
    if (not value.isascii() and _UNSTORABLE.search(value)) or "\0" in value:
        raise InvalidArgument(f"'{field}' holds a NUL or a lone surrogate, which cannot be stored as text")
    return value


def identifier(field: str, value: object) -> str:
    """An id or an idempotency key: 1 to 200 visible characters."""
    if not isinstance(value, str) or not value or len(value) > MAX_ID or not value.isprintable():
        raise InvalidArgument(
            f"'{field}' is required and must be a non-empty string of at most {MAX_ID} printable "
            f"characters, got {shown(value)}"
        )
    return value


def name(field: str, value: object) -> str:
    """A name inside a fleet: lower-case letters, digits, '-', '_', '.'; at most 64 characters."""
    if not isinstance(value, str) or not _NAME.match(value):
        raise InvalidArgument(
            f"'{field}' must be 1 to {MAX_NAME} lower-case letters, digits, '-', '_' or '.', "
            f"beginning and ending with a letter or digit, got {shown(value)}"
        )
    return value


def payload(value: object) -> str:
    """A message's payload: non-empty text of at most 64 KiB in UTF-8."""
    if type(value) is str and value.isascii() and len(value) <= MAX_PAYLOAD_BYTES and "\0" not in value:
        plain = value
        if plain and not plain.isspace():
            return plain
    checked = text("payload", value, empty=False)
    size = len(checked) if checked.isascii() else len(checked.encode())
    if size > MAX_PAYLOAD_BYTES:
        raise InvalidArgument(
            f"Payload too large: {size} bytes (limit {MAX_PAYLOAD_BYTES}); store it as an artifact and send its sha256"
        )
    return checked


def choice(field: str, value: object, allowed: Sequence[str]) -> str:
    """One of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        raise InvalidArgument(f"'{field}' must be exactly one of {' | '.join(allowed)}, got {shown(value)}")
    return value


def integer(field: str, value: object, *, at_least: int = 1, at_most: int = MAX_INTEGER) -> int:
    """A whole number in a range, at most 64 bits; a bool is not a number."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidArgument(f"'{field}' must be an integer, got {shown(value)}")
    if value < at_least:
        raise InvalidArgument(f"'{field}' must be >= {at_least}, got {_written(value)}")
    if value > at_most:
        raise InvalidArgument(f"'{field}' must be <= {at_most}, got {_written(value)}")
    return value


def seconds(field: str, value: object, *, zero: bool = False) -> float:
    """A finite number of seconds, above zero (or from zero)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidArgument(f"'{field}' must be a number of seconds, got {shown(value)}")
    try:
        converted = float(value)
    except OverflowError:
        converted = math.inf
    if not math.isfinite(converted):
        raise InvalidArgument(f"'{field}' must be a finite number, got {_written(value)}")
    if converted < 0 or (converted == 0 and not zero):
        raise InvalidArgument(f"'{field}' must be {'>= 0' if zero else '> 0'} seconds, got {value}")
    return converted


def flag(field: str, value: object) -> bool:
    """True or False, and nothing that only looks like it."""
    if not isinstance(value, bool):
        raise InvalidArgument(f"'{field}' must be a boolean, got {shown(value)}")
    return value


def _written(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # an int beyond Python's limit for writing one out
        return "a number too long to show"
