"""What the council makes of the debate: which points are agreed, which disputed, and the verdict. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from msgspec import Struct

from fleetlog.runtime.scenarios.review.findings import MUST, SEVERITIES, SHOULD, Answer, Exchange, Finding, key_of

__all__ = ["MAX_VOTES", "QUORUM", "VERDICTS", "Ruling", "held", "kept", "level_of", "ordered", "points"]

MAX_VOTES = 12
"""So many held points are put to the vote, the gravest; the others stay disputed."""
QUORUM = 2
VERDICTS = {
    "spec": ("ready to build", "ready with changes", "not ready"),
    "diff": ("approve", "approve with changes", "do not merge"),
}


class Ruling(Struct, frozen=True):
    """A proposal's end: the council's status, and what each reviewer said, by name."""

    status: Literal["ratified", "rejected", "not voted"]
    said: tuple[tuple[str, Answer], ...] = ()

    @property
    def count(self) -> str:
        """As `2 to 1`: for and against."""
        against = sum(answer.says in ("doubts", "refutes") for _, answer in self.said)
        return f"{len(self.said) - against} to {against}"


def ordered(exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Gravest first, then by place: the same however the messages came."""

    def order(exchange: Exchange) -> tuple[int, str, int, str]:
        one = exchange.finding
        return SEVERITIES.index(one.severity), one.path, one.line, key_of(one)

    return sorted(exchanges, key=order)


def held(exchanges: Sequence[Exchange]) -> list[Exchange]:
    """The points that a reviewer keeps against another's doubt."""
    return [exchange for exchange in exchanges if exchange.outcome == "held"]


def kept(exchanges: Sequence[Exchange], rulings: dict[str, Ruling]) -> list[Finding]:
    """What counts for the verdict: what stands, and what was held and not voted down."""
    return [
        exchange.finding
        for exchange in exchanges
        if exchange.outcome == "stands"
        or (exchange.outcome == "held" and rulings[key_of(exchange.finding)].status != "rejected")
    ]


def points(exchanges: Sequence[Exchange], rulings: dict[str, Ruling]) -> list[dict[str, str | int]]:
    """All points for a program to read: kind, path, line, severity, and what became of it."""
    return [
        {"kind": one.finding.kind, "path": one.finding.path, "line": one.finding.line, "severity": one.finding.severity,
         "title": one.finding.title, "became": _became(one, rulings)}
        for one in exchanges
    ]  # fmt: skip


def _became(exchange: Exchange, rulings: dict[str, Ruling]) -> str:
    if exchange.outcome != "held":
        return "agreed" if exchange.outcome == "stands" else "withdrawn"
    return {"ratified": "kept", "rejected": "dropped", "not voted": "disputed"}[
        rulings[key_of(exchange.finding)].status
    ]


def level_of(findings: Iterable[Finding]) -> int:
    """Index into `VERDICTS`."""
    severities = {finding.severity for finding in findings}
    return 2 if MUST in severities else int(SHOULD in severities)
