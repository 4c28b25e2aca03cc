"""What each reviewer looks for. Pure."""

from collections.abc import Iterator

from msgspec.structs import replace

from fleetlog.runtime.scenarios.review.change import check_patterns, check_tests
from fleetlog.runtime.scenarios.review.diffs import Change
from fleetlog.runtime.scenarios.review.figures import check_figures
from fleetlog.runtime.scenarios.review.findings import CODE_REVIEWER, FRONTEND, SECURITY, Finding, in_order
from fleetlog.runtime.scenarios.review.links import check_links
from fleetlog.runtime.scenarios.review.secrets import find_personal, find_secrets
from fleetlog.runtime.scenarios.review.sections import check_sections
from fleetlog.runtime.scenarios.review.subject import Subject
from fleetlog.runtime.scenarios.review.terms import check_terms
from fleetlog.runtime.scenarios.review.wording import check_undecided, check_unmeasured

__all__ = ["MAX_FINDINGS", "check"]

MAX_FINDINGS = 150
"""Of one reviewer; the gravest. Nobody reads more."""
_MAX_TITLE, _MAX_OTHERS = 240, 20


def check(subject: Subject, reviewer: str) -> list[Finding]:
    """All that this reviewer finds, gravest first."""
    found = _in_change(subject.change, reviewer) if subject.change else _in_spec(subject, reviewer)
    return in_order(_fitting(finding, reviewer) for finding in found)


def _fitting(finding: Finding, reviewer: str) -> Finding:
    """With its owner; and short enough to be sent, whatever the text holds."""
    return replace(
        finding,
        by=reviewer,
        title=finding.title[:_MAX_TITLE],
        subject=finding.subject[:_MAX_TITLE],
        quote=finding.quote[:_MAX_TITLE],
        others=finding.others[:_MAX_OTHERS],
    )


def _in_spec(subject: Subject, reviewer: str) -> Iterator[Finding]:
    yield from check_sections(subject, reviewer)
    yield from check_unmeasured(subject, reviewer)
    if reviewer == FRONTEND:
        yield from check_links(subject)
    elif reviewer == SECURITY:
        lines = list(enumerate(subject.text.split("\n"), start=1))
        yield from find_secrets(subject.name, lines)
        yield from find_personal(subject.name, lines)
    elif reviewer == CODE_REVIEWER:
        yield from check_figures(subject)
        yield from check_terms(subject)
        yield from check_undecided(subject)


def _in_change(change: Change, reviewer: str) -> Iterator[Finding]:
    yield from check_patterns(change, reviewer)
    if reviewer == CODE_REVIEWER:
        yield from check_tests(change)
    elif reviewer == SECURITY:
        for file in change.files:
            lines = [(line.number, line.text) for line in file.added]
            yield from find_secrets(file.path, lines)
            yield from find_personal(file.path, lines)
