"""What the reviewers exchange: findings, questions, answers; and what they have come to. Frozen, and sorted alike."""

import hashlib
from collections.abc import Iterable
from typing import Literal, get_args

from msgspec import Struct

__all__ = [
    "CODE_REVIEWER",
    "CONSIDER",
    "FRONTEND",
    "MODERATOR",
    "MUST",
    "REVIEWERS",
    "SECURITY",
    "SEVERITIES",
    "SHOULD",
    "Answer",
    "Exchange",
    "Finding",
    "Opinion",
    "Outcome",
    "Severity",
    "in_order",
    "key_of",
    "place_of",
]

FRONTEND, SECURITY, CODE_REVIEWER, MODERATOR = "frontend-developer", "security-auditor", "code-reviewer", "moderator"
REVIEWERS = (FRONTEND, SECURITY, CODE_REVIEWER)

Severity = Literal["must fix", "should fix", "consider"]
MUST, SHOULD, CONSIDER = SEVERITIES = get_args(Severity)
Opinion = Literal["confirms", "refutes", "doubts", "abstains"]
"""`refutes` names a fact that decides it; `doubts` is a judgement, which the finding's owner may withstand."""
Outcome = Literal["stands", "held", "withdrawn"]
"""`held`: the owner keeps it against a doubt; the council decides."""


class Finding(Struct, frozen=True):
    """One point. `line` is 0 for what is not there at all. `subject` is what a question about it asks for (a term, a
    link's target), `quote` the words it rests on, `others` further lines that belong to it."""

    kind: str
    severity: Severity
    path: str
    line: int
    title: str
    why: str
    fix: str
    by: str = ""
    subject: str = ""
    quote: str = ""
    others: tuple[int, ...] = ()


class Answer(Struct, frozen=True):
    """What another reviewer says of a finding. `severity`: what it should have, if another."""

    says: Opinion
    why: str = ""
    severity: Severity | None = None


class Exchange(Struct, frozen=True):
    """A finding, whom its owner asked what about it, what was answered, and what the owner made of it."""

    finding: Finding
    outcome: Outcome
    talk: tuple[tuple[str, str, Answer], ...] = ()
    """(who was asked, the question, the answer)"""
    reason: str = ""


def key_of(finding: Finding) -> str:
    """The same finding has the same key in every run."""
    said = "\0".join((finding.kind, finding.path, str(finding.line), finding.subject, finding.title))
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def place_of(finding: Finding) -> str:
    """Where it is, for a reader."""
    return f"{finding.path}:{finding.line}" if finding.line else finding.path


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Gravest first, then by place."""
    return sorted(set(findings), key=lambda one: (SEVERITIES.index(one.severity), one.path, one.line, key_of(one)))
