"""From what a debugger has looked at to what it says. Pure."""

from collections.abc import Sequence

from fleetlog.runtime.scenarios.triage.facts import FLAKY, REAL_BUG, REGRESSION, Attempt, Case, Finding, Suspect
from fleetlog.runtime.scenarios.triage.search import Search
from fleetlog.runtime.scenarios.triage.suspects import Clues

__all__ = ["by_clues", "by_search", "judged", "not_committed"]

_MISSING = ("ImportError", "ModuleNotFoundError", "AttributeError", "NameError")
"""What a test raises at a commit that does not have what it tests yet."""


def judged(attempt: Attempt, exception: str) -> str:
    """What a run at an older commit tells the search; `exception` is what the test raises now."""
    if attempt.outcome == "passed":
        return "good"
    if attempt.outcome == "failed":
        return "absent" if attempt.exception in _MISSING and attempt.exception != exception else "bad"
    return "absent" if attempt.outcome == "absent" else "unknown"


def by_clues(case: Case, clues: Clues, known_good: str) -> Finding:
    """What lines and files alone say: where nothing can be run at older commits."""
    since = f"since {known_good[:10]}" if known_good else "lately"
    number, exact = case.cluster.id, False
    if clues.recent:
        said = f"what it passes was changed {since}; nothing was run at an older commit"
        return Finding(number, REGRESSION, exact, (said,), (*clues.recent, *clues.older)[:4])
    said = clues.said or f"nothing that it passes was changed {since}"
    return Finding(number, REAL_BUG, exact, (f"{said}; nothing was run at an older commit",), clues.older)


def by_search(
    case: Case, found: Search, commits: Sequence[str], suspects: Sequence[Suspect], confirmed: str
) -> Finding:
    """What the search says; `suspects` are the commits in doubt, the one that was found first, then those by clues.
    `confirmed` is what a second look said: `yes`, or which of both looks it contradicts."""
    number, looked = case.cluster.id, f"looked at from {_short(commits[0])} back to"
    if confirmed != "yes":
        said = f"a second run at {confirmed} ended otherwise than the first: it does not depend on the commit alone"
        return Finding(number, FLAKY, True, (said,))
    if found.before == "bad":
        last = _short(commits[found.bad])
        whole = (
            "the oldest commit that was tried"
            if found.bad + 1 < len(commits)
            else "the beginning of what was looked at"
        )
        return Finding(
            number, REAL_BUG, True, (f"fails at {last} too, {whole}: it has not been seen to pass",), tuple(suspects)
        )
    here, behind = _short(commits[found.bad]), _short(commits[found.behind])
    if found.before == "absent":
        said = f"fails at {here} already; at {behind}, before it, what it tests was not there: it was never right"
        return Finding(number, REAL_BUG, True, (said,), tuple(suspects), culprit=found.is_exact)
    said = f"fails at {here}, passes at {behind}, the commit before, each in two runs"
    if not found.is_exact:
        between = found.behind - found.bad - 1
        said = (
            f"fails at {here}, passes at {behind}; {between} commits between them could not be run ({looked} {behind})"
        )
    return Finding(number, REGRESSION, True, (said,), tuple(suspects), culprit=found.is_exact)


def not_committed(case: Case) -> Finding:
    """It passes at the workspace's commit, and fails with what is changed there."""
    said = "passes at the commit of the workspace, and fails with the changes there that are not committed"
    return Finding(case.cluster.id, REGRESSION, True, (said,))


def _short(commit: str) -> str:
    return f"`{commit[:10]}`"
