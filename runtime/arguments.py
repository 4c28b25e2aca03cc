"""What callers gave the facade, checked before anything happens. Raises `InvalidArgument` or `NotFound`."""

import os
import secrets
import time
from pathlib import Path
from typing import TypeVar

import msgspec

from fleetlog.domain import checks
from fleetlog.domain.errors import InvalidArgument, NotFound
from fleetlog.domain.values import stamp_of

__all__ = ["agent_id", "fleet_id", "folder", "new_stamp", "reason", "typed"]

Typed = TypeVar("Typed", bound=msgspec.Struct)


def fleet_id(fleet_id: object) -> str:
    checked = checks.identifier("fleet_id", fleet_id)
    if not checked.startswith("fleet-"):
        raise NotFound(f"Fleet {checked} not found")
    return checked


def agent_id(agent_id: object) -> str:
    checked = checks.identifier("agent_id", agent_id)
    if not checked.startswith("agent-") or not stamp_of(checked):
        raise NotFound(f"No such agent: {checked}")
    return checked


def reason(reason: object) -> str:
    return checks.text("reason", reason, max_chars=2_000)


def folder(field: str, path: str) -> Path:
    """The folder's absolute path, if it is there and can be read."""
    found = Path(path)
    try:
        found = found.expanduser().absolute()
        if not found.exists():
            raise InvalidArgument(f"'{field}' must be a folder: {found} is not there")
        if not found.is_dir():
            raise InvalidArgument(f"'{field}' must be a folder: {found} is a file")
        os.listdir(found)
    except (OSError, ValueError, RuntimeError) as error:
        raise InvalidArgument(f"'{field}' must be a folder that can be read: {found}: {error}") from error
    return found


def new_stamp() -> str:
    """A moment, sortable to about a millisecond, and noise: `261123-014647-k3f2q7`."""
    symbols = "23456789abcdefghjkmnpqrstuvwxyz"
    seconds, rest_ns = divmod(time.time_ns(), 1_000_000_000)
    high, low = divmod(rest_ns * len(symbols) ** 2 // 1_000_000_000, len(symbols))
    noise = "".join(secrets.choice(symbols) for _ in range(4))
    return f"{time.strftime('%y%m%d-%H%M%S', time.gmtime(seconds))}-{symbols[high]}{symbols[low]}{noise}"


def typed(value: object, wanted: type[Typed], field: str) -> Typed:
    """The value, with every field's type checked: structs made in Python are not checked by themselves."""
    try:
        checked = msgspec.convert(msgspec.to_builtins(value), wanted, strict=True)
        msgspec.msgpack.encode(checked)
    except (msgspec.ValidationError, TypeError, RecursionError, UnicodeError) as error:
        raise InvalidArgument(f"'{field}' must be a {wanted.__name__}: {error}") from error
    except OverflowError as error:
        raise InvalidArgument(f"'{field}' holds a number that cannot be stored: {error}") from error
    return checked
