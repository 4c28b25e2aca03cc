"""The messages of the review, in JSON, each with a `text` for those who read along."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct

from fleetlog.runtime.scenarios.review.findings import Answer, Exchange, Finding

__all__ = ["AskedAbout", "Brief", "Closed", "Found", "Outcomes", "Proposal", "from_json", "pages", "to_json"]

PAGE_BYTES = 40_000


class Brief(Struct, frozen=True, tag="brief"):
    """The moderator to all: what is reviewed; its digest."""

    text: str
    digest: str


class Found(Struct, frozen=True, tag="found"):
    """A reviewer to the others: a page of what it has found."""

    text: str
    findings: tuple[Finding, ...]
    is_last: bool


class AskedAbout(Struct, frozen=True, tag="question"):
    """A finding's owner to whose field it touches."""

    text: str
    finding: Finding


class Closed(Struct, frozen=True, tag="closed"):
    """A reviewer has no more questions; or the moderator has no more proposals."""

    text: str


class Outcomes(Struct, frozen=True, tag="outcomes"):
    """A reviewer to the moderator: a page of its points after the debate."""

    text: str
    exchanges: tuple[Exchange, ...]
    is_last: bool
    cut: int = 0


class Proposal(Struct, frozen=True, tag="proposal"):
    """What a council votes on: a point that is held, or else a verdict's level."""

    about: Literal["point", "verdict"]
    finding: Finding | None = None
    level: int = 0


Said = Brief | Found | AskedAbout | Closed | Outcomes | Proposal


def to_json(value: Said | Answer) -> str:
    if isinstance(value, Answer):
        return msgspec.json.encode({"text": f"{value.says}: {value.why}", **msgspec.to_builtins(value)}).decode()
    return msgspec.json.encode(value).decode()


def from_json(payload: str, kind: Any = Said) -> Any:
    """What was said; raises `msgspec.DecodeError` for what is not of this scenario."""
    return msgspec.json.decode(payload, type=kind)


def pages(items: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The items in pages that fit into a message each; one empty page for none."""
    return [tuple(page) for page in _paged(items)] or [()]


def _paged(items: Iterable[Any]) -> Iterator[list[Any]]:
    page: list[Any] = []
    size = 0
    for item in items:
        bytes_ = len(msgspec.json.encode(item))
        if page and size + bytes_ > PAGE_BYTES:
            yield page
            page, size = [], 0
        page.append(item)
        size += bytes_
    if page:
        yield page
