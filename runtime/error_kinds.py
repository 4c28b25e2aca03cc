"""Errors between processes: each class has a kind, a word that both sides know, and a text.

`NotAllowed` is `not_allowed`. Only refusals and faults travel: a brain's errors stay in its process.
"""

import re
from functools import cache

from fleetlog.domain import errors
from fleetlog.domain.errors import Fault, FleetlogError, Refused

__all__ = ["error_of", "kind_of"]

_WORD_BEGINS = re.compile(r"(?<=[a-z])(?=[A-Z])")


def kind_of(error: type[FleetlogError]) -> str:
    """The kind of an error's class: that of its nearest class in `domain.errors`."""
    known = next(cls for cls in error.__mro__ if cls.__module__ == errors.__name__)
    return _WORD_BEGINS.sub("_", known.__name__).lower()


def error_of(kind: str, message: str, status: int) -> FleetlogError:
    """The error as it was raised on the other side. A kind this version does not know is a plain `Refused` below the
    HTTP status 500, and a plain `Fault` from there on."""
    known = _classes().get(kind)
    if known is not None:
        return known(message)
    return Refused(message) if status < 500 else Fault(message)


@cache
def _classes() -> dict[str, type[FleetlogError]]:
    return {
        kind_of(found): found
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, Refused | Fault)
    }
