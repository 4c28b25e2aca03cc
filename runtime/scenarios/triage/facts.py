"""What is known of failures, from the line of a log to what a debugger found. Frozen values, no more."""

from msgspec import Struct

__all__ = [
    "CLASSES", "FLAKY", "INFRASTRUCTURE", "REAL_BUG", "REGRESSION", "UNDECIDED",
    "Attempt", "Case", "Cluster", "Failure", "Finding", "Frame", "Ground", "Log", "Suspect", "TestRuns", "Trace",
]  # fmt: skip

REGRESSION, REAL_BUG, FLAKY, INFRASTRUCTURE, UNDECIDED = (
    "regression", "real bug", "flaky", "infrastructure", "undecided",
)  # fmt: skip
CLASSES = (REGRESSION, REAL_BUG, FLAKY, INFRASTRUCTURE, UNDECIDED)


class Frame(Struct, frozen=True):
    """A line of a traceback. `path` is as the log has it, or relative to the workspace once it is known to be there."""

    path: str
    line: int
    function: str


class Trace(Struct, frozen=True):
    """The end of a traceback: the exception that was not caught, and where it passed, outermost first. `said` are the
    lines about exceptions, of the whole chain."""

    exception: str
    message: str
    frames: tuple[Frame, ...] = ()
    said: tuple[str, ...] = ()


class Failure(Struct, frozen=True):
    """One failing test. `test` is what pytest is given to run it (`tests/test_a.py::TestX::test_y[1]`); `phase` is
    `call`, `setup`, `teardown` or `collection`."""

    test: str
    phase: str
    trace: Trace


class Log(Struct, frozen=True):
    """`counted` is how many failures and errors the log says there were, if it says so."""

    kind: str
    failures: tuple[Failure, ...]
    counted: int | None = None


class Ground(Struct, frozen=True):
    """The workspace: its Python files by relative path, the commit it stands at (empty: it is no git repository), how
    many commits lead there, whether files differ from it."""

    files: tuple[str, ...]
    revision: str = ""
    commits: int = 0
    is_dirty: bool = False


class Cluster(Struct, frozen=True):
    """Failures with the same exception, the same message but for what varies, and the same innermost own frames.
    `sign` is the mark of infrastructure in what was said, `unsteady` marks of chance in the source that failed."""

    id: str
    exception: str
    message: str
    frames: tuple[Frame, ...]
    tests: tuple[str, ...]
    phase: str
    sign: str = ""
    quote: str = ""
    unsteady: tuple[str, ...] = ()


class Attempt(Struct, frozen=True):
    """One run of one test. `outcome`: `passed`, `failed`, `absent` (there is no such test), `unusable` (nothing was
    run: `said` is why)."""

    outcome: str
    exception: str = ""
    said: str = ""


class TestRuns(Struct, frozen=True):
    """The runs of one test on the workspace as it is: alone (or with those of its cluster), and in its whole file."""

    __test__ = False

    test: str
    attempts: tuple[Attempt, ...] = ()
    in_file: Attempt | None = None


class Case(Struct, frozen=True):
    """Tests of a cluster that were found to behave alike. `shown`: by running them, not by signs alone. An empty
    `kind` is to be found out by a debugger."""

    cluster: Cluster
    tests: tuple[str, ...]
    kind: str = ""
    shown: bool = False
    evidence: tuple[str, ...] = ()


class Suspect(Struct, frozen=True):
    """A commit and why it is suspected."""

    commit: str
    author: str
    subject: str
    why: str


class Finding(Struct, frozen=True):
    """What a debugger says of a case. `culprit`: the first suspect is proved by runs before and after it."""

    case: str
    kind: str
    shown: bool
    evidence: tuple[str, ...]
    suspects: tuple[Suspect, ...] = ()
    culprit: bool = False
    runs: int = 0
