"""The messages of the research, in JSON, each with a `text` for those who read along."""

from typing import TypeVar

import msgspec
from msgspec import Struct

from fleetlog.runtime.scenarios.research.checking import Verdict
from fleetlog.runtime.scenarios.research.evidence import Claim
from fleetlog.runtime.scenarios.research.splitting import Part

__all__ = ["Assignment", "Brief", "Checked", "Found", "from_json", "to_json"]

_T = TypeVar("_T", bound=Struct)


class Brief(Struct, frozen=True):
    """The lead to the fact checker and the synthesizer: all parts, and what there was to read."""

    text: str
    parts: tuple[Part, ...]
    aliases: tuple[tuple[str, str], ...]
    files: int
    passages: int
    unread: tuple[tuple[str, str], ...]
    left_out: dict[str, int]


class Assignment(Struct, frozen=True):
    """The lead to a researcher: its parts, perhaps none."""

    text: str
    parts: tuple[Part, ...]
    aliases: tuple[tuple[str, str], ...]


class Found(Struct, frozen=True):
    """A researcher to the fact checker and the synthesizer: the claims for one part. `terms`: what it looked for."""

    text: str
    part: int
    by: str
    claims: tuple[Claim, ...]
    terms: tuple[str, ...]


class Checked(Struct, frozen=True):
    """The fact checker to the synthesizer: a verdict on a part's claim, or None for a part without any."""

    text: str
    part: int
    verdict: Verdict | None
    is_last: bool


def to_json(message: Struct) -> str:
    """As a payload."""
    return msgspec.json.encode(message).decode()


def from_json(payload: str, kind: type[_T]) -> _T:
    """What a payload says."""
    return msgspec.json.decode(payload, type=kind)
