"""What is reviewed: a spec with what its links lead to, or a change."""

from typing import Literal

from msgspec import Struct

from fleetlog.runtime.scenarios.review.diffs import Change
from fleetlog.runtime.scenarios.review.document import Document

__all__ = ["Subject", "Target"]


class Target(Struct, frozen=True):
    """Where a relative link leads. `near` is the path of a file that may be meant."""

    href: str
    state: Literal["there", "missing", "no anchor", "outside"]
    near: str = ""


class Subject(Struct, frozen=True):
    """`digest` is of what was read, so that the reviewers know that they read the same. A spec has `text`, `document`
    and `targets`, a diff has `change`."""

    kind: Literal["spec", "diff"]
    name: str
    digest: str
    text: str = ""
    document: Document | None = None
    change: Change | None = None
    targets: tuple[Target, ...] = ()
