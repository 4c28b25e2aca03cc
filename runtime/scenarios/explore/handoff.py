"""What the risk finder hands to the planner at the end, beside one alert for each concern."""

from msgspec import Struct

from fleetlog.runtime.scenarios.explore.history import History
from fleetlog.runtime.scenarios.explore.languages import is_code, language_of
from fleetlog.runtime.scenarios.explore.risks import Cold, Evidence, cold_spots


class Changed(Struct, frozen=True, array_like=True):
    path: str
    commits: int
    fixes: int
    authors: int
    last_days: int


class Past(Struct, frozen=True):
    """The history in short; `said` is empty or says what is missing."""

    said: str = ""
    commits: int = 0
    fixes: int = 0
    authors: int = 0
    first_date: str = ""
    last_date: str = ""
    files: int = 0
    most_changed: tuple[Changed, ...] = ()


class HandOff(Struct, frozen=True):
    """`alerts` is how many concerns were sent: the planner waits until it has them all."""

    alerts: int
    past: Past
    weighed_files: int = 0
    has_tests: bool = True
    cold: tuple[Cold, ...] = ()


def hand_off(evidence: Evidence, alerts: int) -> HandOff:
    return HandOff(alerts, past_of(evidence.history), len(evidence.figures), evidence.has_tests, cold_spots(evidence))


def past_of(history: History) -> Past:
    code = [path for path in history.files if is_code(language_of(path))]
    code.sort(key=lambda path: (-history.files[path].commits, path))
    return Past(
        history.said,
        history.commits,
        history.fixes,
        history.authors,
        history.first_date,
        history.last_date,
        len(history.files),
        tuple(_changed(history, path) for path in code[:8]),
    )


def _changed(history: History, path: str) -> Changed:
    past = history.files[path]
    return Changed(path, past.commits, past.fixes, past.authors, past.last_days)
